// SPDX-License-Identifier: Apache-2.0

/**
 * A regular file (or block device) given as a descriptor: `cmd > log`.
 *
 * Invariants: a donated description keeps its own offset, shared with whoever gave it: reads and writes go there by read(2) and
 *             write(2). One opened again by name has a position of its own.
 */
import { EACCES, EBADF, type Errno } from '../../../platform/abi/linux/errno.ts';
import { O_APPEND } from '../../../platform/abi/linux/fcntl.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription, type HostMapping } from '../../vfs/file_description.ts';
import type { ByteString } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { seekTo } from '../../vfs/seekable_file.ts';
import type { HostInode } from './host_filesystem.ts';

const CHUNK = 131072;
const SEEK_CUR = 1;
const SEEK_END = 2;
const scratch = new Uint8Array(CHUNK);

export class HostRegularFile extends FileDescription {
  declare readonly inode: HostInode;
  private readonly hasOwnPosition: boolean;

  constructor(path: Path, inode: HostInode, flags: number, creds: Credentials, origin: 'donated' | 'reopened') {
    super(path, inode, flags, creds);
    this.hasOwnPosition = origin === 'reopened';
  }

  override read(ctx: IoContext, io: IoSequence): number {
    if (!this.isReadable) return EBADF;
    if (this.hasOwnPosition) {
      const n = this.pread(ctx, io, this.position);
      if (n > 0) this.position += n;
      return n;
    }
    const { files } = this.inode.fs.services;
    let done = 0;
    while (io.remaining > 0) {
      const want = Math.min(io.remaining, CHUNK);
      const n = files.read(this.inode.hostFd, scratch, 0, want);
      if (n <= 0) return done > 0 ? done : n;
      const put = io.put(scratch, 0, n);
      if (put < n) files.lseek(this.inode.hostFd, Math.max(put, 0) - n, SEEK_CUR);
      if (put < 0) return done > 0 ? done : put;
      done += put;
      if (put < want) break;
    }
    return done;
  }

  override write(ctx: IoContext, io: IoSequence): number {
    if (!this.isWritable) return EBADF;
    const { files } = this.inode.fs.services;
    const appends = (this.flags & O_APPEND) !== 0;
    if (this.hasOwnPosition) {
      if (appends) {
        this.inode.refreshAttributes();
        this.position = this.inode.size;
      }
      const n = this.pwrite(ctx, io, this.position);
      if (n > 0) this.position += n;
      return n;
    }
    if (appends && (this.inode.hostFlags & O_APPEND) === 0) files.lseek(this.inode.hostFd, 0, SEEK_END);
    return this.moveOut(io, (length) => files.write(this.inode.hostFd, scratch, 0, length));
  }

  override pread(_ctx: IoContext, io: IoSequence, offset: number): number {
    if (!this.isReadable) return EBADF;
    const { files } = this.inode.fs.services;
    let done = 0;
    while (io.remaining > 0) {
      const want = Math.min(io.remaining, CHUNK);
      const n = files.pread(this.inode.hostFd, scratch, 0, want, offset + done);
      if (n <= 0) return done > 0 ? done : n;
      const put = io.put(scratch, 0, n);
      if (put < 0) return done > 0 ? done : put;
      done += put;
      if (put < want) break;
    }
    return done;
  }

  override pwrite(_ctx: IoContext, io: IoSequence, offset: number): number {
    if (!this.isWritable) return EBADF;
    const { files } = this.inode.fs.services;
    let at = offset;
    return this.moveOut(io, (length) => {
      const n = files.pwrite(this.inode.hostFd, scratch, 0, length, at);
      if (n > 0) at += n;
      return n;
    });
  }

  private moveOut(io: IoSequence, write: (length: number) => number): number {
    let done = 0;
    while (io.remaining > 0) {
      const taken = io.take(scratch, 0, Math.min(io.remaining, CHUNK));
      if (taken < 0) return done > 0 ? done : taken;
      const n = write(taken);
      if (n < taken) io.rewind(taken - Math.max(n, 0));
      if (n < 0) return done > 0 ? done : n;
      done += n;
      if (n < taken || taken === 0) break;
    }
    return done;
  }

  override seek(_ctx: IoContext, offset: number, whence: number): number {
    const { files } = this.inode.fs.services;
    if (!this.hasOwnPosition) return files.lseek(this.inode.hostFd, offset, whence);
    const target = seekTo(this.position, offset, whence, () => {
      this.inode.refreshAttributes();
      return this.inode.size;
    });
    if (target >= 0) this.position = target;
    return target;
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
    return { fd: this.inode.hostFd, offset };
  }

  override fsync(_ctx: IoContext, dataOnly: boolean): number {
    return this.inode.fs.services.files.fsync(this.inode.hostFd, dataOnly);
  }

  override fallocate(_ctx: IoContext, mode: number, offset: number, length: number): number {
    if (!this.isWritable) return EBADF;
    return this.inode.fs.services.files.fallocate(this.inode.hostFd, mode, offset, length);
  }

  /** Its host path means nothing here. */
  override linkText(): ByteString | null {
    return `host:[${this.inode.ino}]`;
  }

  protected override release(): void {
    this.inode.closed();
  }
}
