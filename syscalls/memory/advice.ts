// SPDX-License-Identifier: Apache-2.0

/**
 * madvise(2), msync(2), mincore(2), mlock(2) and its family.
 *
 * Linux: mm/madvise.c, mm/msync.c, mm/mincore.c, mm/mlock.c
 */
import { EBUSY, EFAULT, EINTR, EINVAL, ENOMEM } from '../../platform/abi/linux/errno.ts';
import { MLOCK_ONFAULT, MS_ASYNC, MS_INVALIDATE, MS_SYNC, PAGE_SIZE } from '../../platform/abi/linux/mman.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { mlock, mlockall, munlock, munlockall } from '../../sentry/mm/mlock.ts';
import { pageAlign } from '../../sentry/mm/munmap.ts';
import { VM_LOCKED, VM_PFNMAP, VM_SHARED, type Vma } from '../../sentry/mm/vma.ts';
import { type Blocking, type SyscallReturn, TURN, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';

/** mincore answers this many pages at a time. */
const CHUNK_PAGES = 4096;
/** And goes on for this many (4 GiB) before others get a turn. */
const TURN_PAGES = 256 * CHUNK_PAGES;
const pages = new Uint8Array(CHUNK_PAGES);

export function sys_madvise(t: Task, addr: number, length: number, advice: number): number {
  return t.mm.madvise(addr, length, advice);
}

export function sys_msync(t: Task, start: number, length: number, flags: number): number {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0 || start % PAGE_SIZE !== 0) return EINVAL;
  if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return EINVAL;
  const end = start + pageAlign(length);
  if (end >= 2 ** 64) return ENOMEM;
  let at = start;
  let missing = 0;
  while (at < end) {
    const vma = t.mm.vmas.at(t.mm.vmas.indexAfter(at));
    if (vma === undefined || vma.start >= end) return ENOMEM;
    if (vma.start > at) missing = ENOMEM;
    if ((flags & MS_INVALIDATE) !== 0 && (vma.flags & VM_LOCKED) !== 0) return EBUSY;
    const from = Math.max(at, vma.start);
    at = Math.min(end, vma.end);
    const result = syncOne(t, vma, from, at, flags);
    if (result < 0) return result;
  }
  return missing;
}

function syncOne(t: Task, vma: Vma, from: number, to: number, flags: number): number {
  if ((flags & MS_SYNC) === 0 || vma.file === null || (vma.flags & VM_SHARED) === 0) return 0;
  return t.mm.addressSpace.sync(from, to - from, flags & ~MS_INVALIDATE);
}

export function sys_mincore(t: Task, start: number, length: number, vec: number): SyscallReturn {
  if (start % PAGE_SIZE !== 0) return EINVAL;
  const end = start + pageAlign(length);
  if (end > t.mm.addressSpace.layout.maxAddr) return ENOMEM;
  if (end - start > TURN_PAGES * PAGE_SIZE) return mincoreInTurns(t, start, end, vec);
  return mincoreRange(t, start, end, vec);
}

/** mincore over a range that would keep the kernel from everyone else's work for long. */
function* mincoreInTurns(t: Task, start: number, end: number, vec: number): Blocking {
  for (let at = start, out = vec; at < end; at += TURN_PAGES * PAGE_SIZE, out += TURN_PAGES) {
    const result = mincoreRange(t, at, Math.min(end, at + TURN_PAGES * PAGE_SIZE), out);
    if (result < 0) return result;
    if ((yield TURN) === WAKE_SIGNAL) return EINTR;
  }
  return 0;
}

function mincoreRange(t: Task, start: number, end: number, vec: number): number {
  let out = vec;
  for (let at = start; at < end; at += CHUNK_PAGES * PAGE_SIZE) {
    const stop = Math.min(end, at + CHUNK_PAGES * PAGE_SIZE);
    if (!t.mm.vmas.covers(at, stop)) return ENOMEM;
    const count = (stop - at) / PAGE_SIZE;
    const result = residency(t, at, stop, count);
    if (result < 0) return result;
    if (t.memory.copyOut(out, pages, 0, count) !== count) return EFAULT;
    out += count;
  }
  return 0;
}

/** Fills `pages` for a mapped range. */
function residency(t: Task, start: number, end: number, count: number): number {
  const special = t.mm.vmas.findIn(start, end);
  if (special !== null && (special.flags & VM_PFNMAP) !== 0) {
    pages.fill(0, 0, count);
    return 0;
  }
  return t.mm.addressSpace.mincore(start, end - start, pages);
}

export function sys_mlock(t: Task, addr: number, length: number): number {
  return mlock(t.mm, addr, length, false, t.memoryLimits, t.creds);
}

export function sys_mlock2(t: Task, addr: number, length: number, flags: number): number {
  if ((flags & ~MLOCK_ONFAULT) !== 0) return EINVAL;
  return mlock(t.mm, addr, length, flags !== 0, t.memoryLimits, t.creds);
}

export function sys_munlock(t: Task, addr: number, length: number): number {
  return munlock(t.mm, addr, length);
}

export function sys_mlockall(t: Task, flags: number): number {
  return mlockall(t.mm, flags, t.memoryLimits, t.creds);
}

export function sys_munlockall(t: Task): number {
  return munlockall(t.mm);
}
