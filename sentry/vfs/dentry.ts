// SPDX-License-Identifier: Apache-2.0

/**
 * Dentry: a name in a directory, cached. Children are a cache over Inode.lookup(); the truth is the filesystem's.
 *
 * Linux:      include/linux/dcache.h, fs/dcache.c
 * Invariants: `inode === null` is a negative entry. A dentry that was unlinked keeps parent and name (for /proc "(deleted)")
 *             with isUnlinked set. mountCount > 0: some mount sits on it, so it must stay in its parent's map.
 */
import type { Filesystem } from './filesystem.ts';
import type { ByteString, Inode } from './inode.ts';

export class Dentry {
  readonly fs: Filesystem;
  parent: Dentry | null;
  name: ByteString;
  inode: Inode | null;
  children: Map<ByteString, Dentry> | null = null;
  isUnlinked = false;
  mountCount = 0;
  /** Open files, cwds, roots and mounts holding this dentry; only unreferenced ones may be shrunk away. */
  refs = 0;

  constructor(fs: Filesystem, parent: Dentry | null, name: ByteString, inode: Inode | null) {
    this.fs = fs;
    this.parent = parent;
    this.name = name;
    this.inode = inode;
  }
}
