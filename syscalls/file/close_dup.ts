// SPDX-License-Identifier: Apache-2.0

/**
 * close, close_range, dup, dup2, dup3.
 *
 * Linux: fs/open.c (close), fs/file.c (close_range, ksys_dup3)
 */
import {
  EBADF,
  EINTR,
  EINVAL,
  ERESTARTNOHAND,
  ERESTARTNOINTR,
  ERESTARTSYS,
  ERESTART_RESTARTBLOCK,
} from '../../platform/abi/linux/errno.ts';
import { O_CLOEXEC } from '../../platform/abi/linux/fcntl.ts';
import { RLIMIT_NOFILE } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

export function sys_close(t: Task, fd: number): number {
  const result = t.fdTable.close(t, fd);
  const isRestart =
    result === ERESTARTSYS ||
    result === ERESTARTNOINTR ||
    result === ERESTARTNOHAND ||
    result === ERESTART_RESTARTBLOCK;
  return isRestart ? EINTR : result;
}

export function sys_close_range(t: Task, first: number, last: number, flags: number): number {
  if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0 || first > last) return EINVAL;
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0 && t.fdTable.userCount > 1) {
    const shared = t.fdTable;
    t.fdTable = shared.clone();
    shared.decUsers(t);
  }
  const end = Math.min(last, t.fdTable.size - 1);
  for (let fd = first; fd <= end; fd++) {
    if ((flags & CLOSE_RANGE_CLOEXEC) === 0) t.fdTable.close(t, fd);
    else if (t.fdTable.get(fd) !== null) t.fdTable.setCloseOnExec(fd, true);
  }
  return 0;
}

export function sys_dup(t: Task, fd: number): number {
  const file = t.fdTable.get(fd);
  if (file === null) return EBADF;
  const result = t.fdTable.install(file, false, t.threadGroup.rlimits.soft(RLIMIT_NOFILE));
  if (result >= 0) file.incRef();
  return result;
}

/** Installs a copy of `from` at exactly `to`. */
function dupTo(t: Task, from: number, to: number, cloexec: boolean): number {
  const limit = t.threadGroup.rlimits.soft(RLIMIT_NOFILE);
  if (to >= limit) return EBADF;
  const file = t.fdTable.get(from);
  if (file === null) return EBADF;
  file.incRef();
  const result = t.fdTable.installAt(t, to, file, cloexec, limit);
  if (result < 0) file.decRef();
  return result;
}

export function sys_dup2(t: Task, from: number, to: number): number {
  if (from === to) return t.fdTable.get(from) === null ? EBADF : to;
  return dupTo(t, from, to, false);
}

export function sys_dup3(t: Task, from: number, to: number, flags: number): number {
  if ((flags & ~O_CLOEXEC) !== 0 || from === to) return EINVAL;
  return dupTo(t, from, to, flags !== 0);
}
