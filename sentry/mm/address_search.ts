// SPDX-License-Identifier: Apache-2.0

/**
 * Where a new mapping goes: hint, top-down below mmapBase, then bottom-up.
 *
 * Linux: arch/x86/kernel/sys_x86_64.c (arch_get_unmapped_area_topdown), mm/mmap.c (thp_get_unmapped_area)
 */
import { EEXIST, EINVAL, ENOMEM, EPERM } from '../../platform/abi/linux/errno.ts';
import { MAP_32BIT, MAP_FIXED, MAP_FIXED_NOREPLACE, PAGE_SIZE } from '../../platform/abi/linux/mman.ts';
import type { MemoryManager } from './memory_manager.ts';

const HUGE_PAGE = 2 * 1024 * 1024;
const LOW_START = 0x40000000;
const LOW_END = 0x80000000;

/**
 * Chooses the address of a mapping. `length` is page aligned. `isAnonymous` allows huge-page alignment.
 * Errors: ENOMEM (no room, or over the platform's own pages), EINVAL (unaligned fixed address), EEXIST.
 */
export function unmappedArea(
  mm: MemoryManager,
  addr: number,
  length: number,
  flags: number,
  isAnonymous: boolean,
): number {
  const { maxAddr, minAddr } = mm.addressSpace.layout;
  if (length > maxAddr) return ENOMEM;
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) return fixedArea(mm, addr, length, flags);
  if ((flags & MAP_32BIT) !== 0) return orNoMemory(mm.vmas.lowestGap(LOW_START, LOW_END, length, PAGE_SIZE));
  if (addr > 0) {
    const hint = Math.ceil(Math.max(addr, minAddr) / PAGE_SIZE) * PAGE_SIZE;
    if (hint <= maxAddr - length && mm.vmas.isFree(hint, hint + length)) return hint;
  }
  return orNoMemory(searchDown(mm, length, isAnonymous && length % HUGE_PAGE === 0 ? HUGE_PAGE : PAGE_SIZE));
}

function searchDown(mm: MemoryManager, length: number, align: number): number {
  const { maxAddr, minAddr } = mm.addressSpace.layout;
  const low = Math.max(minAddr, PAGE_SIZE);
  const found = mm.vmas.highestGap(low, mm.mmapBase, length, align);
  if (found >= 0) return found;
  const bottom = Math.ceil(maxAddr / 3 / PAGE_SIZE) * PAGE_SIZE;
  return mm.vmas.lowestGap(bottom, maxAddr, length, PAGE_SIZE);
}

function fixedArea(mm: MemoryManager, addr: number, length: number, flags: number): number {
  const { maxAddr, minAddr } = mm.addressSpace.layout;
  if (addr > maxAddr - length) return ENOMEM;
  if (addr % PAGE_SIZE !== 0) return EINVAL;
  if (addr < minAddr) return EPERM;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0)
    return mm.vmas.findIn(addr, addr + length) !== null || mm.vmas.meetsReserved(addr, addr + length) ? EEXIST : addr;
  return mm.vmas.meetsReserved(addr, addr + length) ? ENOMEM : addr;
}

function orNoMemory(addr: number): number {
  return addr < 0 ? ENOMEM : addr;
}
