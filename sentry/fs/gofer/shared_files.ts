// SPDX-License-Identifier: Apache-2.0

/**
 * Host files that several filesystems of one sandbox show: volumes of a pod's containers, a directory mounted twice. What belongs to the
 * file itself (locks, a bound socket, a FIFO's pipe) hangs on one of its inodes, the file's body, for all.
 *
 * Linux:      the one inode that all bind mounts of a file show
 * Invariants: a file has a body as long as any inode of it is known; it may be an inode that its own filesystem has let go of.
 */
import { type Attr, deviceOf } from '../../../gofer/protocol/attr.ts';
import type { GoferInode } from './gofer_inode.ts';

interface SharedFile {
  readonly body: GoferInode;
  users: number;
}

const files = new Map<string, SharedFile>();

/** A host file's name everywhere; the birth time tells a later file with the same number. */
function nameOf(attr: Attr): string {
  return `${deviceOf(attr.devMajor, attr.devMinor)}:${attr.ino}:${attr.btimeSec}:${attr.btimeNsec}`;
}

/** An inode's part in its file. */
export class FileShare {
  private readonly name: string;
  private readonly file: SharedFile;

  /** `inode` becomes the body unless the file has one. */
  constructor(inode: GoferInode, attr: Attr) {
    this.name = nameOf(attr);
    const known = files.get(this.name);
    this.file = known ?? { body: inode, users: 0 };
    if (known === undefined) files.set(this.name, this.file);
    this.file.users++;
  }

  get body(): GoferInode {
    return this.file.body;
  }

  /** The inode is let go of. */
  drop(): void {
    if (--this.file.users === 0 && files.get(this.name) === this.file) files.delete(this.name);
  }
}
