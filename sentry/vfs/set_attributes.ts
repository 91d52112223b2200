// SPDX-License-Identifier: Apache-2.0

/**
 * Attribute changes by path: chmod, chown, utimensat, truncate, with who may do them.
 *
 * Linux: fs/open.c (chmod_common, chown_common, do_truncate), fs/attr.c (setattr_prepare), fs/utimes.c
 */
import { CAP_CHOWN, CAP_FSETID } from '../../platform/abi/linux/capability.ts';
import { EFBIG, EINVAL, EISDIR, EOPNOTSUPP, EPERM, ETXTBSY } from '../../platform/abi/linux/errno.ts';
import { MAY_WRITE, O_WRONLY } from '../../platform/abi/linux/fcntl.ts';
import {
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  S_ISUID,
  S_IXGRP,
  UTIME_NOW,
  UTIME_OMIT,
} from '../../platform/abi/linux/stat.ts';
import { emptyAttr } from './attributes.ts';
import { readNow } from './clock.ts';
import type { IoContext } from './context.ts';
import { ATTR_ATIME, ATTR_GID, ATTR_MODE, ATTR_MTIME, ATTR_SIZE, ATTR_UID, type Inode, type SetAttr } from './inode.ts';
import { breakLeases } from './leases.ts';
import type { Path } from './mount.ts';
import { IN_ATTRIB, IN_MODIFY, notifyFile } from './notify.ts';
import {
  FS_APPEND_FL,
  FS_IMMUTABLE_FL,
  capableOver,
  inodePermission,
  ownerOrCapable,
  wantWrite,
} from './permission.ts';
import { setIdBits } from './set_id.ts';

const SIGXFSZ = 25;

/** Applies a permitted change and tells watchers. */
function apply(ctx: IoContext, path: Path, attr: SetAttr, event: number): number {
  const err = (path.dentry.inode as Inode).setAttributes(ctx, attr);
  if (err === 0) notifyFile(path.dentry, event);
  return err;
}

/** chmod(2) on a place. Returns 0 or errno. */
export function changeMode(ctx: IoContext, path: Path, mode: number): number {
  const inode = path.dentry.inode as Inode;
  const readOnly = wantWrite(path.mount);
  if (readOnly !== 0) return readOnly;
  if ((inode.fsFlags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) !== 0) return EPERM;
  if (inode.hasFixedAttributes) return EOPNOTSUPP;
  if (inode.fs.needsRevalidate) inode.refreshAttributes();
  if (!ownerOrCapable(ctx.creds, inode)) return EPERM;
  if ((inode.mode & S_IFMT) === S_IFLNK) return EOPNOTSUPP;
  let wanted = mode & 0o7777;
  if (!ctx.creds.inGroup(inode.gid) && !capableOver(ctx.creds, inode, CAP_FSETID)) wanted &= ~S_ISGID;
  const attr = emptyAttr();
  attr.valid = ATTR_MODE;
  attr.mode = wanted;
  return apply(ctx, path, attr, IN_ATTRIB);
}

/** chown(2) on a place; -1 leaves an id. Returns 0 or errno. */
export function changeOwner(ctx: IoContext, path: Path, uid: number, gid: number): number {
  const inode = path.dentry.inode as Inode;
  const { creds } = ctx;
  const readOnly = wantWrite(path.mount);
  if (readOnly !== 0) return readOnly;
  if ((inode.fsFlags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) !== 0) return EPERM;
  if (inode.hasFixedAttributes) return EOPNOTSUPP;
  if (inode.fs.needsRevalidate) inode.refreshAttributes();
  const isOwner = creds.fsuid === inode.uid;
  const attr = emptyAttr();
  // The ids of the caller's user namespace.
  const wantedUid = uid;
  const wantedGid = gid;
  if (wantedUid !== -1) uid = creds.userNs.uidOf(wantedUid);
  if (wantedGid !== -1) gid = creds.userNs.gidOf(wantedGid);
  if ((wantedUid !== -1 && uid === -1) || (wantedGid !== -1 && gid === -1)) return EINVAL;
  if (uid !== -1) {
    if (!(isOwner && uid === inode.uid) && !capableOver(creds, inode, CAP_CHOWN)) return EPERM;
    attr.valid |= ATTR_UID;
    attr.uid = uid;
  }
  if (gid !== -1) {
    if (!(isOwner && (gid === inode.gid || creds.inGroup(gid))) && !capableOver(creds, inode, CAP_CHOWN)) return EPERM;
    attr.valid |= ATTR_GID;
    attr.gid = gid;
  }
  if ((inode.mode & S_IFMT) !== S_IFDIR) {
    let kill = inode.mode & S_ISUID;
    if ((inode.mode & S_ISGID) !== 0 && ((inode.mode & S_IXGRP) !== 0 || dropsLockingBit(ctx, inode))) kill |= S_ISGID;
    if (kill !== 0) {
      attr.valid |= ATTR_MODE;
      attr.mode = inode.mode & 0o7777 & ~kill;
    }
  }
  return apply(ctx, path, attr, IN_ATTRIB);
}

