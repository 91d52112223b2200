// SPDX-License-Identifier: Apache-2.0

/**
 * An open regular file of an overlay: forwards to the real open file, below until the file is copied up and above from then on.
 *
 * Linux:      fs/overlayfs/file.c (ovl_real_file: a file opened before the copy-up reads the copy after it)
 * Invariants: the position is kept here; the real file borrows it for each call. Opening for writing copies nothing: the first write,
 *             truncation or shared mapping does.
 */
import { EBADF, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription, type HostMapping } from '../../vfs/file_description.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { copyUp } from './copy_up.ts';
import type { OverlayInode } from './overlay_inode.ts';

export class OverlayFile extends FileDescription {
  declare readonly inode: OverlayInode;
  private real: FileDescription;
  private isLower: boolean;

  constructor(
    path: Path,
    inode: OverlayInode,
    flags: number,
    creds: Credentials,
    real: FileDescription,
    isLower: boolean,
  ) {
    super(path, inode, flags, creds);
    this.real = real;
    this.isLower = isLower;
  }

  /** The open file to use now, its position set. Returns it or errno. */
  private current(ctx: IoContext): FileDescription | Errno {
    if (this.isLower && this.inode.upper !== null) {
      const above = this.inode.upper.open(ctx, this.path, this.flags);
      if (isErrno(above)) return above;
      above.isSilent = true;
      this.real.decRef();
      this.real = above;
      this.isLower = false;
    }
    this.real.position = this.position;
    return this.real;
  }

  /** As current(), after making sure that it may be changed. */
  private changeable(ctx: IoContext): FileDescription | Errno {
    if (this.inode.upper === null) {
      const err = copyUp(ctx, this.inode);
      if (err < 0) return err as Errno;
    }
    return this.current(ctx);
  }

  override read(ctx: IoContext, io: IoSequence): number {
    if (!this.isReadable) return EBADF;
    const real = this.current(ctx);
    if (isErrno(real)) return real;
    const n = real.read(ctx, io);
    this.position = real.position;
    return n;
  }

  override pread(ctx: IoContext, io: IoSequence, offset: number): number {
    if (!this.isReadable) return EBADF;
    const real = this.current(ctx);
    return isErrno(real) ? real : real.pread(ctx, io, offset);
  }

  override write(ctx: IoContext, io: IoSequence): number {
    if (!this.isWritable) return EBADF;
    if (io.remaining === 0) return 0;
    const real = this.changeable(ctx);
    if (isErrno(real)) return real;
    const n = real.write(ctx, io);
    this.position = real.position;
    this.inode.syncAttributes();
    return n;
  }

  override pwrite(ctx: IoContext, io: IoSequence, offset: number): number {
    if (!this.isWritable) return EBADF;
    if (io.remaining === 0) return 0;
    const real = this.changeable(ctx);
    if (isErrno(real)) return real;
    const n = real.pwrite(ctx, io, offset);
    this.inode.syncAttributes();
    return n;
  }

  override seek(ctx: IoContext, offset: number, whence: number): number {
    const real = this.current(ctx);
    if (isErrno(real)) return real;
    const target = real.seek(ctx, offset, whence);
    if (target >= 0) this.position = target;
    return target;
  }

  override mmap(
    ctx: IoContext,
    offset: number,
    length: number,
    prot: number,
    sharing: 'private' | 'shared',
  ): HostMapping | Errno {
    // A shared mapping of a file open for writing may become writable later.
    const real = sharing === 'shared' && this.isWritable ? this.changeable(ctx) : this.current(ctx);
    return isErrno(real) ? real : real.mmap(ctx, offset, length, prot, sharing);
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    const real = this.current(ctx);
    return isErrno(real) ? real : real.ioctl(ctx, cmd, arg);
  }

  override fsync(ctx: IoContext, dataOnly: boolean): number {
    if (this.inode.upper === null) return 0;
    const real = this.current(ctx);
    return isErrno(real) ? real : real.fsync(ctx, dataOnly);
  }

  override fallocate(ctx: IoContext, mode: number, offset: number, length: number): number {
    if (!this.isWritable) return EBADF;
    const real = this.changeable(ctx);
    if (isErrno(real)) return real;
    const r = real.fallocate(ctx, mode, offset, length);
    this.inode.syncAttributes();
    return r;
  }

  override setStatusFlags(flags: number): number {
    this.flags = flags;
    return this.real.setStatusFlags(this.isLower ? flags & ~3 : flags);
  }

  /** The real inode, for callers that look at what is mapped. */
  get realInode(): Inode {
    return this.inode.real;
  }

  protected override release(): void {
    this.real.decRef();
    this.inode.syncAttributes();
  }
}
