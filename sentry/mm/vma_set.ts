// SPDX-License-Identifier: Apache-2.0

/**
 * VmaSet: the Vmas of one address space in address order, with the sums that limits and /proc need.
 *
 * Linux:      mm/vma.c, lib/maple_tree.c
 * Invariants: sorted, disjoint, neighbours that may be merged are merged after each public change. The sums always equal
 *             what a walk would give.
 */
import { canMerge, isDataMapping, VM_GROWSDOWN, VM_LOCKED, VM_MAYWRITE, VM_SHARED, type Vma } from './vma.ts';

/** Unmapped distance kept below a stack (stack_guard_gap, 256 pages). */
export const STACK_GUARD_GAP = 256 * 4096;

interface Range {
  readonly start: number;
  readonly end: number;
}

export class VmaSet {
  private readonly list: Vma[] = [];
  private readonly reserved: readonly Range[];
  /** Sums in bytes. */
  total = 0;
  data = 0;
  stack = 0;
  locked = 0;
  /** Highest `total` ever. */
  peak = 0;
  /** Of the last top-down searches below `high`: no gap above `top` is larger than `hole`. */
  private readonly searched = { high: -1, top: 0, hole: 0 };

  constructor(reserved: readonly Range[]) {
    this.reserved = reserved;
  }

  get count(): number {
    return this.list.length;
  }
  at(index: number): Vma | undefined {
    return this.list[index];
  }
  [Symbol.iterator](): IterableIterator<Vma> {
    return this.list[Symbol.iterator]();
  }

