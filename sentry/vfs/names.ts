// SPDX-License-Identifier: Apache-2.0

/**
 * Making and removing names: mkdir, mknod, symlink, link, unlink, rmdir.
 *
 * Linux: fs/namei.c (filename_create, vfs_mkdir, do_unlinkat, ...)
 */
import { CAP_DAC_READ_SEARCH, CAP_MKNOD } from '../../platform/abi/linux/capability.ts';
import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  EMLINK,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EXDEV,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { MAY_READ, MAY_WRITE } from '../../platform/abi/linux/fcntl.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
  S_ISVTX,
  S_IXGRP,
} from '../../platform/abi/linux/stat.ts';
import type { IoContext } from './context.ts';
import type { Dentry } from './dentry.ts';
import type { ByteString, Inode } from './inode.ts';
import type { Path } from './mount.ts';
import { IN_ATTRIB, IN_CREATE, IN_DELETE, notifyEntry, notifyNameGone, notifySelf } from './notify.ts';
import {
  FS_APPEND_FL,
  FS_IMMUTABLE_FL,
  capableOver,
  inodePermission,
  mayCreate,
  mayDelete,
  newOwner,
  ownerOrCapable,
  wantWrite,
} from './permission.ts';
import { LAST_DOT, LAST_DOTDOT, LAST_NORM, Walk, addFresh, isDir, linkProtection, lookupChild } from './path_walk.ts';

const MAX_LINKS = 0x7fffffff;

/** Walks to where something new may be made. Returns the walk standing in the directory, or errno. */
export function walkToNew(ctx: IoContext, start: Path | null, path: ByteString, what: 'dir' | 'nondir'): Walk | Errno {
  const walk = new Walk(ctx, start, 0);
  const err = walk.parent(path);
  if (err !== 0) return err as Errno;
  if (walk.lastKind !== LAST_NORM) return EEXIST;
  const found = lookupChild(ctx, walk.dentry, walk.lastName);
  if (!isErrno(found)) return EEXIST;
  if (found !== ENOENT || walk.dentry.fs.refusesNewNames) return found;
  if (walk.hasTrailingSlash && what === 'nondir') return ENOENT;
  const readOnly = wantWrite(walk.mount);
  return readOnly !== 0 ? (readOnly as Errno) : walk;
}

/** Enters what a filesystem made in the cache and tells watchers. */
function made(walk: Walk, inode: Inode): Dentry {
  const dentry = addFresh(walk.dentry, walk.lastName, inode);
  notifyEntry(walk.dentry.inode as Inode, IN_CREATE, walk.lastName, inode);
  return dentry;
}

/** mkdir(2). Returns 0 or errno. */
export function makeDirectory(ctx: IoContext, start: Path | null, path: ByteString, mode: number): number {
  const walk = walkToNew(ctx, start, path, 'dir');
  if (isErrno(walk)) return walk;
  const denied = mayCreate(ctx, walk.dentry);
  if (denied !== 0) return denied;
  const dir = walk.dentry.inode as Inode;
  const owner = newOwner(ctx, dir, S_IFDIR | (mode & (0o777 | S_ISVTX)));
  const inode = dir.mkdir(ctx, walk.lastName, owner.mode & 0o7777, ctx.creds.fsuid, owner.gid);
  if (isErrno(inode)) return inode;
  made(walk, inode);
  return 0;
}

/** Makes the file itself; its mode has the type. */
type NodeCreator = (dir: Inode, name: ByteString, mode: number, gid: number) => Inode | Errno;

/** mknod(2), also for regular files and (AF_UNIX bind) sockets. Returns the new place or errno. */
export function makeNode(
  ctx: IoContext,
  start: Path | null,
  path: ByteString,
  mode: number,
  rdev: number,
  create: NodeCreator = (dir, name, itsMode, gid) => dir.mknod(ctx, name, itsMode, 0, ctx.creds.fsuid, gid),
): Path | Errno {
  const given = mode & S_IFMT;
  const type = given === 0 ? S_IFREG : given;
  if (type === S_IFDIR) return EPERM;
  if (type !== S_IFREG && type !== S_IFCHR && type !== S_IFBLK && type !== S_IFIFO && type !== S_IFSOCK) return EINVAL;
  const walk = walkToNew(ctx, start, path, 'nondir');
  if (isErrno(walk)) return walk;
  const denied = mayCreate(ctx, walk.dentry);
  if (denied !== 0) return denied as Errno;
  const isDevice = type === S_IFCHR || type === S_IFBLK;
  const isWhiteout = type === S_IFCHR && rdev === 0;
  if (isDevice && !isWhiteout && !(ctx.creds.hasCap(CAP_MKNOD) && ctx.creds.userNs.parent === null)) return EPERM;
  const dir = walk.dentry.inode as Inode;
  const owner = newOwner(ctx, dir, type | (mode & 0o7777));
  const { fsuid } = ctx.creds;
  const inode =
    type === S_IFREG
      ? dir.create(ctx, walk.lastName, owner.mode & 0o7777, fsuid, owner.gid)
      : isDevice
        ? dir.mknod(ctx, walk.lastName, owner.mode, rdev, fsuid, owner.gid)
        : create(dir, walk.lastName, owner.mode, owner.gid);
  if (isErrno(inode)) return inode;
  return { mount: walk.mount, dentry: made(walk, inode) };
}

/** symlink(2). `target` is not empty. Returns 0 or errno. */
export function makeSymlink(ctx: IoContext, target: ByteString, start: Path | null, path: ByteString): number {
  const walk = walkToNew(ctx, start, path, 'nondir');
  if (isErrno(walk)) return walk;
  const denied = mayCreate(ctx, walk.dentry);
  if (denied !== 0) return denied;
  const dir = walk.dentry.inode as Inode;
  const owner = newOwner(ctx, dir, 0o777);
  const inode = dir.symlink(ctx, walk.lastName, target, ctx.creds.fsuid, owner.gid);
  if (isErrno(inode)) return inode;
  made(walk, inode);
  return 0;
}

