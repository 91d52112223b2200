// SPDX-License-Identifier: Apache-2.0

/**
 * mount(2), umount2(2) and pivot_root(2).
 *
 * Linux: fs/namespace.c (path_mount, do_umount, pivot_root)
 */
import { CAP_SYS_ADMIN } from '../../platform/abi/linux/capability.ts';
import {
  EAGAIN,
  EBUSY,
  EINVAL,
  ELOOP,
  ENODEV,
  ENOENT,
  ENOTDIR,
  EPERM,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MOUNT_ATTR_FLAGS,
  MS_BIND,
  MS_MOVE,
  MS_NOATIME,
  MS_NODIRATIME,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SILENT,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_UNBINDABLE,
  UMOUNT_NOFOLLOW,
} from '../../platform/abi/linux/mount.ts';
import { S_IFLNK, S_IFMT } from '../../platform/abi/linux/stat.ts';
import type { IoContext } from './context.ts';
import { nsfs } from './anon_mount.ts';
import type { Dentry } from './dentry.ts';
import type { Filesystem, FilesystemType } from './filesystem.ts';
import type { Inode } from './inode.ts';
import { type Mount, type Path, forEachMount } from './mount.ts';
import { attachPropagated, detachPropagated, hasUnbindable, setPropagationType } from './mount_propagation.ts';
import { trackMount } from './mount_registry.ts';
import { attachMount, copyTree, detachTree, unhookMount } from './mount_tree.ts';
import { Walk, isDir, walkPath } from './path_walk.ts';
import type { VirtualFilesystem } from './virtual_filesystem.ts';

const MS_NOUSER = 0x80000000;
const ATIME_FLAGS = MS_NOATIME | MS_NODIRATIME | MS_RELATIME;
const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
/** /proc/sys/fs/mount-max: less than Linux's 100000, because trees of mounts are copied level by level. */
const MOUNT_MAX = 4096;

/** The arguments of mount(2), read from the caller. */
export interface MountRequest {
  source: string;
  type: string | null;
  flags: number;
  data: string;
}

/** CAP_SYS_ADMIN in the user namespace that owns the caller's mount namespace. */
export function mayMount(ctx: IoContext): boolean {
  const owner = ctx.rootDir.mount.namespace?.owner ?? null;
  return owner === null ? ctx.creds.hasCap(CAP_SYS_ADMIN) : ctx.creds.hasCapIn(owner, CAP_SYS_ADMIN);
}

/** Is the place in the caller's mount namespace? */
export function isOurs(ctx: IoContext, mount: Mount): boolean {
  return mount.namespace !== null && mount.namespace === ctx.rootDir.mount.namespace;
}

/** The mount's own flags out of mount(2)'s, relatime being the default. */
export function mountFlags(flags: number): number {
  let own = flags & MOUNT_ATTR_FLAGS;
  if ((flags & MS_NOATIME) === 0) own |= MS_RELATIME;
  if ((flags & MS_STRICTATIME) !== 0) own &= ~(MS_RELATIME | MS_NOATIME);
  return own;
}

/** Linux: dont_mount() of the links below /proc/pid. */
function isMagicLink({ dentry }: Path): boolean {
  return ((dentry.inode?.mode ?? 0) & S_IFMT) === S_IFLNK && dentry.fs.typeName === 'proc';
}

/** mount(2) on a place already found. Returns 0 or errno. */
export function mountAt(vfs: VirtualFilesystem, ctx: IoContext, target: Path, request: MountRequest): number {
  if (isMagicLink(target)) return ENOENT;
  const { flags } = request;
  if ((flags & MS_NOUSER) !== 0) return EINVAL;
  if (!mayMount(ctx)) return EPERM;
  if ((flags & (MS_REMOUNT | MS_BIND)) === (MS_REMOUNT | MS_BIND)) return remountFlags(ctx, target, flags);
  if ((flags & MS_REMOUNT) !== 0) return remount(ctx, target, request);
  if ((flags & MS_BIND) !== 0) return bind(vfs, ctx, target, request);
  if ((flags & PROPAGATION) !== 0) return setPropagation(vfs, ctx, target, flags);
  if ((flags & MS_MOVE) !== 0) return move(ctx, target, request.source);
  return mountNew(vfs, ctx, target, request);
}

