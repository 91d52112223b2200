// SPDX-License-Identifier: Apache-2.0

/**
 * mprotect(2).
 *
 * Linux: mm/mprotect.c (do_mprotect_pkey, mprotect_fixup)
 */
import { EACCES, EINVAL, ENOMEM, EPERM } from '../../platform/abi/linux/errno.ts';
import {
  PAGE_SIZE,
  PROT_EXEC,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_READ,
  PROT_SEM,
  PROT_WRITE,
} from '../../platform/abi/linux/mman.ts';
import { fitsBudget } from './limits.ts';
import { maxMapCount, type MemoryManager } from './memory_manager.ts';
import { pageAlign } from './munmap.ts';
import {
  isDataMapping,
  protFlags,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_NORESERVE,
  VM_SHARED,
  VM_WRITE,
  type Vma,
} from './vma.ts';

/** Changes protection page by page from addr on; what came before an error stays changed. */
export function mprotect(mm: MemoryManager, addr: number, length: number, prot: number): number {
  const grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP)) return EINVAL;
  const access = prot & ~(PROT_GROWSDOWN | PROT_GROWSUP);
  if (addr % PAGE_SIZE !== 0) return EINVAL;
  if (length === 0) return 0;
  const end = addr + pageAlign(length);
  if (end >= 2 ** 64) return ENOMEM;
  if ((access & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM)) !== 0) return EINVAL;
  let start = addr;
  const first = mm.vmas.at(mm.vmas.indexAfter(addr));
  if (first === undefined) return ENOMEM;
  if (grows === PROT_GROWSDOWN) {
    if (first.start >= end) return ENOMEM;
    if ((first.flags & VM_GROWSDOWN) === 0) return EINVAL;
    start = first.start;
  } else {
    if (first.start > addr) return ENOMEM;
    if (grows === PROT_GROWSUP) return EINVAL;
  }
  return change(mm, start, end, access);
}

/** Walks the Vmas of [start, end) as far as the change is allowed, applies it there, and returns 0 or the first error. */
function change(mm: MemoryManager, start: number, end: number, prot: number): number {
  const wanted = protFlags(prot);
  let at = start;
  let error = 0;
  for (let i = mm.vmas.indexAfter(start); at < end && error === 0; i++) {
    const vma = mm.vmas.at(i);
    if (vma === undefined || vma.start > at) error = ENOMEM;
    else if ((error = refusal(mm, vma, wanted, Math.min(end, vma.end) - at)) === 0) at = vma.end;
  }
  const reached = Math.min(at, end);
  if (reached > start) {
    if (mm.vmas.count + mm.vmas.cutsFor(start, reached) > maxMapCount()) return ENOMEM;
    const result = changesAnything(mm, start, reached, wanted) ? mm.hostProtect(start, reached - start, wanted) : 0;
    if (result < 0) return result;
    mm.vmas.update(start, reached, (vma) => {
      vma.flags = newFlags(vma, wanted);
    });
  }
  return error;
}

function refusal(mm: MemoryManager, vma: Vma, wanted: number, length: number): number {
  if (vma.sealed) return EPERM;
  if ((wanted & ~((vma.flags >> 4) & VM_ACCESS_FLAGS)) !== 0) return EACCES;
  const next = newFlags(vma, wanted);
  if (next === vma.flags || (next & VM_WRITE) === 0 || (vma.flags & VM_WRITE) !== 0) return 0;
  if (isDataMapping(next) && mm.vmas.data + length > mm.limits.data) return ENOMEM;
  if ((next & VM_ACCOUNT) !== 0 && (vma.flags & VM_ACCOUNT) === 0 && !fitsBudget(mm, next, length)) return ENOMEM;
  return 0;
}

function newFlags(vma: Vma, wanted: number): number {
  let flags = (vma.flags & ~VM_ACCESS_FLAGS) | wanted;
  if ((wanted & VM_WRITE) !== 0 && (vma.flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE)) === 0)
    flags |= VM_ACCOUNT;
  return flags;
}

function changesAnything(mm: MemoryManager, start: number, end: number, wanted: number): boolean {
  for (let i = mm.vmas.indexAfter(start); i < mm.vmas.count; i++) {
    const vma = mm.vmas.at(i)!;
    if (vma.start >= end) return false;
    if ((vma.flags & VM_ACCESS_FLAGS) !== wanted) return true;
  }
  return false;
}
