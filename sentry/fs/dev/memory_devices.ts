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

/** The kernel log: writes go to the sandbox's own log, there is nothing to read. */
class KmsgFile extends FileDescription {
  private readonly host: Pick<HostServices, 'log'>;

  constructor(host: Pick<HostServices, 'log'>, ctx: IoContext, path: Path, inode: Inode, flags: number) {
    super(path, inode, flags, ctx.creds);
    this.host = host;
  }
  override get isSeekable(): boolean {
    return false;
  }
  override read(): number {
    return EAGAIN;
  }
  override write(_ctx: IoContext, io: IoSequence): number {
    const length = io.remaining;
    if (length > 1024) return EINVAL;
    const buf = Buffer.alloc(length);
    const n = io.take(buf, 0, length);
    if (n > 0) this.host.log('info', `guest kmsg: ${JSON.stringify(buf.toString('utf8', 0, n))}`);
    return n;
  }
  override poll(): number {
    return 0x104;
  }
  override seek(_ctx: IoContext, offset: number): number {
    return offset === 0 ? 0 : ESPIPE;
  }
  override ioctl(): number {
    return ENOTTY;
  }
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