/** May the flags become `flags`? Returns 0; EPERM (something locked would change), EBUSY (read-only while files are open for writing). */
export function mayHaveFlags(mount: Mount, flags: number): number {
  if ((mount.lockedFlags & ~flags) !== 0) return EPERM;
  if (mount.locksAtime && ((mount.flags ^ flags) & ATIME_FLAGS) !== 0) return EPERM;
  return (flags & ~mount.flags & MS_RDONLY) !== 0 && mount.writers > 0 ? EBUSY : 0;
}

/** A mount's flags replaced by a call's; atime settings not mentioned stay. */
function replacedFlags(mount: Mount, flags: number): number {
  let own = mountFlags(flags);
  if ((flags & (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)) === 0) {
    own = (own & ~ATIME_FLAGS) | (mount.flags & ATIME_FLAGS);
  }
  return own;
}

function remountFlags(ctx: IoContext, target: Path, flags: number): number {
  if (target.dentry !== target.mount.root || !isOurs(ctx, target.mount)) return EINVAL;
  const wanted = replacedFlags(target.mount, flags);
  const refused = mayHaveFlags(target.mount, wanted);
  if (refused === 0) target.mount.flags = wanted;
  return refused;
}

/** Changes a filesystem itself, which belongs to whoever mounted it. Errors: EPERM; EBUSY (files are open for writing); those of the filesystem. */
export function reconfigure(ctx: IoContext, fs: Filesystem, data: string, isReadOnly: boolean): number {
  const isOwner = fs.userNs === null ? ctx.creds.hasCap(CAP_SYS_ADMIN) : ctx.creds.hasCapIn(fs.userNs, CAP_SYS_ADMIN);
  if (!isOwner) return EPERM;
  if (isReadOnly && !fs.isReadOnly && fs.writers > 0) return EBUSY;
  const err = fs.remount(ctx, data);
  if (err === 0) fs.isReadOnly = isReadOnly;
  return err;
}

function remount(ctx: IoContext, target: Path, request: MountRequest): number {
  const { mount } = target;
  if (target.dentry !== mount.root || !isOurs(ctx, mount)) return EINVAL;
  const wanted = replacedFlags(mount, request.flags);
  if (mayHaveFlags(mount, wanted) === EPERM) return EPERM;
  const err = reconfigure(ctx, mount.fs, request.data, (request.flags & MS_RDONLY) !== 0);
  if (err === 0) mount.flags = wanted;
  return err;
}

/** A mount (with what is below it when `recursive`) showing `source`, in no tree. Errors: EINVAL (it would show what is covered). */
export function copyForBind(vfs: VirtualFilesystem, source: Path, recursive: boolean): Mount | Errno {
  if (source.mount.propagation === MS_UNBINDABLE) return EINVAL;
  if (!recursive && hasLockedBelow(source)) return EINVAL;
  const copy = recursive
    ? copyTree(vfs, source.mount, source.dentry, 'unbindable')
    : vfs.newMount(source.mount.fs, source.mount.flags, source.dentry);
  if (!recursive) {
    copy.source = source.mount.source;
    copy.lockedFlags = source.mount.lockedFlags;
    copy.locksAtime = source.mount.locksAtime;
    copy.propagation = source.mount.propagation;
    copy.peerGroup = source.mount.peerGroup;
    copy.masterGroup = source.mount.masterGroup;
    if (copy.peerGroup !== 0 || copy.masterGroup !== 0) trackMount(vfs, copy);
  }
  return copy;
}

