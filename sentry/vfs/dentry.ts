// SPDX-License-Identifier: Apache-2.0

/**
 * Dentry: a name in a directory, cached. Children are a cache over Inode.lookup(); the truth is the filesystem's.
 *
 * Linux:      include/linux/dcache.h, fs/dcache.c
 * Invariants: `inode === null` is a negative entry. A dentry that was unlinked keeps parent and name (for /proc "(deleted)")
 *             with isUnlinked set. mountCount > 0: some mount sits on it, so it must stay in its parent's map.
 *             An inode is evicted when its last dentry is gone.
 */
import { dentryCache } from './dentry_cache.ts';
import type { Filesystem } from './filesystem.ts';
import type { ByteString, Inode } from './inode.ts';
import { IN_DELETE_SELF, notifySelf } from './notify.ts';

/** Drops everything cached below `root` that nothing holds. Linux: shrink_dcache_for_umount(). */
export function dropTree(root: Dentry): void {
  const found = [root];
  // Parents come before their children: dropped from the end, each has lost its own by then.
  for (let i = 0; i < found.length; i++) for (const child of (found[i] as Dentry).children?.values() ?? []) found.push(child);
  for (let i = found.length - 1; i > 0; i--) if ((found[i] as Dentry).isDroppable) (found[i] as Dentry).drop();
}

export class Dentry {
  readonly fs: Filesystem;
  parent: Dentry | null;
  name: ByteString;
  inode: Inode | null;
  children: Map<ByteString, Dentry> | null = null;
  isUnlinked = false;
  mountCount = 0;
  /** Open files, cwds, roots and mounts holding this dentry; only unreferenced ones may be shrunk away. Change it with get() and put(). */
  refs = 0;
  /** True while it is in its parent's map. */
  isHashed = false;
  private isDead = false;
  // The dentry cache's ring.
  ringNext: Dentry | null = null;
  ringPrev: Dentry | null = null;
  wasUsed = false;

  constructor(fs: Filesystem, parent: Dentry | null, name: ByteString, inode: Inode | null) {
    this.fs = fs;
    this.parent = parent;
    this.name = name;
    this.inode = inode;
    if (inode !== null) inode.dentryCount++;
  }

  /** Pins the dentry. */
  get(): void {
    this.refs++;
  }

  /** Unpins it; one that is in no directory any more dies with its last reference. */
  put(): void {
    if (--this.refs === 0 && !this.isHashed) this.die();
  }

  /** Only a cache entry, nothing holds it. */
  get isDroppable(): boolean {
    return this.refs === 0 && this.mountCount === 0 && (this.children === null || this.children.size === 0);
  }

  /** Adds a child for `inode` (null: negative) to the cache and returns it. Precondition: no child of that name. */
  addChild(name: ByteString, inode: Inode | null): Dentry {
    const child = new Dentry(this.fs, this, name, inode);
    this.hashChild(child);
    return child;
  }

  /** Puts `child` (whose parent and name are already right) in the map. */
  hashChild(child: Dentry): void {
    if (this.children === null) this.children = new Map();
    this.children.set(child.name, child);
    child.isHashed = true;
    dentryCache.add(child);
  }

  /** Takes this dentry out of its parent's map; it dies now or with its last reference. */
  drop(): void {
    this.unhash();
    if (this.refs === 0) this.die();
  }

  /** Takes this dentry out of its parent's map and no more. */
  unhash(): void {
    if (!this.isHashed) return;
    this.isHashed = false;
    const siblings = (this.parent as Dentry).children as Map<ByteString, Dentry>;
    if (siblings.get(this.name) === this) siblings.delete(this.name);
    dentryCache.remove(this);
  }

  /** The name was removed from its directory. */
  unlinked(): void {
    this.isUnlinked = true;
    this.drop();
  }

  private die(): void {
    if (this.isDead) return;
    this.isDead = true;
    const inode = this.inode;
    if (inode === null || --inode.dentryCount > 0) return;
    // Marks keep what is watched, as long as it has a name.
    if (inode.marks !== null) notifySelf(inode, IN_DELETE_SELF);
    inode.evict();
  }
}
