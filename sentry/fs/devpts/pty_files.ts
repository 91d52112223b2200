// SPDX-License-Identifier: Apache-2.0

/**
 * The open ends of a pty: master and slave files with their ioctls.
 *
 * Linux: drivers/tty/pty.c (pty_unix98_ioctl), drivers/tty/tty_ioctl.c, drivers/tty/tty_io.c; ioctl_tty(2)
 */
import {
  EFAULT,
  EINVAL,
  EIO,
  ENOTTY,
  EPERM,
  WOULD_BLOCK,
  type Errno,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import { CAP_SYS_ADMIN } from '../../../platform/abi/linux/capability.ts';
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import {
  FIONREAD,
  TCFLSH,
  TCGETS,
  TCSBRK,
  TCSBRKP,
  TCSETS,
  TCSETSF,
  TCSETSW,
  TCXONC,
  TIOCEXCL,
  TIOCGDEV,
  TIOCGETD,
  TIOCGEXCL,
  TIOCGPGRP,
  TIOCGPKT,
  TIOCGPTLCK,
  TIOCGPTN,
  TIOCGPTPEER,
  TIOCGSID,
  TIOCGSOFTCAR,
  TIOCGWINSZ,
  TIOCNOTTY,
  TIOCNXCL,
  TIOCOUTQ,
  TIOCPKT,
  TIOCCBRK,
  TIOCSBRK,
  TIOCSCTTY,
  TIOCSETD,
  TIOCSIG,
  TIOCSPGRP,
  TIOCSPTLCK,
  TIOCSSOFTCAR,
  TIOCSTI,
  TIOCSWINSZ,
} from '../../../platform/abi/linux/ioctls.ts';
import { EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '../../../platform/abi/linux/poll.ts';
import { SIGINT, SIGQUIT, SIGTSTP } from '../../../platform/abi/linux/signal.ts';
import { RLIMIT_NOFILE } from '../../kernel/process/rlimits.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import type { WaitQueue } from '../../wait/wait_queue.ts';
import { type Pty, TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE } from './pty.ts';
import { CLOCAL, TOSTOP, VMIN, VSTART, VSTOP, VTIME } from '../../../platform/abi/linux/termios.ts';
import { keepLocked, termioIoctl } from './termio.ts';
import { TERMIOS2_SIZE, TERMIOS_SIZE, VDISABLE } from './termios.ts';

/** A line discipline looks at every byte: the most one call may keep the kernel at it. */
const MAX_WRITE = 1 << 20;
const CHUNK = 4096;
const scratch = new Uint8Array(TERMIOS2_SIZE);

/** What TCXONC does. */
const TCOOFF = 0;
const TCOON = 1;
const TCIOFF = 2;
const TCION = 3;

const TCGETS2 = 0x802c542a;
const TCSETS2 = 0x402c542b;
const TCSETSW2 = 0x402c542c;
const TCSETSF2 = 0x402c542d;

abstract class PtyFile extends FileDescription {
  readonly pty: Pty;
  override readonly waitQueue: WaitQueue;
  override readonly writesAll: boolean = true;

  constructor(path: Path, inode: Inode, flags: number, ctx: IoContext, pty: Pty, queue: WaitQueue) {
    super(path, inode, flags, ctx.creds);
    this.pty = pty;
    this.waitQueue = queue;
  }
  override get isSeekable(): boolean {
    return false;
  }
  override get canPoll(): boolean {
    return true;
  }

  /** ioctls that mean the same on both ends; null: not one of them. */
  protected commonIoctl(ctx: IoContext, cmd: number, arg: number): number | null {
    const { pty } = this;
    const { memory } = ctx;
    switch (cmd) {
      case TCGETS:
        return memory.copyOut(arg, pty.termios.encode(TERMIOS_SIZE), 0, TERMIOS_SIZE) === TERMIOS_SIZE ? 0 : EFAULT;
      case TCGETS2:
        return memory.copyOut(arg, pty.termios.encode(TERMIOS2_SIZE), 0, TERMIOS2_SIZE) === TERMIOS2_SIZE ? 0 : EFAULT;
      case TCSETS:
      case TCSETSW:
      case TCSETSF:
        return this.setTermios(ctx, arg, TERMIOS_SIZE, cmd === TCSETSF);
      case TCSETS2:
      case TCSETSW2:
      case TCSETSF2:
        return this.setTermios(ctx, arg, TERMIOS2_SIZE, cmd === TCSETSF2);
      case TIOCGWINSZ: {
        const bytes = new Uint8Array(pty.window.buffer);
        return memory.copyOut(arg, bytes, 0, 8) === 8 ? 0 : EFAULT;
      }
      case TIOCSWINSZ: {
        const size = new Uint8Array(8);
        if (memory.copyIn(arg, size, 0, 8) !== 8) return EFAULT;
        pty.setWindow(new Uint16Array(size.buffer));
        return 0;
      }
      case TIOCEXCL:
        pty.isExclusive = true;
        return 0;
      case TIOCNXCL:
        pty.isExclusive = false;
        return 0;
      case TIOCGEXCL:
        return memory.writeU32(arg, pty.isExclusive ? 1 : 0);
      case TIOCGETD:
        return memory.writeU32(arg, 0);
      case TIOCSTI:
        return this.simulateInput(ctx, arg);
      case TIOCSETD: {
        const discipline = memory.readU32(arg);
        return discipline < 0 ? discipline : discipline === 0 ? 0 : EINVAL;
      }
      case TIOCGDEV:
        return memory.writeU32(arg, pty.rdev);
      case TIOCGSOFTCAR:
        return memory.writeU32(arg, (pty.termios.cflag & CLOCAL) !== 0 ? 1 : 0);
      case TIOCSSOFTCAR: {
        const value = memory.readU32(arg);
        if (value < 0) return value;
        pty.termios.cflag = value !== 0 ? pty.termios.cflag | CLOCAL : pty.termios.cflag & ~CLOCAL;
        return 0;
      }
      case TCSBRK:
      case TCSBRKP:
      case TIOCSBRK:
      case TIOCCBRK:
        return 0;
      default:
        return termioIoctl(ctx, pty, cmd, arg, (termios, flushes) => this.change(ctx, termios, flushes));
    }
  }

  /** TIOCSTI: types a byte at this end. */
  private simulateInput(ctx: IoContext, arg: number): number {
    if (!ctx.creds.hasCap(CAP_SYS_ADMIN)) return (ctx as Task).threadGroup.session.tty === this.pty ? EIO : EPERM;
    if (ctx.memory.copyIn(arg, scratch, 0, 1) !== 1) return EFAULT;
    this.type(scratch.slice(0, 1));
    return 0;
  }
  protected abstract type(bytes: Uint8Array): void;

  private setTermios(ctx: IoContext, arg: number, size: number, flushes: boolean): number {
    if (ctx.memory.copyIn(arg, scratch, 0, size) !== size) return EFAULT;
    return this.change(ctx, scratch.subarray(0, size), flushes);
  }

  /** Makes `termios` (struct termios or termios2) the terminal's, but for what is locked. */
  private change(ctx: IoContext, termios: Uint8Array, flushes: boolean): number {
    const stopped = this.pty.checkChange(ctx);
    if (stopped < 0) return stopped;
    if (flushes) this.pty.input.flush();
    keepLocked(this.pty, termios);
    this.pty.setTermios(termios);
    return 0;
  }

  /** TCFLSH; `input` and `output` as seen from the slave. */
  protected flushQueues(which: number, isMaster: boolean): number {
    if (which < 0 || which > 2) return EINVAL;
    const input = which !== 1;
    const output = which !== 0;
    if (isMaster ? output : input) {
      this.pty.input.flush();
      this.pty.status(TIOCPKT_FLUSHREAD);
      this.pty.masterQueue.wake(EPOLLOUT | EPOLLWRNORM);
    }
    if (isMaster ? input : output) {
      this.pty.output.flush();
      this.pty.status(TIOCPKT_FLUSHWRITE);
      this.pty.slaveQueue.wake(EPOLLOUT | EPOLLWRNORM);
    }
    return 0;
  }
}

export class MasterFile extends PtyFile {
  private readonly openSlave: (ctx: IoContext, flags: number) => FileDescription | Errno;

  constructor(
    path: Path,
    inode: Inode,
    flags: number,
    ctx: IoContext,
    pty: Pty,
    openSlave: (ctx: IoContext, flags: number) => FileDescription | Errno,
  ) {
    super(path, inode, flags, ctx, pty, pty.masterQueue);
    this.openSlave = openSlave;
  }
  protected override release(): void {
    this.pty.masterClosed();
    this.onReleased?.();
  }
  /** Set by devpts: takes the slave's name away. */
  onReleased: (() => void) | null = null;

  override read(_ctx: IoContext, io: IoSequence): number {
    const { pty } = this;
    if (io.remaining === 0) return 0;
    if (pty.isPacketMode) {
      if (pty.packetStatus !== 0) {
        const status = Uint8Array.of(pty.packetStatus);
        pty.packetStatus = 0;
        return io.put(status, 0, 1);
      }
      if (pty.output.available > 0) {
        const put = io.put(Uint8Array.of(0), 0, 1);
        if (put < 0 || io.remaining === 0) return put;
      }
    }
    const hadRoom = pty.output.room;
    const n = pty.output.read(io);
    if (n > 0 && hadRoom < 256) pty.slaveQueue.wake(EPOLLOUT | EPOLLWRNORM);
    if (n !== 0) return pty.isPacketMode && n > 0 ? n + 1 : n;
    return pty.isSlaveGone ? EIO : WOULD_BLOCK;
  }

  override write(_ctx: IoContext, io: IoSequence): number {
    const { pty } = this;
    if (io.remaining === 0) return 0;
    let done = 0;
    const buf = new Uint8Array(Math.min(io.remaining, CHUNK));
    while (io.remaining > 0 && done < MAX_WRITE) {
      const room = Math.min(pty.input.room, buf.length);
      if (room === 0) break;
      const n = io.take(buf, 0, Math.min(room, io.remaining));
      if (n <= 0) return done > 0 ? done : n;
      pty.input.receive(buf.subarray(0, n));
      done += n;
    }
    return done > 0 ? done : WOULD_BLOCK;
  }

  override poll(): number {
    return this.pty.masterPoll();
  }
  protected override type(bytes: Uint8Array): void {
    this.pty.echo([...bytes]);
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    const { pty } = this;
    const { memory } = ctx;
    switch (cmd) {
      case TIOCGPTN:
        return memory.writeU32(arg, pty.index);
      case TIOCSPTLCK: {
        const value = memory.readU32(arg);
        if (value < 0) return value;
        pty.isLocked = value !== 0;
        return 0;
      }
      case TIOCGPTLCK:
        return memory.writeU32(arg, pty.isLocked ? 1 : 0);
      case TIOCPKT: {
        const value = memory.readU32(arg);
        if (value < 0) return value;
        pty.isPacketMode = value !== 0;
        pty.packetStatus = 0;
        return 0;
      }
      case TIOCGPKT:
        return memory.writeU32(arg, pty.isPacketMode ? 1 : 0);
      case TIOCSIG:
        if (arg !== SIGINT && arg !== SIGQUIT && arg !== SIGTSTP) return EINVAL;
        pty.signal(arg);
        return 0;
      case TIOCGPTPEER:
        return this.openPeer(ctx as Task, arg);
      case TIOCGPGRP:
        return memory.writeU32(arg, pty.session?.foreground?.idIn((ctx as Task).pidNs) ?? 0);
      case TIOCGSID:
        return pty.session === null ? ENOTTY : memory.writeU32(arg, pty.session.idIn((ctx as Task).pidNs));
      case TIOCSPGRP:
        return pty.setForeground(ctx, arg);
      case FIONREAD:
        return memory.writeU32(arg, pty.output.available);
      case TIOCOUTQ:
        return memory.writeU32(arg, 0);
      case TCFLSH:
        return this.flushQueues(arg, true);
      case TIOCSCTTY:
      case TIOCNOTTY:
        return ENOTTY;
      default:
        return this.commonIoctl(ctx, cmd, arg) ?? ENOTTY;
    }
  }

  private openPeer(t: Task, flags: number): number {
    const file = this.openSlave(t, (flags & ~O_CLOEXEC) | O_RDWR | O_NOCTTY);
    if (isErrno(file)) return file;
    const fd = t.fdTable.install(file, (flags & O_CLOEXEC) !== 0, t.threadGroup.rlimits.soft(RLIMIT_NOFILE));
    if (fd < 0) file.decRef();
    return fd;
  }
}

export class SlaveFile extends PtyFile {
  constructor(path: Path, inode: Inode, flags: number, ctx: IoContext, pty: Pty) {
    super(path, inode, flags & ~O_NOCTTY, ctx, pty, pty.slaveQueue);
    pty.slaveOpened();
  }
  protected override release(): void {
    this.pty.slaveClosed();
  }

  override read(ctx: IoContext, io: IoSequence): number {
    const { pty } = this;
    if (!pty.isMasterOpen || io.remaining === 0) return 0;
    const stopped = pty.checkRead(ctx);
    if (stopped < 0) return stopped;
    const { isCanonical } = pty.termios;
    if ((this.flags & O_NONBLOCK) === 0 && !pty.input.hasEnough(io.remaining)) {
      // VMIN 0 and VTIME 0: a poll, never a wait.
      const isPoll = !isCanonical && pty.termios.char(VMIN) === 0 && pty.termios.char(VTIME) === 0;
      return isPoll ? 0 : WOULD_BLOCK;
    }
    const n = this.take(io);
    if (n !== WOULD_BLOCK || isCanonical) return n;
    return pty.termios.char(VMIN) === 0 && pty.termios.char(VTIME) === 0 ? 0 : WOULD_BLOCK;
  }

  private take(io: IoSequence): number {
    const { pty } = this;
    const wasFull = pty.input.room === 0;
    const n = pty.input.read(io);
    if (wasFull && pty.input.room > 0) pty.masterQueue.wake(EPOLLOUT | EPOLLWRNORM);
    return n;
  }

  /** VTIME limits how long a read waits: for the first byte with VMIN 0, else between one and the next. */
  override get readTimeoutNs(): number {
    const { termios } = this.pty;
    const time = termios.char(VTIME);
    if (termios.isCanonical) return Number.POSITIVE_INFINITY;
    if (termios.char(VMIN) !== 0 && (time === 0 || this.pty.input.available === 0)) return Number.POSITIVE_INFINITY;
    return time * 100_000_000;
  }
  override get restartsReadTimeout(): boolean {
    return !this.pty.termios.isCanonical && this.pty.termios.char(VMIN) !== 0;
  }
  override readCutShort(_ctx: IoContext, io: IoSequence, why: 'timeout' | 'signal'): number {
    if (this.pty.termios.isCanonical) return WOULD_BLOCK;
    const n = this.take(io);
    return n === WOULD_BLOCK && why === 'timeout' ? 0 : n;
  }

  override write(ctx: IoContext, io: IoSequence): number {
    const { pty } = this;
    if (!pty.isMasterOpen) return EIO;
    if ((pty.termios.lflag & TOSTOP) !== 0) {
      const stopped = pty.checkChange(ctx);
      if (stopped < 0) return stopped;
    }
    if (io.remaining === 0) return 0;
    let done = 0;
    const buf = new Uint8Array(Math.min(io.remaining, CHUNK));
    while (io.remaining > 0 && done < MAX_WRITE && !pty.isStopped) {
      const n = io.take(buf, 0, Math.min(buf.length, io.remaining));
      if (n <= 0) return done > 0 ? done : n;
      const taken = pty.output.write(buf.subarray(0, n));
      done += taken;
      if (taken < n) {
        io.rewind(n - taken);
        break;
      }
    }
    if (done > 0) pty.masterQueue.wake(EPOLLIN | EPOLLRDNORM);
    return done > 0 ? done : WOULD_BLOCK;
  }

  override poll(): number {
    return this.pty.slavePoll();
  }
  protected override type(bytes: Uint8Array): void {
    this.pty.input.receive(bytes);
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    const { pty } = this;
    const { memory } = ctx;
    if (!pty.isMasterOpen) return cmd === TIOCSPGRP ? ENOTTY : EIO;
    switch (cmd) {
      case TIOCSCTTY:
        return pty.setControlling(ctx);
      case TIOCNOTTY:
        return pty.giveUp(ctx);
      case TIOCGPGRP: {
        const id = pty.foregroundId(ctx);
        return id < 0 ? id : memory.writeU32(arg, id);
      }
      case TIOCGSID: {
        const id = pty.sessionId(ctx);
        return id < 0 ? id : memory.writeU32(arg, id);
      }
      case TIOCSPGRP:
        return pty.setForeground(ctx, arg);
      case FIONREAD:
        return memory.writeU32(arg, pty.input.available);
      case TIOCOUTQ:
        return memory.writeU32(arg, pty.output.available);
      case TCFLSH: {
        const stopped = pty.checkChange(ctx);
        return stopped < 0 ? stopped : this.flushQueues(arg, false);
      }
      case TCXONC: {
        const stopped = pty.checkChange(ctx);
        return stopped < 0 ? stopped : this.flowControl(arg);
      }
      case TIOCGPTPEER:
        return EIO;
      default:
        return this.commonIoctl(ctx, cmd, arg) ?? ENOTTY;
    }
  }

  /** TCXONC: holds the output, or types the stop character on the other side. */
  private flowControl(what: number): number {
    const { pty } = this;
    switch (what) {
      case TCOOFF:
      case TCOON:
        pty.setStopped(what === TCOOFF);
        return 0;
      case TCIOFF:
      case TCION: {
        const c = pty.termios.char(what === TCIOFF ? VSTOP : VSTART);
        if (c !== VDISABLE) pty.sendNow(c);
        return 0;
      }
      default:
        return EINVAL;
    }
  }

}
