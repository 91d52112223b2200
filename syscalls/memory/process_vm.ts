// SPDX-License-Identifier: Apache-2.0

/**
 * process_vm_readv(2) and process_vm_writev(2): copies between two address spaces.
 *
 * Linux: mm/process_vm_access.c
 */
import { EFAULT, EINVAL, EPERM, ESRCH, isErrno, type Errno } from '../../platform/abi/linux/errno.ts';
import { mayPtraceAccess } from '../../sentry/kernel/process/ptrace_access.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const IOV_MAX = 1024;
const MAX_RW_COUNT = 0x7ffff000;
const CHUNK = 256 * 1024;

let chunk: Uint8Array | null = null;

/** Flat (address, length) pairs. Errors: EINVAL, EFAULT. */
function readPieces(t: Task, addr: number, count: number): number[] | Errno {
  if (count > IOV_MAX) return EINVAL;
  const bytes = new Uint8Array(count * 16);
  if (count > 0 && t.memory.copyIn(addr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  const view = new DataView(bytes.buffer);
  const pieces: number[] = [];
  for (let i = 0; i < bytes.length; i += 8) {
    const value = view.getUint32(i + 4, true) * 4294967296 + view.getUint32(i, true);
    if (i % 16 === 8 && value >= 2 ** 63) return EINVAL;
    pieces.push(value);
  }
  return pieces;
}

export function sys_process_vm_readv(
  t: Task,
  pid: number,
  lvec: number,
  liovcnt: number,
  rvec: number,
  riovcnt: number,
  flags: number,
): number {
  return transfer(t, pid, [lvec, liovcnt, rvec, riovcnt], flags, false);
}

export function sys_process_vm_writev(
  t: Task,
  pid: number,
  lvec: number,
  liovcnt: number,
  rvec: number,
  riovcnt: number,
  flags: number,
): number {
  return transfer(t, pid, [lvec, liovcnt, rvec, riovcnt], flags, true);
}

function transfer(
  t: Task,
  pid: number,
  vectors: readonly [number, number, number, number],
  flags: number,
  isWrite: boolean,
): number {
  if (flags !== 0) return EINVAL;
  const local = readPieces(t, vectors[0], vectors[1]);
  if (isErrno(local)) return local;
  let total = 0;
  for (let i = 1; i < local.length; i += 2) total = Math.min(MAX_RW_COUNT, total + (local[i] as number));
  if (total === 0) return 0;
  const remote = readPieces(t, vectors[2], vectors[3]);
  if (isErrno(remote)) return remote;
  const target = t.pidNs.tasks.get(pid);
  if (target === undefined || !target.isLive) return ESRCH;
  if (!mayPtraceAccess(t, target)) return EPERM;
  return isWrite ? copy(t, local, target, remote, total) : copy(target, remote, t, local, total);
}

/** Copies from one task's pieces to another's; what was moved before a bad address counts. */
function copy(source: Task, from: readonly number[], sink: Task, to: readonly number[], limit: number): number {
  chunk ??= new Uint8Array(CHUNK);
  let done = 0;
  let i = 0;
  let j = 0;
  let iDone = 0;
  let jDone = 0;
  while (done < limit && i < from.length && j < to.length) {
    const n = Math.min((from[i + 1] as number) - iDone, (to[j + 1] as number) - jDone, CHUNK, limit - done);
    if (n > 0) {
      const got = source.memory.copyIn((from[i] as number) + iDone, chunk, 0, n);
      const put = got > 0 ? sink.memory.copyOut((to[j] as number) + jDone, chunk, 0, got) : got;
      if (put > 0) done += put;
      if (put < n) return done > 0 ? done : EFAULT;
      iDone += n;
      jDone += n;
    }
    if (iDone >= (from[i + 1] as number)) {
      i += 2;
      iDone = 0;
    }
    if (j < to.length && jDone >= (to[j + 1] as number)) {
      j += 2;
      jDone = 0;
    }
  }
  return done;
}
