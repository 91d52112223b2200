// SPDX-License-Identifier: Apache-2.0

/**
 * LoopDevice: a block device whose blocks are a file's; and the table of them.
 *
 * Linux:      drivers/block/loop.c; loop(4)
 * Invariants: `backing` is null exactly when the device is unbound. A device unbinds when its last open file goes
 *             (LOOP_CLR_FD marks it), so no open file sees its device change under it.
 */
import { EBADF, EBUSY, EINVAL, ENXIO, EOVERFLOW } from '../../../platform/abi/linux/errno.ts';
import { LO_FLAGS_AUTOCLEAR, LO_FLAGS_PARTSCAN, LO_FLAGS_READ_ONLY } from '../../../platform/abi/linux/loop.ts';
import { S_IFBLK, S_IFMT, S_IFREG } from '../../../platform/abi/linux/stat.ts';
import type { FileDescription } from '../../vfs/file_description.ts';

/** Numbers 0..MAX_LOOPS-1 exist as soon as they are named. */
export const MAX_LOOPS = 256;
/** Nodes made in /dev, as the module's max_loop. */
export const LOOP_NODES = 8;
const SECTOR = 512;
const PAGE_SIZE = 4096;

/** What LOOP_SET_STATUS changes. */
export interface LoopStatus {
  offset: number;
  sizelimit: number;
  flags: number;
  fileName: Uint8Array;
  cryptName: Uint8Array;
}

export class LoopDevice {
  readonly number: number;
  backing: FileDescription | null = null;
  status: LoopStatus = emptyStatus();
  blockSize = SECTOR;
  /** Bytes, a multiple of SECTOR; 0 when unbound. */
  size = 0;
  /** BLKROSET. */
  isReadOnly = false;
  /** BLKRASET */
  readAheadSectors = 256;
  /** Open files of the device. */
  openers = 0;
  private isClosing = false;

  constructor(number: number) {
    this.number = number;
  }

  /** Is there a file that the device's users may work with? */
  get isBound(): boolean {
    return this.backing !== null && !this.isClosing;
  }

  /** Binds `file` (a reference is taken). Errors: EBUSY, EINVAL (no regular file or block device), EBADF (a loop). */
  bind(file: FileDescription, deviceIsWritable: boolean, status: LoopStatus, blockSize: number): number {
    if (this.backing !== null) return EBUSY;
    const err = this.validate(file);
    if (err !== 0) return err;
    if (!isBlockSize(blockSize)) return EINVAL;
    file.incRef();
    this.backing = file;
    this.isClosing = false;
    this.status = status;
    if (!deviceIsWritable || !file.isWritable) this.status.flags |= LO_FLAGS_READ_ONLY;
    this.isReadOnly = (this.status.flags & LO_FLAGS_READ_ONLY) !== 0;
    this.blockSize = blockSize;
    this.measure();
    return 0;
  }

  private validate(file: FileDescription): number {
    const type = file.inode.mode & S_IFMT;
    if (type !== S_IFREG && type !== S_IFBLK) return EINVAL;
    for (let below: FileDescription | null = file; below !== null; ) {
      const device: LoopDevice | null = deviceOf(below);
      if (device === null) break;
      if (device === this) return EBADF;
      if (device.backing === null) return EINVAL;
      below = device.backing;
    }
    return 0;
  }

  /** LOOP_CHANGE_FD. Errors: ENXIO; EINVAL: not read-only, or of another size. */
  exchange(file: FileDescription): number {
    if (!this.isBound) return ENXIO;
    if ((this.status.flags & LO_FLAGS_READ_ONLY) === 0) return EINVAL;
    const err = this.validate(file);
    if (err !== 0) return err;
    if (this.sizeOf(file) !== this.size) return EINVAL;
    file.incRef();
    this.backing?.decRef();
    this.backing = file;
    return 0;
  }

