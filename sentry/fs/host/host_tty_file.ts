// SPDX-License-Identifier: Apache-2.0

/**
 * A terminal given as a descriptor: a stream with the terminal's ioctls, each on an allow-list.
 *
 * Linux:   drivers/tty/tty_ioctl.c; ioctl_tty(2)
 * Differs: with both VMIN and VTIME set a read gives what there is instead of waiting for more between bytes.
 */
import { EFAULT, ENOTTY, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { ByteString } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import type { HostInode } from './host_filesystem.ts';
import { HostStreamFile } from './host_stream_file.ts';
import type { HostTty } from './host_tty.ts';

const TIOCSCTTY = 0x540e;
const TIOCGPGRP = 0x540f;
const TIOCSPGRP = 0x5410;
const TIOCNOTTY = 0x5422;
const TIOCGSID = 0x5429;
const TOSTOP = 0o400;
const ICANON = 2;
const FIONREAD = 0x541b;
const POLLIN = 1;
/** Where the control characters begin in struct termios, and two of them. */
const CHARACTERS = 17;
const VTIME = 5;
const VMIN = 6;
const TCGETS = 0x5401;

/** Commands that fill a structure: bytes. */
const GETTERS = new Map([
  [0x5401, 36], // TCGETS
  [0x802c542a, 44], // TCGETS2
  [0x5413, 8], // TIOCGWINSZ
  [0x541b, 4], // FIONREAD
  [0x5411, 4], // TIOCOUTQ
  [0x5424, 4], // TIOCGETD
  [0x5415, 4], // TIOCMGET
]);

/** Commands that read a structure: bytes. They count as changes of the terminal. */
const SETTERS = new Map([
  [0x5402, 36], // TCSETS
  [0x5403, 36], // TCSETSW
  [0x5404, 36], // TCSETSF
  [0x402c542b, 44], // TCSETS2
  [0x402c542c, 44], // TCSETSW2
  [0x402c542d, 44], // TCSETSF2
  [0x5414, 8], // TIOCSWINSZ
]);

/** Commands without an argument to pass that need nothing done: TCSBRK, TCSBRKP, TCXONC, TCFLSH, TIOCEXCL, TIOCNXCL. */
const NOTHING_TO_DO = new Set([0x5409, 0x5425, 0x540a, 0x540b, 0x540c, 0x540d]);

const buffer = new Uint8Array(64);
const view = new DataView(buffer.buffer);

export class HostTtyFile extends HostStreamFile {
  private readonly tty: HostTty;

  constructor(path: Path, inode: HostInode, flags: number, creds: Credentials, tty: HostTty) {
    super(path, inode, flags, creds);
    this.tty = tty;
  }

  override read(ctx: IoContext, io: IoSequence): number {
    const stopped = this.tty.checkRead(ctx);
    if (stopped < 0) return stopped;
    const timing = this.timing();
    return timing === null ? super.read(ctx, io) : this.readTimed(io, timing);
  }

  /** VMIN and VTIME when they make a read on the host wait although there is something, or end with nothing; else null. */
  private timing(): { min: number; time: number } | null {
    const { files } = this.inode.fs.services;
    if (files.ioctl(this.inode.hostFd, TCGETS, buffer) < 0 || (view.getUint32(12, true) & ICANON) !== 0) return null;
    const time = buffer[CHARACTERS + VTIME] as number;
    const min = buffer[CHARACTERS + VMIN] as number;
    return min === 0 || time !== 0 ? { min, time } : null;
  }

  /** Never asks the host for more than there is: it would wait for it. */
  private readTimed(io: IoSequence, { min, time }: { min: number; time: number }): number {
    if (io.remaining === 0) return 0;
    const r = this.inode.fs.services.files.ioctl(this.inode.hostFd, FIONREAD, buffer);
    const available = r < 0 ? 0 : view.getUint32(0, true);
    if (available > 0) return this.readAtMost(io, available);
    if (this.isReady(POLLIN)) return this.readAtMost(io, 1);
    return min === 0 && time === 0 ? 0 : this.notReady(POLLIN);
  }

  /** VMIN 0: VTIME limits how long a read waits, and it then gives nothing. */
  override get readTimeoutNs(): number {
    const timing = this.timing();
    return timing === null || timing.min !== 0 ? Number.POSITIVE_INFINITY : timing.time * 100_000_000;
  }
  override readCutShort(_ctx: IoContext, _io: IoSequence, why: 'timeout' | 'signal'): number {
    return why === 'timeout' ? 0 : WOULD_BLOCK;
  }

  override write(ctx: IoContext, io: IoSequence): number {
    const { session } = this.tty;
    if (session !== null && session.foreground !== null && this.stopsBackgroundOutput()) {
      const stopped = this.tty.checkChange(ctx);
      if (stopped < 0) return stopped;
    }
    return super.write(ctx, io);
  }

  private stopsBackgroundOutput(): boolean {
    const r = this.inode.fs.services.files.ioctl(this.inode.hostFd, TCGETS, buffer);
    return r >= 0 && (view.getUint32(12, true) & TOSTOP) !== 0;
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    const getSize = GETTERS.get(cmd);
    if (getSize !== undefined) return this.get(ctx, cmd, arg, getSize);
    const setSize = SETTERS.get(cmd);
    if (setSize !== undefined) return this.set(ctx, cmd, arg, setSize);
    if (NOTHING_TO_DO.has(cmd)) return this.tty.checkChange(ctx);
    return this.jobControl(ctx, cmd, arg);
  }

  private get(ctx: IoContext, cmd: number, arg: number, size: number): number {
    const r = this.inode.fs.services.files.ioctl(this.inode.hostFd, cmd, buffer);
    if (r < 0) return r;
    return ctx.memory.copyOut(arg, buffer, 0, size) === size ? 0 : EFAULT;
  }

  private set(ctx: IoContext, cmd: number, arg: number, size: number): number {
    const stopped = this.tty.checkChange(ctx);
    if (stopped < 0) return stopped;
    if (ctx.memory.copyIn(arg, buffer, 0, size) !== size) return EFAULT;
    return this.inode.fs.services.files.ioctl(this.inode.hostFd, cmd, buffer);
  }

  private jobControl(ctx: IoContext, cmd: number, arg: number): number {
    switch (cmd) {
      case TIOCSCTTY:
        return this.tty.setControlling(ctx);
      case TIOCNOTTY:
        return this.tty.giveUp(ctx);
      case TIOCGPGRP: {
        const id = this.tty.foregroundId(ctx);
        return id < 0 ? id : ctx.memory.writeU32(arg, id);
      }
      case TIOCGSID: {
        const id = this.tty.sessionId(ctx);
        return id < 0 ? id : ctx.memory.writeU32(arg, id);
      }
      case TIOCSPGRP:
        return this.tty.setForeground(ctx, arg);
      default:
        return ENOTTY;
    }
  }

  override linkText(): ByteString | null {
    return this.tty.name ?? `host:[${this.inode.ino}]`;
  }
}
