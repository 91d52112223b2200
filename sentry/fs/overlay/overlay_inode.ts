// SPDX-License-Identifier: Apache-2.0

/**
 * OverlayInode: a file that is above, below, or (directories, and files copied up) both.
 *
 * Linux:      fs/overlayfs/inode.c, dir.c
 * Invariants: at least one of upper and lower is there. `whiteouts` are names of the lower directory that were removed or replaced;
 *             a name stays there for good. A file's number never changes: it is the lower file's for files born below.
 */
import { EINVAL, ENOENT, ENOTEMPTY, ENOTTY, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { S_IFDIR, S_IFMT, S_IFREG } from '../../../platform/abi/linux/stat.ts';
import { touchModified } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import { ATTR_SIZE, type ByteString, Inode, type SetAttr } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { copyUp } from './copy_up.ts';
import { OverlayDirectory, mergedEntries } from './overlay_directory.ts';
import { OverlayFile } from './overlay_file.ts';
import type { OverlayFilesystem } from './overlay_filesystem.ts';

const RENAME_EXCHANGE = 2;
const RENAME_WHITEOUT = 4;

export class OverlayInode extends Inode {
  declare readonly fs: OverlayFilesystem;
  upper: Inode | null;
  readonly lower: Inode | null;
  /** Where it was last found; null: it lost that name. */
  parent: OverlayInode | null;
  name: ByteString;
  /** Names of `lower` that do not show. */
  whiteouts: Set<ByteString> | null = null;
  /** Names of a lower file that are not in the upper filesystem. */
  private lowerLinks: number;
  private isRemoved = false;

  constructor(
    fs: OverlayFilesystem,
    upper: Inode | null,
    lower: Inode | null,
    parent: OverlayInode | null,
    name: ByteString,
  ) {
    super(fs);
    this.upper = upper;
    this.lower = lower;
    this.parent = parent;
    this.name = name;
    this.lowerLinks = lower === null ? 0 : lower.nlink;
    if (lower !== null) lower.dentryCount++;
    if (upper !== null) upper.dentryCount++;
    this.ino = lower !== null ? lower.ino : fs.upperIno(upper as Inode);
    this.syncAttributes();
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  /** The file that has the content now. */
  get real(): Inode {
    return this.upper ?? (this.lower as Inode);
  }

  setPlace(parent: OverlayInode, name: ByteString): void {
    if (this.parent === parent && this.name === name) return;
    if (this === this.fs.root) return;
    this.parent = parent;
    this.name = name;
  }

  /** Copies the real file's attributes into the fields. */
  syncAttributes(): void {
    const real = this.real;
    this.mode = real.mode;
    this.uid = real.uid;
    this.gid = real.gid;
    this.rdev = real.rdev;
    this.fsFlags = real.fsFlags;
    this.size = real.size;
    this.blksize = real.blksize;
    this.blocks = real.blocks;
    this.atimeSec = real.atimeSec;
    this.atimeNsec = real.atimeNsec;
    this.mtimeSec = real.mtimeSec;
    this.mtimeNsec = real.mtimeNsec;
    this.ctimeSec = real.ctimeSec;
    this.ctimeNsec = real.ctimeNsec;
    this.btimeSec = real.btimeSec;
    this.btimeNsec = real.btimeNsec;
    this.nlink = this.countLinks();
  }

  private countLinks(): number {
    if (this.isDirectory) {
      if (this.isRemoved) return 0;
      return this.upper !== null && this.lower !== null ? 1 : this.real.nlink;
    }
    return (this.upper === null ? 0 : this.upper.nlink) + this.lowerLinks;
  }

  override refreshAttributes(): number {
    const r = this.real.refreshAttributes();
    if (r >= 0) this.syncAttributes();
    return r;
  }

  /** The copy is there: under its name, or of a file that has none. */
  becameUpper(upper: Inode, how: 'named' | 'nameless'): void {
    this.upper = upper;
    upper.dentryCount++;
    this.fs.linkUpper(upper, this);
    if (!this.isDirectory && how === 'named') this.lowerLinks--;
    this.syncAttributes();
  }

  override fileFlags(): number {
    const type = this.mode & S_IFMT;
    return type === S_IFREG || type === S_IFDIR ? this.fsFlags : ENOTTY;
  }
  override setFileFlags(ctx: IoContext, flags: number): number {
    const err = copyUp(ctx, this);
    if (err < 0) return err;
    const r = (this.upper as Inode).setFileFlags(ctx, flags);
    this.syncAttributes();
    return r;
  }

  override setAttributes(ctx: IoContext, attr: SetAttr): number {
    const keep = (attr.valid & ATTR_SIZE) !== 0 ? attr.size : Number.POSITIVE_INFINITY;
    const err = copyUp(ctx, this, keep);
    if (err < 0) return err;
    const r = (this.upper as Inode).setAttributes(ctx, attr);
    this.syncAttributes();
    return r;
  }

  // Directories

  /** Does the lower directory show `name`? */
  private showsLower(ctx: IoContext, name: ByteString): Inode | null | Errno {
    if (this.lower === null || this.whiteouts?.has(name)) return null;
    const found = this.lower.lookup(ctx, name);
    return found === ENOENT ? null : found;
  }

  override lookup(ctx: IoContext, name: ByteString): Inode | Errno {
    if (this.upper !== null) {
      const above = this.upper.lookup(ctx, name);
      if (!isErrno(above)) return this.fs.forUpper(above, this, name);
      if (above !== ENOENT) return above;
    }
    if (this.lower === null || this.whiteouts?.has(name)) return ENOENT;
    const below = this.lower.lookup(ctx, name);
    return isErrno(below) ? below : this.fs.forLower(below, this, name);
  }

  override prefetchWalk(names: readonly ByteString[]): void {
    const first = names[0] as ByteString;
    if (this.lower === null || this.whiteouts?.has(first)) return;
    this.lower.prefetchWalk(names);
  }

  /** Hides the lower file called `name`, if there is one. Returns 0 or errno. */
  private whiteOut(ctx: IoContext, name: ByteString): number {
    const below = this.showsLower(ctx, name);
    if (isErrno(below)) return below;
    if (below === null) return 0;
    if (this.whiteouts === null) this.whiteouts = new Set();
    this.whiteouts.add(name);
    return 1;
  }

  /** Makes something in the upper directory and wraps it. */
  private make(ctx: IoContext, name: ByteString, run: (upper: Inode) => Inode | Errno): Inode | Errno {
    const err = copyUp(ctx, this);
    if (err < 0) return err as Errno;
    const made = run(this.upper as Inode);
    this.syncAttributes();
    return isErrno(made) ? made : this.fs.forUpper(made, this, name);
  }

  override create(ctx: IoContext, name: ByteString, mode: number, uid: number, gid: number): Inode | Errno {
    return this.make(ctx, name, (upper) => upper.create(ctx, name, mode, uid, gid));
  }
  override mkdir(ctx: IoContext, name: ByteString, mode: number, uid: number, gid: number): Inode | Errno {
    return this.make(ctx, name, (upper) => upper.mkdir(ctx, name, mode, uid, gid));
  }
  override mknod(
    ctx: IoContext,
    name: ByteString,
    mode: number,
    rdev: number,
    uid: number,
    gid: number,
  ): Inode | Errno {
    return this.make(ctx, name, (upper) => upper.mknod(ctx, name, mode, rdev, uid, gid));
  }
  override symlink(ctx: IoContext, name: ByteString, target: ByteString, uid: number, gid: number): Inode | Errno {
    return this.make(ctx, name, (upper) => upper.symlink(ctx, name, target, uid, gid));
  }

  override tmpfile(ctx: IoContext, mode: number, uid: number, gid: number): Inode | Errno {
    const made = this.fs.upper.root.tmpfile(ctx, mode, uid, gid);
    if (isErrno(made)) return made;
    const inode = this.fs.forUpper(made, this, '');
    inode.parent = null;
    return inode;
  }

  override link(ctx: IoContext, name: ByteString, target: Inode): number {
    const file = target as OverlayInode;
    let err = copyUp(ctx, file);
    if (err >= 0) err = copyUp(ctx, this);
    if (err < 0) return err;
    const r = (this.upper as Inode).link(ctx, name, file.upper as Inode);
    if (r === 0 && file.parent === null) file.setPlace(this, name);
    file.syncAttributes();
    this.syncAttributes();
    return r;
  }

  override unlink(ctx: IoContext, name: ByteString, child: Inode): number {
    return this.removeName(ctx, name, child as OverlayInode, (upper, above) => upper.unlink(ctx, name, above));
  }

  override rmdir(ctx: IoContext, name: ByteString, child: Inode): number {
    const dir = child as OverlayInode;
    const empty = dir.checkEmpty(ctx);
    if (empty < 0) return empty;
    const r = this.removeName(ctx, name, dir, (upper, above) => upper.rmdir(ctx, name, above));
    if (r === 0) dir.becameRemoved();
    return r;
  }

  private becameRemoved(): void {
    this.isRemoved = true;
    this.syncAttributes();
  }

  private checkEmpty(ctx: IoContext): number {
    const entries = mergedEntries(ctx, this);
    if (isErrno(entries)) return entries;
    return entries.length === 0 ? 0 : ENOTEMPTY;
  }

  private removeName(
    ctx: IoContext,
    name: ByteString,
    child: OverlayInode,
    remove: (upper: Inode, above: Inode) => number,
  ): number {
    const err = copyUp(ctx, this);
    if (err < 0) return err;
    const upper = this.upper as Inode;
    const hidden = this.whiteOut(ctx, name);
    if (hidden < 0) return hidden;
    const above = upper.lookup(ctx, name);
    if (isErrno(above)) {
      if (above !== ENOENT) return above;
      if (!child.isDirectory) child.lowerLinks--;
      touchModified(upper);
    } else {
      const r = remove(upper, above);
      if (r < 0) {
        if (hidden > 0) this.whiteouts?.delete(name);
        return r;
      }
    }
    child.lostName(this, name);
    this.syncAttributes();
    return 0;
  }

  private lostName(dir: OverlayInode, name: ByteString): void {
    if (this.parent === dir && this.name === name) this.parent = null;
    this.syncAttributes();
  }

  /** Makes sure that the name dir/name of `child` is one of the upper filesystem. Returns 0 or errno. */
  private static raiseName(ctx: IoContext, dir: OverlayInode, name: ByteString, child: OverlayInode): number {
    const err = copyUp(ctx, dir);
    if (err < 0) return err;
    if (child.upper === null) {
      child.setPlace(dir, name);
      return copyUp(ctx, child);
    }
    const upper = dir.upper as Inode;
    const above = upper.lookup(ctx, name);
    if (above !== ENOENT) return isErrno(above) ? above : 0;
    const r = upper.link(ctx, name, child.upper);
    if (r === 0) child.lowerLinks--;
    return r;
  }

  override rename(
    ctx: IoContext,
    name: ByteString,
    child: Inode,
    newDir: Inode,
    newName: ByteString,
    target: Inode | null,
    flags: number,
  ): number {
    if ((flags & RENAME_WHITEOUT) !== 0) return EINVAL;
    const to = newDir as OverlayInode;
    const moved = child as OverlayInode;
    const replaced = target as OverlayInode | null;
    let err = OverlayInode.raiseName(ctx, this, name, moved);
    if (err >= 0) err = copyUp(ctx, to);
    if (err < 0) return err;
    if ((flags & RENAME_EXCHANGE) !== 0) return this.exchange(ctx, name, moved, to, newName, replaced as OverlayInode);
    if (replaced?.isDirectory) {
      const empty = replaced.checkEmpty(ctx);
      if (empty < 0) return empty;
    }
    return this.move(ctx, name, moved, to, newName, replaced);
  }

  private exchange(
    ctx: IoContext,
    name: ByteString,
    moved: OverlayInode,
    to: OverlayInode,
    newName: ByteString,
    other: OverlayInode,
  ): number {
    const err = OverlayInode.raiseName(ctx, to, newName, other);
    if (err < 0) return err;
    const hidden = this.whiteOut(ctx, name);
    if (hidden < 0) return hidden;
    const alsoHidden = to.whiteOut(ctx, newName);
    if (alsoHidden < 0) return alsoHidden;
    const r = (this.upper as Inode).rename(
      ctx,
      name,
      moved.upper as Inode,
      to.upper as Inode,
      newName,
      other.upper,
      RENAME_EXCHANGE,
    );
    if (r < 0) return r;
    moved.setPlace(to, newName);
    other.setPlace(this, name);
    for (const inode of [this, to, moved, other]) inode.syncAttributes();
    return 0;
  }

  private move(
    ctx: IoContext,
    name: ByteString,
    moved: OverlayInode,
    to: OverlayInode,
    newName: ByteString,
    replaced: OverlayInode | null,
  ): number {
    const above = (to.upper as Inode).lookup(ctx, newName);
    if (isErrno(above) && above !== ENOENT) return above;
    const hadUpper = !isErrno(above);
    const hidden = to.whiteOut(ctx, newName);
    if (hidden < 0) return hidden;
    const r = (this.upper as Inode).rename(
      ctx,
      name,
      moved.upper as Inode,
      to.upper as Inode,
      newName,
      hadUpper ? above : null,
      0,
    );
    if (r < 0) {
      if (hidden > 0) to.whiteouts?.delete(newName);
      return r;
    }
    const left = this.whiteOut(ctx, name);
    if (left < 0) return left;
    moved.setPlace(to, newName);
    if (replaced !== null) {
      if (replaced.isDirectory) replaced.isRemoved = true;
      else if (!hadUpper) replaced.lowerLinks--;
      replaced.lostName(to, newName);
    }
    for (const inode of [this, to, moved]) inode.syncAttributes();
    return 0;
  }

  // Links and open files

  override readlink(ctx: IoContext): ByteString | Errno {
    return this.real.readlink(ctx);
  }

  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    if (this.isDirectory) return new OverlayDirectory(path, this, flags, ctx.creds);
    if ((this.mode & S_IFMT) !== S_IFREG) return this.real.open(ctx, path, flags);
    // Until it is copied up, a file opened for writing is read below.
    const isLower = this.upper === null;
    const real = this.real.open(ctx, path, isLower ? flags & ~3 : flags);
    if (isErrno(real)) return real;
    real.isSilent = true;
    return new OverlayFile(path, this, flags, ctx.creds, real, isLower);
  }

  override getxattr(ctx: IoContext, name: ByteString): Uint8Array | Errno {
    return this.real.getxattr(ctx, name);
  }
  override listxattr(ctx: IoContext): ByteString[] | Errno {
    return this.real.listxattr(ctx);
  }
  override setxattr(ctx: IoContext, name: ByteString, value: Uint8Array, flags: number): number {
    const err = copyUp(ctx, this);
    if (err < 0) return err;
    const r = (this.upper as Inode).setxattr(ctx, name, value, flags);
    this.syncAttributes();
    return r;
  }
  override removexattr(ctx: IoContext, name: ByteString): number {
    const err = copyUp(ctx, this);
    if (err < 0) return err;
    const r = (this.upper as Inode).removexattr(ctx, name);
    this.syncAttributes();
    return r;
  }

  override evict(): void {
    const isGone = this.nlink === 0;
    // What only this object knows must stay: a copied-up file's origin, a merged directory's lower half and whiteouts.
    if (this.upper !== null && this.lower !== null && !isGone) return;
    if (this === this.fs.root) return;
    this.fs.forget(this);
    for (const half of [this.upper, this.lower]) if (half !== null && --half.dentryCount === 0) half.evict();
  }
}
