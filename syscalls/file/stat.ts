// SPDX-License-Identifier: Apache-2.0

/**
 * stat, lstat, fstat, newfstatat, statx, statfs, fstatfs.
 *
 * Linux: fs/stat.c, fs/statfs.c; struct stat in arch/x86/include/uapi/asm/stat.h
 */
import { EBADF, EFAULT, EINVAL, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_STATX_DONT_SYNC,
  AT_STATX_FORCE_SYNC,
  AT_SYMLINK_NOFOLLOW,
} from '../../platform/abi/linux/fcntl.ts';
import {
  STATX_ATTR_MOUNT_ROOT,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_MNT_ID,
  STATX__RESERVED,
  majorOf,
  minorOf,
} from '../../platform/abi/linux/stat.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import type { Path } from '../../sentry/vfs/mount.ts';
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from '../../sentry/vfs/permission.ts';
import { emptyStatFs, statMount } from '../../sentry/vfs/statfs.ts';
import { resolveAt, resolveTextAt, readPath } from './path_args.ts';

const STAT_SIZE = 144;
const STATX_SIZE = 256;
const STATFS_SIZE = 120;
const raw = new Uint8Array(STATX_SIZE);
const words = new Uint32Array(raw.buffer);
const signed = new Int32Array(raw.buffer);
const statfsScratch = emptyStatFs();

/** Puts a non-negative (or negative, two's complement) 64-bit Number at word index `at`. */
function put64(at: number, value: number): void {
  words[at] = value >>> 0;
  signed[at + 1] = Math.floor(value / 0x100000000);
}

/** Copies struct stat of `inode` out. Returns 0 or errno. */
function writeStat(t: Task, inode: Inode, addr: number): number {
  const err = inode.refreshAttributes();
  if (err !== 0) return err;
  put64(0, inode.fs.dev);
  put64(2, inode.ino);
  put64(4, inode.nlink);
  words[6] = inode.mode;
  const { userNs } = t.creds;
  words[7] = userNs.showUid(inode.uid);
  words[8] = userNs.showGid(inode.gid);
  words[9] = 0;
  put64(10, inode.rdev);
  put64(12, inode.size);
  put64(14, inode.blksize);
  put64(16, inode.blocks);
  put64(18, inode.atimeSec);
  put64(20, inode.atimeNsec);
  put64(22, inode.mtimeSec);
  put64(24, inode.mtimeNsec);
  put64(26, inode.ctimeSec);
  put64(28, inode.ctimeNsec);
  words.fill(0, 30, 36);
  return t.memory.copyOut(addr, raw, 0, STAT_SIZE) === STAT_SIZE ? 0 : EFAULT;
}

export function sys_fstat(t: Task, fd: number, buf: number): number {
  const file = t.fdTable.get(fd);
  return file === null ? EBADF : writeStat(t, file.inode, buf);
}

export function sys_stat(t: Task, path: number, buf: number): number {
  const place = resolveAt(t, AT_FDCWD, path, true, false);
  return isErrno(place) ? place : writeStat(t, place.dentry.inode as Inode, buf);
}

export function sys_lstat(t: Task, path: number, buf: number): number {
  const place = resolveAt(t, AT_FDCWD, path, false, false);
  return isErrno(place) ? place : writeStat(t, place.dentry.inode as Inode, buf);
}

/** The place a stat-like call names; with AT_EMPTY_PATH a NULL path is an empty one. */
function statPlace(t: Task, dirfd: number, path: number, flags: number): Path | Errno {
  const empty = (flags & AT_EMPTY_PATH) !== 0;
  if (path === 0 && empty) return resolveTextAt(t, dirfd, '', false, true);
  return resolveAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0, empty);
}

export function sys_newfstatat(t: Task, dirfd: number, path: number, buf: number, flags: number): number {
  const known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;
  // An empty path with AT_EMPTY_PATH is fstat(2): other flags are not looked at.
  if ((flags & ~known) !== 0 && !((flags & AT_EMPTY_PATH) !== 0 && dirfd >= 0 && readPath(t, path) === ''))
    return EINVAL;
  const place = statPlace(t, dirfd, path, flags);
  return isErrno(place) ? place : writeStat(t, place.dentry.inode as Inode, buf);
}

