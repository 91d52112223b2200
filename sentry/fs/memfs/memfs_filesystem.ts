// SPDX-License-Identifier: Apache-2.0

/**
 * memfs: a mount backed by a memfs Volume, so that a Node program can hand files to a sandbox and read results without a disk.
 *
 * Invariants: the Volume is the truth for names and (until a file is mapped) for contents; flush() makes it so for mapped files too. What
 *             the volume may hold is bounded: its contents are memory of the Sentry's.
 */
import type { HostFiles } from '../../../platform/platform.ts';
import { Filesystem, type StatFs } from '../../vfs/filesystem.ts';
import { MemfsInode } from './memfs_inode.ts';
import type { CoreLink, CoreNode, MemfsVolume } from './volume.ts';

const DEFAULT_MAX_BYTES = 512 * 1024 * 1024;
const DEFAULT_MAX_NODES = 262144;
const BLOCK = 4096;
/** What /proc/mounts users know an in-memory filesystem by. */
const RAMFS_MAGIC = 0x858458f6;

export class MemfsFilesystem extends Filesystem {
  override readonly typeName = 'memfs';
  override readonly root: MemfsInode;
  override readonly supportsXattrs = false;
  readonly volume: MemfsVolume;
  readonly files: HostFiles;
  private readonly inodes = new Map<CoreNode, MemfsInode>();
  private readonly maxBytes: number;
  private usedBytes = 0;
  private usedNodes = 0;

  constructor(volume: MemfsVolume, files: HostFiles, maxBytes = DEFAULT_MAX_BYTES) {
    super();
    this.volume = volume;
    this.files = files;
    this.maxBytes = maxBytes;
    this.source = 'memfs';
    this.measure(volume._core.root);
    this.root = this.inodeFor(volume._core.root);
  }

  /** The inode of a volume's file; `link` is where it was found. */
  inodeFor(link: CoreLink): MemfsInode {
    const node = link.getNode();
    let inode = this.inodes.get(node);
    if (inode === undefined) {
      inode = new MemfsInode(this, node, link);
      this.inodes.set(node, inode);
    }
    inode.at = link;
    return inode;
  }

  forget(node: CoreNode): void {
    this.inodes.delete(node);
  }

  /** Takes `bytes` (negative: gives back) from the budget. False when there is no room. */
  charge(bytes: number): boolean {
    if (bytes > 0 && this.usedBytes + bytes > this.maxBytes) return false;
    this.usedBytes += bytes;
    return true;
  }

  /** A node more or less. False when there are too many. */
  chargeNode(count: 1 | -1): boolean {
    if (count > 0 && this.usedNodes >= DEFAULT_MAX_NODES) return false;
    this.usedNodes += count;
    return true;
  }

  /** Brings contents that live in mapped memory back to the volume: before it is read by the embedding program. */
  flush(): void {
    for (const inode of this.inodes.values()) inode.flush();
  }

  override sync(): number {
    this.flush();
    return 0;
  }

  override statfs(out: StatFs): number {
    out.type = RAMFS_MAGIC;
    out.bsize = BLOCK;
    out.blocks = Math.ceil(this.maxBytes / BLOCK);
    out.bfree = Math.floor((this.maxBytes - this.usedBytes) / BLOCK);
    out.bavail = out.bfree;
    out.files = DEFAULT_MAX_NODES;
    out.ffree = DEFAULT_MAX_NODES - this.usedNodes;
    out.namelen = 255;
    out.flags = 0;
    return 0;
  }

  override release(): void {
    for (const inode of this.inodes.values()) inode.unmapContent();
  }

  private measure(dir: CoreLink): void {
    this.usedNodes++;
    for (const [name, child] of dir.children) {
      if (name === '.' || name === '..' || child === undefined) continue;
      const node = child.getNode();
      if (node.isDirectory()) this.measure(child);
      else {
        this.usedNodes++;
        this.usedBytes += node.getSize();
      }
    }
  }
}
