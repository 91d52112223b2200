// SPDX-License-Identifier: Apache-2.0

/**
 * open, openat, openat2, creat.
 *
 * Linux: fs/open.c (build_open_how, build_open_flags, do_sys_openat2)
 */
import { E2BIG, EAGAIN, EFAULT, EINVAL, ENOENT, ERESTARTSYS, isErrno } from '../../platform/abi/linux/errno.ts';
import {
  AT_FDCWD,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_LARGEFILE,
  O_NONBLOCK,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
  __O_TMPFILE,
} from '../../platform/abi/linux/fcntl.ts';
import { RLIMIT_NOFILE } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { Path } from '../../sentry/vfs/mount.ts';
import { openPath } from '../../sentry/vfs/open.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';
import type { WaitQueue } from '../../sentry/wait/wait_queue.ts';
import { installFile } from '../poll/install_file.ts';
import { afterLeases } from './lease.ts';
import { readPath, startAt } from './path_args.ts';

const O_PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
/** Every flag open(2) knows; others are ignored by open and refused by openat2. */
const VALID_OPEN_FLAGS = 0o37777703;
const SYNC_ONLY = O_SYNC & ~O_DSYNC;
const HOW_SIZE = 24;
const PAGE = 4096;
const how = new Uint8Array(PAGE);
const howWords = new Uint32Array(how.buffer);

/** Applies open(2)'s rules to valid flags. Returns the flags to open with, or EINVAL. */
function checkFlags(flags: number): number {
  let result = flags;
  if ((flags & __O_TMPFILE) !== 0) {
    if ((flags & (__O_TMPFILE | O_DIRECTORY | O_CREAT)) !== (__O_TMPFILE | O_DIRECTORY)) return EINVAL;
    if ((flags & O_ACCMODE) === O_RDONLY) return EINVAL;
  } else if ((flags & (O_CREAT | O_DIRECTORY)) === (O_CREAT | O_DIRECTORY)) {
    return EINVAL;
  }
  if ((flags & SYNC_ONLY) !== 0) result |= O_DSYNC;
  return result;
}

/** Opens and installs. `flags` have passed checkFlags(). */
function openAt(t: Task, dirfd: number, pathAddr: number, flags: number, mode: number, resolve: number): SyscallReturn {
  const path = readPath(t, pathAddr);
  if (isErrno(path)) return path;
  if (path.length === 0) return ENOENT;
  const free = t.fdTable.nextFree(t.threadGroup.rlimits.soft(RLIMIT_NOFILE));
  if (free < 0) return free;
  const start = startAtForOpen(t, dirfd, path, resolve);
  if (isErrno(start)) return start;
  return afterLeases((flags & O_NONBLOCK) !== 0, () => openFrom(t, start, path, flags, mode, resolve));
}

/** The walk and the open. Returns the descriptor, a wait for a FIFO's other end, or errno (WOULD_BLOCK: leases). */
function openFrom(
  t: Task,
  start: Path | null,
  path: string,
  flags: number,
  mode: number,
  resolve: number,
): SyscallReturn {
  const file = openPath(t.kernel.vfs, t, start, path, flags, mode, resolve);
  if (isErrno(file)) return file;
  const queue = file.pendingOpen();
  if (queue !== null) return waitForPartner(t, file, queue, flags);
  return installFile(t, file, (flags & O_CLOEXEC) !== 0);
}

/** With RESOLVE_IN_ROOT and RESOLVE_BENEATH the descriptor counts for absolute paths too. */
function startAtForOpen(t: Task, dirfd: number, path: string, resolve: number): ReturnType<typeof startAt> {
  return startAt(t, dirfd, (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0 ? '.' : path);
}

function* waitForPartner(t: Task, file: FileDescription, first: WaitQueue, flags: number): Blocking {
  let isKept = false;
  try {
    for (let queue: WaitQueue | null = first; queue !== null; queue = file.pendingOpen()) {
      const reason = yield { queues: [queue], deadlineNs: Number.POSITIVE_INFINITY };
      if (reason === WAKE_SIGNAL && file.pendingOpen() !== null) return ERESTARTSYS;
    }
    isKept = true;
    return installFile(t, file, (flags & O_CLOEXEC) !== 0);
  } finally {
    if (!isKept) file.decRef();
  }
}

export function sys_openat(t: Task, dirfd: number, path: number, flags: number, mode: number): SyscallReturn {
  let wanted = flags & VALID_OPEN_FLAGS;
  if ((wanted & O_PATH) !== 0) wanted &= O_PATH_FLAGS;
  else wanted |= O_LARGEFILE;
  wanted = checkFlags(wanted);
  if (wanted < 0) return wanted;
  const creates = (wanted & (O_CREAT | __O_TMPFILE)) !== 0;
  return openAt(t, dirfd, path, wanted, creates ? mode & 0o7777 : 0, 0);
}

export function sys_open(t: Task, path: number, flags: number, mode: number): SyscallReturn {
  return sys_openat(t, AT_FDCWD, path, flags, mode);
}

export function sys_creat(t: Task, path: number, mode: number): SyscallReturn {
  return sys_openat(t, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

export function sys_openat2(t: Task, dirfd: number, path: number, howAddr: number, size: number): SyscallReturn {
  if (size < HOW_SIZE) return EINVAL;
  if (size > PAGE) return E2BIG;
  if (t.memory.copyIn(howAddr, how, 0, size) !== size) return EFAULT;
  for (let i = HOW_SIZE; i < size; i++) if (how[i] !== 0) return E2BIG;
  const flags = howWords[0] as number;
  const mode = howWords[2] as number;
  const resolve = howWords[4] as number;
  if (howWords[1] !== 0 || (flags & ~VALID_OPEN_FLAGS) !== 0) return EINVAL;
  if (howWords[5] !== 0 || (resolve & ~0x3f) !== 0) return EINVAL;
  if ((resolve & RESOLVE_BENEATH) !== 0 && (resolve & RESOLVE_IN_ROOT) !== 0) return EINVAL;
  const creates = (flags & (O_CREAT | __O_TMPFILE)) !== 0;
  if (howWords[3] !== 0 || (creates ? (mode & ~0o7777) !== 0 : mode !== 0)) return EINVAL;
  if ((flags & O_PATH) !== 0 && (flags & ~O_PATH_FLAGS) !== 0) return EINVAL;
  if ((resolve & RESOLVE_CACHED) !== 0 && (flags & (O_TRUNC | O_CREAT | __O_TMPFILE)) !== 0) return EAGAIN;
  const wanted = checkFlags(flags);
  return wanted < 0 ? wanted : openAt(t, dirfd, path, wanted, mode, resolve);
}
