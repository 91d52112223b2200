// SPDX-License-Identifier: Apache-2.0

/**
 * MemoryBudget: the sandbox's own memory cap (an option), which answers ENOMEM before the host runs out.
 *
 * Linux:   mm/util.c (__vm_enough_memory, the heuristic mode)
 * Differs: resident memory is sampled, not counted: between two samples at most a sixteenth of the cap may be promised.
 */
import type { AddressSpace } from '../../platform/platform.ts';

export class MemoryBudget {
  readonly limit: number;
  private readonly spaces = new Set<AddressSpace>();
  private promised = Number.POSITIVE_INFINITY;
  private resident = 0;
  private readonly sample = new Float64Array(3);

  /** `limit` in bytes. */
  constructor(limit: number) {
    this.limit = limit;
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

  private measure(): void {
    this.resident = 0;
    this.promised = 0;
    for (const space of this.spaces)
      if (space.usage(this.sample) === 0) this.resident += (this.sample[0] as number) - (this.sample[1] as number);
  }
}
