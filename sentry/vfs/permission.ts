// SPDX-License-Identifier: Apache-2.0

/**
 * Who may do what to an inode.
 *
 * Linux: fs/namei.c (generic_permission, inode_permission, may_delete, may_create), fs/inode.c (inode_owner_or_capable)
 */
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID } from '../../platform/abi/linux/capability.ts';
import { EACCES, EBUSY, EISDIR, ENOENT, ENOTDIR, EOVERFLOW, EPERM, EROFS } from '../../platform/abi/linux/errno.ts';
import { MAY_EXEC, MAY_READ, MAY_WRITE } from '../../platform/abi/linux/fcntl.ts';
import { MS_RDONLY } from '../../platform/abi/linux/mount.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_ISVTX, S_IXGRP } from '../../platform/abi/linux/stat.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { IoContext } from './context.ts';
import type { Dentry } from './dentry.ts';
import type { Inode } from './inode.ts';
import type { Mount } from './mount.ts';

export const FS_IMMUTABLE_FL = 0x10;
export const FS_APPEND_FL = 0x20;

/** True when `creds` has `cap` and the inode's owner is known to its user namespace. */
export function capableOver(creds: Credentials, inode: Inode, cap: number): boolean {
  return creds.hasOwnCap(cap) && creds.userNs.hasMapping(inode.uid, inode.gid);
}

/** Is the caller the file's owner, or may act as it (CAP_FOWNER)? */
export function ownerOrCapable(creds: Credentials, inode: Inode): boolean {
  return creds.fsuid === inode.uid || capableOver(creds, inode, CAP_FOWNER);
}

/** The owner/group/other check with its capabilities, for the given ids. Returns 0 or EACCES. */
export function genericPermission(creds: Credentials, inode: Inode, mask: number): number {
  const mode = inode.mode;
  let bits = mode;
  if (creds.fsuid === inode.uid) bits = mode >> 6;
  else if ((((mode >> 3) ^ mode) & 7) !== 0 && creds.inGroup(inode.gid)) bits = mode >> 3;
  if ((mask & ~bits & 7) === 0) return 0;
  if ((mode & S_IFMT) === S_IFDIR) {
    if ((mask & MAY_WRITE) === 0 && capableOver(creds, inode, CAP_DAC_READ_SEARCH)) return 0;
    return capableOver(creds, inode, CAP_DAC_OVERRIDE) ? 0 : EACCES;
  }
  if ((mask & 7) === MAY_READ && capableOver(creds, inode, CAP_DAC_READ_SEARCH)) return 0;
  if ((mask & MAY_EXEC) === 0 || (mode & 0o111) !== 0) {
    if (capableOver(creds, inode, CAP_DAC_OVERRIDE)) return 0;
  }
  return EACCES;
}

/** access by MAY_* mask: filesystem state, immutable files, the inode's own rules, then the mode. Returns 0 or errno. */
export function inodePermission(ctx: IoContext, inode: Inode, mask: number): number {
  if ((mask & MAY_WRITE) !== 0) {
    if (inode.fs.isReadOnly) {
      const type = inode.mode & S_IFMT;
      if (type === S_IFREG || type === S_IFDIR || type === S_IFLNK) return EROFS;
    }
    if ((inode.fsFlags & FS_IMMUTABLE_FL) !== 0) return EPERM;
  }
  const own = inode.checkPermission(ctx, mask);
  return own !== null ? own : genericPermission(ctx.creds, inode, mask);
}

/** May the caller search directory `inode`? The hot step of every path walk. */
export function searchPermission(ctx: IoContext, inode: Inode): number {
  const own = inode.checkPermission(ctx, MAY_EXEC);
  if (own !== null) return own;
  return (inode.mode & 0o111) === 0o111 ? 0 : genericPermission(ctx.creds, inode, MAY_EXEC);
}

/** Is writing through this mount possible? Returns 0 or EROFS. */
export function wantWrite(mount: Mount): number {
  return (mount.flags & MS_RDONLY) !== 0 || mount.fs.isReadOnly ? EROFS : 0;
}

/** May an entry be made in `dir`? */
export function mayCreate(ctx: IoContext, dir: Dentry): number {
  if (dir.isUnlinked) return ENOENT;
  const { userNs } = (dir.inode as Inode).fs;
  if (userNs !== null && !userNs.hasMapping(ctx.creds.fsuid, ctx.creds.fsgid)) return EOVERFLOW;
  return inodePermission(ctx, dir.inode as Inode, MAY_WRITE | MAY_EXEC);
}

/** True when dir is sticky and the caller owns neither it nor the victim. */
function stickyForbids(creds: Credentials, dir: Inode, victim: Inode): boolean {
  if ((dir.mode & S_ISVTX) === 0) return false;
  if (creds.fsuid === victim.uid || creds.fsuid === dir.uid) return false;
  return !capableOver(creds, victim, CAP_FOWNER);
}

/** May `victim` be removed from (or replaced in) `dir`? `kind` says what the caller needs it to be. */
export function mayDelete(ctx: IoContext, dir: Dentry, victim: Dentry, kind: 'dir' | 'nondir'): number {
  const dirInode = dir.inode as Inode;
  const inode = victim.inode as Inode;
  const err = inodePermission(ctx, dirInode, MAY_WRITE | MAY_EXEC);
  if (err !== 0) return err;
  if ((dirInode.fsFlags & FS_APPEND_FL) !== 0) return EPERM;
  if (stickyForbids(ctx.creds, dirInode, inode)) return EPERM;
  if ((inode.fsFlags & (FS_APPEND_FL | FS_IMMUTABLE_FL)) !== 0) return EPERM;
  const isDir = (inode.mode & S_IFMT) === S_IFDIR;
  if (kind === 'dir') {
    if (!isDir) return ENOTDIR;
    if (victim.parent === null) return EBUSY;
  } else if (isDir) {
    return EISDIR;
  }
  return dir.isUnlinked ? ENOENT : 0;
}

/**
 * Owner group and mode of something new in `dir`, with the umask applied: set-gid directories pass on group (and, to directories,
 * the bit). Whether a file may be set-gid is decided before the umask (Linux: vfs_prepare_mode).
 */
export function newOwner(ctx: IoContext, dir: Inode, mode: number): { mode: number; gid: number } {
  const masked = mode & ~ctx.umask;
  if ((dir.mode & S_ISGID) === 0) return { mode: masked, gid: ctx.creds.fsgid };
  if ((mode & S_IFMT) === S_IFDIR) return { mode: masked | S_ISGID, gid: dir.gid };
  const both = S_ISGID | S_IXGRP;
  const keep = (mode & both) !== both || ctx.creds.inGroup(dir.gid) || capableOver(ctx.creds, dir, CAP_FSETID);
  return { mode: keep ? masked : masked & ~S_ISGID, gid: dir.gid };
}
