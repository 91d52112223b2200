// SPDX-License-Identifier: Apache-2.0

/**
 * signalfd(2): pending signals as something to read.
 *
 * Linux: fs/signalfd.c
 */
import { EFAULT, EINVAL, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import { EPOLLIN } from '../../../platform/abi/linux/poll.ts';
import {
  SI_KERNEL,
  SI_SIGIO,
  SI_TIMER,
  SI_USER,
  SIGBUS,
  SIGCHLD,
  SIGFPE,
  SIGILL,
  SIGIO,
  SIGSEGV,
  SIGTRAP,
} from '../../../platform/abi/linux/signal.ts';
import type { SigInfo } from '../../arch/siginfo.ts';
import { SigSet } from '../../arch/sigset.ts';
import type { Kernel, SignalWatcher } from '../../kernel/kernel.ts';
import { dequeueSignal } from '../../kernel/signal/send.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { AnonFile } from './anon_file.ts';

/** sizeof(struct signalfd_siginfo). */
const INFO_SIZE = 128;
const scratch = new Uint8Array(INFO_SIZE);
const view = new DataView(scratch.buffer);
const FAULTS: readonly number[] = [SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP];

export class SignalFile extends AnonFile implements SignalWatcher {
  /** Signals accepted. */
  private readonly mask = new SigSet();
  /** Its complement, what dequeueSignal() takes. */
  private readonly others = new SigSet();
  private readonly kernel: Kernel;
  private readonly maker: Task;

  constructor(t: Task, mask: SigSet, flags: number) {
    super('[signalfd]', O_RDWR | (flags & O_NONBLOCK), t.creds);
    this.kernel = t.kernel;
    this.maker = t;
    this.setMask(mask);
    t.kernel.signalWatchers.add(this);
  }

  protected override release(): void {
    this.kernel.signalWatchers.delete(this);
  }

  /** Replaces the accepted signals (SIGKILL and SIGSTOP are dropped). */
  setMask(mask: SigSet): void {
    this.mask.copyFrom(mask);
    this.mask.dropUnblockable();
    this.others.lo = ~this.mask.lo;
    this.others.hi = ~this.mask.hi;
    this.waitQueue.wake();
  }

  onSignal(_t: Task, signo: number): void {
    if (this.mask.has(signo)) this.waitQueue.wake(EPOLLIN);
  }

  override read(ctx: IoContext, io: IoSequence): number {
    const t = ctx as Task;
    if (io.remaining < INFO_SIZE) return EINVAL;
    let done = 0;
    while (io.remaining >= INFO_SIZE) {
      const info = dequeueSignal(t, this.others);
      if (info === null) break;
      encode(info);
      const n = io.put(scratch, 0, INFO_SIZE);
      if (n < INFO_SIZE) return done > 0 ? done : EFAULT;
      done += n;
    }
    return done > 0 ? done : WOULD_BLOCK;
  }

  override poll(): number {
    const t = this.kernel.current ?? this.maker;
    if (t.pending.next(this.others) !== 0) return EPOLLIN;
    return t.threadGroup.sharedPending.next(this.others) !== 0 ? EPOLLIN : 0;
  }

  override fdinfo(): string {
    return `sigmask:\t${this.mask.toHex()}\n`;
  }
}

/** Fills the scratch buffer with `info` as a struct signalfd_siginfo (signalfd_copyinfo). */
function encode(info: SigInfo): void {
  scratch.fill(0);
  const { signo, code } = info;
  view.setUint32(0, signo, true);
  view.setInt32(4, info.errno, true);
  view.setInt32(8, code, true);
  if (code === SI_TIMER) {
    view.setUint32(24, info.pid, true);
    view.setUint32(32, info.uid, true);
    putValue(info);
  } else if (code === SI_SIGIO || (signo === SIGIO && code > SI_USER && code < SI_KERNEL)) {
    view.setUint32(28, info.pid, true);
    view.setInt32(20, info.status, true);
  } else if (FAULTS.includes(signo) && code > SI_USER && code < SI_KERNEL) {
    view.setUint32(72, info.pid, true);
    view.setUint32(76, info.uid, true);
  } else {
    view.setInt32(12, info.pid, true);
    view.setUint32(16, info.uid, true);
    if (signo === SIGCHLD && code > SI_USER && code < SI_KERNEL) {
      view.setInt32(40, info.status, true);
      view.setUint32(56, info.utime, true);
      view.setUint32(64, info.stime, true);
    } else if (code < 0) putValue(info);
  }
}

function putValue(info: SigInfo): void {
  view.setUint32(44, info.valueLo, true);
  view.setUint32(48, info.valueLo, true);
  view.setUint32(52, info.valueHi, true);
}
