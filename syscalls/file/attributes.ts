// SPDX-License-Identifier: Apache-2.0

/**
 * chmod, chown, utime and truncate families.
 *
 * Linux: fs/open.c, fs/utimes.c
 */
import {
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  ENODEV,
  EOPNOTSUPP,
  EPERM,
  ESPIPE,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../platform/abi/linux/fcntl.ts';
import { S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, UTIME_NOW, UTIME_OMIT } from '../../platform/abi/linux/stat.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from '../../sentry/vfs/permission.ts';
import {
  type TimeSpec,
  changeMode,
  changeOwner,
  changeTimes,
  resize,
  truncatePath,
} from '../../sentry/vfs/set_attributes.ts';
import type { SyscallReturn } from '../../sentry/wait/blocking.ts';
import { afterLeases } from './lease.ts';
import { ioFile, resolveAt } from './path_args.ts';

const SIGXFSZ = 25;
const raw = new Uint8Array(32);
const view = new DataView(raw.buffer);

export function sys_fchmodat2(t: Task, dirfd: number, path: number, mode: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return EINVAL;
  const place = resolveAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0, (flags & AT_EMPTY_PATH) !== 0);
  return isErrno(place) ? place : changeMode(t, place, mode);
}
export function sys_fchmodat(t: Task, dirfd: number, path: number, mode: number): number {
  return sys_fchmodat2(t, dirfd, path, mode, 0);
}
export function sys_chmod(t: Task, path: number, mode: number): number {
  return sys_fchmodat2(t, AT_FDCWD, path, mode, 0);
}
export function sys_fchmod(t: Task, fd: number, mode: number): number {
  const file = ioFile(t, fd);
  return file === null ? EBADF : changeMode(t, file.path, mode);
}

/** An id argument: the 32-bit -1 leaves it alone. */
function idArg(value: number): number {
  return value === 0xffffffff ? -1 : value;
}

export function sys_fchownat(t: Task, dirfd: number, path: number, uid: number, gid: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return EINVAL;
  const place = resolveAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0, (flags & AT_EMPTY_PATH) !== 0);
  return isErrno(place) ? place : changeOwner(t, place, idArg(uid), idArg(gid));
}
export function sys_chown(t: Task, path: number, uid: number, gid: number): number {
  return sys_fchownat(t, AT_FDCWD, path, uid, gid, 0);
}
export function sys_lchown(t: Task, path: number, uid: number, gid: number): number {
  return sys_fchownat(t, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}
export function sys_fchown(t: Task, fd: number, uid: number, gid: number): number {
  const file = ioFile(t, fd);
  return file === null ? EBADF : changeOwner(t, file.path, idArg(uid), idArg(gid));
}

type Times = readonly [TimeSpec, TimeSpec];

function readI64(at: number): number {
  return view.getInt32(at + 4, true) * 0x100000000 + view.getUint32(at, true);
}

/** Changes the times of a place or, with a null path, of a descriptor. */
function setTimes(t: Task, dirfd: number, path: number, times: Times | null, flags: number): number {
  if (path === 0 && dirfd !== AT_FDCWD) {
    if (flags !== 0) return EINVAL;
    const file = ioFile(t, dirfd);
    return file === null ? EBADF : changeTimes(t, file.path, times);
  }
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return EINVAL;
  const place = resolveAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0, (flags & AT_EMPTY_PATH) !== 0);
  return isErrno(place) ? place : changeTimes(t, place, times);
}

function isNsec(nsec: number): boolean {
  return nsec === UTIME_NOW || nsec === UTIME_OMIT || (nsec >= 0 && nsec <= 999999999);
}

export function sys_utimensat(t: Task, dirfd: number, path: number, timesAddr: number, flags: number): number {
  if (timesAddr === 0) return setTimes(t, dirfd, path, null, flags);
  if (t.memory.copyIn(timesAddr, raw, 0, 32) !== 32) return EFAULT;
  const times: Times = [
    { sec: readI64(0), nsec: readI64(8) },
    { sec: readI64(16), nsec: readI64(24) },
  ];
  if (times[0].nsec === UTIME_OMIT && times[1].nsec === UTIME_OMIT) return 0;
  if (!isNsec(times[0].nsec) || !isNsec(times[1].nsec)) return EINVAL;
  return setTimes(t, dirfd, path, times, flags);
}

