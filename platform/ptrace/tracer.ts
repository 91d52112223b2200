// SPDX-License-Identifier: Apache-2.0

/**
 * The tracer: the books of all threads of one Sentry, and the one wait point. What a stop means is stops.ts, what is done inside a stub
 * injection.ts.
 *
 * Linux:      kernel/ptrace.c, kernel/signal.c (ptrace_stop), kernel/exit.c (do_wait)
 * Invariants: every call comes from the thread that seized. A host signal is never delivered to a stub thread. A stopped thread is in
 *             the queue at most once.
 */
import { EINTR, ESRCH } from '../abi/linux/errno.ts';
import { PTRACE_EVENT_STOP, PTRACE_INTERRUPT } from '../abi/linux/ptrace.ts';
import { EXCHANGED, exchangeCode } from '../asm/exchange_code.ts';
import type { StubCode } from '../asm/stub_code.ts';
import { allocateNative, defineCode } from '../ffi/native.ts';
import type { NativeMemory } from '../ffi/native.ts';
import { kill } from '../ffi/process.ts';
import { ptrace, wait4 } from '../ffi/ptrace.ts';
import { clockNs } from '../ffi/time.ts';
import type { Descriptors } from '../host/wait/descriptors.ts';
import { EVENT_DIED, EVENT_HOST, EVENT_SYSCALL, EVENT_TIMER } from '../platform.ts';
import type { PlatformEvent } from '../platform.ts';
import type { PtraceAddressSpace } from './address_space.ts';
import type { Bell } from './bell.ts';
import type { CommandPage } from './commands.ts';
import type { CpuPolicy } from './cpu_policy.ts';
import { Crowd, WAIT_POLL } from './crowd.ts';
import { FpState } from './fp_state.ts';
import { Injection, type ThreadKeeper } from './injection.ts';
import { Sequences } from './sequences.ts';
import { isEnd, StopReader } from './stops.ts';
import { DEAD, PARKED, PtraceThread, QUEUED, RUNNING, STOPPED } from './thread.ts';
import { forgetReads } from './user_memory.ts';

const WNOHANG = 1;
const WALL = 0x40000000;
const WNOTHREAD = 0x20000000;
const SIGKILL = 9;
const CLOCK_MONOTONIC = 1;
/** Interval of looks without a bell. */
const POLL_NS = 1e6;
/** Register slots of dead threads stay unused for this many deaths: somebody may still look at them. */
const SLOT_QUARANTINE = 64;
/** Threads an address space keeps stopped for reuse. */
const MAX_PARKED = 32;

/** See exchange_code.ts. */
type Exchange = (
  tid: number,
  registers: number,
  setRax: number,
  status: number,
  waitOptions: number,
  waitFor: number,
) => number;

export class Tracer implements ThreadKeeper {
  readonly commands: CommandPage;
  readonly injection: Injection;
  readonly sequences: Sequences;
  readonly descriptors: Descriptors;
  readonly fpState = new FpState();
  readonly threads = new Map<number, PtraceThread>();
  /** Threads that run application code. */
  running = 0;
  /** Killed host threads whose status is still to be collected. */
  dying = 0;
  bell: Bell | null = null;
  policy: CpuPolicy | null = null;
  /** The thread of the last event: the cheapest one to perform commands on. */
  current: PtraceThread | null = null;
  /** RUNNING in our books, but not let go yet: it goes together with the next wait, or at settle(). */
  private deferred: PtraceThread | null = null;
  private readonly exchange = defineCode<Exchange>(exchangeCode(), 'iiiiii');
  private readonly crowd: Crowd;
  private readonly note = (tid: number, status: number): void => this.noteStatus(tid, status);
  private readonly stops: StopReader;
  private readonly queue: PtraceThread[] = [];
  private queueHead = 0;
  private readonly freeSlots: NativeMemory[] = [];
  private readonly status = allocateNative(16);
  private readonly event: PlatformEvent = { kind: EVENT_TIMER, thread: null, signo: 0, code: 0, addr: 0 };

