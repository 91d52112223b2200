// SPDX-License-Identifier: Apache-2.0

/**
 * Path and descriptor arguments: reading names from the application and finding where they start.
 *
 * Linux: fs/namei.c (getname_flags), fs/file.c (fdget, fdget_raw)
 */
import { EBADF, EINVAL, ENOENT, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { AT_FDCWD, O_PATH, PATH_MAX } from '../../platform/abi/linux/fcntl.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { ByteString } from '../../sentry/vfs/inode.ts';
import type { Path } from '../../sentry/vfs/mount.ts';
import { Walk } from '../../sentry/vfs/path_walk.ts';

/** The open file of a descriptor for I/O; null for bad numbers and O_PATH descriptors (EBADF). */
export function ioFile(t: Task, fd: number): FileDescription | null {
  const file = t.fdTable.get(fd);
  return file === null || (file.flags & O_PATH) !== 0 ? null : file;
}

/** Reads a path. Errors: EFAULT, ENAMETOOLONG. An empty one is ''. */
export function readPath(t: Task, addr: number): ByteString | Errno {
  return t.memory.readCString(addr, PATH_MAX);
}

/** Where a relative `path` starts: null for the working directory (or an absolute path). Errors: EBADF. */
export function startAt(t: Task, dirfd: number, path: ByteString): Path | null | Errno {
  if (dirfd === AT_FDCWD || path.charCodeAt(0) === 47) return null;
  const file = t.fdTable.get(dirfd);
  return file === null ? EBADF : file.path;
}

/**
 * Finds the place an *at call names. `follow`: a final symbolic link. `empty`: AT_EMPTY_PATH was given, so '' means the
 * descriptor itself.
 */
export function resolveAt(t: Task, dirfd: number, pathAddr: number, follow: boolean, empty: boolean): Path | Errno {
  const path = readPath(t, pathAddr);
  if (isErrno(path)) return path;
  return resolveTextAt(t, dirfd, path, follow, empty);
}

/** resolveAt() for a path already read. */
export function resolveTextAt(t: Task, dirfd: number, path: ByteString, follow: boolean, empty: boolean): Path | Errno {
  if (path.length === 0) {
    if (!empty) return ENOENT;
    if (dirfd === AT_FDCWD) return t.cwd;
    const file = t.fdTable.get(dirfd);
    return file === null ? EBADF : file.path;
  }
  const start = startAt(t, dirfd, path);
  if (isErrno(start)) return start;
  const walk = new Walk(t, start, 0);
  const err = walk.full(path, follow);
  return err !== 0 ? (err as Errno) : walk.path;
}

/** Checks a flags word against what a call knows. */
export function hasOnly(flags: number, known: number): boolean {
  return (flags & ~known) === 0;
}

/** strndup_user(): a string argument of mount(2) and the like; EINVAL when longer than `max`. */
export function readText(t: Task, addr: number, max: number): ByteString | Errno {
  const text = t.memory.readCString(addr, max);
  return text === -36 ? EINVAL : text;
}
