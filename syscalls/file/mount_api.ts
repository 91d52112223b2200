// SPDX-License-Identifier: Apache-2.0

/**
 * The newer mount interface: fsopen, fsconfig, fsmount, fspick, open_tree, move_mount, mount_setattr.
 *
 * Linux:   fs/fsopen.c, fs/namespace.c; fsopen(2), move_mount(2), mount_setattr(2)
 * Differs: no id-mapped mounts (MOUNT_ATTR_IDMAP).
 */
import {
  E2BIG,
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  ENODEV,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { O_CLOEXEC, O_PATH } from '../../platform/abi/linux/fcntl.ts';
import {
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_PRIVATE,
  MS_RDONLY,
  MS_RELATIME,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from '../../platform/abi/linux/mount.ts';
import { FsContextFile } from '../../sentry/fs/anon/fs_context.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { nsfs } from '../../sentry/vfs/anon_mount.ts';
import { DetachedMountFile } from '../../sentry/vfs/detached_mount.ts';
import { type FileDescription, PathDescription } from '../../sentry/vfs/file_description.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import { forEachMount, type Mount, type Path } from '../../sentry/vfs/mount.ts';
import {
  changePropagation,
  copyForBind,
  isOurs,
  joinGroup,
  makeFilesystem,
  mayHaveFlags,
  mayMount,
  moveBeneath,
  moveTo,
  reconfigure as reconfigureFilesystem,
} from '../../sentry/vfs/mount_calls.ts';
import { installFile } from '../poll/install_file.ts';
import { sys_close } from './close_dup.ts';
import { ioFile, readText, resolveAt } from './path_args.ts';

const PAGE = 4096;

// -----------------------------------------------------------------------------------------------------------------
// Contexts

const FSOPEN_CLOEXEC = 1;

export function sys_fsopen(t: Task, nameAddr: number, flags: number): number {
  if (!mayMount(t)) return EPERM;
  if ((flags & ~FSOPEN_CLOEXEC) !== 0) return EINVAL;
  const name = readText(t, nameAddr, PAGE);
  if (isErrno(name)) return name;
  if (t.kernel.vfs.filesystemType(name) === undefined) return ENODEV;
  return installFile(t, new FsContextFile(name, null, t.creds), (flags & FSOPEN_CLOEXEC) !== 0);
}

const FSPICK_CLOEXEC = 1;
const FSPICK_SYMLINK_NOFOLLOW = 2;
const FSPICK_EMPTY_PATH = 8;
const FSPICK_ALL = 15;

export function sys_fspick(t: Task, dirfd: number, path: number, flags: number): number {
  if (!mayMount(t)) return EPERM;
  if ((flags & ~FSPICK_ALL) !== 0) return EINVAL;
  const place = resolveAt(t, dirfd, path, (flags & FSPICK_SYMLINK_NOFOLLOW) === 0, (flags & FSPICK_EMPTY_PATH) !== 0);
  if (isErrno(place)) return place;
  if (place.dentry !== place.mount.root) return EINVAL;
  const context = new FsContextFile(place.mount.fs.typeName, place.mount, t.creds);
  context.filesystem = place.mount.fs;
  context.isReadOnly = place.mount.fs.isReadOnly;
  return installFile(t, context, (flags & FSPICK_CLOEXEC) !== 0);
}

const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_SET_BINARY = 2;
const FSCONFIG_SET_PATH = 3;
const FSCONFIG_SET_PATH_EMPTY = 4;
const FSCONFIG_SET_FD = 5;
const FSCONFIG_CMD_CREATE = 6;
const FSCONFIG_CMD_RECONFIGURE = 7;
const FSCONFIG_CMD_CREATE_EXCL = 8;
const KEY_MAX = 256;
/** Flags of every superblock that mean nothing here. */
const COMMON_FLAGS = new Set(['rw', 'async', 'sync', 'dirsync', 'lazytime', 'nolazytime', 'mand', 'nomand']);

/** Which of key, value and aux a command takes: what Linux checks first. */
function hasRightArguments(command: number, key: number, value: number, aux: number): boolean | null {
  switch (command) {
    case FSCONFIG_SET_FLAG:
      return key !== 0 && value === 0 && aux === 0;
    case FSCONFIG_SET_STRING:
      return key !== 0 && value !== 0 && aux === 0;
    case FSCONFIG_SET_BINARY:
      return key !== 0 && value !== 0 && aux > 0 && aux <= 1024 * 1024;
    case FSCONFIG_SET_PATH:
    case FSCONFIG_SET_PATH_EMPTY:
      return key !== 0 && value !== 0 && (aux === -100 || aux >= 0);
    case FSCONFIG_SET_FD:
      return key !== 0 && value === 0 && aux >= 0;
    case FSCONFIG_CMD_CREATE:
    case FSCONFIG_CMD_RECONFIGURE:
    case FSCONFIG_CMD_CREATE_EXCL:
      return key === 0 && value === 0 && aux === 0;
    default:
      return null;
  }
}

export function sys_fsconfig(t: Task, fd: number, command: number, key: number, value: number, aux: number): number {
  if (fd < 0) return EINVAL;
  const isRight = hasRightArguments(command, key, value, aux);
  if (isRight === null) return EOPNOTSUPP;
  if (!isRight) return EINVAL;
  const context = ioFile(t, fd);
  if (context === null) return EBADF;
  if (!(context instanceof FsContextFile)) return EINVAL;
  if (command >= FSCONFIG_SET_BINARY && command <= FSCONFIG_SET_FD) return EOPNOTSUPP;
  if (command >= FSCONFIG_CMD_CREATE) return act(t, context, command);
  const name = readText(t, key, KEY_MAX);
  if (isErrno(name)) return name;
  const text = value === 0 ? null : readText(t, value, KEY_MAX);
  if (isErrno(text)) return text;
  if (context.isSpent || (context.filesystem !== null && context.picked === null)) return EBUSY;
  return setParameter(t, context, name, text);
}

function setParameter(t: Task, context: FsContextFile, name: string, text: string | null): number {
  // Of every superblock's flags only the name counts, whatever value comes with it.
  if (name === 'ro' || name === 'rw') {
    context.isReadOnly = name === 'ro';
    return 0;
  }
  if (COMMON_FLAGS.has(name)) return 0;
  if (name === 'source') {
    if (text === null || context.source !== '') return EINVAL;
    context.source = text;
    return 0;
  }
  // A comma would begin another option.
  if (name.includes(',') || text?.includes(',') === true) return EINVAL;
  const option = text === null ? name : `${name}=${text}`;
  if (t.kernel.vfs.filesystemType(context.typeName)?.takesOption?.(option) === false) return EINVAL;
  return context.addOption(option) ? 0 : E2BIG;
}

function act(t: Task, context: FsContextFile, command: number): number {
  if (context.isSpent) return EBUSY;
  if (command === FSCONFIG_CMD_RECONFIGURE) return reconfigure(t, context);
  if (context.filesystem !== null) return EBUSY;
  if (!mayMount(t)) return EPERM;
  const fs = makeFilesystem(t.kernel.vfs, t, context.typeName, context.source, context.data);
  if (isErrno(fs)) {
    context.isSpent = true;
    return fs;
  }
  if (command === FSCONFIG_CMD_CREATE_EXCL && fs.mountRefs > 0) return EBUSY;
  if (fs.mountRefs === 0) fs.isReadOnly = context.isReadOnly;
  context.filesystem = fs;
  return 0;
}

function reconfigure(t: Task, context: FsContextFile): number {
  const { picked, filesystem } = context;
  if (picked === null || filesystem === null) return EBUSY;
  return mayMount(t) ? reconfigureFilesystem(t, filesystem, context.data, context.isReadOnly) : EPERM;
}

// -----------------------------------------------------------------------------------------------------------------
// Mounts

const MOUNT_ATTR_RDONLY = 1;
const MOUNT_ATTR_NOSUID = 2;
const MOUNT_ATTR_NODEV = 4;
const MOUNT_ATTR_NOEXEC = 8;
const MOUNT_ATTR__ATIME = 0x70;
const MOUNT_ATTR_NOATIME = 0x10;
const MOUNT_ATTR_STRICTATIME = 0x20;
const MOUNT_ATTR_NODIRATIME = 0x80;
const MOUNT_ATTR_IDMAP = 0x100000;
const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;
const FSMOUNT_ATTRIBUTES = 0x2000ff;

/** MOUNT_ATTR_* without the access-time kind, as a mount's flags. */
function plainFlags(attributes: number): number {
  let flags = 0;
  if ((attributes & MOUNT_ATTR_RDONLY) !== 0) flags |= MS_RDONLY;
  if ((attributes & MOUNT_ATTR_NOSUID) !== 0) flags |= MS_NOSUID;
  if ((attributes & MOUNT_ATTR_NODEV) !== 0) flags |= MS_NODEV;
  if ((attributes & MOUNT_ATTR_NOEXEC) !== 0) flags |= MS_NOEXEC;
  if ((attributes & MOUNT_ATTR_NODIRATIME) !== 0) flags |= MS_NODIRATIME;
  if ((attributes & MOUNT_ATTR_NOSYMFOLLOW) !== 0) flags |= MS_NOSYMFOLLOW;
  return flags;
}

/** The access-time kind as a mount's flags; null: no such kind. */
function atimeFlags(attributes: number): number | null {
  switch (attributes & MOUNT_ATTR__ATIME) {
    case 0:
      return MS_RELATIME;
    case MOUNT_ATTR_NOATIME:
      return MS_NOATIME;
    case MOUNT_ATTR_STRICTATIME:
      return 0;
    default:
      return null;
  }
}

export function sys_fsmount(t: Task, fd: number, flags: number, attributes: number): number {
  if (!mayMount(t)) return EPERM;
  if ((flags & ~FSOPEN_CLOEXEC) !== 0 || (attributes & ~FSMOUNT_ATTRIBUTES) !== 0) return EINVAL;
  const atime = atimeFlags(attributes);
  if (atime === null) return EINVAL;
  const context = ioFile(t, fd);
  if (context === null) return EBADF;
  if (!(context instanceof FsContextFile) || context.filesystem === null) return EINVAL;
  if (context.isSpent || context.picked !== null) return EBUSY;
  const { vfs } = t.kernel;
  const mount = vfs.newMount(context.filesystem, plainFlags(attributes) | atime);
  mount.source = context.source === '' ? 'none' : context.source;
  context.isSpent = true;
  return installFile(t, new DetachedMountFile(vfs, mount, t.creds), (flags & FSOPEN_CLOEXEC) !== 0);
}

const OPEN_TREE_CLONE = 1;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_NO_AUTOMOUNT = 0x800;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;

export function sys_open_tree(t: Task, dirfd: number, path: number, flags: number): number {
  const known = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE | O_CLOEXEC;
  if ((flags & ~known) !== 0) return EINVAL;
  if ((flags & (AT_RECURSIVE | OPEN_TREE_CLONE)) === AT_RECURSIVE) return EINVAL;
  const isClone = (flags & OPEN_TREE_CLONE) !== 0;
  if (isClone && !mayMount(t)) return EPERM;
  const place = resolveAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0, (flags & AT_EMPTY_PATH) !== 0);
  if (isErrno(place)) return place;
  const cloexec = (flags & O_CLOEXEC) !== 0;
  if (!isClone) return installFile(t, new PathDescription(place, place.dentry.inode as Inode, O_PATH, t.creds), cloexec);
  if (!isOurs(t, place.mount) && place.mount.fs !== nsfs.fs && !place.mount.isDetached) return EINVAL;
  const { vfs } = t.kernel;
  const copy = copyForBind(vfs, place, (flags & AT_RECURSIVE) !== 0);
  if (isErrno(copy)) return copy;
  return installFile(t, new DetachedMountFile(vfs, copy, t.creds), cloexec);
}

const MOVE_MOUNT_F_SYMLINKS = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOVE_MOUNT_T_SYMLINKS = 0x10;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const MOVE_MOUNT_SET_GROUP = 0x100;
const MOVE_MOUNT_BENEATH = 0x200;
const MOVE_MOUNT_MASK = 0x377;

export function sys_move_mount(
  t: Task,
  fromFd: number,
  fromPath: number,
  toFd: number,
  toPath: number,
  flags: number,
): number {
  if (!mayMount(t)) return EPERM;
  if ((flags & ~MOVE_MOUNT_MASK) !== 0) return EINVAL;
  const kind = flags & (MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_BENEATH);
  if (kind === (MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_BENEATH)) return EINVAL;
  const isFound = (path: Path | Errno): path is Path => !isErrno(path);
  const from = resolveAt(t, fromFd, fromPath, (flags & MOVE_MOUNT_F_SYMLINKS) !== 0, (flags & MOVE_MOUNT_F_EMPTY_PATH) !== 0);
  if (!isFound(from)) return from;
  const to = resolveAt(t, toFd, toPath, (flags & MOVE_MOUNT_T_SYMLINKS) !== 0, (flags & MOVE_MOUNT_T_EMPTY_PATH) !== 0);
  if (!isFound(to)) return to;
  if (kind === MOVE_MOUNT_SET_GROUP) return joinGroup(t.kernel.vfs, t, from, to);
  return kind === MOVE_MOUNT_BENEATH ? moveBeneath(t, from, to) : moveTo(t, from, to);
}

/** struct mount_attr: attr_set, attr_clr, propagation, userns_fd. */
const MOUNT_ATTR_SIZE = 32;
const attrBytes = new Uint8Array(MOUNT_ATTR_SIZE);
const attrView = new DataView(attrBytes.buffer);

function field(index: number): number {
  return attrView.getUint32(index * 8, true) + attrView.getUint32(index * 8 + 4, true) * 4294967296;
}

export function sys_mount_setattr(
  t: Task,
  dirfd: number,
  path: number,
  flags: number,
  attrAddr: number,
  size: number,
): number {
  if ((flags & ~(AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)) !== 0) return EINVAL;
  const change = readAttributes(t, attrAddr, size);
  if (typeof change === 'number') return change;
  if (change === null) return 0;
  const place = resolveAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0, (flags & AT_EMPTY_PATH) !== 0);
  if (isErrno(place)) return place;
  return setAttributes(t, place, change, (flags & AT_RECURSIVE) !== 0);
}

