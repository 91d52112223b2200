// SPDX-License-Identifier: Apache-2.0

/**
 * The memory devices: null, zero, full, random, urandom, kmsg.
 *
 * Linux: drivers/char/mem.c, drivers/char/random.c, kernel/printk/printk.c; null(4), random(4), full(4)
 */
import {
  EAGAIN,
  EINVAL,
  ENODEV,
  ENOSPC,
  ENOTTY,
  EPERM,
  ESPIPE,
  type Errno,
} from '../../../platform/abi/linux/errno.ts';
import { SEEK_SET } from '../../../platform/abi/linux/fcntl.ts';
import { minorOf } from '../../../platform/abi/linux/stat.ts';
import type { HostServices } from '../../../platform/platform.ts';
import { CAP_SYS_ADMIN } from '../../../platform/abi/linux/capability.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { DeviceOpener } from '../../vfs/devices.ts';
import { FileDescription, type HostMapping } from '../../vfs/file_description.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';

const RNDGETENTCNT = 0x80045200;
const RNDADDTOENTCNT = 0x40045201;
const RNDADDENTROPY = 0x40085203;
const RNDZAPENTCNT = 0x5204;
const RNDCLEARPOOL = 0x5206;
const RNDRESEEDCRNG = 0x5207;
const RANDOM_MINOR = 8;
const CHUNK = 65536;

abstract class MemoryDevice extends FileDescription {
  override readonly ignoresOffset: boolean = true;
  constructor(ctx: IoContext, path: Path, inode: Inode, flags: number) {
    super(path, inode, flags, ctx.creds);
  }
  override get canPoll(): boolean {
    return false;
  }
  /** Seeking succeeds and goes nowhere. */
  override seek(_ctx: IoContext, _offset: number, _whence: number): number {
    this.position = 0;
    return 0;
  }
  override write(_ctx: IoContext, io: IoSequence): number {
    const n = io.remaining;
    io.remaining = 0;
    return n;
  }
  override pread(ctx: IoContext, io: IoSequence): number {
    return this.read(ctx, io);
  }
  override pwrite(ctx: IoContext, io: IoSequence): number {
    return this.write(ctx, io);
  }
}

class NullFile extends MemoryDevice {
  override get splicesOut(): boolean {
    return false;
  }
  override read(): number {
    return 0;
  }
}

class ZeroFile extends MemoryDevice {
  override read(_ctx: IoContext, io: IoSequence): number {
    return io.remaining === 0 ? 0 : io.putZeros(io.remaining);
  }
  override mmap(): HostMapping | Errno {
    return { fd: -1, offset: 0 };
  }
}

class FullFile extends ZeroFile {
  override write(): number {
    return ENOSPC;
  }
  override mmap(): HostMapping | Errno {
    return ENODEV;
  }
}

class RandomFile extends MemoryDevice {
  private readonly host: Pick<HostServices, 'random'>;

  constructor(host: Pick<HostServices, 'random'>, ctx: IoContext, path: Path, inode: Inode, flags: number) {
    super(ctx, path, inode, flags);
    this.host = host;
  }
  /** urandom has no poll(), random has. */
  override get canPoll(): boolean {
    return minorOf(this.inode.rdev) === RANDOM_MINOR;
  }
  override seek(_ctx: IoContext, offset: number, whence: number): number {
    if (whence < 0 || whence > 4) return EINVAL;
    this.position = whence === SEEK_SET ? Math.max(0, offset) : this.position;
    return this.position;
  }
  override read(_ctx: IoContext, io: IoSequence): number {
    const buf = new Uint8Array(Math.min(io.remaining, CHUNK));
    let done = 0;
    while (io.remaining > 0) {
      const want = Math.min(io.remaining, CHUNK);
      const chunk = want === buf.length ? buf : buf.subarray(0, want);
      this.host.random(chunk);
      const n = io.put(chunk, 0, want);
      if (n < 0) return done > 0 ? done : n;
      done += n;
      if (n < want) break;
    }
    return done;
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    const isRoot = ctx.creds.hasCap(CAP_SYS_ADMIN);
    switch (cmd) {
      case RNDGETENTCNT:
        return ctx.memory.writeU32(arg, 256);
      case RNDADDTOENTCNT:
      case RNDADDENTROPY:
      case RNDZAPENTCNT:
      case RNDCLEARPOOL:
      case RNDRESEEDCRNG:
        return isRoot ? 0 : EPERM;
      default:
        return EINVAL;
    }
  }
}

