// SPDX-License-Identifier: Apache-2.0

/**
 * file_getattr(2) and file_setattr(2): what FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR do, by path and on any kind of file.
 *
 * Linux: fs/file_attr.c
 */
import { E2BIG, EFAULT, EINVAL, ENOTTY, EOPNOTSUPP, isErrno } from '../../platform/abi/linux/errno.ts';
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW } from '../../platform/abi/linux/fcntl.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import { wantWrite } from '../../sentry/vfs/permission.ts';
import { extendedFlagsOf, setExtendedFlags } from './file_flags.ts';
import { resolveAt, resolveTextAt } from './path_args.ts';

/** struct file_attr: xflags, then extsize, nextents, projid, cowextsize. */
const FILE_ATTR_SIZE = 24;
const PAGE = 4096;
/** FS_XFLAG_*: every one that has a name. */
const FS_XFLAGS = 0x8001fffb;

function checkSize(flags: number, size: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return EINVAL;
  if (size > PAGE) return E2BIG;
  return size < FILE_ATTR_SIZE ? EINVAL : 0;
}

function find(t: Task, dirfd: number, path: number, flags: number): ReturnType<typeof resolveAt> {
  const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
  const empty = (flags & AT_EMPTY_PATH) !== 0;
  return path === 0 && empty ? resolveTextAt(t, dirfd, '', follow, true) : resolveAt(t, dirfd, path, follow, empty);
}

export function sys_file_getattr(t: Task, dirfd: number, path: number, addr: number, size: number, flags: number): number {
  const err = checkSize(flags, size);
  if (err !== 0) return err;
  const place = find(t, dirfd, path, flags);
  if (isErrno(place)) return place;
  const xflags = extendedFlagsOf(place.dentry.inode as Inode);
  if (xflags < 0) return xflags === ENOTTY ? EOPNOTSUPP : xflags;
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, xflags, true);
  return t.memory.copyOut(addr, bytes, 0, size) === size ? 0 : EFAULT;
}

export function sys_file_setattr(t: Task, dirfd: number, path: number, addr: number, size: number, flags: number): number {
  const err = checkSize(flags, size);
  if (err !== 0) return err;
  const bytes = new Uint8Array(size);
  if (t.memory.copyIn(addr, bytes, 0, size) !== size) return EFAULT;
  if (bytes.subarray(FILE_ATTR_SIZE).some((byte) => byte !== 0)) return E2BIG;
  const view = new DataView(bytes.buffer);
  const xflags = view.getUint32(0, true);
  if ((xflags & ~FS_XFLAGS) !== 0 || view.getUint32(4, true) !== 0) return EINVAL;
  const place = find(t, dirfd, path, flags);
  if (isErrno(place)) return place;
  const readOnly = wantWrite(place.mount);
  if (readOnly !== 0) return readOnly;
  const result = setExtendedFlags(t, place.dentry.inode as Inode, {
    xflags,
    extentSize: view.getUint32(8, true),
    projectId: view.getUint32(16, true),
    copyExtentSize: view.getUint32(20, true),
  });
  return result === ENOTTY ? EOPNOTSUPP : result;
}
