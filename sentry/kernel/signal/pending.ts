// SPDX-License-Identifier: Apache-2.0

/**
 * PendingSignals: signals sent and not yet taken, of one thread or shared by a process.
 *
 * Linux:      include/linux/signal_types.h (struct sigpending), kernel/signal.c (__send_signal, dequeue_signal)
 * Invariants: a standard signal is pending at most once; a real-time one as often as it was sent. `set` has a signal
 *             exactly when it is pending (its info may have been dropped for lack of room: then info is synthesised).
 */
import { SI_USER, SIGRTMIN } from '../../../platform/abi/linux/signal.ts';
import { makeSigInfo, type SigInfo } from '../../arch/siginfo.ts';
import { lowestSignal, SigSet } from '../../arch/sigset.ts';

/** SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS: taken before others (Linux SYNCHRONOUS_MASK). */
const SYNCHRONOUS = (1 << 10) | (1 << 6) | (1 << 3) | (1 << 4) | (1 << 7) | (1 << 30);

interface Entry {
  info: SigInfo;
  /** Called when the entry leaves the queue (POSIX timers count overruns; per-user accounting). */
  onTaken: ((info: SigInfo) => void) | null;
}

export class PendingSignals {
  readonly set = new SigSet();
  private queue: Entry[] = [];

  get count(): number {
    return this.queue.length;
  }

  /** What is queued, in order (PTRACE_PEEKSIGINFO). */
  queued(): SigInfo[] {
    return this.queue.map((entry) => entry.info);
  }

  /** Adds a signal. Returns false when a standard signal was already pending (nothing changed). */
  add(info: SigInfo, onTaken: ((info: SigInfo) => void) | null = null): boolean {
    const signo = info.signo;
    if (signo < SIGRTMIN && this.set.has(signo)) return false;
    this.set.add(signo);
    this.queue.push({ info, onTaken });
    return true;
  }

  /** Marks a signal pending without queueing its info (queue limit reached). */
  addBare(signo: number): void {
    this.set.add(signo);
  }

  has(signo: number): boolean {
    return this.set.has(signo);
  }

  /** Lowest pending signal not in `blocked`, synchronous ones first; 0: none. */
  next(blocked: SigSet): number {
    const lo = this.set.lo & ~blocked.lo;
    const hi = this.set.hi & ~blocked.hi;
    if ((lo | hi) === 0) return 0;
    return (lo & SYNCHRONOUS) !== 0 ? lowestSignal(lo & SYNCHRONOUS, 0) : lowestSignal(lo, hi);
  }

  /** Takes one instance of `signo` (which is pending). */
  take(signo: number): SigInfo {
    const at = this.queue.findIndex((e) => e.info.signo === signo);
    if (at < 0) {
      this.set.delete(signo);
      return makeSigInfo(signo, SI_USER);
    }
    const entry = this.queue[at] as Entry;
    this.queue.splice(at, 1);
    if (signo < SIGRTMIN || !this.queue.some((e) => e.info.signo === signo)) this.set.delete(signo);
    entry.onTaken?.(entry.info);
    return entry.info;
  }

  /** Drops every instance of the signals in `which`. */
  discard(which: SigSet): void {
    if ((this.set.lo & which.lo) === 0 && (this.set.hi & which.hi) === 0) return;
    this.set.subtract(which);
    const kept: Entry[] = [];
    for (const entry of this.queue) {
      if (which.has(entry.info.signo)) entry.onTaken?.(entry.info);
      else kept.push(entry);
    }
    this.queue = kept;
  }

  /** Drops everything. */
  clear(): void {
    this.set.clear();
    const old = this.queue;
    this.queue = [];
    for (const entry of old) entry.onTaken?.(entry.info);
  }
}
