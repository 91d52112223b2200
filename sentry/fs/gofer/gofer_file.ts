// SPDX-License-Identifier: Apache-2.0

/**
 * GoferFile: an open regular file. Bytes move on the donated host descriptor, never through the Gofer.
 *
 * Invariants: the descriptors belong to the inode and are shared by its open files, so only positional calls are made on them.
 */
import { EACCES, EBADF, type Errno } from '../../../platform/abi/linux/errno.ts';
import { O_APPEND, O_DSYNC } from '../../../platform/abi/linux/fcntl.ts';
import { touchModified } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { HostMapping } from '../../vfs/file_description.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { SeekableFile } from '../../vfs/seekable_file.ts';
import type { GoferInode } from './gofer_inode.ts';

const PROT_WRITE = 2;
const CHUNK = 262144;
const scratch = Buffer.allocUnsafeSlow(CHUNK);

export class GoferFile extends SeekableFile {
  declare readonly inode: GoferInode;

  protected override readAt(_ctx: IoContext, io: IoSequence, offset: number): number {
    if (!this.isReadable) return EBADF;
    const inode = this.inode;
    const fd = inode.readFd;
    const files = inode.fs.files;
    let done = 0;
    while (io.remaining > 0) {
      const want = Math.min(io.remaining, CHUNK);
      const n = files.pread(fd, scratch, 0, want, offset + done);
      if (n <= 0) return done > 0 ? done : n;
      const put = io.put(scratch, 0, n);
      if (put < 0) return done > 0 ? done : put;
      done += put;
      if (put < want) break;
    }
    return done;
  }

  protected override writeAt(_ctx: IoContext, io: IoSequence, offset: number): number {
    const inode = this.inode;
    const files = inode.fs.files;
    let done = 0;
    let err = 0;
    while (io.remaining > 0) {
      const taken = io.take(scratch, 0, Math.min(io.remaining, CHUNK));
      if (taken < 0) {
        err = taken;
        break;
      }
      const n = files.pwrite(inode.rwFd, scratch, 0, taken, offset + done);
      if (n < taken) io.rewind(n < 0 ? taken : taken - n);
      if (n < 0) {
        err = n;
        break;
      }
      done += n;
      if (n < taken || taken === 0) break;
    }
    if (done === 0) return err;
    if (offset + done > inode.size) inode.size = offset + done;
    touchModified(inode);
    inode.areAttrsStale = true;
    if ((this.flags & O_DSYNC) !== 0) files.fsync(inode.rwFd, true);
    return done;
  }

  protected override currentSize(): number {
    const inode = this.inode;
    if (!inode.fs.isExclusive || inode.isMappedShared) inode.refreshFrom(this.isReadable ? inode.readFd : inode.rwFd);
    return inode.size;
  }

  protected override seekExtent(offset: number, whence: number): number {
    const fd = this.isReadable ? this.inode.readFd : this.inode.rwFd;
    return this.inode.fs.files.lseek(fd, offset, whence);
  }

  override mmap(
    _ctx: IoContext,
    offset: number,
    _length: number,
    prot: number,
    sharing: 'private' | 'shared',
  ): HostMapping | Errno {
    const inode = this.inode;
    if (!this.isReadable) return EACCES;
    if (sharing === 'private') return { fd: inode.readFd, offset };
    if ((prot & PROT_WRITE) !== 0 && (!this.isWritable || (this.flags & O_APPEND) !== 0)) return EACCES;
    if (!this.isWritable) return { fd: inode.readFd, offset };
    inode.isMappedShared = true;
    return { fd: inode.rwFd, offset };
  }

  override fsync(_ctx?: IoContext, dataOnly = false): number {
    const inode = this.inode;
    return inode.fs.files.fsync(inode.rwFd >= 0 ? inode.rwFd : inode.roFd, dataOnly);
  }

  override fallocate(_ctx: IoContext, mode: number, offset: number, length: number): number {
    if (!this.isWritable) return EBADF;
    const inode = this.inode;
    const r = inode.fs.files.fallocate(inode.rwFd, mode, offset, length);
    return r < 0 ? r : inode.refreshFrom(inode.rwFd);
  }

  protected override release(): void {
    this.inode.closed();
  }
}