/** STATX_ATTR_IMMUTABLE, _APPEND and _NODUMP: the bits of chattr's flags. */
const STATX_ATTR_FLAGS = FS_IMMUTABLE_FL | FS_APPEND_FL | 0x40;

export function sys_statx(t: Task, dirfd: number, path: number, flags: number, mask: number, buf: number): number {
  const sync = AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;
  const known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | sync;
  if ((mask & STATX__RESERVED) !== 0 || (flags & sync) === sync || (flags & ~known) !== 0) return EINVAL;
  const place = statPlace(t, dirfd, path, flags);
  return isErrno(place) ? place : writeStatx(t, place, buf);
}

function putTime(at: number, sec: number, nsec: number): void {
  put64(at, sec);
  words[at + 2] = nsec;
  words[at + 3] = 0;
}

function writeStatx(t: Task, place: Path, addr: number): number {
  const inode = place.dentry.inode as Inode;
  const err = inode.refreshAttributes();
  if (err !== 0) return err;
  words.fill(0);
  const hasBirth = inode.btimeSec >= 0;
  words[0] = (STATX_BASIC_STATS | STATX_MNT_ID | (hasBirth ? STATX_BTIME : 0)) >>> 0;
  words[1] = inode.blksize;
  let attributes = inode.fsFlags & STATX_ATTR_FLAGS;
  if (place.dentry === place.mount.root) attributes |= STATX_ATTR_MOUNT_ROOT;
  put64(2, attributes);
  words[4] = inode.nlink;
  words[5] = t.creds.userNs.showUid(inode.uid);
  words[6] = t.creds.userNs.showGid(inode.gid);
  words[7] = inode.mode & 0xffff;
  put64(8, inode.ino);
  put64(10, inode.size);
  put64(12, inode.blocks);
  put64(14, STATX_ATTR_MOUNT_ROOT | STATX_ATTR_FLAGS);
  putTime(16, inode.atimeSec, inode.atimeNsec);
  if (hasBirth) putTime(20, inode.btimeSec, inode.btimeNsec);
  putTime(24, inode.ctimeSec, inode.ctimeNsec);
  putTime(28, inode.mtimeSec, inode.mtimeNsec);
  words[32] = majorOf(inode.rdev);
  words[33] = minorOf(inode.rdev);
  words[34] = majorOf(inode.fs.dev);
  words[35] = minorOf(inode.fs.dev);
  put64(36, place.mount.id);
  return t.memory.copyOut(addr, raw, 0, STATX_SIZE) === STATX_SIZE ? 0 : EFAULT;
}

function writeStatfs(t: Task, place: Path, addr: number): number {
  const s = statfsScratch;
  const err = statMount(place.mount, s);
  if (err !== 0) return err;
  put64(0, s.type);
  put64(2, s.bsize);
  put64(4, s.blocks);
  put64(6, s.bfree);
  put64(8, s.bavail);
  put64(10, s.files);
  put64(12, s.ffree);
  words[14] = place.mount.fs.dev;
  words[15] = 0;
  put64(16, s.namelen);
  put64(18, s.bsize);
  put64(20, s.flags);
  words.fill(0, 22, 30);
  return t.memory.copyOut(addr, raw, 0, STATFS_SIZE) === STATFS_SIZE ? 0 : EFAULT;
}

export function sys_statfs(t: Task, path: number, buf: number): number {
  const place = resolveAt(t, AT_FDCWD, path, true, false);
  return isErrno(place) ? place : writeStatfs(t, place, buf);
}

export function sys_fstatfs(t: Task, fd: number, buf: number): number {
  const file = t.fdTable.get(fd);
  return file === null ? EBADF : writeStatfs(t, file.path, buf);
}
