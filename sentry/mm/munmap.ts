// SPDX-License-Identifier: Apache-2.0

/**
 * munmap(2).
 *
 * Linux: mm/vma.c (do_vmi_munmap)
 */
import { EINVAL, ENOMEM, EPERM } from '../../platform/abi/linux/errno.ts';
import { PAGE_SIZE } from '../../platform/abi/linux/mman.ts';
import { maxMapCount, type MemoryManager } from './memory_manager.ts';

/** Rounds up to a whole page. Exact below 2^53. */
export function pageAlign(length: number): number {
  return Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
}

/** Unmaps every page of [addr, addr+length); holes are fine. Errors: EINVAL, ENOMEM (too many pieces), EPERM (sealed). */
export function munmap(mm: MemoryManager, addr: number, length: number): number {
  const max = mm.addressSpace.layout.maxAddr;
  if (addr % PAGE_SIZE !== 0 || addr > max || length > max - addr) return EINVAL;
  const bytes = pageAlign(length);
  return bytes === 0 ? EINVAL : unmapRange(mm, addr, addr + bytes);
}

/** munmap of a checked range. */
export function unmapRange(mm: MemoryManager, start: number, end: number): number {
  const first = mm.vmas.indexAfter(start);
  const vma = mm.vmas.at(first);
  if (vma === undefined || vma.start >= end) return 0;
  if (vma.start < start && vma.end > end && mm.vmas.count >= maxMapCount()) return ENOMEM;
  if (hasSealed(mm, start, end)) return EPERM;
  const result = mm.hostUnmap(start, end);
  if (result < 0) return result;
  mm.vmas.remove(start, end);
  return 0;
}

/** True when a piece of [start, end) is sealed (mseal). */
export function hasSealed(mm: MemoryManager, start: number, end: number): boolean {
  for (let i = mm.vmas.indexAfter(start); i < mm.vmas.count; i++) {
    const vma = mm.vmas.at(i)!;
    if (vma.start >= end) return false;
    if (vma.sealed) return true;
  }
  return false;
}
