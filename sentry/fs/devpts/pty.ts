// SPDX-License-Identifier: Apache-2.0

/**
 * Pty: one pseudoterminal: the line discipline between its master and its slave, window size, locks and hang-up.
 *
 * Linux:      drivers/tty/pty.c, drivers/tty/tty_io.c; pty(7)
 * Invariants: exists from the master's open to the later of the master's close and the last slave's. After the master's
 *             close the slave is hung up for good.
 */
import { SIGCONT, SIGHUP, SIGWINCH } from '../../../platform/abi/linux/signal.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDNORM,
  EPOLLWRNORM,
} from '../../../platform/abi/linux/poll.ts';
import { EXTPROC } from '../../../platform/abi/linux/termios.ts';
import { makedev } from '../../../platform/abi/linux/stat.ts';
import { type TtyKernel, TtyJobControl } from '../../kernel/process/tty_job_control.ts';
import type { Errno } from '../../../platform/abi/linux/errno.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';
import { type InputHost, LineInput } from './line_input.ts';
import { LineOutput } from './line_output.ts';
import { Termios } from './termios.ts';

const PTS_MAJOR = 136;
const READABLE = EPOLLIN | EPOLLRDNORM;
const WRITABLE = EPOLLOUT | EPOLLWRNORM;
const EVERYTHING = READABLE | WRITABLE | EPOLLHUP | EPOLLERR;

export const TIOCPKT_FLUSHREAD = 1;
export const TIOCPKT_FLUSHWRITE = 2;
export const TIOCPKT_STOP = 4;
export const TIOCPKT_START = 8;
const TIOCPKT_NOSTOP = 16;
const TIOCPKT_DOSTOP = 32;
const TIOCPKT_IOCTL = 64;

export class Pty extends TtyJobControl implements InputHost {
  readonly index: number;
  readonly termios = new Termios();
  readonly input: LineInput;
  readonly output: LineOutput;
  readonly masterQueue = new WaitQueue();
  readonly slaveQueue = new WaitQueue();
  /** rows, columns, x pixels, y pixels */
  readonly window = Uint16Array.of(0, 0, 0, 0);
  /** TIOCSPTLCK: a slave cannot be opened. */
  isLocked = true;
  isExclusive = false;
  isMasterOpen = true;
  slaveOpens = 0;
  /** A slave was open and all are closed: the master reads EIO. */
  isSlaveGone = false;
  isStopped = false;
  /** TIOCPKT, and the status bits its next read tells. */
  isPacketMode = false;
  packetStatus = 0;
  private readonly jobKernel: TtyKernel;
  private readonly opener: (
    pty: Pty,
    ctx: IoContext,
    path: Path,
    inode: Inode,
    flags: number,
  ) => FileDescription | Errno;

  constructor(
    index: number,
    kernel: TtyKernel,
    opener: (pty: Pty, ctx: IoContext, path: Path, inode: Inode, flags: number) => FileDescription | Errno,
  ) {
    super(kernel);
    this.jobKernel = kernel;
    this.opener = opener;
    this.index = index;
    this.rdev = makedev(PTS_MAJOR, index);
    this.input = new LineInput(this);
    this.output = new LineOutput(this.termios);
  }

  override openAgain(ctx: IoContext, path: Path, inode: Inode, flags: number): FileDescription | Errno {
    return this.opener(this, ctx, path, inode, flags);
  }

  // InputHost

  get column(): number {
    return this.output.column;
  }
  echo(bytes: readonly number[]): void {
    if (this.output.write(Uint8Array.from(bytes)) > 0) this.masterQueue.wake(READABLE);
  }
  signal(signo: number): void {
    const foreground = this.session?.foreground ?? null;
    if (foreground !== null) this.jobKernel.signalProcessGroup(foreground, signo);
  }
  flushOutput(): void {
    this.output.flush();
    this.status(TIOCPKT_FLUSHWRITE);
    this.slaveQueue.wake(WRITABLE);
  }
  setStopped(stopped: boolean): void {
    if (this.isStopped === stopped) return;
    this.isStopped = stopped;
    this.packetStatus &= ~(TIOCPKT_STOP | TIOCPKT_START);
    this.status(stopped ? TIOCPKT_STOP : TIOCPKT_START);
    if (!stopped) this.slaveQueue.wake(WRITABLE);
  }
  inputReady(): void {
    this.slaveQueue.wake(READABLE);
  }

  /** A character for the master that output processing and a full queue do not hold up (TCIOFF, TCION). */
  sendNow(c: number): void {
    this.output.pushFirst(c);
    this.masterQueue.wake(READABLE);
  }

  /** Notes a change for a master in packet mode. */
  status(bit: number): void {
    if (!this.isPacketMode) return;
    this.packetStatus |= bit;
    this.masterQueue.wake(EPOLLPRI | READABLE);
  }

  /** TIOCSWINSZ: tells the foreground group when the size changed. */
  setWindow(size: Uint16Array): void {
    if (size.every((value, i) => value === this.window[i])) return;
    this.window.set(size);
    this.signal(SIGWINCH);
  }

  /** TCSETS*: `bytes` is a struct termios or termios2. */
  setTermios(bytes: Uint8Array): void {
    const { isCanonical: wasCanonical, hasUsualFlow: wasUsual } = this.termios;
    const wasExternal = this.termios.lflag & EXTPROC;
    this.termios.decode(bytes);
    if (wasUsual !== this.termios.hasUsualFlow) {
      this.packetStatus &= ~(TIOCPKT_NOSTOP | TIOCPKT_DOSTOP);
      this.status(wasUsual ? TIOCPKT_NOSTOP : TIOCPKT_DOSTOP);
    }
    if ((wasExternal | (this.termios.lflag & EXTPROC)) !== 0) this.status(TIOCPKT_IOCTL);
    if (wasCanonical !== this.termios.isCanonical) this.input.modeChanged();
    this.slaveQueue.wake(WRITABLE);
  }

  slaveOpened(): void {
    this.slaveOpens++;
    this.isSlaveGone = false;
  }
  slaveClosed(): void {
    if (--this.slaveOpens > 0) return;
    this.isSlaveGone = true;
    this.isExclusive = false;
    this.masterQueue.wake(EVERYTHING);
  }

  /** The master is closed: everyone on the slave is hung up. */
  masterClosed(): void {
    this.isMasterOpen = false;
    const session = this.session;
    if (session !== null) {
      const { foreground, leader } = session;
      session.tty = null;
      session.foreground = null;
      this.session = null;
      if (leader !== null) {
        this.jobKernel.signalProcessGroup(leader.processGroup, SIGHUP);
        this.jobKernel.signalProcessGroup(leader.processGroup, SIGCONT);
      }
      if (foreground !== null && foreground !== leader?.processGroup) {
        this.jobKernel.signalProcessGroup(foreground, SIGHUP);
        this.jobKernel.signalProcessGroup(foreground, SIGCONT);
      }
    }
    this.input.flush();
    this.output.flush();
    this.slaveQueue.wake(EVERYTHING);
  }

  masterPoll(): number {
    let bits = 0;
    if (this.output.available > 0) bits |= READABLE;
    if (this.isPacketMode && this.packetStatus !== 0) bits |= EPOLLPRI | READABLE;
    if (this.isSlaveGone) bits |= EPOLLHUP;
    if (this.input.room > 0) bits |= WRITABLE;
    return bits;
  }
  slavePoll(): number {
    if (!this.isMasterOpen) return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM;
    let bits = 0;
    if (this.input.isReadable) bits |= READABLE;
    if (!this.isStopped && this.output.room >= 256) bits |= WRITABLE;
    return bits;
  }
}
