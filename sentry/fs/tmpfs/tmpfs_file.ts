// SPDX-License-Identifier: Apache-2.0

/**
 * Content of a regular tmpfs file: a small buffer, or a host memfd once it is large, sparse or mapped.
 *
 * Linux:      mm/shmem.c (shmem_file_read_iter, shmem_write_begin, shmem_fallocate), mm/memfd.c (seals)
 * Invariants: fd < 0: bytes [0, data.length) are in `data`, the rest up to size is zeros; data reaches SMALL_MAX (HEAP_MAX
 *             when memfds ran out). fd >= 0: the memfd has exactly `size` bytes and data is empty. `pages` is what was charged.
 */
import {
  EBUSY,
  EFBIG,
  EINVAL,
  ENOSPC,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  type Errno,
} from '../../../platform/abi/linux/errno.ts';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../../platform/abi/linux/fcntl.ts';
import type { HostStat } from '../../../platform/platform.ts';
import { copyAttributes, touchModified } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import { ATTR_SIZE, type SetAttr } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { PAGE_SIZE } from './options.ts';
import type { Tmpfs } from './tmpfs.ts';
import { TmpfsInode } from './tmpfs_inode.ts';
import { TmpfsOpenFile } from './tmpfs_open_file.ts';

/** Files up to this size stay in the heap until they are mapped. */
const SMALL_MAX = 65536;
/** As large as they may grow there when the host has no descriptor left for a memfd. */
const HEAP_MAX = 1 << 24;
const CHUNK = 1 << 18;
const EMPTY = new Uint8Array(0);
const scratch = Buffer.allocUnsafeSlow(CHUNK);
const hostStat: HostStat = {
  dev: 0,
  ino: 0,
  mode: 0,
  nlink: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 0,
  blksize: 0,
  blocks: 0,
  atimeSec: 0,
  atimeNsec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  ctimeSec: 0,
  ctimeNsec: 0,
};

/** Pages of all files that have no memfd. */
let heapPages = 0;
/** What files in the Sentry's own heap hold, in bytes. */
export function heapFileBytes(): number {
  return heapPages * PAGE_SIZE;
}

function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE);
}

export class TmpfsFile extends TmpfsInode {
  /** F_SEAL_*; files that are no memfd refuse further seals. */
  seals = F_SEAL_SEAL;
  private data: Uint8Array = EMPTY;
  private fd = -1;
  private pages = 0;
  private wasMapped = false;

