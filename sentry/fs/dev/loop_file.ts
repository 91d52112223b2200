// SPDX-License-Identifier: Apache-2.0

/**
 * Open loop devices: block I/O on the backing file, and the commands of /dev/loopN and /dev/loop-control.
 *
 * Linux: drivers/block/loop.c (lo_ioctl, loop_control_ioctl), block/fops.c, block/ioctl.c
 */
import {
  EBADF,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOSPC,
  ENOTTY,
  ENXIO,
  EOVERFLOW,
  EPERM,
  type Errno,
} from '../../../platform/abi/linux/errno.ts';
import { CAP_SYS_ADMIN } from '../../../platform/abi/linux/capability.ts';
import * as L from '../../../platform/abi/linux/loop.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription, type HostMapping } from '../../vfs/file_description.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { SeekableFile } from '../../vfs/seekable_file.ts';
import { blockIoctl } from './block_ioctl.ts';
import { type LoopDevice, type LoopStatus, type LoopTable, emptyStatus, noteOpen } from './loop_device.ts';
import { readStatus, readStatus64, writeStatus, writeStatus64 } from './loop_status.ts';

/** An int given as an unsigned 64-bit Number, which rounds -1 up to 2^64. */
function toInt(arg: number): number {
  return arg >= 2 ** 64 ? -1 : arg | 0;
}

export class LoopFile extends SeekableFile {
  private readonly device: LoopDevice;

  constructor(ctx: IoContext, path: Path, inode: Inode, flags: number, device: LoopDevice) {
    super(path, inode, flags, ctx.creds);
    this.device = device;
    device.openers++;
    noteOpen(this, device);
  }
  protected override release(): void {
    this.device.closed();
  }
  protected override currentSize(): number {
    return this.device.size;
  }

  protected override readAt(ctx: IoContext, io: IoSequence, offset: number): number {
    const { backing, size, status } = this.device;
    if (backing === null || offset >= size) return 0;
    const over = Math.max(0, io.remaining - (size - offset));
    io.remaining -= over;
    const n = backing.pread(ctx, io, status.offset + offset);
    io.remaining += over;
    return n;
  }
  protected override writeAt(ctx: IoContext, io: IoSequence, offset: number): number {
    const { backing, size, status } = this.device;
    if (this.device.isReadOnly) return EPERM;
    if (backing === null || offset >= size) return ENOSPC;
    const over = Math.max(0, io.remaining - (size - offset));
    io.remaining -= over;
    const n = backing.pwrite(ctx, io, status.offset + offset);
    io.remaining += over;
    return n;
  }
  override fsync(ctx: IoContext = this as never, dataOnly = false): number {
    return this.device.backing?.fsync(ctx, dataOnly) ?? 0;
  }
  override fallocate(ctx: IoContext, mode: number, offset: number, length: number): number {
    const { backing, status, size } = this.device;
    if (backing === null || offset >= size) return EINVAL;
    return backing.fallocate(ctx, mode, status.offset + offset, Math.min(length, size - offset));
  }
  override mmap(
    ctx: IoContext,
    offset: number,
    length: number,
    prot: number,
    sharing: 'private' | 'shared',
  ): HostMapping | Errno {
    const { backing, status } = this.device;
    if (backing === null || status.offset % 4096 !== 0) return ENODEV;
    return backing.mmap(ctx, offset + status.offset, length, prot, sharing);
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    switch (cmd) {
      case L.LOOP_SET_FD:
        return this.bind(ctx, toInt(arg), emptyStatus(), 512);
      case L.LOOP_CONFIGURE:
        return this.configure(ctx, arg);
      case L.LOOP_CLR_FD:
        return this.device.unbind();
      case L.LOOP_CHANGE_FD: {
        const file = (ctx as Task).fdTable.get(toInt(arg));
        return !this.device.isBound ? ENXIO : file === null ? EBADF : this.device.exchange(file);
      }
      case L.LOOP_SET_STATUS:
        return this.setStatus(ctx, readStatus(ctx.memory, arg));
      case L.LOOP_SET_STATUS64:
        return this.setStatus(ctx, readStatus64(ctx.memory, arg));
      case L.LOOP_GET_STATUS:
        return this.device.isBound ? writeStatus(ctx.memory, arg, this.device) : ENXIO;
      case L.LOOP_GET_STATUS64:
        return this.device.isBound ? writeStatus64(ctx.memory, arg, this.device) : ENXIO;
      case L.LOOP_SET_CAPACITY:
        if (!this.device.isBound) return ENXIO;
        this.device.measure();
        return 0;
      case L.LOOP_SET_DIRECT_IO:
        return this.setDirect(arg);
      case L.LOOP_SET_BLOCK_SIZE:
        return this.device.setBlockSize(arg);
      default:
        return blockIoctl(ctx, this.device, cmd, arg);
    }
  }