/** linkat(2) from a place already found. Returns 0 or errno. */
export function makeLink(ctx: IoContext, old: Path, start: Path | null, path: ByteString): number {
  const walk = walkToNew(ctx, start, path, 'nondir');
  if (isErrno(walk)) return walk;
  const target = old.dentry.inode as Inode;
  if (old.mount !== walk.mount) return EXDEV;
  const refused = mayLinkTo(ctx, target);
  if (refused !== 0) return refused;
  const denied = mayCreate(ctx, walk.dentry);
  if (denied !== 0) return denied;
  if (target.fs !== walk.dentry.fs) return EXDEV;
  if ((target.fsFlags & (FS_APPEND_FL | FS_IMMUTABLE_FL)) !== 0) return EPERM;
  if (isDir(target)) return EPERM;
  if (target.nlink === 0 && !old.dentry.name.startsWith('#')) return ENOENT;
  if (target.nlink >= MAX_LINKS) return EMLINK;
  const dir = walk.dentry.inode as Inode;
  const err = dir.link(ctx, walk.lastName, target);
  if (err !== 0) return err;
  if (old.dentry.isUnlinked && !old.dentry.isHashed && old.dentry.name.startsWith('#')) adopt(walk, old.dentry);
  else addFresh(walk.dentry, walk.lastName, target);
  notifySelf(target, IN_ATTRIB);
  notifyEntry(dir, IN_CREATE, walk.lastName, target);
  return 0;
}

/** An O_TMPFILE file gets its first name: its dentry becomes that name. */
function adopt(walk: Walk, dentry: Dentry): void {
  walk.dentry.children?.get(walk.lastName)?.drop();
  dentry.parent = walk.dentry;
  dentry.name = walk.lastName;
  dentry.isUnlinked = false;
  walk.dentry.hashChild(dentry);
}

/** protected_hardlinks: only to what one owns, or could read and write and is plain. */
function mayLinkTo(ctx: IoContext, target: Inode): number {
  if (!linkProtection.hardlinks || ownerOrCapable(ctx.creds, target)) return 0;
  const { mode } = target;
  const isSafe =
    (mode & S_IFMT) === S_IFREG && (mode & S_ISUID) === 0 && (mode & (S_ISGID | S_IXGRP)) !== (S_ISGID | S_IXGRP);
  return isSafe && inodePermission(ctx, target, MAY_READ | MAY_WRITE) === 0 ? 0 : EPERM;
}

/** linkat(AT_EMPTY_PATH) of a descriptor needs this capability (or the opener's own credentials). */
export function mayLinkByDescriptor(ctx: IoContext, inode: Inode): boolean {
  return capableOver(ctx.creds, inode, CAP_DAC_READ_SEARCH);
}

/** After a name went: the dentry dies with its last user, the cache learns the name is free. */
function removed(dir: Dentry, victim: Dentry): void {
  const inode = victim.inode as Inode;
  const { name } = victim;
  if (!isDir(inode)) notifySelf(inode, IN_ATTRIB);
  victim.unlinked();
  notifyNameGone(inode);
  notifyEntry(dir.inode as Inode, IN_DELETE, name, inode);
  if (dir.fs.cacheNegative && !dir.fs.needsRevalidate) addFresh(dir, name, null);
}

/** unlink(2). Returns 0 or errno. */
export function removeFile(ctx: IoContext, start: Path | null, path: ByteString): number {
  const walk = new Walk(ctx, start, 0);
  let err = walk.parent(path);
  if (err !== 0) return err;
  if (walk.lastKind !== LAST_NORM) return EISDIR;
  err = wantWrite(walk.mount);
  if (err !== 0) return err;
  const dir = walk.dentry;
  const victim = lookupChild(ctx, dir, walk.lastName);
  if (isErrno(victim)) return victim;
  const inode = victim.inode as Inode;
  if (walk.hasTrailingSlash) return isDir(inode) ? EISDIR : ENOTDIR;
  err = mayDelete(ctx, dir, victim, 'nondir');
  if (err !== 0) return err;
  if (victim.mountCount > 0) return EBUSY;
  err = (dir.inode as Inode).unlink(ctx, walk.lastName, inode);
  if (err !== 0) return err;
  removed(dir, victim);
  return 0;
}

/** rmdir(2). Returns 0 or errno. */
export function removeDirectory(ctx: IoContext, start: Path | null, path: ByteString): number {
  const walk = new Walk(ctx, start, 0);
  let err = walk.parent(path);
  if (err !== 0) return err;
  if (walk.lastKind !== LAST_NORM)
    return walk.lastKind === LAST_DOTDOT ? ENOTEMPTY : walk.lastKind === LAST_DOT ? EINVAL : EBUSY;
  err = wantWrite(walk.mount);
  if (err !== 0) return err;
  const dir = walk.dentry;
  const victim = lookupChild(ctx, dir, walk.lastName);
  if (isErrno(victim)) return victim;
  err = mayDelete(ctx, dir, victim, 'dir');
  if (err !== 0) return err;
  if (victim.mountCount > 0) return EBUSY;
  err = (dir.inode as Inode).rmdir(ctx, walk.lastName, victim.inode as Inode);
  if (err !== 0) return err;
  dropChildren(victim);
  removed(dir, victim);
  return 0;
}

/** Forgets (negative) cached children of a directory that is going. */
function dropChildren(dir: Dentry): void {
  if (dir.children !== null) for (const child of [...dir.children.values()]) child.drop();
}