/** What a struct mount_attr asks for; null: nothing. Errors: E2BIG, EINVAL, EPERM, EFAULT. */
function readAttributes(t: Task, attrAddr: number, size: number): AttributeChange | null | number {
  if (size > PAGE) return E2BIG;
  if (size < MOUNT_ATTR_SIZE) return EINVAL;
  if (!mayMount(t)) return EPERM;
  const given = new Uint8Array(size);
  if (t.memory.copyIn(attrAddr, given, 0, size) !== size) return EFAULT;
  if (given.subarray(MOUNT_ATTR_SIZE).some((byte) => byte !== 0)) return E2BIG;
  attrBytes.set(given.subarray(0, MOUNT_ATTR_SIZE));
  const [set, clear, propagation] = [field(0), field(1), field(2)];
  if (set === 0 && clear === 0 && propagation === 0) return null;
  const known = FSMOUNT_ATTRIBUTES | MOUNT_ATTR_IDMAP;
  if (set > 0xffffffff || clear > 0xffffffff || ((set | clear) & ~known) !== 0) return EINVAL;
  if (((set | clear) & MOUNT_ATTR_IDMAP) !== 0) return EINVAL;
  if (![0, MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE].includes(propagation)) return EINVAL;
  // The kind of access times is replaced as a whole.
  const clearsAtime = (clear & MOUNT_ATTR__ATIME) !== 0;
  if (clearsAtime ? (clear & MOUNT_ATTR__ATIME) !== MOUNT_ATTR__ATIME : (set & MOUNT_ATTR__ATIME) !== 0) return EINVAL;
  const atime = clearsAtime ? atimeFlags(set) : 0;
  if (atime === null) return EINVAL;
  return { set, clear, propagation, atime: clearsAtime ? atime : null };
}

