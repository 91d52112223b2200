// SPDX-License-Identifier: Apache-2.0

/**
 * Where file events leave vfs for inotify and fanotify.
 *
 * Linux:      fs/notify/fsnotify.c, include/linux/fsnotify.h; inotify(7)
 * Invariants: costs one field test per event while inode.marks is null.
 */
import { S_IFDIR, S_IFMT } from '../../platform/abi/linux/stat.ts';
import type { Dentry } from './dentry.ts';
import type { Filesystem } from './filesystem.ts';
import type { ByteString, Inode } from './inode.ts';
import type { Path } from './mount.ts';

export const IN_ACCESS = 0x1;
export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_CLOSE_WRITE = 0x8;
export const IN_CLOSE_NOWRITE = 0x10;
export const IN_OPEN = 0x20;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
/** fanotify only: opened to be executed. */
export const FAN_OPEN_EXEC = 0x1000;
export const IN_ISDIR = 0x40000000;

/**
 * Delivers one event to the marks of `inode`; name '' for events on the inode itself. `isUnlinked`: the event is about an open
 * file whose name is gone.
 */
export type NotifyHook = (inode: Inode, mask: number, name: ByteString, cookie: number, isUnlinked: boolean) => void;

interface NotifyState {
  hook: NotifyHook | null;
  /** The marks of a removed inode no longer keep it: it goes with its last user, and IN_DELETE_SELF is told then. */
  letGo: ((inode: Inode) => void) | null;
  /** The last mount of a filesystem went. */
  unmounted: ((fs: Filesystem) => void) | null;
  lastCookie: number;
  /** What is done with open files, wherever they are, mount included (fanotify). */
  pathHook: PathHook | null;
}

export type PathHook = (path: Path, mask: number) => void;

export const fsNotify: NotifyState = { hook: null, letGo: null, unmounted: null, lastCookie: 0, pathHook: null };

/** An event about entry `name` of directory `dir`; `child` (when known) says whether IN_ISDIR is set. */
export function notifyEntry(
  dir: Inode,
  mask: number,
  name: ByteString,
  child: Inode | null,
  cookie = 0,
  isUnlinked = false,
): void {
  if (dir.marks === null || fsNotify.hook === null) return;
  const dirBit = child !== null && (child.mode & S_IFMT) === S_IFDIR ? IN_ISDIR : 0;
  fsNotify.hook(dir, mask | dirBit, name, cookie, isUnlinked);
}

/** An event about a file: its own marks and its directory's. */
export function notifyFile(dentry: Dentry, mask: number): void {
  const inode = dentry.inode;
  if (inode === null || fsNotify.hook === null) return;
  const { isUnlinked } = dentry;
  const dir = dentry.parent?.inode ?? null;
  if (dir !== null && dir.marks !== null) notifyEntry(dir, mask, dentry.name, inode, 0, isUnlinked);
  if (inode.marks === null) return;
  fsNotify.hook(inode, mask | ((inode.mode & S_IFMT) === S_IFDIR ? IN_ISDIR : 0), '', 0, isUnlinked);
}

/** An event about a file that somebody opens, uses or closes. */
export function notifyUse(file: { readonly path: Path; readonly isSilent: boolean }, mask: number): void {
  if (file.isSilent) return;
  notifyFile(file.path.dentry, mask);
  fsNotify.pathHook?.(file.path, mask);
}

/** An event about an inode alone (IN_DELETE_SELF, IN_MOVE_SELF). */
export function notifySelf(inode: Inode, mask: number): void {
  if (inode.marks !== null) fsNotify.hook?.(inode, mask, '', 0, false);
}

/** A name of `inode` went, and it was the last one when there are no links left. */
export function notifyNameGone(inode: Inode): void {
  if (inode.marks !== null && (inode.nlink === 0 || (inode.mode & S_IFMT) === S_IFDIR)) fsNotify.letGo?.(inode);
}

/** A cookie that ties IN_MOVED_FROM to IN_MOVED_TO. */
export function nextCookie(): number {
  fsNotify.lastCookie = (fsNotify.lastCookie + 1) >>> 0;
  return fsNotify.lastCookie;
}
