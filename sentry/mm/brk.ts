// SPDX-License-Identifier: Apache-2.0

/**
 * brk(2): the heap.
 *
 * Linux: mm/mmap.c (SYSCALL_DEFINE1(brk)), mm/vma.c (do_brk_flags)
 */
import { PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../platform/abi/linux/mman.ts';
import { fitsBudget, mayExpand, mayLock } from './limits.ts';
import { maxMapCount, type MemoryLimits, type MemoryManager } from './memory_manager.ts';
import { pageAlign, unmapRange } from './munmap.ts';
import { VM_ACCOUNT, VM_MAYEXEC, VM_MAYREAD, VM_MAYWRITE, VM_READ, VM_WRITE, Vma } from './vma.ts';

const BRK_FLAGS = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT;

/** Moves the break to addr. Returns the break afterwards: unchanged when addr is not acceptable. */
export function setBrk(mm: MemoryManager, addr: number, limits: MemoryLimits): number {
  const layout = mm.layout;
  const current = layout.brk;
  if (addr < layout.startBrk || addr > mm.addressSpace.layout.maxAddr) return current;
  if (addr - layout.startBrk + (layout.endData - layout.startData) > limits.data) return current;
  const oldEnd = pageAlign(current);
  const newEnd = pageAlign(addr);
  if (newEnd < oldEnd && unmapRange(mm, newEnd, oldEnd) < 0) return current;
  if (newEnd > oldEnd && !extend(mm, oldEnd, newEnd, limits)) return current;
  layout.brk = addr;
  return addr;
}

function extend(mm: MemoryManager, start: number, end: number, limits: MemoryLimits): boolean {
  const length = end - start;
  if (!mm.vmas.isFree(start, end + PAGE_SIZE) || mm.vmas.count >= maxMapCount()) return false;
  const flags = BRK_FLAGS | mm.futureFlags;
  if (
    !mayExpand(mm, flags, length, limits) ||
    !mayLock(mm, flags, length, limits, null) ||
    !fitsBudget(mm, flags, length)
  )
    return false;
  if (mm.hostMap(start, length, PROT_READ | PROT_WRITE, false, -1, 0, 0) < 0) return false;
  mm.vmas.insert(new Vma(start, end, flags, null, null, start));
  return true;
}
