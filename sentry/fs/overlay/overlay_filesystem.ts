// SPDX-License-Identifier: Apache-2.0

/**
 * Overlay: a writable filesystem held in memory over one that is only read.
 *
 * Linux:      fs/overlayfs; Documentation/filesystems/overlayfs.rst
 * Differs:    whiteouts, opaqueness and the lower half of a moved directory are kept in the inodes, not in the upper filesystem. So
 *             directories of the lower filesystem can be renamed, hard links stay linked when copied up, and nothing of the
 *             overlay shows as device nodes or attributes. The upper filesystem starts empty.
 * Invariants: an OverlayInode is unique per upper and per lower inode. It is kept while it knows something that neither of them does.
 */
import type { IoContext } from '../../vfs/context.ts';
import { Dentry } from '../../vfs/dentry.ts';
import { Filesystem, type StatFs } from '../../vfs/filesystem.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import { Mount, type Path } from '../../vfs/mount.ts';
import { OverlayInode } from './overlay_inode.ts';

const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
/** Files born above get numbers from here on; those of the lower filesystem keep theirs. */
const UPPER_INO_BASE = 2 ** 44;

export class OverlayFilesystem extends Filesystem {
  override readonly typeName = 'overlay';
  override readonly root: OverlayInode;
  override readonly supportsXattrs: boolean;
  override readonly wantsPrefetch: boolean;
  override readonly nameMax: number;
  readonly upper: Filesystem;
  readonly lower: Filesystem;
  private readonly byUpper = new Map<Inode, OverlayInode>();
  private readonly byLower = new Map<Inode, OverlayInode>();
  private readonly internalMount: Mount;

  /** `upper`: an empty writable filesystem nobody else uses. `lower`: never written. */
  constructor(upper: Filesystem, lower: Filesystem) {
    super();
    this.upper = upper;
    this.lower = lower;
    this.supportsXattrs = upper.supportsXattrs;
    this.wantsPrefetch = lower.wantsPrefetch;
    this.nameMax = Math.min(upper.nameMax, lower.nameMax);
    this.source = 'overlay';
    const top = upper.root;
    const bottom = lower.root;
    top.mode = bottom.mode;
    top.uid = bottom.uid;
    top.gid = bottom.gid;
    top.mtimeSec = bottom.mtimeSec;
    top.mtimeNsec = bottom.mtimeNsec;
    this.root = new OverlayInode(this, top, bottom, null, '');
    this.byUpper.set(top, this.root);
    this.byLower.set(bottom, this.root);
    this.internalMount = new Mount(0, this, new Dentry(this, null, '/', null), 0);
  }

  /** A place for opening real files without a name. */
  internalPath(): Path {
    return { mount: this.internalMount, dentry: new Dentry(this, null, '', null) };
  }

  /** The inode of an upper file found at parent/name. */
  forUpper(upper: Inode, parent: OverlayInode, name: ByteString): OverlayInode {
    const known = this.byUpper.get(upper);
    if (known !== undefined) {
      known.setPlace(parent, name);
      known.syncAttributes();
      return known;
    }
    const inode = new OverlayInode(this, upper, null, parent, name);
    this.byUpper.set(upper, inode);
    return inode;
  }

  /** The inode of a lower file found at parent/name (copied up meanwhile through another name, perhaps). */
  forLower(lower: Inode, parent: OverlayInode, name: ByteString): OverlayInode {
    const known = this.byLower.get(lower);
    if (known !== undefined) {
      known.setPlace(parent, name);
      return known;
    }
    const inode = new OverlayInode(this, null, lower, parent, name);
    this.byLower.set(lower, inode);
    return inode;
  }

  /** `inode` was copied up. */
  linkUpper(upper: Inode, inode: OverlayInode): void {
    this.byUpper.set(upper, inode);
  }

  /** Forgets an inode that nobody uses and that can be found again, or is gone. */
  forget(inode: OverlayInode): void {
    if (inode.upper !== null) this.byUpper.delete(inode.upper);
    if (inode.lower !== null && this.byLower.get(inode.lower) === inode) this.byLower.delete(inode.lower);
  }

  /** The number shown for a file that is only above. */
  upperIno(upper: Inode): number {
    return UPPER_INO_BASE + upper.ino;
  }

  /** The number a listing shows for an upper file. */
  shownIno(upper: Inode): number {
    return this.byUpper.get(upper)?.ino ?? this.upperIno(upper);
  }

  override statfs(out: StatFs): number {
    const r = this.upper.statfs(out);
    out.type = OVERLAYFS_SUPER_MAGIC;
    return r;
  }

  override sync(): number {
    return this.upper.sync();
  }

  override release(): void {
    this.upper.release();
    this.lower.release();
  }
}

/** A context for the overlay's own copying: no file size limit, no signals. */
export function copyContext(ctx: IoContext): IoContext {
  return Object.create(ctx, {
    fileSizeLimit: { value: Number.POSITIVE_INFINITY },
    raiseSignal: { value: () => {} },
  }) as IoContext;
}
