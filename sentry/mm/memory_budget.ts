// SPDX-License-Identifier: Apache-2.0

/**
 * MemoryBudget: the sandbox's own memory cap (an option), which answers ENOMEM before the host runs out.
 *
 * Linux:   mm/util.c (__vm_enough_memory, the heuristic mode)
 * Differs: resident memory is sampled, not counted: between two samples at most a sixteenth of the cap may be promised.
 */
import type { AddressSpace } from '../../platform/platform.ts';

export class MemoryBudget {
  limit: number;
  private readonly elsewhere: () => number;
  private readonly spaces = new Set<AddressSpace>();
  private promised = Number.POSITIVE_INFINITY;
  private resident = 0;
  private readonly sample = new Float64Array(3);

  /** `limit` in bytes. `elsewhere`: bytes that files and shared mappings in memory hold. */
  constructor(limit: number, elsewhere: () => number) {
    this.limit = limit;
    this.elsewhere = elsewhere;
  }

  add(space: AddressSpace): void {
    this.spaces.add(space);
  }
  remove(space: AddressSpace): void {
    this.spaces.delete(space);
  }

  /** True when `length` more bytes of writable memory may be promised. */
  allows(length: number): boolean {
    if (length > this.limit) return false;
    if (this.promised + length > this.limit / 16) this.measure();
    if (this.resident + length > this.limit) return false;
    this.promised += length;
    return true;
  }

  /** Samples what is used. Returns bytes. */
  measure(): number {
    let own = 0;
    // What several map is the same memory; whose descriptor is closed is known by its mappings alone.
    let shared = this.elsewhere();
    this.promised = 0;
    for (const space of this.spaces) {
      if (space.usage(this.sample) !== 0) continue;
      own += (this.sample[0] as number) - (this.sample[1] as number);
      if ((this.sample[1] as number) > shared) shared = Math.max(shared, space.sharedMemory());
    }
    this.resident = own + shared;
    return this.resident;
  }
}