function bind(vfs: VirtualFilesystem, ctx: IoContext, target: Path, request: MountRequest): number {
  if (request.source === '') return EINVAL;
  const source = walkPath(ctx, null, request.source, true);
  if (isErrno(source)) return source;
  if (source.mount.propagation === MS_UNBINDABLE || !isOurs(ctx, target.mount)) return EINVAL;
  // A namespace's file may be bound to keep the namespace (ip netns).
  if (!isOurs(ctx, source.mount) && source.mount.fs !== nsfs.fs) return EINVAL;
  const copy = copyForBind(vfs, source, (request.flags & MS_REC) !== 0);
  if (isErrno(copy)) return copy;
  const err = attachNew(ctx, copy, target);
  if (err !== 0) detachTree(vfs, copy);
  return err;
}

/** Puts a mount that is in no tree on `target`, when shapes and limits allow. */
export function attachNew(ctx: IoContext, mount: Mount, target: Path, place: 'top' | 'beneath' = 'top'): number {
  if (!isOurs(ctx, target.mount)) return EINVAL;
  if (target.dentry.isUnlinked) return ENOENT;
  if (isDir(mount.root.inode as Inode) !== isDir(target.dentry.inode as Inode)) return ENOTDIR;
  return attachPropagated(mount, target, MOUNT_MAX, place);
}

function setPropagation(vfs: VirtualFilesystem, ctx: IoContext, target: Path, flags: number): number {
  const type = flags & ~(MS_REC | MS_SILENT);
  if ((type & (type - 1)) !== 0 || (type & PROPAGATION) === 0) return EINVAL;
  if (target.dentry !== target.mount.root || !isOurs(ctx, target.mount)) return EINVAL;
  changePropagation(vfs, target.mount, type, (flags & MS_REC) !== 0);
  return 0;
}

/** Sets the propagation type of a mount, or of a whole tree. */
export function changePropagation(vfs: VirtualFilesystem, top: Mount, type: number, recursive: boolean): void {
  const change = (mount: Mount): void => {
    setPropagationType(vfs, mount, type);
  };
  if (recursive) forEachMount(top, change);
  else change(top);
}

function move(ctx: IoContext, target: Path, sourceName: string): number {
  if (sourceName === '') return EINVAL;
  const source = walkPath(ctx, null, sourceName, true);
  if (isErrno(source)) return source;
  return moveTo(ctx, source, target);
}

/** Moves a mount of the caller's namespace, or one that is in none yet, to `target`. Returns 0 or errno. */
export function moveTo(ctx: IoContext, source: Path, target: Path, place: 'top' | 'beneath' = 'top'): number {
  const { mount } = source;
  if (source.dentry !== mount.root) return EINVAL;
  if (mount.namespace === null && mount.parent === null && mount.isDetached) {
    const err = attachNew(ctx, mount, target, place);
    if (err === 0) mount.isDetached = false;
    return err;
  }
  if (mount.parent === null) return EINVAL;
  if (!isOurs(ctx, mount) || !isOurs(ctx, target.mount)) return EINVAL;
  if (isDir(mount.root.inode as Inode) !== isDir(target.dentry.inode as Inode)) return EINVAL;
  if (mount.parent.propagation === MS_SHARED || mount.isLocked) return EINVAL;
  if (target.mount.propagation === MS_SHARED && hasUnbindable(mount)) return EINVAL;
  for (let m: Mount | null = target.mount; m !== null; m = m.parent) if (m === mount) return ELOOP;
  const home = { mount: mount.parent, dentry: mount.mountpoint as Dentry };
  unhookMount(mount);
  const err = attachPropagated(mount, target, MOUNT_MAX, place);
  if (err !== 0) attachMount(mount, home);
  return err;
}

/** move_mount(2) with MOVE_MOUNT_BENEATH: `source` comes to sit where `target`'s mount does, and that on `source`. Returns 0 or errno. */
export function moveBeneath(ctx: IoContext, source: Path, target: Path): number {
  const top = target.mount;
  const { parent, mountpoint } = top;
  if (target.dentry !== top.root || parent === null || mountpoint === null) return EINVAL;
  if (!isOurs(ctx, top) || top.isLocked || ctx.rootDir.mount === top) return EINVAL;
  for (let m: Mount | null = source.mount; m !== null; m = m.parent) if (m === top) return EINVAL;
  // What propagates from the parent must not come to sit on the very mounts in question.
  const hears = (m: Mount): boolean =>
    m.root === mountpoint && (m.peerGroup === parent.peerGroup || m.masterGroup === parent.peerGroup);
  if (parent.propagation === MS_SHARED && (hears(top) || hears(source.mount))) return EINVAL;
  return moveTo(ctx, source, { mount: parent, dentry: mountpoint }, 'beneath');
}

