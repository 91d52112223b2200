// SPDX-License-Identifier: Apache-2.0

/**
 * open(2): from path and flags to an open file.
 *
 * Linux: fs/open.c, fs/namei.c (path_openat, do_open, may_open, may_o_create); open(2)
 */
import {
  EACCES,
  EEXIST,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  EINVAL,
  ENXIO,
  EPERM,
  ETXTBSY,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import {
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  __O_TMPFILE,
} from '../../platform/abi/linux/fcntl.ts';
import { MS_NODEV, MS_NOEXEC } from '../../platform/abi/linux/mount.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../../platform/abi/linux/stat.ts';
import { emptyAttr } from './attributes.ts';
import type { IoContext } from './context.ts';
import { Dentry } from './dentry.ts';
import { type FileDescription, PathDescription } from './file_description.ts';
import { ATTR_SIZE, type ByteString, type Inode } from './inode.ts';
import { breakLeases } from './leases.ts';
import type { Path } from './mount.ts';
import { FAN_OPEN_EXEC, fsNotify, IN_CREATE, IN_MODIFY, IN_OPEN, notifyEntry, notifyFile, notifyUse } from './notify.ts';
import { FS_APPEND_FL, inodePermission, mayCreate, newOwner, ownerOrCapable, wantWrite } from './permission.ts';
import { LAST_NORM, Walk, addFresh, isDir, isSymlink, lookupChild } from './path_walk.ts';
import { setIdBits } from './set_id.ts';
import type { VirtualFilesystem } from './virtual_filesystem.ts';

/** Flags F_GETFL shows: everything but the ones that only matter at open. */
const CREATION_FLAGS = 0o100 | 0o200 | 0o400 | 0o1000 | 0o2000000;

/** MAY_* bits an open with these flags needs. */
function accessMask(flags: number): number {
  const access = flags & O_ACCMODE;
  let mask = access === O_RDONLY ? MAY_READ : access === O_WRONLY ? MAY_WRITE : MAY_READ | MAY_WRITE;
  if ((flags & O_TRUNC) !== 0) mask |= MAY_WRITE;
  return mask;
}

/**
 * Opens `path`. `flags` are valid (the handler has applied open(2)'s rules); `mode` is for creation, before umask.
 * Returns the open file with one reference, or errno.
 */
export function openPath(
  vfs: VirtualFilesystem,
  ctx: IoContext,
  start: Path | null,
  path: ByteString,
  flags: number,
  mode: number,
  resolve: number,
): FileDescription | Errno {
  const walk = new Walk(ctx, start, resolve);
  if ((flags & __O_TMPFILE) !== 0) return openUnnamed(vfs, ctx, walk, path, flags, mode);
  if ((flags & O_CREAT) !== 0) return openOrCreate(vfs, ctx, walk, path, flags, mode);
  const err = walk.full(path, (flags & O_NOFOLLOW) === 0);
  if (err !== 0) return err as Errno;
  const inode = walk.dentry.inode as Inode;
  if ((flags & O_DIRECTORY) !== 0 && !isDir(inode)) return ENOTDIR;
  if ((flags & O_PATH) !== 0)
    return new PathDescription(walk.path, inode, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW), ctx.creds);
  return openExisting(vfs, ctx, walk.path, flags);
}

/** The O_CREAT walk: the last component may be missing, or a link to something missing. */
function openOrCreate(
  vfs: VirtualFilesystem,
  ctx: IoContext,
  walk: Walk,
  given: ByteString,
  flags: number,
  mode: number,
): FileDescription | Errno {
  let path = given;
  for (;;) {
    const err = walk.parent(path);
    if (err !== 0) return err as Errno;
    if (walk.lastKind !== LAST_NORM || walk.hasTrailingSlash) {
      if (walk.hasTrailingSlash && walk.lastKind === LAST_NORM) return EISDIR;
      return (flags & O_EXCL) !== 0 ? EEXIST : EISDIR;
    }
    const child = lookupChild(ctx, walk.dentry, walk.lastName);
    if (isErrno(child))
      return child === ENOENT && !walk.dentry.fs.refusesNewNames ? createAndOpen(vfs, ctx, walk, flags, mode) : child;
    const inode = child.inode as Inode;
    if (isSymlink(inode)) {
      if ((flags & O_EXCL) !== 0) return EEXIST;
      if ((flags & O_NOFOLLOW) !== 0) return ELOOP;
      const text = walk.followLink(child);
      if (typeof text === 'string') {
        path = text;
        continue;
      }
      if (text !== 0) return text as Errno;
    } else {
      const crossed = walk.enter(child);
      if (crossed !== 0) return crossed as Errno;
    }
    if ((flags & O_EXCL) !== 0) return EEXIST;
    if (isDir(walk.dentry.inode as Inode)) return EISDIR;
    return openExisting(vfs, ctx, walk.path, flags);
  }
}