/** Records that are kept; older ones are overwritten. */
const LOG_RECORDS = 256;

/** The kernel log: what the sandbox's applications wrote to it (which goes to the sandbox's own log too). */
class KernelLog {
  private readonly records: string[] = [];
  private first = 0;

  constructor() {
    this.add('sandbox booted', 6);
  }
  get end(): number {
    return this.first + this.records.length;
  }
  add(text: string, priority: number): void {
    this.records.push(`${priority},${this.end},0,-;${text}\n`);
    if (this.records.length <= LOG_RECORDS) return;
    this.records.shift();
    this.first++;
  }
  /** The first record from number `at` on, with its number; null: none yet. */
  from(at: number): [number, string] | null {
    const number = Math.max(at, this.first);
    const text = this.records[number - this.first];
    return text === undefined ? null : [number, text];
  }
}

const kernelLog = new KernelLog();
/** Facility user, level notice: what a write without "<N>" has. */
const DEFAULT_PRIORITY = 12;

/** /dev/kmsg: a record a read. */
class KmsgFile extends FileDescription {
  private readonly host: Pick<HostServices, 'log'>;

  constructor(host: Pick<HostServices, 'log'>, ctx: IoContext, path: Path, inode: Inode, flags: number) {
    super(path, inode, flags, ctx.creds);
    this.host = host;
  }
  override get isSeekable(): boolean {
    return false;
  }
  private next = 0;
  override read(_ctx: IoContext, io: IoSequence): number {
    const record = kernelLog.from(this.next);
    if (record === null) return EAGAIN;
    const bytes = Buffer.from(record[1], 'latin1');
    if (io.remaining < bytes.length) return EINVAL;
    this.next = record[0] + 1;
    return io.put(bytes, 0, bytes.length);
  }
  override write(_ctx: IoContext, io: IoSequence): number {
    const length = io.remaining;
    if (length > 1024) return EINVAL;
    const buf = Buffer.alloc(length);
    const n = io.take(buf, 0, length);
    if (n > 0) kernelLog.add(escaped(buf.toString('latin1', 0, n).replace(/\n$/, '')), DEFAULT_PRIORITY);
    if (n > 0) this.host.log('info', `guest kmsg: ${JSON.stringify(buf.toString('utf8', 0, n))}`);
    return n;
  }
  override poll(): number {
    return this.next < kernelLog.end ? 0x145 : 0x104;
  }
  override seek(_ctx: IoContext, offset: number, whence: number): number {
    if (offset !== 0) return ESPIPE;
    if (whence === SEEK_END) this.next = kernelLog.end;
    else this.next = 0;
    return 0;
  }
  override ioctl(): number {
    return ENOTTY;
  }
}

const SEEK_END = 2;

/** As Linux shows a record: what is no printable character, and the backslash, as \\xNN. */
function escaped(text: string): string {
  return text.replace(/[^ -~]|\\/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** [minor, name, opener] of every device with major 1. */
export function memoryDevices(
  host: Pick<HostServices, 'random' | 'log'>,
): readonly (readonly [number, string, DeviceOpener])[] {
  const random: DeviceOpener = (ctx, path, inode, flags) => new RandomFile(host, ctx, path, inode, flags);
  return [
    [3, 'mem', (ctx, path, inode, flags) => new NullFile(ctx, path, inode, flags)],
    [5, 'mem', (ctx, path, inode, flags) => new ZeroFile(ctx, path, inode, flags)],
    [7, 'mem', (ctx, path, inode, flags) => new FullFile(ctx, path, inode, flags)],
    [8, 'mem', random],
    [9, 'mem', random],
    [11, 'mem', (ctx, path, inode, flags) => new KmsgFile(host, ctx, path, inode, flags)],
  ];
}