/** move_mount(2) with MOVE_MOUNT_SET_GROUP: makes a private mount a peer or slave as another of its filesystem is. Returns 0 or errno. */
export function joinGroup(vfs: VirtualFilesystem, ctx: IoContext, source: Path, target: Path): number {
  const [from, to] = [source.mount, target.mount];
  for (const mount of [from, to]) {
    if (mount.namespace === null) return EINVAL;
    const { owner } = mount.namespace;
    if (owner === null ? !ctx.creds.hasCap(CAP_SYS_ADMIN) : !ctx.creds.hasCapIn(owner, CAP_SYS_ADMIN)) return EPERM;
  }
  if (source.dentry !== from.root || target.dentry !== to.root || from.fs !== to.fs) return EINVAL;
  if (!isReachable({ mount: from, dentry: to.root }, source) || hasLockedBelow({ mount: from, dentry: to.root })) return EINVAL;
  const isGrouped = (mount: Mount): boolean => mount.peerGroup !== 0 || mount.masterGroup !== 0;
  if (isGrouped(to) || !isGrouped(from)) return EINVAL;
  to.propagation = from.propagation;
  to.peerGroup = from.peerGroup;
  to.masterGroup = from.masterGroup;
  trackMount(vfs, to);
  return 0;
}

/** Outside the initial user namespace: does the caller own what the filesystem shows? */
export function mayMountType(ctx: IoContext, type: FilesystemType): boolean {
  if (!type.isUserMountable) return false;
  if (type.owner === undefined) return ctx.creds.hasOwnCap(CAP_SYS_ADMIN);
  const owner = type.owner(ctx);
  return owner !== null && ctx.creds.hasCapIn(owner, CAP_SYS_ADMIN);
}

/** Is a mount below that only a copy of the whole tree may show? */
export function hasLockedBelow(source: Path): boolean {
  for (const list of source.mount.children.values()) if (list.some((child) => child.isLocked && isReachable({ mount: source.mount, dentry: child.mountpoint as Dentry }, source))) return true;
  return false;
}

/** An instance of a filesystem for the caller. Errors: ENODEV, EPERM, those of the type. */
export function makeFilesystem(
  vfs: VirtualFilesystem,
  ctx: IoContext,
  typeName: string,
  source: string,
  data: string,
): Filesystem | Errno {
  const type = vfs.filesystemType(typeName);
  if (type === undefined) return ENODEV;
  const isInside = ctx.creds.userNs.parent !== null;
  if (isInside && !mayMountType(ctx, type)) return EPERM;
  const fs = type.mount(ctx, source, data);
  if (!isErrno(fs) && fs.mountRefs === 0 && isInside) fs.userNs = type.owner?.(ctx) ?? ctx.creds.userNs;
  return fs;
}

function mountNew(vfs: VirtualFilesystem, ctx: IoContext, target: Path, request: MountRequest): number {
  if (request.type === null) return EINVAL;
  const fs = makeFilesystem(vfs, ctx, request.type, request.source, request.data);
  if (isErrno(fs)) return fs;
  if (fs.mountRefs === 0) fs.isReadOnly = (request.flags & MS_RDONLY) !== 0;
  const mount = vfs.newMount(fs, mountFlags(request.flags));
  mount.source = request.source === '' ? 'none' : request.source;
  const err = attachNew(ctx, mount, target);
  if (err !== 0) detachTree(vfs, mount);
  return err;
}

/**
 * Mounts an instance for the configuration (no permission checks) on a place a walk found.
 * Returns the mount.
 */
export function mountInstance(at: Path, mount: Mount, source: string): Mount {
  mount.source = source;
  attachMount(mount, at);
  return mount;
}