  /** `isSingleThreaded`: has this process no thread but the caller? Asked at most once. */
  constructor(
    commands: CommandPage,
    descriptors: Descriptors,
    stub: StubCode,
    stubBase: number,
    isSingleThreaded: () => boolean,
  ) {
    this.crowd = new Crowd(this.threads, isSingleThreaded);
    this.commands = commands;
    this.descriptors = descriptors;
    this.sequences = new Sequences(stubBase, (thread, nr, a, b, c, d) => this.injection.call(thread, nr, a, b, c, d));
    this.stops = new StopReader(this.sequences);
    this.injection = new Injection(stub, stubBase, this.stops, this.sequences, this);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Threads

  /** Takes charge of a stopped, seized host thread. */
  adopt(addressSpace: PtraceAddressSpace, tid: number): PtraceThread {
    const slot = (this.freeSlots.length > SLOT_QUARANTINE ? this.freeSlots.shift() : undefined) ?? allocateNative(256);
    const thread = new PtraceThread(this, addressSpace, tid, slot);
    this.threads.set(tid, thread);
    addressSpace.threads.push(thread);
    this.crowd.adjust();
    return thread;
  }

  /** Forgets a thread whose end was collected. */
  private forget(thread: PtraceThread): void {
    if (this.threads.get(thread.hostTid) === thread) this.threads.delete(thread.hostTid);
    this.freeSlots.push(thread.slot);
    this.crowd.adjust();
  }

  /** Lets a stopped thread run application code: at once when another one runs already, else with the next wait. */
  resume(thread: PtraceThread): void {
    if (this.deferred !== null) this.settle();
    forgetReads();
    this.running++;
    this.policy?.onResume(thread, this.running);
    if (thread.registers.dirty && !thread.needsOnlyRax) thread.writeRegisters();
    thread.state = RUNNING;
    if (this.crowd.active) this.crowd.add(thread);
    this.deferred = thread;
  }

  /** Lets the thread go that waits for the next wait. */
  settle(): void {
    const thread = this.deferred;
    if (thread === null) return;
    this.deferred = null;
    thread.restart();
  }

  /** Waits for the first stop of a thread a command has just cloned. Returns 0 or ESRCH. */
  awaitBirth(tid: number): number {
    for (;;) {
      const r = wait4(tid, this.status.addr, WALL);
      if (r === EINTR) continue;
      if (r < 0 || isEnd(this.status.i32[0] as number)) return ESRCH;
      return 0;
    }
  }

  /** A thread is about to run code for us. */
  place(thread: PtraceThread): void {
    this.policy?.place(thread);
  }

  /** Ends a thread's life with its owner: parks it, at once or at its next stop. */
  releaseThread(thread: PtraceThread): void {
    if (thread.state === DEAD || thread.state === PARKED) return;
    thread.owner = null;
    if (thread.state === RUNNING) {
      thread.interrupt();
      thread.parkAtStop = true;
      return;
    }
    if (thread.state === QUEUED) this.dequeue(thread);
    this.park(thread);
  }

  private park(thread: PtraceThread): void {
    const space = thread.addressSpace as PtraceAddressSpace;
    thread.clearDebugRegisters();
    thread.parkAtStop = false;
    thread.interruptWanted = false;
    thread.state = PARKED;
    this.sequences.retire(thread);
    // The leader must outlive its siblings, and a few stopped threads are worth keeping.
    if (space.parked.length < MAX_PARKED || thread === space.leader) space.parked.push(thread);
    else space.endThread(thread);
  }

  private dequeue(thread: PtraceThread): void {
    const at = this.queue.indexOf(thread, this.queueHead);
    if (at >= 0) this.queue.splice(at, 1);
  }

  /** Kills an address space's process; its threads are reaped as their ends come in. */
  killSpace(space: PtraceAddressSpace): void {
    for (const thread of space.threads) {
      if (thread.state === RUNNING) this.running--;
      else if (thread.state === QUEUED) this.dequeue(thread);
      thread.state = DEAD;
      if (this.current === thread) this.current = null;
      if (this.deferred === thread) this.deferred = null;
      this.policy?.letFloat(thread);
      if (this.crowd.active) this.crowd.add(thread);
      this.dying++;
    }
    kill(space.hostPid, SIGKILL);
  }

  cpuTimes(thread: PtraceThread, out: Float64Array): void {
    (thread.addressSpace as PtraceAddressSpace).cpuTimesOf(thread, out);
  }

  /**
   * A stopped thread of `space` to perform commands on; stops a running one when it must. Null when the process is gone.
   * Postcondition: the caller calls letGo(thread) when done.
   */
  acquire(space: PtraceAddressSpace): PtraceThread | null {
    const current = this.current;
    if (current !== null && current.addressSpace === space && current.state === STOPPED) return current;
    let candidate: PtraceThread | null = null;
    for (const thread of space.threads) {
      if (thread.state === STOPPED || thread.state === QUEUED) return thread;
      // A discarded leader cannot be used.
      if (thread.state === PARKED && (thread.rseqAddr === 0 || space.parked.includes(thread))) return thread;
      if (thread.state === RUNNING) candidate = thread;
    }
    return candidate === null ? null : this.stopForCommands(candidate);
  }

  /** Ends what acquire() began: a thread stopped only for us runs again. */
  letGo(thread: PtraceThread): void {
    if (thread.state === RUNNING) thread.restart();
  }

  private stopForCommands(thread: PtraceThread): PtraceThread | null {
    const tid = thread.hostTid;
    if (this.deferred === thread) {
      this.deferred = null;
      return thread; // not let go yet: letGo() does
    }
    if (!thread.interruptSent) this.sendInterrupt(thread);
    for (;;) {
      const r = wait4(tid, this.status.addr, WALL);
      if (r === EINTR) continue;
      if (r < 0) return null;
      const status = this.status.i32[0] as number;
      if (isEnd(status)) {
        this.noteExit(thread, status);
        return null;
      }
      if (this.stops.classify(thread, status)) {
        this.enqueue(thread);
        return thread;
      }
      if (status >>> 16 === PTRACE_EVENT_STOP && !this.stops.hasPendingFault(tid)) {
        this.stops.readRegisters(thread);
        return thread; // still RUNNING in our books: letGo() restarts it
      }
      if (!thread.interruptSent && status >>> 16 !== PTRACE_EVENT_STOP) this.sendInterrupt(thread);
      thread.restart();
    }
  }

  private sendInterrupt(thread: PtraceThread): void {
    thread.interruptSent = true;
    ptrace(PTRACE_INTERRUPT, thread.hostTid, 0, 0);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Stops

  private enqueue(thread: PtraceThread): void {
    this.running--;
    if (thread.parkAtStop) {
      this.park(thread);
      return;
    }
    thread.state = QUEUED;
    this.queue.push(thread);
  }

  /** A status from wait4(-1). */
  private noteStatus(tid: number, status: number): void {
    if (this.bell !== null && tid === this.bell.tid) {
      this.bellRang = true;
      if (!isEnd(status)) {
        this.bell.rang();
        return;
      }
      // Killed from outside: go on, looking around every millisecond.
      this.bell = null;
    }
    const thread = this.threads.get(tid);
    if (thread === undefined) return;
    if (isEnd(status)) this.noteExit(thread, status);
    else if (thread.state === RUNNING) {
      if (this.stops.classify(thread, status)) this.enqueue(thread);
      else thread.restart();
    }
  }

  /** Takes note of a thread's end. `status`: wait4's. */
  noteExit(thread: PtraceThread, status: number): void {
    this.forget(thread);
    if (this.deferred === thread) this.deferred = null;
    if (thread.state === DEAD) {
      this.dying--;
      return;
    }
    if (thread.state === RUNNING) this.running--;
    else if (thread.state === QUEUED) this.dequeue(thread);
    const wasParked = thread.state === PARKED || thread.parkAtStop;
    (thread.addressSpace as PtraceAddressSpace).threadDied(thread);
    thread.state = DEAD;
    if (this.current === thread) this.current = null;
    if (wasParked) return;
    thread.eventKind = EVENT_DIED;
    thread.eventSigno = status & 0x7f;
    this.queue.push(thread);
  }

  private nextQueued(): PtraceThread | null {
    if (this.queueHead >= this.queue.length) return null;
    const thread = this.queue[this.queueHead++] as PtraceThread;
    if (this.queueHead === this.queue.length) {
      this.queue.length = 0;
      this.queueHead = 0;
    }
    if (thread.state === DEAD && (thread.addressSpace as PtraceAddressSpace).released) return this.nextQueued();
    return thread;
  }

  // -------------------------------------------------------------------------------------------------------------
  // The wait point

  private bellRang = false;

  /** See Platform.wait(). */
  wait(deadlineNs: number): PlatformEvent {
    if (this.sequences.hasRetired) this.sequences.endRetired();
    for (;;) {
      const ready = this.nextQueued();
      if (ready !== null) {
        this.settle();
        return this.deliver(ready);
      }
      const event =
        this.running === 0 && this.dying === 0 ? this.waitForDescriptors(deadlineNs) : this.waitForStops(deadlineNs);
      if (event !== null) return event;
    }
  }

  private deliver(thread: PtraceThread): PlatformEvent {
    const event = this.event;
    event.kind = thread.eventKind;
    event.thread = thread;
    event.signo = thread.eventSigno;
    event.code = thread.eventCode;
    event.addr = thread.eventAddr;
    if (thread.state === QUEUED) {
      thread.state = STOPPED;
      this.current = thread;
    }
    return event;
  }

  private plainEvent(kind: number): PlatformEvent {
    this.event.kind = kind;
    this.event.thread = null;
    return this.event;
  }

  /** Nothing runs: only descriptors and the deadline can happen. */
  private waitForDescriptors(deadlineNs: number): PlatformEvent | null {
    const timeout =
      deadlineNs === Number.POSITIVE_INFINITY || deadlineNs <= 0 ? deadlineNs : deadlineNs - clockNs(CLOCK_MONOTONIC);
    if (this.descriptors.wait(Math.max(timeout, 0)) > 0) return this.plainEvent(EVENT_HOST);
    return this.hasPassed(deadlineNs) ? this.plainEvent(EVENT_TIMER) : null;
  }

  private hasPassed(deadlineNs: number): boolean {
    return deadlineNs <= 0 || (deadlineNs !== Number.POSITIVE_INFINITY && clockNs(CLOCK_MONOTONIC) >= deadlineNs);
  }

  private waitForStops(deadlineNs: number): PlatformEvent | null {
    const bell = this.bell;
    if (bell === null) {
      this.settle();
      return this.waitWithoutBell(deadlineNs);
    }
    const until = this.policy === null ? deadlineNs : this.policy.limitWait(deadlineNs, this.running);
    // The armed deadline needs no look at the clock: the bell rings for it.
    const isPoll = until <= 0 || (until < bell.armedNs && this.hasPassed(until));
    if (!isPoll) bell.prepare(until);
    const deferred = isPoll ? null : this.deferred;
    const { crowd } = this;
    let isBusy = true;
    if (deferred !== null) {
      const tid = this.runDeferred(deferred);
      if (tid === EXCHANGED && this.running === 0 && !(crowd.active && crowd.wantsLook()))
        return this.deliver(deferred);
      if (tid === EXCHANGED) this.queue.push(deferred);
      isBusy = this.collect(tid, bell.tid, false);
    } else {
      this.settle();
      isBusy = this.collect(
        crowd.active ? 0 : wait4(-1, this.status.addr, isPoll ? WAIT_POLL : WALL | WNOTHREAD),
        bell.tid,
        isPoll,
      );
    }
    if (!this.bellRang && !(isPoll && !isBusy)) return null;
    this.bellRang = false;
    if (this.queueHead < this.queue.length) {
      // Serve descriptors now all the same, so that busy threads cannot starve them.
      this.descriptors.poll();
      return null;
    }
    if (this.descriptors.poll() > 0) return this.plainEvent(EVENT_HOST);
    this.policy?.onTick(this.running);
    return this.hasPassed(deadlineNs) ? this.plainEvent(EVENT_TIMER) : null;
  }

  /** Lets the deferred thread go and waits for a stop. Returns EXCHANGED when that thread is at its next system call, else wait4's result. */
  private runDeferred(thread: PtraceThread): number {
    this.deferred = null;
    const { registers, hostTid } = thread;
    const isCrowd = this.crowd.active;
    const tid = this.exchange(
      hostTid,
      thread.slot.addr,
      registers.dirty ? 1 : 0,
      this.status.addr,
      isCrowd ? WAIT_POLL : WALL | WNOTHREAD,
      isCrowd ? hostTid : -1,
    );
    registers.clean();
    if (tid !== EXCHANGED) return tid;
    thread.eventKind = EVENT_SYSCALL;
    thread.interruptWanted = false;
    this.running--;
    thread.state = QUEUED;
    return tid;
  }

  /** After a wait that returned `tid`: takes note of it, and of all other stops there are. False when there was none. */
  private collect(tid: number, bellTid: number, isPoll: boolean): boolean {
    const before = this.queue.length;
    if (tid > 0) this.noteStatus(tid, this.status.i32[0] as number);
    if (this.crowd.active) {
      if (tid === 0 && !isPoll) this.crowd.sleep();
      this.crowd.look(bellTid, this.note);
      return tid !== 0 || this.queue.length > before;
    }
    if (tid < 0 && tid !== EINTR && tid !== EXCHANGED) {
      // ECHILD: everything died without a word. Should not happen; do not spin on it.
      this.running = 0;
      this.dying = 0;
    } else if (this.running > 0 && tid !== 0) this.drain();
    return tid !== 0;
  }

  /** The wait point when the bell is gone: polls both sides. */
  private waitWithoutBell(deadlineNs: number): PlatformEvent | null {
    const tid = wait4(-1, this.status.addr, WALL | WNOTHREAD | WNOHANG);
    if (tid > 0) {
      this.noteStatus(tid, this.status.i32[0] as number);
      return null;
    }
    if (this.descriptors.wait(deadlineNs <= 0 ? 0 : POLL_NS) > 0) return this.plainEvent(EVENT_HOST);
    return this.hasPassed(deadlineNs) ? this.plainEvent(EVENT_TIMER) : null;
  }

  /** Collects every stop there is, so that threads are served in the order they stopped. */
  private drain(): void {
    for (;;) {
      const tid = wait4(-1, this.status.addr, WALL | WNOTHREAD | WNOHANG);
      if (tid <= 0) return;
      this.noteStatus(tid, this.status.i32[0] as number);
      if (this.running === 0) return;
    }
  }

  /** Collects what is left of killed processes; for shutdown. */
  reapAll(): void {
    // A leader's end is only told after its siblings'.
    const threads = [...this.threads.values()].sort(
      (a, b) => Number(a.hostTid === a.addressSpace.hostPid) - Number(b.hostTid === b.addressSpace.hostPid),
    );
    for (const { hostTid: tid } of threads) {
      let r = 0;
      do r = wait4(tid, this.status.addr, WALL);
      while (r === EINTR || (r > 0 && !isEnd(this.status.i32[0] as number)));
    }
    this.threads.clear();
    this.dying = 0;
    this.running = 0;
  }
}