/** Set-gid without group execute goes only when the caller is neither in the group nor privileged. */
function dropsLockingBit(ctx: IoContext, inode: Inode): boolean {
  return !ctx.creds.inGroup(inode.gid) && !capableOver(ctx.creds, inode, CAP_FSETID);
}

/** One utimensat time: seconds and nanoseconds (or UTIME_NOW, UTIME_OMIT). */
export interface TimeSpec {
  sec: number;
  nsec: number;
}

/** utimensat(2) on a place; null: both now. Returns 0 or errno. */
export function changeTimes(ctx: IoContext, path: Path, times: readonly [TimeSpec, TimeSpec] | null): number {
  const inode = path.dentry.inode as Inode;
  const readOnly = wantWrite(path.mount);
  if (readOnly !== 0) return readOnly;
  const isNow = times === null || (times[0].nsec === UTIME_NOW && times[1].nsec === UTIME_NOW);
  if ((inode.fsFlags & FS_IMMUTABLE_FL) !== 0 || ((inode.fsFlags & FS_APPEND_FL) !== 0 && !isNow)) return EPERM;
  if (inode.fs.needsRevalidate) inode.refreshAttributes();
  if (!ownerOrCapable(ctx.creds, inode)) {
    if (!isNow) return EPERM;
    const denied = inodePermission(ctx, inode, MAY_WRITE);
    if (denied !== 0) return denied;
  }
  const t = readNow();
  const attr = emptyAttr();
  const atime = times === null ? null : times[0];
  const mtime = times === null ? null : times[1];
  if (atime === null || atime.nsec !== UTIME_OMIT) {
    const useNow = atime === null || atime.nsec === UTIME_NOW;
    attr.valid |= ATTR_ATIME;
    attr.atimeSec = useNow ? t.sec : atime.sec;
    attr.atimeNsec = useNow ? t.nsec : atime.nsec;
  }
  if (mtime === null || mtime.nsec !== UTIME_OMIT) {
    const useNow = mtime === null || mtime.nsec === UTIME_NOW;
    attr.valid |= ATTR_MTIME;
    attr.mtimeSec = useNow ? t.sec : mtime.sec;
    attr.mtimeNsec = useNow ? t.nsec : mtime.nsec;
  }
  return apply(ctx, path, attr, IN_ATTRIB);
}

/** truncate(2) on a place, permissions included. Returns 0 or errno. */
export function truncatePath(ctx: IoContext, path: Path, length: number): number {
  const inode = path.dentry.inode as Inode;
  const type = inode.mode & S_IFMT;
  if (type === S_IFDIR) return EISDIR;
  if (type !== S_IFREG) return EINVAL;
  const readOnly = wantWrite(path.mount);
  if (readOnly !== 0) return readOnly;
  const denied = inodePermission(ctx, inode, MAY_WRITE);
  if (denied !== 0) return denied;
  if ((inode.fsFlags & FS_APPEND_FL) !== 0) return EPERM;
  if (inode.executing > 0) return ETXTBSY;
  const broken = breakLeases(inode, O_WRONLY);
  if (broken !== 0) return broken;
  return resize(ctx, path, length);
}

/** Changes a regular file's size for someone who may (truncate, ftruncate). Returns 0 or errno. */
export function resize(ctx: IoContext, path: Path, length: number): number {
  const inode = path.dentry.inode as Inode;
  if (length > inode.size && length > ctx.fileSizeLimit) {
    ctx.raiseSignal(SIGXFSZ);
    return EFBIG;
  }
  const attr = emptyAttr();
  attr.valid = ATTR_SIZE;
  attr.size = length;
  const kill = setIdBits(inode.mode);
  if (kill !== 0 && !ctx.creds.hasCap(CAP_FSETID)) {
    attr.valid |= ATTR_MODE;
    attr.mode = inode.mode & 0o7777 & ~kill;
  }
  return apply(ctx, path, attr, IN_MODIFY);
}
