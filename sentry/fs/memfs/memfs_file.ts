// SPDX-License-Identifier: Apache-2.0

/**
 * An open regular file of a memfs Volume.
 */
import { EBADF, EACCES, ENOSPC, EOPNOTSUPP, type Errno } from '../../../platform/abi/linux/errno.ts';
import { FALLOC_FL_KEEP_SIZE } from '../../../platform/abi/linux/fcntl.ts';
import { touchAccessed } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { HostMapping } from '../../vfs/file_description.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { SeekableFile } from '../../vfs/seekable_file.ts';
import { FILE_MAX, type MemfsInode } from './memfs_inode.ts';

const CHUNK = 131072;
const scratch = Buffer.allocUnsafeSlow(CHUNK);

export class MemfsFile extends SeekableFile {
  declare readonly inode: MemfsInode;

  protected override maxSize(): number {
    return FILE_MAX;
  }

  protected override accessed(): void {
    touchAccessed(this);
  }

  protected override readAt(_ctx: IoContext, io: IoSequence, offset: number): number {
    if (!this.isReadable) return EBADF;
    const { inode } = this;
    let done = 0;
    while (io.remaining > 0) {
      const want = Math.min(io.remaining, CHUNK);
      const at = offset + done;
      const n =
        inode.mapFd >= 0
          ? inode.fs.files.pread(inode.mapFd, scratch, 0, want, at)
          : inode.node.read(scratch, 0, want, at);
      if (n <= 0) return done > 0 ? done : n;
      const put = io.put(scratch, 0, n);
      if (put < 0) return done > 0 ? done : put;
      done += put;
      if (put < want) break;
    }
    return done;
  }

  protected override writeAt(_ctx: IoContext, io: IoSequence, offset: number): number {
    const { inode } = this;
    let done = 0;
    let err = 0;
    while (io.remaining > 0) {
      const taken = io.take(scratch, 0, Math.min(io.remaining, CHUNK));
      if (taken <= 0) {
        err = taken;
        break;
      }
      err = this.store(taken, offset + done);
      if (err < 0) {
        io.rewind(taken);
        break;
      }
      done += taken;
    }
    if (done === 0) return err;
    inode.modified();
    return done;
  }

  /** Writes scratch[0..length] at `at`, within the budget. Returns 0 or errno. */
  private store(length: number, at: number): number {
    const { inode } = this;
    const growth = Math.max(0, at + length - inode.size);
    if (!inode.fs.charge(growth)) return ENOSPC;
    if (inode.mapFd >= 0) {
      const n = inode.fs.files.pwrite(inode.mapFd, scratch, 0, length, at);
      if (n < length) {
        inode.fs.charge(-growth);
        return n < 0 ? n : ENOSPC;
      }
      inode.size = Math.max(inode.size, at + length);
    } else {
      inode.node.write(scratch, 0, length, at);
      inode.sync();
    }
    return 0;
  }

  override mmap(
    _ctx: IoContext,
    offset: number,
    _length: number,
    prot: number,
    sharing: 'private' | 'shared',
  ): HostMapping | Errno {
    if (!this.isReadable) return EACCES;
    if (sharing === 'shared' && (prot & 2) !== 0 && !this.isWritable) return EACCES;
    const fd = this.inode.mapContent();
    return fd < 0 ? (fd as Errno) : { fd, offset };
  }

  override fallocate(_ctx: IoContext, mode: number, offset: number, length: number): number {
    if (!this.isWritable) return EBADF;
    if ((mode & ~FALLOC_FL_KEEP_SIZE) !== 0) return EOPNOTSUPP;
    if ((mode & FALLOC_FL_KEEP_SIZE) !== 0 || offset + length <= this.inode.size) return 0;
    return this.inode.resize(offset + length);
  }
}
