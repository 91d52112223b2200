// SPDX-License-Identifier: Apache-2.0

/**
 * getdents, getdents64, getcwd, chdir, fchdir, chroot, umask.
 *
 * Linux: fs/readdir.c, fs/d_path.c, fs/open.c
 */
import {
  EBADF,
  EFAULT,
  EINVAL,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  EPERM,
  ERANGE,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { AT_FDCWD, MAY_EXEC, PATH_MAX } from '../../platform/abi/linux/fcntl.ts';
import { S_IFDIR, S_IFMT } from '../../platform/abi/linux/stat.ts';
import { CAP_SYS_CHROOT } from '../../platform/abi/linux/capability.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { pathText } from '../../sentry/vfs/d_path.ts';
import type { DirEmit } from '../../sentry/vfs/file_description.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import type { Path } from '../../sentry/vfs/mount.ts';
import { inodePermission } from '../../sentry/vfs/permission.ts';
import { ioFile, resolveAt } from './path_args.ts';

/** Entries are collected here before they are copied out; larger user buffers are filled by several calls. */
const BUFFER_SIZE = 1 << 16;
const buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
const view = new DataView(buffer.buffer);

/** State of the listing under way: one at a time, reused. */
let capacity = 0;
let used = 0;
let isFirstTooLarge = false;

function header(length: number, ino: number, next: number): boolean {
  if (used + length > capacity) {
    if (used === 0) isFirstTooLarge = true;
    return false;
  }
  view.setUint32(used, ino >>> 0, true);
  view.setUint32(used + 4, Math.floor(ino / 0x100000000) >>> 0, true);
  view.setUint32(used + 8, next >>> 0, true);
  view.setInt32(used + 12, Math.floor(next / 0x100000000), true);
  view.setUint16(used + 16, length, true);
  return true;
}

const emit64: DirEmit = (name, ino, dtype, next) => {
  const length = (19 + name.length + 1 + 7) & ~7;
  if (!header(length, ino, next)) return false;
  buffer[used + 18] = dtype;
  buffer.fill(0, used + 19 + name.length, used + length);
  buffer.write(name, used + 19, 'latin1');
  used += length;
  return true;
};

/** struct linux_dirent: the type is the record's last byte. */
const emitOld: DirEmit = (name, ino, dtype, next) => {
  const length = (18 + name.length + 2 + 7) & ~7;
  if (!header(length, ino, next)) return false;
  buffer.fill(0, used + 18 + name.length, used + length);
  buffer.write(name, used + 18, 'latin1');
  buffer[used + length - 1] = dtype;
  used += length;
  return true;
};

function readEntries(t: Task, fd: number, addr: number, count: number, emit: DirEmit): number {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if ((file.inode.mode & S_IFMT) !== S_IFDIR) return ENOTDIR;
  if (file.path.dentry.isUnlinked) return ENOENT;
  // Linux keeps the count as an int: one above INT_MAX has room for nothing.
  capacity = count > 0x7fffffff ? 0 : Math.min(count, BUFFER_SIZE);
  used = 0;
  isFirstTooLarge = false;
  const before = file.position;
  const err = file.readdir(t, emit);
  if (used === 0) return err !== 0 ? err : isFirstTooLarge ? EINVAL : 0;
  if (t.memory.copyOut(addr, buffer, 0, used) === used) return used;
  file.position = before;
  return EFAULT;
}

export function sys_getdents64(t: Task, fd: number, addr: number, count: number): number {
  return readEntries(t, fd, addr, count, emit64);
}
export function sys_getdents(t: Task, fd: number, addr: number, count: number): number {
  return readEntries(t, fd, addr, count, emitOld);
}

export function sys_getcwd(t: Task, addr: number, size: number): number {
  if (t.cwd.dentry.isUnlinked) return ENOENT;
  const { text, isReachable } = pathText(t.rootDir, t.cwd);
  const bytes = Buffer.from(`${isReachable ? '' : '(unreachable)'}${text}\0`, 'latin1');
  if (bytes.length > PATH_MAX) return ENAMETOOLONG;
  if (bytes.length > size) return ERANGE;
  return t.memory.copyOut(addr, bytes, 0, bytes.length) === bytes.length ? bytes.length : EFAULT;
}

/** A directory one may search. */
function searchable(t: Task, place: Path | Errno): Path | Errno {
  if (isErrno(place)) return place;
  const inode = place.dentry.inode as Inode;
  if ((inode.mode & S_IFMT) !== S_IFDIR) return ENOTDIR;
  const denied = inodePermission(t, inode, MAY_EXEC);
  return denied !== 0 ? (denied as Errno) : place;
}

export function sys_chdir(t: Task, path: number): number {
  const place = searchable(t, resolveAt(t, AT_FDCWD, path, true, false));
  if (isErrno(place)) return place;
  t.fsContext.setCwd(place);
  return 0;
}

export function sys_fchdir(t: Task, fd: number): number {
  const file = t.fdTable.get(fd);
  if (file === null) return EBADF;
  const place = searchable(t, file.path);
  if (isErrno(place)) return place;
  t.fsContext.setCwd(place);
  return 0;
}

export function sys_chroot(t: Task, path: number): number {
  const place = searchable(t, resolveAt(t, AT_FDCWD, path, true, false));
  if (isErrno(place)) return place;
  if (!t.creds.hasOwnCap(CAP_SYS_CHROOT)) return EPERM;
  t.fsContext.setRoot(place);
  return 0;
}

export function sys_umask(t: Task, mask: number): number {
  const old = t.fsContext.umask;
  t.fsContext.umask = mask & 0o777;
  return old;
}
