// SPDX-License-Identifier: Apache-2.0

/**
 * rename(2) and renameat2(2).
 *
 * Linux: fs/namei.c (do_renameat2, vfs_rename, d_move)
 */
import { CAP_MKNOD } from '../../platform/abi/linux/capability.ts';
import {
  EBUSY,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EXDEV,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { MAY_WRITE, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../platform/abi/linux/fcntl.ts';
import type { IoContext } from './context.ts';
import type { Dentry } from './dentry.ts';
import type { ByteString, Inode } from './inode.ts';
import type { Path } from './mount.ts';
import {
  IN_ATTRIB,
  IN_ISDIR,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_MOVE_SELF,
  nextCookie,
  notifyEntry,
  notifyNameGone,
  notifySelf,
} from './notify.ts';
import { inodePermission, mayCreate, mayDelete, wantWrite } from './permission.ts';
import { LAST_NORM, Walk, addFresh, isDir, lookupChild } from './path_walk.ts';

/** True when `ancestor` is `dentry` or above it. */
function isAncestor(ancestor: Dentry, dentry: Dentry): boolean {
  for (let d: Dentry | null = dentry; d !== null; d = d.parent) if (d === ancestor) return true;
  return false;
}

/** Two names of one file: rename(2) does nothing and succeeds. */
function isSameFile(a: Inode, b: Inode): boolean {
  return a === b || (a.fs === b.fs && a.ino === b.ino && a.ino !== 0 && !isDir(a));
}

/** renameat2(2). Returns 0 or errno. */
export function renamePath(
  ctx: IoContext,
  oldStart: Path | null,
  oldPath: string,
  newStart: Path | null,
  newPath: string,
  flags: number,
): number {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return EINVAL;
  if ((flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0 && (flags & RENAME_EXCHANGE) !== 0) return EINVAL;
  const from = new Walk(ctx, oldStart, 0);
  let err = from.parent(oldPath);
  if (err !== 0) return err;
  const to = new Walk(ctx, newStart, 0);
  err = to.parent(newPath);
  if (err !== 0) return err;
  if (from.mount !== to.mount) return EXDEV;
  if (from.lastKind !== LAST_NORM) return EBUSY;
  if (to.lastKind !== LAST_NORM) return (flags & RENAME_NOREPLACE) !== 0 ? EEXIST : EBUSY;
  err = wantWrite(from.mount);
  if (err !== 0) return err;
  const source = lookupChild(ctx, from.dentry, from.lastName);
  if (isErrno(source)) return source;
  source.get();
  const found = lookupChild(ctx, to.dentry, to.lastName);
  if (isErrno(found) && (found !== ENOENT || to.dentry.fs.refusesNewNames)) err = found;
  else err = renameFound(ctx, from, to, source, isErrno(found) ? null : found, flags);
  source.put();
  return err;
}

/** Both names are looked up: shape checks in Linux's order, then permissions. */
function renameFound(
  ctx: IoContext,
  from: Walk,
  to: Walk,
  source: Dentry,
  target: Dentry | null,
  flags: number,
): number {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if ((flags & RENAME_NOREPLACE) !== 0 && target !== null) return EEXIST;
  if (exchange) {
    if (target === null) return ENOENT;
    if (!isDir(target.inode as Inode) && to.hasTrailingSlash) return ENOTDIR;
  }
  if (!isDir(source.inode as Inode)) {
    if (from.hasTrailingSlash) return ENOTDIR;
    if (!exchange && to.hasTrailingSlash) return ENOTDIR;
  }
  if (from.dentry !== to.dentry) {
    if (isAncestor(source, to.dentry)) return EINVAL;
    if (target !== null && isAncestor(target, from.dentry)) return exchange ? EINVAL : ENOTEMPTY;
  }
  return renamePermitted(ctx, from, to, source, target, flags);
}

function renamePermitted(
  ctx: IoContext,
  from: Walk,
  to: Walk,
  source: Dentry,
  target: Dentry | null,
  flags: number,
): number {
  const inode = source.inode as Inode;
  if (target !== null && isSameFile(target.inode as Inode, inode)) return 0;
  const sourceIsDir = isDir(inode);
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  let err = mayDelete(ctx, from.dentry, source, sourceIsDir ? 'dir' : 'nondir');
  if (err !== 0) return err;
  if (target === null) {
    err = mayCreate(ctx, to.dentry);
  } else if (exchange) {
    err = mayDelete(ctx, to.dentry, target, isDir(target.inode as Inode) ? 'dir' : 'nondir');
  } else {
    err = mayDelete(ctx, to.dentry, target, sourceIsDir ? 'dir' : 'nondir');
  }
  if (err !== 0) return err;
  if (from.dentry !== to.dentry) {
    if (sourceIsDir) err = inodePermission(ctx, inode, MAY_WRITE);
    if (err === 0 && exchange && isDir(target?.inode as Inode))
      err = inodePermission(ctx, target?.inode as Inode, MAY_WRITE);
    if (err !== 0) return err;
  }
  if (source.mountCount > 0 || (target !== null && target.mountCount > 0)) return EBUSY;
  if ((flags & RENAME_WHITEOUT) !== 0 && !ctx.creds.hasCap(CAP_MKNOD)) return EPERM;
  if (source.fs !== to.dentry.fs) return EXDEV;
  const fromDir = from.dentry.inode as Inode;
  const toDir = to.dentry.inode as Inode;
  err = fromDir.rename(ctx, from.lastName, inode, toDir, to.lastName, target?.inode ?? null, flags);
  if (err !== 0) return err;
  moveDentries(from, to, source, target, flags);
  tellWatchers(from, to, inode, exchange ? null : (target?.inode ?? null));
  return 0;
}

/** What is wrong with the directory of `path`; 0: nothing. */
export function parentProblem(ctx: IoContext, start: Path | null, path: ByteString): number {
  return new Walk(ctx, start, 0).parent(path);
}

/** The filesystem has renamed: makes the cache agree. */
function moveDentries(from: Walk, to: Walk, source: Dentry, target: Dentry | null, flags: number): void {
  source.unhash();
  if (target !== null) {
    if ((flags & RENAME_EXCHANGE) !== 0) {
      target.unhash();
      target.parent = from.dentry;
      target.name = from.lastName;
      from.dentry.hashChild(target);
    } else {
      if (target.children !== null) for (const child of [...target.children.values()]) child.drop();
      target.unlinked();
    }
  } else {
    to.dentry.children?.get(to.lastName)?.drop();
  }
  source.parent = to.dentry;
  source.name = to.lastName;
  to.dentry.hashChild(source);
  const isQuiet = source.fs.cacheNegative && !source.fs.needsRevalidate;
  if (isQuiet && (flags & (RENAME_EXCHANGE | RENAME_WHITEOUT)) === 0) addFresh(from.dentry, from.lastName, null);
}

function tellWatchers(from: Walk, to: Walk, moved: Inode, replaced: Inode | null): void {
  const cookie = nextCookie();
  notifyEntry(from.dentry.inode as Inode, IN_MOVED_FROM, from.lastName, moved, cookie);
  notifyEntry(to.dentry.inode as Inode, IN_MOVED_TO, to.lastName, moved, cookie);
  if (replaced !== null) notifySelf(replaced, isDir(replaced) ? IN_ATTRIB | IN_ISDIR : IN_ATTRIB);
  notifySelf(moved, IN_MOVE_SELF);
  if (replaced !== null) notifyNameGone(replaced);
}
