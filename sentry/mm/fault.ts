// SPDX-License-Identifier: Apache-2.0

/**
 * Stack growth: an access below a VM_GROWSDOWN Vma extends it.
 *
 * Linux:   mm/vma.c (expand_downwards, acct_stack_growth)
 * Differs: grows by at least 128 KiB when the limits allow, because each growth costs a stop of the thread.
 */
import { PAGE_SIZE } from '../../platform/abi/linux/mman.ts';
import type { MemoryLimits, MemoryManager } from './memory_manager.ts';
import { VM_ACCESS_FLAGS, VM_ACCOUNT, VM_GROWSDOWN, VM_LOCKED, type Vma } from './vma.ts';
import { STACK_GUARD_GAP } from './vma_set.ts';

const GROW_STEP = 128 * 1024;

/** Makes a growing Vma reach down to addr. Returns true when it was extended and the access can be tried again. */
export function growStack(mm: MemoryManager, addr: number, limits: MemoryLimits): boolean {
  if (!(addr >= 0) || addr >= mm.addressSpace.layout.maxAddr) return false;
  const index = mm.vmas.indexAfter(addr);
  const vma = mm.vmas.at(index);
  if (vma === undefined || vma.start <= addr || (vma.flags & VM_GROWSDOWN) === 0) return false;
  const wanted = addr - (addr % PAGE_SIZE);
  const below = mm.vmas.at(index - 1);
  if (wanted < lowestStart(mm, vma, below, limits)) return false;
  if (!fitsLimits(mm, vma, vma.start - wanted, limits)) return false;
  let start = Math.min(wanted, Math.max(vma.start - GROW_STEP, lowestStart(mm, vma, below, limits)));
  if (!fitsLimits(mm, vma, vma.start - start, limits)) start = wanted;
  const added = vma.start - start;
  if (mm.hostMap(start, added, vma.flags & VM_ACCESS_FLAGS, false, -1, 0, 0) < 0) return false;
  mm.vmas.resize(vma, start, vma.end);
  return true;
}

/** The lowest address this stack may ever start at. */
function lowestStart(mm: MemoryManager, vma: Vma, below: Vma | undefined, limits: MemoryLimits): number {
  let low = mm.addressSpace.layout.minAddr;
  if (below !== undefined) {
    const isOpen = (below.flags & VM_ACCESS_FLAGS) !== 0 && (below.flags & VM_GROWSDOWN) === 0;
    low = Math.max(low, below.end + (isOpen ? STACK_GUARD_GAP : 0));
  }
  for (const range of mm.addressSpace.layout.reserved)
    if (range.end <= vma.start) low = Math.max(low, range.end + STACK_GUARD_GAP);
  const stack =
    limits.stack === Number.POSITIVE_INFINITY ? 0 : vma.end - Math.floor(limits.stack / PAGE_SIZE) * PAGE_SIZE;
  return Math.max(low, stack);
}

function fitsLimits(mm: MemoryManager, vma: Vma, added: number, limits: MemoryLimits): boolean {
  if (mm.vmas.total + added > limits.addressSpace) return false;
  if ((vma.flags & VM_LOCKED) !== 0 && mm.vmas.locked + added > limits.memlock) return false;
  const budget = mm.services.budget;
  return (vma.flags & VM_ACCOUNT) === 0 || budget === undefined || budget.allows(added);
}