/** umount2(2). Returns 0 or errno. */
export function unmount(vfs: VirtualFilesystem, ctx: IoContext, path: string, flags: number): number {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return EINVAL;
  const place = new Walk(ctx, null, 0);
  place.keepsExpiry = true;
  const err = place.full(path, (flags & UMOUNT_NOFOLLOW) === 0);
  if (err !== 0) return err;
  const { mount } = place;
  if (!mayMount(ctx)) return EPERM;
  if (place.dentry !== mount.root || !isOurs(ctx, mount)) return EINVAL;
  if ((flags & MNT_EXPIRE) !== 0) {
    if (mount === ctx.rootDir.mount || (flags & (MNT_FORCE | MNT_DETACH)) !== 0) return EINVAL;
    if (isBusy(mount)) return EBUSY;
    if (!mount.isExpiring) {
      mount.isExpiring = true;
      return EAGAIN;
    }
  }
  if ((flags & MNT_DETACH) === 0 && (mount.parent === null || isBusy(mount))) return EBUSY;
  if (mount.parent === null || mount.isLocked) return EINVAL;
  detachPropagated(vfs, mount);
  return 0;
}

function isBusy(mount: Mount): boolean {
  return mount.refs > 0 || mount.children.size > 0;
}

/** What pivot_root(2) moved: every process whose root or cwd was `from` gets `to`. */
export interface Pivot {
  from: Path;
  to: Path;
}

/** pivot_root(2). Returns what to move in the processes of the namespace, or errno. */
export function pivotRoot(ctx: IoContext, newRoot: string, putOld: string): Pivot | Errno {
  if (!mayMount(ctx)) return EPERM;
  const fresh = placeOfDirectory(ctx, newRoot);
  if (isErrno(fresh)) return fresh;
  const old = placeOfDirectory(ctx, putOld);
  if (isErrno(old)) return old;
  const root = ctx.rootDir;
  if (!isOurs(ctx, root.mount) || !isOurs(ctx, fresh.mount) || !isOurs(ctx, old.mount)) return EINVAL;
  if (fresh.dentry.isUnlinked) return ENOENT;
  if (fresh.mount === root.mount || old.mount === root.mount) return EBUSY;
  if (root.mount.root !== root.dentry || fresh.mount.root !== fresh.dentry || fresh.mount.parent === null)
    return EINVAL;
  if (fresh.mount.isLocked) return EINVAL;
  if (root.mount.propagation === MS_SHARED || fresh.mount.parent.propagation === MS_SHARED) return EINVAL;
  if (!isReachable(old, fresh) || !isReachable(fresh, root)) return EINVAL;
  const { namespace, parent, mountpoint } = root.mount;
  unhookMount(fresh.mount);
  if (parent !== null && mountpoint !== null) {
    unhookMount(root.mount);
    attachMount(fresh.mount, { mount: parent, dentry: mountpoint });
  } else if (namespace !== null) {
    namespace.root = fresh.mount;
  }
  attachMount(root.mount, old);
  fresh.mount.isLocked = root.mount.isLocked;
  root.mount.isLocked = false;
  return { from: { mount: root.mount, dentry: root.dentry }, to: { mount: fresh.mount, dentry: fresh.dentry } };
}

function placeOfDirectory(ctx: IoContext, path: string): Path | Errno {
  const walk = new Walk(ctx, null, 0);
  const err = walk.full(path, true);
  if (err !== 0) return err as Errno;
  return isDir(walk.dentry.inode as Inode) ? walk.path : ENOTDIR;
}

/** Is `place` at or below `top`? */
export function isReachable(place: Path, top: Path): boolean {
  let { mount, dentry } = place;
  for (;;) {
    if (mount === top.mount && dentry === top.dentry) return true;
    if (dentry === mount.root) {
      if (mount.parent === null || mount.mountpoint === null) return false;
      dentry = mount.mountpoint;
      mount = mount.parent;
    } else {
      if (dentry.parent === null) return false;
      dentry = dentry.parent;
    }
  }
}
