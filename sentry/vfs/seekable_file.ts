// SPDX-License-Identifier: Apache-2.0

/**
 * SeekableFile: the open regular file: position, append, limits and seeking over readAt/writeAt of a filesystem.
 *
 * Linux:      fs/read_write.c, mm/filemap.c (generic_write_checks)
 * Invariants: offsets are safe integers, 0..MAX_OFFSET. A write never passes RLIMIT_FSIZE or the filesystem's maximum.
 */
import { EBADF, EFBIG, EINVAL, ENXIO } from '../../platform/abi/linux/errno.ts';
import { O_APPEND, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from '../../platform/abi/linux/fcntl.ts';
import type { IoContext } from './context.ts';
import { FileDescription } from './file_description.ts';
import type { IoSequence } from './io.ts';
import { stripSetIdOnWrite } from './set_id.ts';

/** Largest file offset: 2^53-1 keeps Numbers exact (Linux: 2^63-1). */
export const MAX_OFFSET = Number.MAX_SAFE_INTEGER;
const SIGXFSZ = 25;

/** Moves a position by lseek's rules. `size` is asked only for SEEK_END, SEEK_DATA and SEEK_HOLE. Returns the new offset or errno. */
export function seekTo(position: number, offset: number, whence: number, size: () => number): number {
  let target: number;
  switch (whence) {
    case SEEK_SET:
      target = offset;
      break;
    case SEEK_CUR:
      target = position + offset;
      break;
    case SEEK_END:
      target = size() + offset;
      break;
    case SEEK_DATA:
      return offset < 0 || offset >= size() ? ENXIO : offset;
    case SEEK_HOLE:
      return offset < 0 || offset >= size() ? ENXIO : size();
    default:
      return EINVAL;
  }
  return target < 0 || target > MAX_OFFSET ? EINVAL : target;
}

export abstract class SeekableFile extends FileDescription {
  /** Reads at `offset` into io until io is full or the file ends. Returns bytes or errno. */
  protected abstract readAt(ctx: IoContext, io: IoSequence, offset: number): number;
  /** Writes all of io at `offset`. Returns bytes or errno. */
  protected abstract writeAt(ctx: IoContext, io: IoSequence, offset: number): number;

  /** Current size. */
  protected currentSize(): number {
    return this.inode.size;
  }
  /** Largest offset a write may reach. */
  protected maxSize(): number {
    return MAX_OFFSET;
  }
  /** A read moved bytes: update atime when the filesystem keeps it here. */
  protected accessed(): void {}
  /** SEEK_DATA / SEEK_HOLE for a valid offset; default: all data. */
  protected seekExtent(offset: number, whence: number): number {
    return whence === SEEK_DATA ? offset : this.currentSize();
  }

  override read(ctx: IoContext, io: IoSequence): number {
    const n = this.readAt(ctx, io, this.position);
    if (n > 0) this.position += n;
    this.accessed();
    return n;
  }

  override pread(ctx: IoContext, io: IoSequence, offset: number): number {
    const n = this.readAt(ctx, io, offset);
    this.accessed();
    return n;
  }

  override write(ctx: IoContext, io: IoSequence): number {
    const at = (this.flags & O_APPEND) !== 0 ? this.currentSize() : this.position;
    const n = this.checkedWrite(ctx, io, at);
    if (n > 0) this.position = at + n;
    return n;
  }

  override pwrite(ctx: IoContext, io: IoSequence, offset: number): number {
    return this.checkedWrite(ctx, io, (this.flags & O_APPEND) !== 0 ? this.currentSize() : offset);
  }

  override seek(_ctx: IoContext, offset: number, whence: number): number {
    if ((whence === SEEK_DATA || whence === SEEK_HOLE) && offset >= 0 && offset < this.currentSize()) {
      const found = this.seekExtent(offset, whence);
      if (found >= 0) this.position = found;
      return found;
    }
    const target = seekTo(this.position, offset, whence, () => this.currentSize());
    if (target >= 0) this.position = target;
    return target;
  }

  override fsync(): number {
    return 0;
  }

  private checkedWrite(ctx: IoContext, io: IoSequence, at: number): number {
    if (io.remaining === 0) return 0;
    if (!this.isWritable) return EBADF;
    const limit = ctx.fileSizeLimit;
    if (at >= limit) {
      ctx.raiseSignal(SIGXFSZ);
      return EFBIG;
    }
    const bound = Math.min(limit, this.maxSize());
    if (at >= bound) return EFBIG;
    if (at + io.remaining > bound) io.remaining = bound - at;
    const n = this.writeAt(ctx, io, at);
    if (n > 0) stripSetIdOnWrite(ctx, this.inode);
    return n;
  }
}
