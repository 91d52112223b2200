// SPDX-License-Identifier: Apache-2.0

/**
 * Path walk: from a path to a place, component by component.
 *
 * Linux:      fs/namei.c; path_resolution(7), openat2(2)
 * Invariants: a Walk is used for one system call and never kept. `mount`/`dentry` is where it stands, always positive.
 *             Cached dentries it passes are protected by being parents or just used; nothing is pinned.
 */
import {
  EACCES,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  EXDEV,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import {
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  SYMLINK_MAX_FOLLOW,
} from '../../platform/abi/linux/fcntl.ts';
import { MS_NOSYMFOLLOW } from '../../platform/abi/linux/mount.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_ISVTX } from '../../platform/abi/linux/stat.ts';
import { wantsAtime } from './attributes.ts';
import { readNow } from './clock.ts';
import type { IoContext } from './context.ts';
import type { Dentry } from './dentry.ts';
import type { ByteString, Inode } from './inode.ts';
import type { Mount, Path } from './mount.ts';
import { searchPermission } from './permission.ts';

const SLASH = 47;

/** Last component kinds, as Walk.parent() leaves them. */
export const LAST_NORM = 0;
export const LAST_ROOT = 1;
export const LAST_DOT = 2;
export const LAST_DOTDOT = 3;

/** /proc/sys/fs/protected_symlinks and protected_hardlinks. */
export const linkProtection = { symlinks: true, hardlinks: true };

export function isDir(inode: Inode): boolean {
  return (inode.mode & S_IFMT) === S_IFDIR;
}
export function isSymlink(inode: Inode): boolean {
  return (inode.mode & S_IFMT) === S_IFLNK;
}

/** Forgets a dentry and everything cached below it. */
export function dropTree(dentry: Dentry): void {
  if (dentry.children !== null) for (const child of [...dentry.children.values()]) dropTree(child);
  if (dentry.isDroppable || dentry.refs > 0) dentry.drop();
}

/**
 * Finds `name` in directory `parent` through the cache. Returns a positive dentry, or ENOENT, ENAMETOOLONG or what the
 * filesystem's lookup answers. Does not cross mounts, follow links or check permissions.
 */
export function lookupChild(ctx: IoContext, parent: Dentry, name: ByteString): Dentry | Errno {
  const fs = parent.fs;
  const cached = parent.children === null ? undefined : parent.children.get(name);
  if (cached !== undefined) {
    if (!fs.needsRevalidate || cached.mountCount > 0 || fs.revalidate(ctx, cached)) {
      cached.wasUsed = true;
      return cached.inode === null ? ENOENT : cached;
    }
    dropTree(cached);
  }
  if (name.length > fs.nameMax) return ENAMETOOLONG;
  if (parent.isUnlinked) return ENOENT;
  const found = (parent.inode as Inode).lookup(ctx, name);
  if (isErrno(found)) {
    if (found === ENOENT && fs.cacheNegative) addFresh(parent, name, null);
    return found;
  }
  return addFresh(parent, name, found);
}

/** Caches what a create operation made (or a removal left: null). Returns the dentry. */
export function addFresh(parent: Dentry, name: ByteString, inode: Inode | null): Dentry {
  parent.children?.get(name)?.drop();
  return parent.addChild(name, inode);
}

/** The topmost mount sitting on a dentry of `mount`, or undefined. */
export function mountOn(mount: Mount, dentry: Dentry): Mount | undefined {
  const list = mount.children.get(dentry);
  return list === undefined ? undefined : list[list.length - 1];
}

export class Walk {
  readonly ctx: IoContext;
  mount: Mount;
  dentry: Dentry;
  /** Set by parent(): the last component, its kind and whether slashes followed it. */
  lastName: ByteString = '';
  lastKind = LAST_NORM;
  hasTrailingSlash = false;
  private rootMount: Mount;
  private rootDentry: Dentry;
  private readonly resolve: number;
  private links = 0;
  /** umount2(2)'s own walk: it is not the use that takes a mark of MNT_EXPIRE away. */
  keepsExpiry = false;

  /** `start` null: the working directory. `resolve`: RESOLVE_* bits. */
  constructor(ctx: IoContext, start: Path | null, resolve: number) {
    this.ctx = ctx;
    this.resolve = resolve;
    const from = start === null ? ctx.cwd : start;
    this.mount = from.mount;
    this.dentry = from.dentry;
    const root = (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0 ? from : ctx.rootDir;
    this.rootMount = root.mount;
    this.rootDentry = root.dentry;
  }

  get path(): Path {
    return { mount: this.mount, dentry: this.dentry };
  }

  /** Walks the whole path. `follow`: also a final symbolic link. Returns 0 or errno. */
  full(path: ByteString, follow: boolean): number {
    return this.run(path, follow, false);
  }

  /** Walks to the directory of the last component and fills lastName, lastKind and hasTrailingSlash. Returns 0 or errno. */
  parent(path: ByteString): number {
    return this.run(path, true, true);
  }

  private run(given: ByteString, follow: boolean, wantParent: boolean): number {
    let path = given;
    if (path.length === 0) return ENOENT;
    let pos = 0;
    if (path.charCodeAt(0) === SLASH) {
      const err = this.jumpToRoot();
      if (err !== 0) return err;
    }
    for (;;) {
      while (path.charCodeAt(pos) === SLASH) pos++;
      if (pos >= path.length) break;
      let end = path.indexOf('/', pos);
      if (end < 0) end = path.length;
      let next = end;
      while (path.charCodeAt(next) === SLASH) next++;
      const isLast = next >= path.length;
      const here = this.dentry.inode as Inode;
      if (!isDir(here)) return ENOTDIR;
      const denied = searchPermission(this.ctx, here);
      if (denied !== 0) return denied;
      const name = path.slice(pos, end);
      if (isLast && wantParent) return this.setLast(name, end < path.length);
      pos = next;
      if (name === '.') continue;
      if (name === '..') {
        const err = this.up();
        if (err !== 0) return err;
        continue;
      }
      if (
        !isLast &&
        this.dentry.fs.wantsPrefetch &&
        (this.dentry.fs.needsRevalidate || !this.dentry.children?.has(name))
      )
        this.prefetch(path, pos, name);
      const child = lookupChild(this.ctx, this.dentry, name);
      if (isErrno(child)) return child;
      if (isSymlink(child.inode as Inode) && (!isLast || follow || end < path.length)) {
        const text = this.followLink(child);
        if (typeof text === 'number') {
          if (text !== 0) return text;
        } else {
          path = text + path.slice(end);
          pos = 0;
        }
        continue;
      }
      const err = this.enter(child);
      if (err !== 0) return err;
    }
    if (wantParent) {
      this.lastName = '';
      this.lastKind = LAST_ROOT;
      return 0;
    }
    return path.charCodeAt(path.length - 1) === SLASH && !isDir(this.dentry.inode as Inode) ? ENOTDIR : 0;
  }

  /** Tells the filesystem which names come next: `first`, then path[pos..] up to "." or "..". */
  private prefetch(path: ByteString, pos: number, first: ByteString): void {
    const names = [first];
    for (const name of path.slice(pos).split('/')) {
      if (name === '.' || name === '..' || names.length >= 32) break;
      if (name !== '') names.push(name);
    }
    if (names.length > 1) (this.dentry.inode as Inode).prefetchWalk(names);
  }

  private setLast(name: ByteString, hasTrailingSlash: boolean): number {
    this.lastName = name;
    this.hasTrailingSlash = hasTrailingSlash;
    this.lastKind = name === '.' ? LAST_DOT : name === '..' ? LAST_DOTDOT : LAST_NORM;
    return 0;
  }

  /** Goes to the root directory of the walk. */
  private jumpToRoot(): number {
    if ((this.resolve & RESOLVE_BENEATH) !== 0) return EXDEV;
    if ((this.resolve & RESOLVE_NO_XDEV) !== 0 && this.mount !== this.rootMount) return EXDEV;
    this.mount = this.rootMount;
    this.dentry = this.rootDentry;
    return 0;
  }

  /** Goes to child (of the current directory) and whatever is mounted on it. */
  enter(child: Dentry): number {
    this.dentry = child;
    return child.mountCount > 0 ? this.crossDown() : 0;
  }

  private crossDown(): number {
    while (this.dentry.mountCount > 0) {
      const on = mountOn(this.mount, this.dentry);
      if (on === undefined) break;
      if ((this.resolve & RESOLVE_NO_XDEV) !== 0) return EXDEV;
      this.mount = on;
      this.dentry = on.root;
      if (on.isExpiring && !this.keepsExpiry) on.isExpiring = false;
    }
    return 0;
  }

  /** "..": never above the root of the walk. */
  up(): number {
    for (;;) {
      if (this.dentry === this.rootDentry && this.mount === this.rootMount) {
        if ((this.resolve & RESOLVE_BENEATH) !== 0) return EXDEV;
        break;
      }
      if (this.dentry !== this.mount.root) {
        this.dentry = this.dentry.parent ?? this.dentry;
        break;
      }
      if (this.mount.parent === null) break;
      if ((this.resolve & RESOLVE_NO_XDEV) !== 0) return EXDEV;
      this.dentry = this.mount.mountpoint as Dentry;
      this.mount = this.mount.parent;
    }
    return this.crossDown();
  }

  /**
   * Follows the symbolic link `link` in the current directory. Returns text to walk on (its leading slash already
   * obeyed), 0 after a magic link jumped, or errno.
   */
  followLink(link: Dentry): ByteString | number {
    const inode = link.inode as Inode;
    if (++this.links > SYMLINK_MAX_FOLLOW) return ELOOP;
    if ((this.resolve & RESOLVE_NO_SYMLINKS) !== 0 || (this.mount.flags & MS_NOSYMFOLLOW) !== 0) return ELOOP;
    if (this.isUntrustedLink(inode)) return EACCES;
    const target = inode.followLink(this.ctx);
    if (isErrno(target)) return target;
    if (typeof target === 'string') {
      touchLink(inode, this.mount);
      if (target.length === 0) return ENOENT;
      return target.charCodeAt(0) === SLASH ? this.jumpToRoot() || target : target;
    }
    if ((this.resolve & RESOLVE_NO_MAGICLINKS) !== 0) return ELOOP;
    if ((this.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) return EXDEV;
    if ((this.resolve & RESOLVE_NO_XDEV) !== 0 && target.mount !== this.mount) return EXDEV;
    this.mount = target.mount;
    this.dentry = target.dentry;
    return 0;
  }

  /** protected_symlinks: a link in a sticky world-writable directory that neither the walker nor the directory's owner made. */
  private isUntrustedLink(link: Inode): boolean {
    if (!linkProtection.symlinks) return false;
    const dir = this.dentry.inode as Inode;
    if ((dir.mode & (S_ISVTX | 0o002)) !== (S_ISVTX | 0o002)) return false;
    return link.uid !== this.ctx.creds.fsuid && link.uid !== dir.uid;
  }
}

function touchLink(inode: Inode, mount: Mount): void {
  if (inode.btimeSec < 0 || !wantsAtime(inode, mount)) return;
  const t = readNow();
  inode.atimeSec = t.sec;
  inode.atimeNsec = t.nsec;
}

/** Walks `path` from `start` (null: the working directory). Returns the place or errno. */
export function walkPath(
  ctx: IoContext,
  start: Path | null,
  path: ByteString,
  follow: boolean,
  resolve = 0,
): Path | Errno {
  const walk = new Walk(ctx, start, resolve);
  const err = walk.full(path, follow);
  return err !== 0 ? (err as Errno) : walk.path;
}
