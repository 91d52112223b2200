// SPDX-License-Identifier: Apache-2.0

/**
 * Waiting among many threads. wait4(-1) looks at every traced thread there is, twice a call: with a thousand of them asleep that is ten
 * times what a system call costs. So beyond a few dozen, only threads that run are asked, each by its id, and what the Sentry sleeps on
 * is SIGCHLD, which every stop raises.
 *
 * Linux:      kernel/exit.c (do_wait, do_wait_pid), kernel/signal.c (do_notify_parent_cldstop)
 * Invariants: SIGCHLD is blocked while active, so that one raised before the sleep ends it; it may stand for several stops or for one
 *             already collected. Only in a process with one thread: another one could swallow the signal.
 */
import { allocateNative, rawSyscall } from '../ffi/native.ts';
import { wait4 } from '../ffi/ptrace.ts';
import { DEAD, RUNNING } from './thread.ts';
import type { PtraceThread } from './thread.ts';

const SYS_RT_SIGPROCMASK = 14;
const SYS_RT_SIGTIMEDWAIT = 128;
const SIG_BLOCK = 0;
const SIGCHLD_BIT = 1 << 16;
const WNOHANG = 1;
const WALL = 0x40000000;
const WNOTHREAD = 0x20000000;
export const WAIT_POLL = WALL | WNOTHREAD | WNOHANG;

/** Threads from which on, and below which no longer, they are a crowd. */
const ENTER_AT = 48;
const LEAVE_AT = 32;
/** When more than this many run, asking each is no cheaper. */
const ASK_MAX = 24;
/** A thread at rest may be killed from outside: once in so many looks everybody is asked. */
const FULL_EVERY = 256;
/** Exchanges of a lone thread between two looks at the bell. */
const LOOK_EVERY = 8;

type NoteStatus = (tid: number, status: number) => void;

export class Crowd {
  /** True while threads are waited for one by one. */
  active = false;
  /** Threads that may run, or die: each that was resumed since it was last found otherwise. */
  private readonly moving: PtraceThread[] = [];
  private readonly status = allocateNative(16);
  private readonly set = allocateNative(16);
  private isAlone: boolean | null = null;
  private untilLook = LOOK_EVERY;
  /** Looks until all threads are asked: 0 at first, because stops from before SIGCHLD was blocked raised nothing that waits. */
  private untilFull = 0;
  private readonly threads: ReadonlyMap<number, PtraceThread>;
  private readonly isSingleThreaded: () => boolean;

  constructor(threads: ReadonlyMap<number, PtraceThread>, isSingleThreaded: () => boolean) {
    this.threads = threads;
    this.isSingleThreaded = isSingleThreaded;
  }

  /** The number of threads changed. */
  adjust(): void {
    const { size } = this.threads;
    if (!this.active && size >= ENTER_AT) this.enter();
    else if (this.active && size < LEAVE_AT) this.leave();
  }

  private enter(): void {
    this.isAlone ??= this.isSingleThreaded();
    if (!this.isAlone) return;
    this.set.u32[0] = SIGCHLD_BIT;
    if (rawSyscall(SYS_RT_SIGPROCMASK, SIG_BLOCK, this.set.addr, 0, 8) < 0) return;
    this.active = true;
    for (const thread of this.threads.values()) if (thread.state === RUNNING || thread.state === DEAD) this.add(thread);
    this.untilFull = 0;
  }

  /** SIGCHLD stays blocked: nobody else wants it. */
  private leave(): void {
    this.active = false;
    for (const thread of this.moving) thread.isMoving = false;
    this.moving.length = 0;
  }

  /** A thread was resumed or killed. */
  add(thread: PtraceThread): void {
    if (thread.isMoving) return;
    thread.isMoving = true;
    this.moving.push(thread);
  }

  /** Is it time to look at the bell and the others, although a lone thread keeps the Sentry busy? */
  wantsLook(): boolean {
    if (--this.untilLook > 0) return false;
    this.untilLook = LOOK_EVERY;
    return true;
  }

  /** Sleeps until some stop may have happened. */
  sleep(): void {
    if (this.untilFull === 0) return;
    rawSyscall(SYS_RT_SIGTIMEDWAIT, this.set.addr, 0, 0, 8);
  }

  /** Collects every stop and end there is. */
  look(bellTid: number, note: NoteStatus): void {
    this.forgetResting();
    if (--this.untilFull < 0 || this.moving.length > ASK_MAX) {
      if (this.untilFull < 0) this.untilFull = FULL_EVERY;
      for (;;) {
        const tid = wait4(-1, this.status.addr, WAIT_POLL);
        if (tid <= 0) return;
        note(tid, this.status.i32[0] as number);
      }
    }
    this.ask(bellTid, note);
    for (const thread of this.moving.slice()) this.ask(thread.hostTid, note);
  }

  private ask(tid: number, note: NoteStatus): void {
    if (wait4(tid, this.status.addr, WAIT_POLL) === tid) note(tid, this.status.i32[0] as number);
  }

  /** Takes off the list whoever neither runs nor is still to be collected. */
  private forgetResting(): void {
    const { moving } = this;
    for (let i = moving.length - 1; i >= 0; i--) {
      const thread = moving[i] as PtraceThread;
      if (thread.state === RUNNING || (thread.state === DEAD && this.threads.get(thread.hostTid) === thread)) continue;
      thread.isMoving = false;
      const last = moving.pop() as PtraceThread;
      if (last !== thread) moving[i] = last;
    }
  }
}
