// SPDX-License-Identifier: Apache-2.0

/**
 * An open regular file of tmpfs (and memfd).
 *
 * Linux: mm/shmem.c (shmem_file_operations)
 */
import { EACCES, EPERM, type Errno } from '../../../platform/abi/linux/errno.ts';
import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE } from '../../../platform/abi/linux/fcntl.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { touchAccessed } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { HostMapping } from '../../vfs/file_description.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { SeekableFile } from '../../vfs/seekable_file.ts';
import type { TmpfsFile } from './tmpfs_file.ts';

const PROT_WRITE = 2;

export class TmpfsOpenFile extends SeekableFile {
  private readonly file: TmpfsFile;
  /** "/memfd:name (deleted)" for memfds. */
  private readonly link: string | null;

  constructor(path: Path, file: TmpfsFile, flags: number, creds: Credentials, link: string | null = null) {
    super(path, file, flags, creds);
    this.file = file;
    this.link = link;
  }

  protected override readAt(_ctx: IoContext, io: IoSequence, offset: number): number {
    return this.file.readAt(io, offset);
  }
  protected override writeAt(_ctx: IoContext, io: IoSequence, offset: number): number {
    return this.file.writeAt(io, offset);
  }
  protected override accessed(): void {
    touchAccessed(this);
  }
  protected override seekExtent(offset: number, whence: number): number {
    return this.file.extent(offset, whence);
  }
  override fallocate(ctx: IoContext, mode: number, offset: number, length: number): number {
    return this.file.allocate(mode, offset, length, ctx.fileSizeLimit);
  }
  override mmap(
    _ctx: IoContext,
    offset: number,
    _length: number,
    prot: number,
    sharing: 'private' | 'shared',
  ): HostMapping | Errno {
    if (sharing === 'shared' && (prot & PROT_WRITE) !== 0) {
      if (!this.isWritable) return EACCES;
      if ((this.file.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return EPERM;
    }
    const fd = this.file.hostFd();
    if (fd < 0) return fd as Errno;
    touchAccessed(this);
    return { fd, offset };
  }
  override getSeals(): number {
    return this.file.seals;
  }
  override addSeals(seals: number): number {
    return this.isWritable ? this.file.addSeals(seals) : EPERM;
  }
  override linkText(): string | null {
    return this.link;
  }
}