function createAndOpen(
  vfs: VirtualFilesystem,
  ctx: IoContext,
  walk: Walk,
  flags: number,
  mode: number,
): FileDescription | Errno {
  const dir = walk.dentry;
  const dirInode = dir.inode as Inode;
  if (dir.isUnlinked) return ENOENT;
  const readOnly = wantWrite(walk.mount);
  if (readOnly !== 0) return readOnly as Errno;
  const denied = mayCreate(ctx, dir);
  if (denied !== 0) return denied as Errno;
  const owner = newOwner(ctx, dirInode, S_IFREG | (mode & 0o7777));
  const made = dirInode.create(ctx, walk.lastName, owner.mode & 0o7777, ctx.creds.fsuid, owner.gid);
  if (isErrno(made)) return made;
  const dentry = addFresh(dir, walk.lastName, made);
  notifyEntry(dirInode, IN_CREATE, walk.lastName, made);
  const file = openInode(vfs, ctx, { mount: walk.mount, dentry }, made, flags);
  if (!isErrno(file)) file.wasCreated = true;
  return file;
}

/** O_TMPFILE: `path` is the directory. */
function openUnnamed(
  vfs: VirtualFilesystem,
  ctx: IoContext,
  walk: Walk,
  path: ByteString,
  flags: number,
  mode: number,
): FileDescription | Errno {
  const err = walk.full(path, (flags & O_NOFOLLOW) === 0);
  if (err !== 0) return err as Errno;
  const dir = walk.dentry.inode as Inode;
  if (!isDir(dir)) return ENOTDIR;
  const readOnly = wantWrite(walk.mount);
  if (readOnly !== 0) return readOnly as Errno;
  const denied = inodePermission(ctx, dir, MAY_WRITE | MAY_EXEC);
  if (denied !== 0) return denied as Errno;
  const owner = newOwner(ctx, dir, S_IFREG | (mode & 0o7777));
  const made = dir.tmpfile(ctx, owner.mode & 0o7777, ctx.creds.fsuid, owner.gid);
  if (isErrno(made)) return made;
  const dentry = new Dentry(dir.fs, walk.dentry, `#${made.ino}`, made);
  dentry.isUnlinked = true;
  return openInode(vfs, ctx, { mount: walk.mount, dentry }, made, flags & ~O_EXCL);
}

/** Checks and opens what exists at `path` (also used for /proc/self/fd reopening). */
export function openExisting(
  vfs: VirtualFilesystem,
  ctx: IoContext,
  path: Path,
  flags: number,
): FileDescription | Errno {
  const inode = path.dentry.inode as Inode;
  const type = inode.mode & S_IFMT;
  if (inode.fs.needsRevalidate) inode.refreshAttributes();
  const truncates = (flags & O_TRUNC) !== 0 && type === S_IFREG;
  if (truncates) {
    const readOnly = wantWrite(path.mount);
    if (readOnly !== 0) return readOnly as Errno;
  }
  const denied = mayOpen(ctx, path, inode, flags);
  if (denied !== 0) return denied as Errno;
  const file = openInode(vfs, ctx, path, inode, flags);
  if (isErrno(file) || !truncates) return file;
  const err = truncateOnOpen(ctx, path, inode);
  if (err !== 0) {
    file.decRef();
    return err as Errno;
  }
  return file;
}