export function sys_open_tree_attr(
  t: Task,
  dirfd: number,
  path: number,
  flags: number,
  attrAddr: number,
  size: number,
): number {
  if (attrAddr === 0 && size !== 0) return EINVAL;
  const fd = sys_open_tree(t, dirfd, path, flags);
  if (fd < 0 || attrAddr === 0) return fd;
  const change = readAttributes(t, attrAddr, size);
  const place = (t.fdTable.get(fd) as FileDescription).path;
  const err =
    typeof change === 'number' ? change : change === null ? 0 : setAttributes(t, place, change, (flags & AT_RECURSIVE) !== 0);
  if (err === 0) return fd;
  sys_close(t, fd);
  return err;
}

interface AttributeChange {
  set: number;
  clear: number;
  propagation: number;
  atime: number | null;
}

function setAttributes(t: Task, place: Path, change: AttributeChange, recursive: boolean): number {
  const { mount } = place;
  if (place.dentry !== mount.root || !(isOurs(t, mount) || mount.isDetached)) return EINVAL;
  const mounts: Mount[] = [];
  if (recursive) forEachMount(mount, (m) => mounts.push(m));
  else mounts.push(mount);
  const wanted = (m: Mount): number => {
    const flags = (m.flags & ~plainFlags(change.clear)) | plainFlags(change.set);
    return change.atime === null ? flags : (flags & ~(MS_NOATIME | MS_RELATIME)) | change.atime;
  };
  for (const m of mounts) {
    const refused = mayHaveFlags(m, wanted(m));
    if (refused !== 0) return refused;
  }
  for (const m of mounts) m.flags = wanted(m);
  if (change.propagation !== 0) changePropagation(t.kernel.vfs, mount, change.propagation, recursive);
  return 0;
}
