// SPDX-License-Identifier: Apache-2.0

/**
 * Open directories of an overlay: the merge of two listings, or the lower one itself while nothing is above.
 *
 * Linux: fs/overlayfs/readdir.c
 */
import { EINVAL, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { SEEK_CUR, SEEK_SET } from '../../../platform/abi/linux/fcntl.ts';
import type { IoContext } from '../../vfs/context.ts';
import { type DirEmit, FileDescription } from '../../vfs/file_description.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import { dotDotIno } from '../../vfs/pseudo_file.ts';
import type { OverlayInode } from './overlay_inode.ts';

const DT_DIR = 4;
const O_DIRECTORY = 0o200000;

interface Entry {
  readonly name: ByteString;
  readonly ino: number;
  readonly dtype: number;
}

/** Reads all entries of a real directory, without "." and "..". Returns 0 or errno. */
function readReal(
  ctx: IoContext,
  dir: OverlayInode,
  real: Inode,
  add: (name: ByteString, ino: number, dtype: number) => void,
): number {
  const file = real.open(ctx, dir.fs.internalPath(), O_DIRECTORY);
  if (isErrno(file)) return file;
  const r = file.readdir(ctx, (name, ino, dtype) => {
    if (name !== '.' && name !== '..') add(name, ino, dtype);
    return true;
  });
  file.decRef();
  return r;
}

/** The entries of a directory that show, without "." and "..". */
export function mergedEntries(ctx: IoContext, dir: OverlayInode): Entry[] | Errno {
  const out: Entry[] = [];
  const { upper, lower, whiteouts } = dir;
  let above: Set<ByteString> | null = null;
  if (upper !== null) {
    const names = new Set<ByteString>();
    const err = readReal(ctx, dir, upper, (name, ino, dtype) => {
      names.add(name);
      const child = upper.lookup(ctx, name);
      out.push({ name, ino: isErrno(child) ? ino : dir.fs.shownIno(child), dtype });
    });
    if (err < 0) return err as Errno;
    above = names;
  }
  if (lower !== null && dir.nlink > 0) {
    const err = readReal(ctx, dir, lower, (name, ino, dtype) => {
      if (!above?.has(name) && !whiteouts?.has(name)) out.push({ name, ino, dtype });
    });
    if (err < 0) return err as Errno;
  }
  return out;
}

export class OverlayDirectory extends FileDescription {
  declare readonly inode: OverlayInode;
  private entries: readonly Entry[] | null = null;
  /** The lower directory, open, while nothing is above it. */
  private lowerDir: FileDescription | null = null;

  override readdir(ctx: IoContext, emit: DirEmit): number {
    if (this.position === 0) {
      const err = this.start(ctx);
      if (err < 0) return err;
    }
    const lowerDir = this.lowerDir;
    if (lowerDir !== null) {
      const r = lowerDir.readdir(ctx, emit);
      this.position = lowerDir.position;
      return r;
    }
    return this.emitMerged(emit);
  }

  private start(ctx: IoContext): number {
    const dir = this.inode;
    this.lowerDir?.decRef();
    this.lowerDir = null;
    this.entries = null;
    if (dir.upper === null && dir.whiteouts === null && dir.nlink > 0) {
      const file = (dir.lower as Inode).open(ctx, this.path, O_DIRECTORY);
      if (isErrno(file)) return file;
      file.isSilent = true;
      this.lowerDir = file;
      return 0;
    }
    const entries = mergedEntries(ctx, dir);
    if (isErrno(entries)) return entries;
    this.entries = entries;
    return 0;
  }

  private emitMerged(emit: DirEmit): number {
    const entries = this.entries ?? [];
    if (this.position === 0) {
      if (!emit('.', this.inode.ino, DT_DIR, 1)) return 0;
      this.position = 1;
    }
    if (this.position === 1) {
      if (!emit('..', dotDotIno(this.path), DT_DIR, 2)) return 0;
      this.position = 2;
    }
    while (this.position - 2 < entries.length) {
      const entry = entries[this.position - 2] as Entry;
      if (!emit(entry.name, entry.ino, entry.dtype, this.position + 1)) return 0;
      this.position++;
    }
    return 0;
  }

  override seek(ctx: IoContext, offset: number, whence: number): number {
    const target = whence === SEEK_SET ? offset : whence === SEEK_CUR ? this.position + offset : -1;
    if (target < 0) return EINVAL;
    // Going on from the middle needs the listing the offset came from.
    if (target > 0 && this.lowerDir === null && this.entries === null) {
      const err = this.start(ctx);
      if (err < 0) return err;
    }
    if (this.lowerDir !== null) {
      const r = this.lowerDir.seek(ctx, target, SEEK_SET);
      if (r < 0) return r;
    }
    this.position = target;
    return target;
  }

  override fsync(): number {
    return 0;
  }

  protected override release(): void {
    this.lowerDir?.decRef();
  }
}
