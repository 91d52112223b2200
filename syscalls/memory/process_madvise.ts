// SPDX-License-Identifier: Apache-2.0

/**
 * process_madvise(2) and process_mrelease(2).
 *
 * Linux: mm/madvise.c, mm/oom_kill.c
 */
import { EBADF, EFAULT, EINVAL, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_GUARD_INSTALL,
  MADV_GUARD_REMOVE,
  MADV_PAGEOUT,
  MADV_WILLNEED,
} from '../../platform/abi/linux/mman.ts';
import { PidFile } from '../../sentry/fs/anon/pidfd.ts';
import { mayPtraceAccess } from '../../sentry/kernel/process/ptrace_access.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const IOV_MAX = 1024;
const CAP_SYS_NICE = 23;
/** Advice about another process. */
const REMOTE = new Set([MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE]);
/** Advice a process may also give about itself this way. */
const OWN = new Set([MADV_DONTNEED, MADV_FREE, MADV_GUARD_INSTALL, MADV_GUARD_REMOVE]);

/** A live thread of the process a pidfd names. Null: not a pidfd; undefined: no such process any more. */
function pidfdTarget(t: Task, fd: number): Task | null | undefined {
  if (fd === -10000 || fd === -10001) return t;
  const file = t.fdTable.get(fd);
  if (!(file instanceof PidFile)) return null;
  for (const task of file.threadGroup.tasks) return task;
  return undefined;
}

export function sys_process_madvise(
  t: Task,
  pidfd: number,
  vec: number,
  count: number,
  advice: number,
  flags: number,
): number {
  if (flags !== 0 || count > IOV_MAX) return EINVAL;
  const pieces = new Uint8Array(count * 16);
  if (count > 0 && t.memory.copyIn(vec, pieces, 0, pieces.length) !== pieces.length) return EFAULT;
  const target = pidfdTarget(t, pidfd);
  if (target === null) return EBADF;
  if (target === undefined || !target.isLive) return ESRCH;
  const isOwn = target.mm === t.mm;
  if (!REMOTE.has(advice) && !(isOwn && OWN.has(advice))) return EINVAL;
  if (!isOwn && (!mayPtraceAccess(t, target) || !t.creds.hasCap(CAP_SYS_NICE))) return EPERM;
  const view = new DataView(pieces.buffer);
  let done = 0;
  for (let i = 0; i < pieces.length; i += 16) {
    const addr = view.getUint32(i + 4, true) * 4294967296 + view.getUint32(i, true);
    const length = view.getUint32(i + 12, true) * 4294967296 + view.getUint32(i + 8, true);
    const result = target.mm.madvise(addr, length, advice);
    if (result < 0) return done > 0 ? done : result;
    done += length;
  }
  return done;
}

/** Frees the memory of a dying process: its exit does that here, at once. */
export function sys_process_mrelease(t: Task, pidfd: number, flags: number): number {
  if (flags !== 0) return EINVAL;
  const target = pidfdTarget(t, pidfd);
  if (target === null) return EBADF;
  if (target === undefined) return ESRCH;
  return target.isLive ? EINVAL : 0;
}