export function sys_futimesat(t: Task, dirfd: number, path: number, timesAddr: number): number {
  if (timesAddr === 0) return setTimes(t, dirfd, path, null, 0);
  if (t.memory.copyIn(timesAddr, raw, 0, 32) !== 32) return EFAULT;
  const atimeUsec = readI64(8);
  const mtimeUsec = readI64(24);
  if (atimeUsec < 0 || atimeUsec >= 1000000 || mtimeUsec < 0 || mtimeUsec >= 1000000) return EINVAL;
  const times: Times = [
    { sec: readI64(0), nsec: atimeUsec * 1000 },
    { sec: readI64(16), nsec: mtimeUsec * 1000 },
  ];
  return setTimes(t, dirfd, path, times, 0);
}

export function sys_utimes(t: Task, path: number, timesAddr: number): number {
  return sys_futimesat(t, AT_FDCWD, path, timesAddr);
}

export function sys_utime(t: Task, path: number, timesAddr: number): number {
  if (timesAddr === 0) return setTimes(t, AT_FDCWD, path, null, 0);
  if (t.memory.copyIn(timesAddr, raw, 0, 16) !== 16) return EFAULT;
  const times: Times = [
    { sec: readI64(0), nsec: 0 },
    { sec: readI64(8), nsec: 0 },
  ];
  return setTimes(t, AT_FDCWD, path, times, 0);
}

export function sys_truncate(t: Task, path: number, length: number): SyscallReturn {
  if (length < 0) return EINVAL;
  const place = resolveAt(t, AT_FDCWD, path, true, false);
  return isErrno(place) ? place : afterLeases(false, () => truncatePath(t, place, length));
}

export function sys_ftruncate(t: Task, fd: number, length: number): number {
  if (length < 0) return EINVAL;
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if ((file.inode.mode & S_IFMT) !== S_IFREG || !file.isWritable) return EINVAL;
  if ((file.inode.fsFlags & FS_APPEND_FL) !== 0) return EPERM;
  return resize(t, file.path, length);
}

const FALLOC_KNOWN = 0x7f & ~4;

export function sys_fallocate(t: Task, fd: number, mode: number, offset: number, length: number): number {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if (offset < 0 || length <= 0) return EINVAL;
  const bad = fallocateMode(mode);
  if (bad !== 0) return bad;
  if (!file.isWritable) return EBADF;
  const { fsFlags } = file.inode;
  if (((mode & ~1) !== 0 && (fsFlags & FS_APPEND_FL) !== 0) || (fsFlags & FS_IMMUTABLE_FL) !== 0) return EPERM;
  const type = file.inode.mode & S_IFMT;
  if (type === S_IFIFO) return ESPIPE;
  if (type === S_IFDIR) return EISDIR;
  if (type !== S_IFREG) return ENODEV;
  if (offset + length > Number.MAX_SAFE_INTEGER) return EFBIG;
  if (mode === 0 && offset + length > t.fileSizeLimit) {
    t.raiseSignal(SIGXFSZ);
    return EFBIG;
  }
  return file.fallocate(t, mode, offset, length);
}

/** Which FALLOC_FL_* go together. Returns 0 or errno. */
function fallocateMode(mode: number): 0 | Errno {
  if ((mode & ~FALLOC_KNOWN) !== 0) return EOPNOTSUPP;
  if ((mode & 0x12) === 0x12) return EOPNOTSUPP;
  if ((mode & 2) !== 0 && (mode & 1) === 0) return EOPNOTSUPP;
  // One thing at a time; collapsing and inserting move the end, so it cannot be kept.
  const what = mode & ~1;
  if ((what & (what - 1)) !== 0) return EOPNOTSUPP;
  if ((mode & (8 | 32)) !== 0 && (mode & 1) !== 0) return EOPNOTSUPP;
  return 0;
}
