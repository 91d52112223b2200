// SPDX-License-Identifier: Apache-2.0

/**
 * mlock(2) and its family: accounting and errors. Nothing is locked on the host: a sandbox must not pin host memory.
 *
 * Linux: mm/mlock.c
 */
import { EFAULT, EINVAL, ENOMEM, EPERM } from '../../platform/abi/linux/errno.ts';
import {
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
  PAGE_SIZE,
} from '../../platform/abi/linux/mman.ts';
import type { Credentials } from '../auth/credentials.ts';
import { canLock, mayLock } from './limits.ts';
import { maxMapCount, type MemoryLimits, type MemoryManager } from './memory_manager.ts';
import { pageAlign } from './munmap.ts';
import { VM_IO, VM_LOCKED, VM_LOCKONFAULT, VM_PFNMAP, VM_READ, VM_SHARED, VM_WRITE } from './vma.ts';

const LOCK_FLAGS = VM_LOCKED | VM_LOCKONFAULT;

/** mlock(2) and mlock2(2). */
export function mlock(
  mm: MemoryManager,
  addr: number,
  length: number,
  onFault: boolean,
  limits: MemoryLimits,
  creds: Credentials,
): number {
  if (!canLock(limits, creds)) return EPERM;
  const start = addr - (addr % PAGE_SIZE);
  const bytes = pageAlign(length + (addr % PAGE_SIZE));
  const already = lockedWithin(mm, start, start + bytes);
  if (!mayLock(mm, VM_LOCKED, bytes - already, limits, creds)) return ENOMEM;
  return setLock(mm, start, bytes, onFault ? LOCK_FLAGS : VM_LOCKED);
}

export function munlock(mm: MemoryManager, addr: number, length: number): number {
  const start = addr - (addr % PAGE_SIZE);
  return setLock(mm, start, pageAlign(length + (addr % PAGE_SIZE)), 0);
}

/** mlockall(2). */
export function mlockall(mm: MemoryManager, flags: number, limits: MemoryLimits, creds: Credentials): number {
  if (flags === 0 || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0 || flags === MCL_ONFAULT) return EINVAL;
  if (!canLock(limits, creds)) return EPERM;
  const isOver =
    mm.vmas.total > limits.memlock && !mayLock(mm, VM_LOCKED, mm.vmas.total - mm.vmas.locked, limits, creds);
  if ((flags & MCL_CURRENT) !== 0 && isOver) return ENOMEM;
  const lock = (flags & MCL_ONFAULT) !== 0 ? LOCK_FLAGS : VM_LOCKED;
  mm.futureFlags = (flags & MCL_FUTURE) !== 0 ? lock : 0;
  if ((flags & MCL_CURRENT) !== 0) setAll(mm, lock);
  return 0;
}

export function munlockall(mm: MemoryManager): number {
  mm.futureFlags = 0;
  setAll(mm, 0);
  return 0;
}

function setAll(mm: MemoryManager, lock: number): void {
  mm.vmas.update(0, mm.addressSpace.layout.maxAddr, (vma) => {
    vma.flags = (vma.flags & ~LOCK_FLAGS) | ((vma.flags & (VM_IO | VM_PFNMAP)) !== 0 ? 0 : lock);
  });
}

function setLock(mm: MemoryManager, start: number, bytes: number, lock: number): number {
  const end = start + bytes;
  if (end >= 2 ** 64) return EINVAL;
  if (bytes === 0) return 0;
  const first = mm.vmas.find(start);
  if (first === null) return ENOMEM;
  if (mm.vmas.count + mm.vmas.cutsFor(start, end) > maxMapCount()) return ENOMEM;
  let at = start;
  for (let i = mm.vmas.indexAfter(start); at < end; i++) {
    const vma = mm.vmas.at(i);
    if (vma === undefined || vma.start > at) break;
    at = vma.end;
  }
  mm.vmas.update(start, Math.min(at, end), (vma) => {
    vma.flags = (vma.flags & ~LOCK_FLAGS) | ((vma.flags & (VM_IO | VM_PFNMAP)) !== 0 ? 0 : lock);
  });
  return at < end ? ENOMEM : 0;
}

function lockedWithin(mm: MemoryManager, start: number, end: number): number {
  let sum = 0;
  for (let i = mm.vmas.indexAfter(start); i < mm.vmas.count; i++) {
    const vma = mm.vmas.at(i)!;
    if (vma.start >= end) break;
    if ((vma.flags & VM_LOCKED) !== 0) sum += Math.min(end, vma.end) - Math.max(start, vma.start);
  }
  return sum;
}

/**
 * Faults in what is locked and accessible in [start, end): for writing where that makes private pages, for reading elsewhere.
 * Nothing under a memory limit. Returns 0 or what the host says.
 */
export function populateLocked(mm: MemoryManager, start: number, end: number): number {
  if (mm.services.budget !== undefined) return 0;
  const from = start - (start % PAGE_SIZE);
  const to = pageAlign(end);
  for (let i = mm.vmas.indexAfter(from); i < mm.vmas.count; i++) {
    const vma = mm.vmas.at(i)!;
    if (vma.start >= to) break;
    if ((vma.flags & (VM_LOCKED | VM_LOCKONFAULT)) !== VM_LOCKED || (vma.flags & (VM_IO | VM_PFNMAP)) !== 0) continue;
    if ((vma.flags & (VM_READ | VM_WRITE)) === 0) return EFAULT;
    const isWrite = (vma.flags & (VM_WRITE | VM_SHARED)) === VM_WRITE || (vma.flags & VM_READ) === 0;
    const at = Math.max(from, vma.start);
    const result = mm.addressSpace.advise(
      at,
      Math.min(to, vma.end) - at,
      isWrite ? MADV_POPULATE_WRITE : MADV_POPULATE_READ,
    );
    if (result < 0 && result !== EINVAL) return result;
  }
  return 0;
}