  constructor(fs: Tmpfs, mode: number, uid: number, gid: number) {
    super(fs, mode, uid, gid);
  }

  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return new TmpfsOpenFile(path, this, flags, ctx.creds);
  }

  override refreshAttributes(): number {
    if (this.fd >= 0 && this.wasMapped) this.recount();
    return 0;
  }

  override setAttributes(_ctx: IoContext, attr: SetAttr): number {
    if ((attr.valid & ATTR_SIZE) !== 0) {
      const err = this.resize(attr.size);
      if (err !== 0) return err;
      touchModified(this);
    }
    copyAttributes(this, attr);
    return 0;
  }

  /** Reads at `offset` until io is full or the file ends. */
  readAt(io: IoSequence, offset: number): number {
    const want = Math.min(io.remaining, this.size - offset);
    if (want <= 0) return 0;
    if (this.fd >= 0) return this.readHost(io, offset, want);
    const inData = Math.min(want, this.data.length - offset);
    let done = 0;
    if (inData > 0) {
      done = io.put(this.data, offset, inData);
      if (done < inData) return done;
    }
    if (done === want) return done;
    const zeros = io.putZeros(want - done);
    return zeros < 0 ? (done > 0 ? done : zeros) : done + zeros;
  }

  private readHost(io: IoSequence, offset: number, want: number): number {
    let done = 0;
    while (done < want) {
      const n = this.fs.host.files.pread(this.fd, scratch, 0, Math.min(CHUNK, want - done), offset + done);
      if (n <= 0) return done > 0 ? done : n;
      const put = io.put(scratch, 0, n);
      if (put < 0) return done > 0 ? done : put;
      done += put;
      if (put < n) break;
    }
    return done;
  }

  /** Writes all of io at `offset`. Returns bytes (short when space runs out) or errno. */
  writeAt(io: IoSequence, offset: number): number {
    if ((this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return EPERM;
    const end = offset + io.remaining;
    if ((this.seals & F_SEAL_GROW) !== 0 && end > this.size) {
      if (offset >= this.size) return EPERM;
      io.remaining = this.size - offset;
    }
    const n = this.staysInHeap(offset + io.remaining) ? this.writeSmall(io, offset) : this.writeHost(io, offset);
    if (n > 0) touchModified(this);
    return n;
  }

  /** Will the content still be in the heap once it reaches `end`? Otherwise it is in a memfd now, or cannot grow. */
  private staysInHeap(end: number): boolean {
    if (this.fd >= 0) return false;
    return end <= SMALL_MAX || (end <= HEAP_MAX && this.toHost() !== 0);
  }

  private writeSmall(io: IoSequence, offset: number): number {
    const end = offset + io.remaining;
    const more = pagesOf(end) - this.pages;
    if (more > 0 && !this.fs.charge(more)) {
      const room = (this.pages + this.fs.freePages) * PAGE_SIZE - offset;
      if (room <= 0) return ENOSPC;
      io.remaining = room;
      return this.writeSmall(io, offset);
    }
    if (more > 0) this.setPages(this.pages + more);
    if (end > this.data.length) this.growData(end);
    const n = io.take(this.data, offset, io.remaining);
    if (n > 0 && offset + n > this.size) this.size = offset + n;
    if (n <= 0 && end > this.size) this.dropTail();
    return n;
  }

  private growData(end: number): void {
    let capacity = Math.max(256, this.data.length);
    while (capacity < end) capacity *= 2;
    // The first write usually is the only one: no slack for it.
    const grown = new Uint8Array(this.data.length === 0 ? end : Math.max(end, Math.min(capacity, SMALL_MAX)));
    grown.set(this.data);
    this.data = grown;
  }

  /** Bytes beyond size are zeros again (a write that faulted, a truncation). */
  private dropTail(): void {
    if (this.data.length > this.size) this.data = this.data.slice(0, this.size);
    const pages = pagesOf(this.data.length);
    if (pages < this.pages) {
      this.fs.uncharge(this.pages - pages);
      this.setPages(pages);
    }
  }

  private setPages(pages: number): void {
    if (this.fd < 0) heapPages += pages - this.pages;
    this.pages = pages;
    this.blocks = pages * 8;
  }

  private writeHost(io: IoSequence, offset: number): number {
    const err = this.toHost();
    if (err !== 0) return err;
    let done = 0;
    while (io.remaining > 0) {
      const at = offset + done;
      let want = Math.min(CHUNK - (at % PAGE_SIZE), io.remaining);
      const charged = this.chargeRange(at, want);
      if (charged < 0) {
        const room = this.fs.freePages * PAGE_SIZE - (at % PAGE_SIZE);
        if (room <= 0 || charged === EFBIG) return done > 0 ? done : ENOSPC;
        want = Math.min(want, room);
        if (this.chargeRange(at, want) < 0) return done > 0 ? done : ENOSPC;
      }
      const taken = io.take(scratch, 0, want);
      const n = taken <= 0 ? taken : this.fs.host.files.pwrite(this.fd, scratch, 0, taken, at);
      if (n > 0 && at + n > this.size) this.size = at + n;
      this.settle(at, want, n);
      if (n <= 0) return done > 0 ? done : n;
      done += n;
      if (n < taken) io.rewind(taken - n);
      if (n < want) break;
    }
    return done;
  }

  /** True while every page up to the size is charged. */
  private get isDense(): boolean {
    return this.pages >= pagesOf(this.size);
  }

  /** Charges the pages a write of [at, at+length) may add. Returns 0 or ENOSPC. */
  private chargeRange(at: number, length: number): number {
    const end = pagesOf(at + length);
    if (this.isDense && at <= this.size) {
      const more = end - this.pages;
      if (more <= 0) return 0;
      if (!this.fs.charge(more)) return ENOSPC;
      this.setPages(this.pages + more);
      return 0;
    }
    const most = end - Math.floor(at / PAGE_SIZE);
    if (!this.fs.charge(most)) return ENOSPC;
    this.setPages(this.pages + most);
    return 0;
  }

  /** After a write: sparse files and short writes are counted by the host. */
  private settle(at: number, length: number, written: number): void {
    if (written < length || this.pages !== pagesOf(this.size) || at > this.size) this.recount();
  }

  /** Makes the charge agree with what the host has allocated. */
  private recount(): void {
    if (this.fs.host.files.fstat(this.fd, hostStat) < 0) return;
    const pages = Math.ceil(hostStat.blocks / 8);
    if (pages !== this.pages) {
      this.fs.uncharge(this.pages - pages);
      this.setPages(pages);
    }
  }

  /** Moves the content to a memfd. Returns 0, ENOSPC or what the host says. */
  private toHost(): number {
    if (this.fd >= 0) return 0;
    const { files } = this.fs.host;
    const fd = files.memfdCreate('tmpfs');
    if (fd < 0) return ENOSPC;
    let err = files.ftruncate(fd, this.size);
    const length = Math.min(this.data.length, this.size);
    for (let at = 0; err >= 0 && at < length; ) {
      const n = files.pwrite(fd, this.data, at, length - at, at);
      if (n <= 0) err = n === 0 ? ENOSPC : n;
      else at += n;
    }
    if (err < 0) {
      files.close(fd);
      return err;
    }
    this.fd = fd;
    this.data = EMPTY;
    heapPages -= this.pages;
    return 0;
  }

  /** Host descriptor for a mapping. Returns it or errno. */
  hostFd(): number {
    const err = this.toHost();
    if (err < 0) return err;
    this.wasMapped = true;
    return this.fd;
  }

  /** truncate. Returns 0 or errno. */
  resize(size: number): number {
    if (size < this.size && (this.seals & F_SEAL_SHRINK) !== 0) return EPERM;
    if (size > this.size && (this.seals & F_SEAL_GROW) !== 0) return EPERM;
    if (this.fd >= 0 && size === 0 && !this.wasMapped) this.closeHost();
    if (this.fd < 0) {
      const isShrinking = size < this.size;
      this.size = size;
      if (isShrinking) this.dropTail();
      else if (size > SMALL_MAX && this.data.length > 0) this.toHost();
      return 0;
    }
    const err = this.fs.host.files.ftruncate(this.fd, size);
    if (err < 0) return err;
    const isShrinking = size < this.size;
    this.size = size;
    if (isShrinking) this.recount();
    return 0;
  }

  /** fallocate(2). Returns 0 or errno. */
  allocate(mode: number, offset: number, length: number, limit: number): number {
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) !== 0) return EOPNOTSUPP;
    const isPunch = (mode & FALLOC_FL_PUNCH_HOLE) !== 0;
    if (isPunch && (mode & FALLOC_FL_KEEP_SIZE) === 0) return EOPNOTSUPP;
    const sealed = isPunch && (this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0;
    if (sealed) return EPERM;
    const end = offset + length;
    const grows = !isPunch && (mode & FALLOC_FL_KEEP_SIZE) === 0 && end > this.size;
    if (grows && end > limit) return EFBIG;
    if (grows && (this.seals & F_SEAL_GROW) !== 0) return EPERM;
    if (isPunch && this.fd < 0) {
      this.data.fill(0, Math.min(offset, this.data.length), Math.min(end, this.data.length));
      touchModified(this);
      return 0;
    }
    const err = this.toHost();
    if (err !== 0) return err;
    if (!isPunch && this.missingPages(offset, end) > this.fs.freePages) return ENOSPC;
    const result = this.fs.host.files.fallocate(this.fd, mode, offset, length);
    if (result < 0) return result;
    if (grows) this.size = end;
    this.recount();
    touchModified(this);
    return 0;
  }

  /** Pages of [start, end) that the memfd has not allocated. */
  private missingPages(start: number, end: number): number {
    const { files } = this.fs.host;
    let missing = 0;
    for (let at = start - (start % PAGE_SIZE); at < end; ) {
      const data = at < this.size ? files.lseek(this.fd, at, SEEK_DATA) : -1;
      const holeEnd = data < 0 ? end : Math.min(data, end);
      missing += pagesOf(holeEnd - at);
      if (data < 0 || data >= end) break;
      const hole = files.lseek(this.fd, data, SEEK_HOLE);
      at = hole < 0 ? end : hole;
    }
    return missing;
  }

  /** SEEK_DATA or SEEK_HOLE from a valid offset. */
  extent(offset: number, whence: number): number {
    if (this.fd >= 0) return this.fs.host.files.lseek(this.fd, offset, whence);
    const dataEnd = Math.min(this.size, pagesOf(this.data.length) * PAGE_SIZE);
    if (whence === SEEK_DATA) return offset < dataEnd ? offset : ENXIO;
    return Math.max(offset, dataEnd);
  }

  /** F_ADD_SEALS by someone who may write. Returns 0, EPERM, EBUSY (mapped writable) or EINVAL. */
  addSeals(seals: number): number {
    if ((seals & ~0x3f) !== 0) return EINVAL;
    if ((this.seals & F_SEAL_SEAL) !== 0) return EPERM;
    if ((seals & F_SEAL_WRITE) !== 0 && this.sharedWritableMappings > 0) return EBUSY;
    this.seals |= seals;
    return 0;
  }

  private closeHost(): void {
    this.fs.host.files.close(this.fd);
    this.fs.uncharge(this.pages);
    this.setPages(0);
    this.fd = -1;
    this.data = EMPTY;
  }

  protected override freeContent(): void {
    if (this.fd >= 0) {
      this.closeHost();
      return;
    }
    this.data = EMPTY;
    this.fs.uncharge(this.pages);
    this.setPages(0);
  }
}
