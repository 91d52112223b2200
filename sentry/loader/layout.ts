// SPDX-License-Identifier: Apache-2.0

/**
 * Where things go in a new address space: stack, mmap base, position-independent executables, heap.
 *
 * Linux: arch/x86/mm/mmap.c, fs/exec.c (setup_arg_pages), fs/binfmt_elf.c (randomize_stack_top, ELF_ET_DYN_BASE)
 */
import { PAGE_SIZE } from '../../platform/abi/linux/mman.ts';
import type { AddressLayout, HostServices } from '../../platform/platform.ts';
import { STACK_GUARD_GAP } from '../mm/vma_set.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** Pages the stack top and the mmap base may vary by: 22 and 28 bits. */
const STACK_RANDOM_PAGES = 2 ** 22;
const MMAP_RANDOM_PAGES = 2 ** 28;

/** A stack of unlimited size gets this much room for sure. */
const MOST_ROOM = 16 * GIB;

/** Random Numbers from the host, and zero when randomisation is off. */
export class Randomizer {
  private readonly bytes = new Uint8Array(64);
  private readonly view = new DataView(this.bytes.buffer);
  private used = 0;
  private readonly isOn: boolean;

  constructor(host: HostServices, isOn: boolean) {
    this.isOn = isOn;
    host.random(this.bytes);
  }
  /** A whole number in [0, range), range at most 2^32; at most eight times. */
  below(range: number): number {
    const value = this.view.getUint32(16 + 4 * this.used++, true);
    return this.isOn ? Math.floor((value / 4294967296) * range) : 0;
  }
  /** Sixteen bytes for AT_RANDOM. */
  get seed(): Uint8Array {
    return this.bytes.subarray(0, 16);
  }
}

/** One past the highest stack byte, page aligned, with room below for the whole stack limit. */
export function chooseStackTop(layout: AddressLayout, stackLimit: number, random: Randomizer): number {
  let top = layout.maxAddr - random.below(STACK_RANDOM_PAGES) * PAGE_SIZE;
  const room = Math.min(stackGap(layout, stackLimit), MOST_ROOM);
  const taken = [...layout.reserved];
  if (layout.vdso !== null) taken.push(layout.vdso);
  if (layout.vvar !== null) taken.push(layout.vvar);
  taken.sort((a, b) => b.start - a.start);
  for (const range of taken) if (range.start < top && range.end > top - room) top = range.start - PAGE_SIZE;
  return top;
}

/** Address below which mmap searches. */
export function chooseMmapBase(
  layout: AddressLayout,
  stackTop: number,
  stackLimit: number,
  random: Randomizer,
): number {
  const highest = Math.min(stackTop, layout.maxAddr - STACK_RANDOM_PAGES * PAGE_SIZE);
  return highest - stackGap(layout, stackLimit) - random.below(MMAP_RANDOM_PAGES) * PAGE_SIZE;
}

function stackGap(layout: AddressLayout, stackLimit: number): number {
  const most = Math.floor(layout.maxAddr / 6 / PAGE_SIZE) * 5 * PAGE_SIZE;
  const wanted = Math.ceil(Math.min(stackLimit, most) / PAGE_SIZE) * PAGE_SIZE + STACK_GUARD_GAP;
  return Math.min(Math.max(wanted, 128 * MIB), most);
}

/** Load bias of a position-independent executable. */
export function chooseProgramBase(layout: AddressLayout, alignment: number, random: Randomizer): number {
  const base = Math.floor(layout.maxAddr / 3) * 2 + random.below(MMAP_RANDOM_PAGES) * PAGE_SIZE;
  const step = Math.max(alignment, PAGE_SIZE);
  return Math.floor(base / step) * step;
}

/** Where the heap starts: at or after the end of the program. */
export function chooseBrk(end: number, random: Randomizer): number {
  return end + random.below(GIB / PAGE_SIZE) * PAGE_SIZE;
}