  /** LOOP_SET_STATUS. Errors: ENXIO; EOVERFLOW. */
  setStatus(status: LoopStatus): number {
    if (!this.isBound) return ENXIO;
    if (status.offset < 0 || status.sizelimit < 0) return EOVERFLOW;
    const settable = LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN;
    const clearable = LO_FLAGS_AUTOCLEAR;
    const old = this.status.flags;
    this.status = { ...status, flags: (old & ~clearable) | (status.flags & settable) };
    this.measure();
    return 0;
  }

  /** LOOP_CLR_FD: at once for the only opener, or when the last one goes. Errors: ENXIO. */
  unbind(): number {
    if (!this.isBound) return ENXIO;
    this.status.flags |= LO_FLAGS_AUTOCLEAR;
    if (this.openers === 1) this.isClosing = true;
    return 0;
  }

  /** An open file of the device has gone. */
  closed(): void {
    if (--this.openers > 0 || this.backing === null || (this.status.flags & LO_FLAGS_AUTOCLEAR) === 0) return;
    this.backing.decRef();
    this.backing = null;
    this.isClosing = false;
    this.status = emptyStatus();
    this.size = 0;
    this.isReadOnly = false;
    this.blockSize = SECTOR;
  }

  /** LOOP_SET_BLOCK_SIZE. */
  setBlockSize(size: number): number {
    if (!this.isBound) return ENXIO;
    if (!isBlockSize(size)) return EINVAL;
    this.blockSize = size;
    return 0;
  }

  /** Takes the backing file's size anew. */
  measure(): void {
    if (this.backing !== null) this.size = this.sizeOf(this.backing);
  }

  private sizeOf(file: FileDescription): number {
    const { offset, sizelimit } = this.status;
    file.inode.refreshAttributes();
    const whole = deviceOf(file)?.size ?? file.inode.size;
    let size = Math.max(0, whole - offset);
    if (sizelimit > 0 && sizelimit < size) size = sizelimit;
    return size - (size % SECTOR);
  }
}

export function emptyStatus(): LoopStatus {
  return { offset: 0, sizelimit: 0, flags: 0, fileName: new Uint8Array(64), cryptName: new Uint8Array(64) };
}

function isBlockSize(size: number): boolean {
  return size >= SECTOR && size <= PAGE_SIZE && (size & (size - 1)) === 0;
}

const devicesByFile = new WeakMap<FileDescription, LoopDevice>();

/** Notes that `file` is an open loop device. */
export function noteOpen(file: FileDescription, device: LoopDevice): void {
  devicesByFile.set(file, device);
}

/** The loop device that `file` is an open file of; null: it is none. */
export function deviceOf(file: FileDescription): LoopDevice | null {
  return devicesByFile.get(file) ?? null;
}

/** The sandbox's loop devices. */
export class LoopTable {
  private readonly devices = new Map<number, LoopDevice>();

  constructor() {
    for (let i = 0; i < LOOP_NODES; i++) this.devices.set(i, new LoopDevice(i));
  }
  /** All devices, in order. */
  list(): LoopDevice[] {
    return [...this.devices.values()].sort((a, b) => a.number - b.number);
  }
  get(number: number): LoopDevice | null {
    return this.devices.get(number) ?? null;
  }
  /** Makes device `number`, or finds it; null: there cannot be that many. */
  make(number: number): LoopDevice | null {
    if (number < 0 || number >= MAX_LOOPS) return null;
    const found = this.devices.get(number);
    if (found !== undefined) return found;
    const made = new LoopDevice(number);
    this.devices.set(number, made);
    return made;
  }
  remove(number: number): void {
    this.devices.delete(number);
  }
  /** The lowest number of an unbound device, making one when all are bound; -1: none left. */
  free(): number {
    for (let i = 0; i < MAX_LOOPS; i++) {
      const device = this.make(i) as LoopDevice;
      if (device.backing === null) return i;
    }
    return -1;
  }
}