function mayOpen(ctx: IoContext, path: Path, inode: Inode, flags: number): number {
  const type = inode.mode & S_IFMT;
  const mask = accessMask(flags);
  if (type === S_IFLNK) return ELOOP;
  if (type === S_IFDIR && (mask & MAY_WRITE) !== 0) return EISDIR;
  if ((type === S_IFCHR || type === S_IFBLK) && (path.mount.flags & MS_NODEV) !== 0) return EACCES;
  const denied = inodePermission(ctx, inode, mask);
  if (denied !== 0) return denied;
  if ((inode.fsFlags & FS_APPEND_FL) !== 0) {
    if ((flags & O_ACCMODE) !== O_RDONLY && (flags & O_APPEND) === 0) return EPERM;
    if ((flags & O_TRUNC) !== 0) return EPERM;
  }
  if ((flags & O_NOATIME) !== 0 && !ownerOrCapable(ctx.creds, inode)) return EPERM;
  if ((mask & MAY_WRITE) !== 0 && type === S_IFREG) return wantWrite(path.mount);
  return 0;
}

function truncateOnOpen(ctx: IoContext, path: Path, inode: Inode): number {
  if (inode.executing > 0) return ETXTBSY;
  const attr = emptyAttr();
  attr.valid = ATTR_SIZE;
  const kill = setIdBits(inode.mode);
  if (kill !== 0 && !ctx.creds.hasCap(4)) {
    attr.valid |= 1;
    attr.mode = inode.mode & 0o7777 & ~kill;
  }
  const err = inode.setAttributes(ctx, attr);
  if (err === 0) notifyFile(path.dentry, IN_MODIFY);
  return err;
}

/** Makes the open file of a permitted open. Devices (ttys) also see O_NOCTTY. */
function openInode(
  vfs: VirtualFilesystem,
  ctx: IoContext,
  path: Path,
  inode: Inode,
  flags: number,
): FileDescription | Errno {
  const status = flags & ~CREATION_FLAGS;
  const type = inode.mode & S_IFMT;
  const isWriter = type === S_IFREG && (flags & O_ACCMODE) !== O_RDONLY;
  if (isWriter && inode.executing > 0) return ETXTBSY;
  if (inode.body.locks !== null && type === S_IFREG) {
    const broken = breakLeases(inode, flags);
    if (broken !== 0) return broken as Errno;
  }
  let file: FileDescription | Errno;
  if (type === S_IFREG || type === S_IFDIR) file = inode.open(ctx, path, status);
  else if (inode.opensSpecial) file = inode.open(ctx, path, status | (flags & O_NOCTTY));
  else if (type === S_IFIFO) file = vfs.fifoOpener(ctx, path, inode, status);
  else if (type === S_IFCHR) file = vfs.devices.open(ctx, path, inode, status | (flags & O_NOCTTY));
  else if (type === S_IFSOCK) file = ENXIO;
  else file = type === S_IFBLK ? vfs.devices.openBlock(ctx, path, inode, status) : ELOOP;
  if (isErrno(file)) return file;
  if ((flags & O_DIRECT) !== 0 && !file.canDirect) {
    file.decRef();
    return EINVAL;
  }
  file.flags &= ~O_NOCTTY;
  if (isWriter) file.countAsWriter();
  else if (type === S_IFREG) file.countAsReader();
  notifyUse(file, IN_OPEN);
  return file;
}

/**
 * Opens a file for execution (execve, uselib): a regular file with execute permission on a mount that allows it; read
 * permission is not needed. Returns the open file or errno (EACCES as execve(2)).
 */
export function openForExec(
  vfs: VirtualFilesystem,
  ctx: IoContext,
  start: Path | null,
  path: ByteString,
  follow = true,
): FileDescription | Errno {
  const walk = new Walk(ctx, start, 0);
  const err = walk.full(path, follow);
  if (err !== 0) return err as Errno;
  return openPlaceForExec(vfs, ctx, walk.path);
}

/** openForExec() for a place already found (execveat with AT_EMPTY_PATH). */
export function openPlaceForExec(vfs: VirtualFilesystem, ctx: IoContext, path: Path): FileDescription | Errno {
  const inode = path.dentry.inode as Inode;
  const type = inode.mode & S_IFMT;
  if (type === S_IFLNK) return ELOOP;
  if (type !== S_IFREG || (path.mount.flags & MS_NOEXEC) !== 0) return EACCES;
  const denied = inodePermission(ctx, inode, MAY_EXEC);
  if (denied !== 0) return denied as Errno;
  const file = openInode(vfs, ctx, path, inode, O_RDONLY);
  if (!isErrno(file)) fsNotify.pathHook?.(path, FAN_OPEN_EXEC);
  return file;
}
