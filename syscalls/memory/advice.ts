// SPDX-License-Identifier: Apache-2.0

/**
 * madvise(2), msync(2), mincore(2), mlock(2) and its family.
 *
 * Linux: mm/madvise.c, mm/msync.c, mm/mincore.c, mm/mlock.c
 */
import { EBUSY, EFAULT, EINTR, EINVAL, ENOMEM } from '../../platform/abi/linux/errno.ts';
import { MCL_CURRENT, MCL_ONFAULT, MLOCK_ONFAULT, MS_ASYNC, MS_INVALIDATE, MS_SYNC, PAGE_SIZE } from '../../platform/abi/linux/mman.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { mlock, mlockall, munlock, munlockall, populateLocked } from '../../sentry/mm/mlock.ts';
import { pageAlign } from '../../sentry/mm/munmap.ts';
import { VM_LOCKED, VM_PFNMAP, VM_SHARED, type Vma } from '../../sentry/mm/vma.ts';
import { type Blocking, type SyscallReturn, TURN, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';

/** mincore answers this many pages at a time. */
const CHUNK_PAGES = 4096;
/** And goes on for this many (4 GiB) before others get a turn. */
const TURN_PAGES = 256 * CHUNK_PAGES;
/** mlock faults this much in at a time. */
const POPULATE_BYTES = 1 << 26;
const pages = new Uint8Array(CHUNK_PAGES);

/** Is `addr` on a page? Numbers round the last addresses up to 2^64. */
function isAligned(addr: number): boolean {
  return addr % PAGE_SIZE === 0 && addr < 2 ** 64;
}

export function sys_madvise(t: Task, addr: number, length: number, advice: number): number {
  return t.mm.madvise(addr, length, advice);
}

export function sys_msync(t: Task, start: number, length: number, flags: number): number {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0 || !isAligned(start)) return EINVAL;
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
  if (!isAligned(start)) return EINVAL;
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

export function sys_mlock(t: Task, addr: number, length: number): SyscallReturn {
  const result = mlock(t.mm, addr, length, false, t.memoryLimits, t.creds);
  return result < 0 ? result : populateRange(t, addr, addr + length);
}

export function sys_mlock2(t: Task, addr: number, length: number, flags: number): SyscallReturn {
  if ((flags & ~MLOCK_ONFAULT) !== 0) return EINVAL;
  const result = mlock(t.mm, addr, length, flags !== 0, t.memoryLimits, t.creds);
  return result < 0 || flags !== 0 ? result : populateRange(t, addr, addr + length);
}

/** Faults locked pages in, a piece at a time so that others get turns. */
function populateRange(t: Task, start: number, end: number): SyscallReturn {
  if (end - start <= POPULATE_BYTES) return mapped(populateLocked(t.mm, start, end));
  return populateInTurns(t, start, end);
}
function* populateInTurns(t: Task, start: number, end: number): Blocking {
  for (let at = start; at < end; at += POPULATE_BYTES) {
    const result = mapped(populateLocked(t.mm, at, Math.min(end, at + POPULATE_BYTES)));
    if (result < 0) return result;
    if ((yield TURN) === WAKE_SIGNAL) return EINTR;
  }
  return 0;
}
/** mlock(2) says ENOMEM, or EAGAIN, when pages could not be had. */
function mapped(result: number): number {
  return result === EFAULT ? ENOMEM : result;
}

export function sys_munlock(t: Task, addr: number, length: number): number {
  return munlock(t.mm, addr, length);
}

export function sys_mlockall(t: Task, flags: number): SyscallReturn {
  const result = mlockall(t.mm, flags, t.memoryLimits, t.creds);
  if (result < 0 || (flags & MCL_CURRENT) === 0 || (flags & MCL_ONFAULT) !== 0) return result;
  return populateAll(t);
}
function* populateAll(t: Task): Blocking {
  for (const { start, end } of [...t.mm.vmas]) {
    for (let at = start; at < end; at += POPULATE_BYTES) {
      populateLocked(t.mm, at, Math.min(end, at + POPULATE_BYTES));
      if ((yield TURN) === WAKE_SIGNAL) return EINTR;
    }
  }
  return 0;
}

export function sys_munlockall(t: Task): number {
  return munlockall(t.mm);
}