  private bind(ctx: IoContext, fd: number, status: LoopStatus, blockSize: number): number {
    const file = (ctx as Task).fdTable.get(fd);
    return file === null ? EBADF : this.device.bind(file, this.isWritable, status, blockSize);
  }

  private configure(ctx: IoContext, arg: number): number {
    const config = new Uint8Array(L.LOOP_CONFIG.size);
    if (ctx.memory.copyIn(arg, config, 0, config.length) !== config.length) return EFAULT;
    const view = new DataView(config.buffer);
    const status = readStatus64(ctx.memory, arg + L.LOOP_CONFIG.info);
    if (typeof status === 'number') return status;
    const allowed = L.LO_FLAGS_READ_ONLY | L.LO_FLAGS_AUTOCLEAR | L.LO_FLAGS_PARTSCAN | L.LO_FLAGS_DIRECT_IO;
    if ((status.flags & ~allowed) !== 0) return EINVAL;
    if (status.offset < 0 || status.sizelimit < 0) return EOVERFLOW;
    return this.bind(ctx, view.getInt32(0, true), status, view.getUint32(L.LOOP_CONFIG.block_size, true) || 512);
  }

  private setStatus(ctx: IoContext, status: LoopStatus | Errno): number {
    if (!this.isWritable && !ctx.creds.hasCap(CAP_SYS_ADMIN)) return EPERM;
    return typeof status === 'number' ? status : this.device.setStatus(status);
  }

  private setDirect(arg: number): number {
    const { device } = this;
    if (!device.isBound) return ENXIO;
    if (arg !== 0 && (device.status.offset % device.blockSize !== 0 || device.blockSize < 512)) return EINVAL;
    device.status.flags = (device.status.flags & ~L.LO_FLAGS_DIRECT_IO) | (arg !== 0 ? L.LO_FLAGS_DIRECT_IO : 0);
    return 0;
  }
}

/** /dev/loop-control. */
export class LoopControlFile extends FileDescription {
  private readonly table: LoopTable;

  constructor(ctx: IoContext, path: Path, inode: Inode, flags: number, table: LoopTable) {
    super(path, inode, flags, ctx.creds);
    this.table = table;
  }
  override get canPoll(): boolean {
    return false;
  }
  override ioctl(_ctx: IoContext, cmd: number, arg: number): number {
    const number = toInt(arg);
    switch (cmd) {
      case L.LOOP_CTL_ADD:
        if (number >= 0 && this.table.get(number) !== null) return EEXIST;
        return number < 0 ? this.table.free() : (this.table.make(number)?.number ?? ENOSPC);
      case L.LOOP_CTL_REMOVE: {
        if (number < 0) return EINVAL;
        const device = this.table.get(number);
        if (device === null) return ENODEV;
        if (device.backing !== null || device.openers > 0) return EBUSY;
        this.table.remove(number);
        return number;
      }
      case L.LOOP_CTL_GET_FREE: {
        const free = this.table.free();
        return free < 0 ? ENOSPC : free;
      }
      default:
        return ENOTTY;
    }
  }
}