  /** Index of the first Vma with end > addr (count when none). */
  indexAfter(addr: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if ((this.list[mid] as Vma).end > addr) high = mid;
      else low = mid + 1;
    }
    return low;
  }
  /** The Vma that contains addr, or null. */
  find(addr: number): Vma | null {
    const vma = this.list[this.indexAfter(addr)];
    return vma !== undefined && vma.start <= addr ? vma : null;
  }
  /** Any Vma that meets [start, end), lowest first, or null. */
  findIn(start: number, end: number): Vma | null {
    const vma = this.list[this.indexAfter(start)];
    return vma !== undefined && vma.start < end ? vma : null;
  }
  /** True when every byte of [start, end) is mapped. */
  covers(start: number, end: number): boolean {
    let at = start;
    for (let i = this.indexAfter(start); at < end; i++) {
      const vma = this.list[i];
      if (vma === undefined || vma.start > at) return false;
      at = vma.end;
    }
    return true;
  }
  /** True when [start, end) meets memory the platform keeps for itself. */
  meetsReserved(start: number, end: number): boolean {
    for (const range of this.reserved) if (range.start < end && range.end > start) return true;
    return false;
  }
  /** Bytes of [start, end) that are mapped. */
  mappedBytes(start: number, end: number): number {
    let sum = 0;
    for (let i = this.indexAfter(start); i < this.list.length; i++) {
      const vma = this.list[i] as Vma;
      if (vma.start >= end) break;
      sum += Math.min(end, vma.end) - Math.max(start, vma.start);
    }
    return sum;
  }
  /** How many more Vmas there would be after cutting [start, end) out (0, 1 or 2 cuts). */
  cutsFor(start: number, end: number): number {
    const first = this.find(start);
    const last = this.find(end);
    return (first !== null && first.start < start ? 1 : 0) + (last !== null && last.start < end ? 1 : 0);
  }

  /** Adds a Vma where nothing is mapped, and merges it with its neighbours. */
  insert(vma: Vma): void {
    const at = this.indexAfter(vma.start);
    this.list.splice(at, 0, vma);
    this.opened(vma);
    this.mergeAt(at);
  }

  /** Removes everything in [start, end), cutting Vmas at the edges. */
  remove(start: number, end: number): void {
    this.splitAt(start);
    this.splitAt(end);
    const first = this.indexAfter(start);
    let last = first;
    while (last < this.list.length && (this.list[last] as Vma).start < end) this.closed(this.list[last++] as Vma);
    this.list.splice(first, last - first);
    const next = this.list[first];
    const { searched } = this;
    // The new gap may reach above what was searched: search from its upper end.
    if (next === undefined) searched.high = -1;
    else if (next.start > searched.top) searched.top = next.start;
  }

  /** Calls `change` on each Vma of [start, end), cut at the edges; it may alter flags, name and sealed. Merges afterwards. */
  update(start: number, end: number, change: (vma: Vma) => void): void {
    this.splitAt(start);
    this.splitAt(end);
    const first = this.indexAfter(start);
    let last = first;
    for (; last < this.list.length; last++) {
      const vma = this.list[last] as Vma;
      if (vma.start >= end) break;
      this.uncount(vma);
      change(vma);
      this.account(vma);
    }
    for (let i = last; i >= first; i--) this.mergeAt(i);
  }

  /** Moves the start of a Vma down (stack growth) or its end up (in-place mremap, brk). */
  resize(vma: Vma, start: number, end: number): void {
    this.uncount(vma);
    vma.offset += start - vma.start;
    vma.start = start;
    vma.end = end;
    this.account(vma);
    this.mergeAt(this.indexAfter(start));
  }

  /** Drops every Vma and its references. */
  clear(): void {
    for (const vma of this.list) this.closed(vma);
    this.list.length = 0;
    this.searched.high = -1;
  }

  /** End of the last Vma that ends at or below addr (0 when none), and the usable end below the next one. */
  private gapEnd(next: Vma): number {
    return (next.flags & VM_GROWSDOWN) !== 0 ? next.start - STACK_GUARD_GAP : next.start;
  }

  /** True when [start, end) is free, with a stack's guard gap kept. */
  isFree(start: number, end: number): boolean {
    if (this.meetsReserved(start, end)) return false;
    const next = this.list[this.indexAfter(start)];
    return next === undefined || (next.start >= end && this.gapEnd(next) >= end);
  }

  /** Highest free range of `length` inside [low, high), start aligned to `align`; -1 when none. */
  highestGap(low: number, high: number, length: number, align: number): number {
    const { searched } = this;
    if (searched.high !== high || length <= searched.hole) {
      searched.high = high;
      searched.top = high;
      searched.hole = 0;
    }
    let top = searched.top;
    let index = this.indexAfter(top - 1);
    const above = this.list[index];
    if (above !== undefined) top = Math.min(top, this.gapEnd(above));
    for (;;) {
      const below = this.list[index - 1];
      const floor = Math.max(low, below === undefined ? 0 : below.end);
      const found = this.highestIn(floor, top, length, align);
      if (found >= 0) {
        searched.top = top;
        return found;
      }
      searched.hole = Math.max(searched.hole, top - floor);
      if (below === undefined || below.end <= low) break;
      index--;
      top = Math.min(top, this.gapEnd(below));
      if (top - length < low) break;
    }
    searched.high = -1;
    return -1;
  }

  /** Lowest free range of `length` inside [low, high), start aligned to `align`; -1 when none. */
  lowestGap(low: number, high: number, length: number, align: number): number {
    let floor = low;
    for (let index = this.indexAfter(low); ; index++) {
      const next = this.list[index];
      const top = next === undefined ? high : Math.min(high, this.gapEnd(next));
      const found = this.lowestIn(floor, top, length, align);
      if (found >= 0) return found;
      if (next === undefined || next.start >= high) return -1;
      floor = Math.max(floor, next.end);
    }
  }

  private highestIn(floor: number, top: number, length: number, align: number): number {
    let end = top;
    for (;;) {
      const start = Math.floor((end - length) / align) * align;
      if (start < floor) return -1;
      const hit = this.reservedIn(start, start + length);
      if (hit === null) return start;
      end = hit.start;
    }
  }
  private lowestIn(floor: number, top: number, length: number, align: number): number {
    let from = floor;
    for (;;) {
      const start = Math.ceil(from / align) * align;
      if (start + length > top) return -1;
      const hit = this.reservedIn(start, start + length);
      if (hit === null) return start;
      from = hit.end;
    }
  }
  private reservedIn(start: number, end: number): Range | null {
    for (const range of this.reserved) if (range.start < end && range.end > start) return range;
    return null;
  }

  private splitAt(addr: number): void {
    const index = this.indexAfter(addr);
    const vma = this.list[index];
    if (vma === undefined || vma.start >= addr) return;
    const upper = vma.slice(addr, vma.end);
    this.uncount(vma);
    vma.end = addr;
    this.account(vma);
    this.list.splice(index + 1, 0, upper);
    this.opened(upper);
  }

  /** Merges the Vma at `index` with the one before and the one after. */
  private mergeAt(index: number): void {
    this.mergePair(index);
    this.mergePair(index - 1);
  }
  private mergePair(index: number): void {
    const a = this.list[index];
    const b = this.list[index + 1];
    if (a === undefined || b === undefined || !canMerge(a, b)) return;
    this.list.splice(index + 1, 1);
    this.uncount(a);
    a.end = b.end;
    this.account(a);
    this.closed(b);
  }

  private opened(vma: Vma): void {
    this.account(vma);
    if (vma.file !== null) {
      vma.file.incRef();
      if (isSharedWritable(vma)) vma.file.inode.sharedWritableMappings++;
    }
    if (vma.region !== null) {
      vma.region.mappings++;
      vma.region.onChange?.(true);
    }
  }
  private closed(vma: Vma): void {
    this.uncount(vma);
    if (vma.file !== null) {
      if (isSharedWritable(vma)) vma.file.inode.sharedWritableMappings--;
      vma.file.decRef();
    }
    if (vma.region !== null) {
      vma.region.mappings--;
      vma.region.onChange?.(false);
    }
  }
  private account(vma: Vma): void {
    const length = vma.end - vma.start;
    this.total += length;
    if (this.total > this.peak) this.peak = this.total;
    if (isDataMapping(vma.flags)) this.data += length;
    if ((vma.flags & VM_GROWSDOWN) !== 0) this.stack += length;
    if ((vma.flags & VM_LOCKED) !== 0) this.locked += length;
  }
  private uncount(vma: Vma): void {
    const length = vma.end - vma.start;
    this.total -= length;
    if (isDataMapping(vma.flags)) this.data -= length;
    if ((vma.flags & VM_GROWSDOWN) !== 0) this.stack -= length;
    if ((vma.flags & VM_LOCKED) !== 0) this.locked -= length;
  }
}

/** Mappings that F_SEAL_WRITE must wait for (i_mmap_writable). */
function isSharedWritable(vma: Vma): boolean {
  return (vma.flags & (VM_SHARED | VM_MAYWRITE)) === (VM_SHARED | VM_MAYWRITE);
}
