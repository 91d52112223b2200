// SPDX-License-Identifier: Apache-2.0

/**
 * mkdir, rmdir, unlink, rename, link, symlink, readlink, mknod and their *at forms.
 *
 * Linux: fs/namei.c
 */
import {
  EFAULT,
  EINVAL,
  ENOENT,
  EPERM,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW } from '../../platform/abi/linux/fcntl.ts';
import { majorOf, minorOf, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../platform/abi/linux/stat.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { DEVICE_MKNOD } from '../../sentry/vfs/devices.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import type { Path } from '../../sentry/vfs/mount.ts';
import {
  makeDirectory,
  makeLink,
  makeNode,
  makeSymlink,
  mayLinkByDescriptor,
  removeDirectory,
  removeFile,
} from '../../sentry/vfs/names.ts';
import { parentProblem, renamePath } from '../../sentry/vfs/rename.ts';
import { readPath, resolveTextAt, startAt } from './path_args.ts';

/** Reads a path that must not be empty. */
function readName(t: Task, addr: number): string | Errno {
  const path = readPath(t, addr);
  return !isErrno(path) && path.length === 0 ? ENOENT : path;
}

/** Reads a path and where it starts, then runs `act`. */
function withPath(t: Task, dirfd: number, addr: number, act: (start: Path | null, path: string) => number): number {
  const path = readName(t, addr);
  if (isErrno(path)) return path;
  const start = startAt(t, dirfd, path);
  return isErrno(start) ? start : act(start, path);
}

export function sys_mkdirat(t: Task, dirfd: number, path: number, mode: number): number {
  return withPath(t, dirfd, path, (start, text) => makeDirectory(t, start, text, mode));
}
export function sys_mkdir(t: Task, path: number, mode: number): number {
  return sys_mkdirat(t, AT_FDCWD, path, mode);
}

export function sys_unlinkat(t: Task, dirfd: number, path: number, flags: number): number {
  if ((flags & ~AT_REMOVEDIR) !== 0) return EINVAL;
  const remove = flags === 0 ? removeFile : removeDirectory;
  return withPath(t, dirfd, path, (start, text) => remove(t, start, text));
}
export function sys_unlink(t: Task, path: number): number {
  return sys_unlinkat(t, AT_FDCWD, path, 0);
}
export function sys_rmdir(t: Task, path: number): number {
  return sys_unlinkat(t, AT_FDCWD, path, AT_REMOVEDIR);
}

export function sys_renameat2(
  t: Task,
  oldFd: number,
  oldPath: number,
  newFd: number,
  newPath: number,
  flags: number,
): number {
  if ((flags & ~7) !== 0 || ((flags & 5) !== 0 && (flags & 2) !== 0)) return EINVAL;
  return withPath(t, oldFd, oldPath, (oldStart, oldText) => {
    const newText = readName(t, newPath);
    const newStart = isErrno(newText) ? newText : startAt(t, newFd, newText);
    if (!isErrno(newText) && !isErrno(newStart)) return renamePath(t, oldStart, oldText, newStart, newText, flags);
    // What is wrong with the old name's directory is said first.
    const problem = parentProblem(t, oldStart, oldText);
    return problem !== 0 ? problem : (newStart as Errno);
  });
}
export function sys_renameat(t: Task, oldFd: number, oldPath: number, newFd: number, newPath: number): number {
  return sys_renameat2(t, oldFd, oldPath, newFd, newPath, 0);
}
export function sys_rename(t: Task, oldPath: number, newPath: number): number {
  return sys_renameat2(t, AT_FDCWD, oldPath, AT_FDCWD, newPath, 0);
}

export function sys_linkat(
  t: Task,
  oldFd: number,
  oldPath: number,
  newFd: number,
  newPath: number,
  flags: number,
): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return EINVAL;
  const from = readPath(t, oldPath);
  if (isErrno(from)) return from;
  const place = resolveTextAt(t, oldFd, from, (flags & AT_SYMLINK_FOLLOW) !== 0, (flags & AT_EMPTY_PATH) !== 0);
  if (isErrno(place)) return place;
  const inode = place.dentry.inode as Inode;
  if (from.length === 0 && !mayLinkByDescriptor(t, inode) && t.fdTable.get(oldFd)?.creds !== t.creds) return ENOENT;
  const to = readName(t, newPath);
  if (isErrno(to)) return to;
  const start = startAt(t, newFd, to);
  return isErrno(start) ? start : makeLink(t, place, start, to);
}
export function sys_link(t: Task, oldPath: number, newPath: number): number {
  return sys_linkat(t, AT_FDCWD, oldPath, AT_FDCWD, newPath, 0);
}

export function sys_symlinkat(t: Task, target: number, dirfd: number, path: number): number {
  const text = readName(t, target);
  if (isErrno(text)) return text;
  return withPath(t, dirfd, path, (start, name) => makeSymlink(t, text, start, name));
}
export function sys_symlink(t: Task, target: number, path: number): number {
  return sys_symlinkat(t, target, AT_FDCWD, path);
}

export function sys_readlinkat(t: Task, dirfd: number, path: number, buf: number, size: number): number {
  if (size <= 0) return EINVAL;
  const text = readPath(t, path);
  if (isErrno(text)) return text;
  const place = resolveTextAt(t, dirfd, text, false, text.length === 0 && dirfd !== AT_FDCWD);
  if (isErrno(place)) return place;
  const inode = place.dentry.inode as Inode;
  if ((inode.mode & S_IFMT) !== S_IFLNK) return text.length === 0 ? ENOENT : EINVAL;
  const target = inode.readlink(t);
  if (isErrno(target)) return target;
  const bytes = Buffer.from(target, 'latin1');
  const length = Math.min(size, bytes.length);
  return length === 0 || t.memory.copyOut(buf, bytes, 0, length) === length ? length : EFAULT;
}
export function sys_readlink(t: Task, path: number, buf: number, size: number): number {
  return sys_readlinkat(t, AT_FDCWD, path, buf, size);
}

/** may_mknod() */
const NODE_TYPES: ReadonlySet<number> = new Set([S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK]);

export function sys_mknodat(t: Task, dirfd: number, path: number, mode: number, dev: number): number {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) return EPERM;
  if (type !== 0 && !NODE_TYPES.has(type)) return EINVAL;
  return withPath(t, dirfd, path, (start, text) => {
    const isDevice = type === S_IFBLK || (type === S_IFCHR && dev !== 0);
    if (isDevice && t.kernel.vfs.devices.policy?.(t, type === S_IFBLK, majorOf(dev), minorOf(dev), DEVICE_MKNOD) === false) return EPERM;
    const made = makeNode(t, start, text, mode & 0xffff, dev);
    return isErrno(made) ? made : 0;
  });
}
export function sys_mknod(t: Task, path: number, mode: number, dev: number): number {
  return sys_mknodat(t, AT_FDCWD, path, mode, dev);
}
