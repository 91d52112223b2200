// SPDX-License-Identifier: Apache-2.0

/**
 * Which processor the Sentry and the application threads run on.
 *
 * A system call between two processors costs a wake-up of an idle one each way, four times what it costs on one. So as long as
 * application threads mostly take turns (one thread, or two that wait for each other), all are kept with the Sentry on one processor;
 * when several really compute at once, all are let go. Measured quantity: stops per millisecond while two or more threads run. Two
 * threads that compute C us between calls gain from a second processor when 2(C+14) > C+64, C > 36 us: below 20 stops/ms.
 *
 * Invariants: a pin is a lease: every few ticks everything floats for some exchanges, so that the host's scheduler can move the sandbox
 *             away from a busy processor; a thread that only computes is never pinned for longer than a tick.
 */
import { allocateNative, rawSyscall } from '../ffi/native.ts';
import type { NativeMemory } from '../ffi/native.ts';
import { clockNs } from '../ffi/time.ts';
import { RUNNING } from './thread.ts';
import type { PtraceThread } from './thread.ts';

const SYS_SCHED_SETAFFINITY = 203;
const SYS_SCHED_GETAFFINITY = 204;
const SYS_GETCPU = 309;
const CLOCK_MONOTONIC = 1;
const MASK_BYTES = 128;
/** Different masks there may be: further ones are not applied. */
const MAX_MASKS = 1024;

const SPREAD = -1;
const SYS_SCHED_SETATTR = 314;
const SCHED_ATTR_SIZE = 48;
/** The Sentry's time slice: every system call waits for it, and it only ever runs for microseconds. */
const SENTRY_SLICE_NS = 100_000;

/** Looks again after this long: with one thread running, with several. */
const TICK_NS = 10e6;
const TICK_CONTENDED_NS = 2e6;
/** Stops per ms below which computing in parallel pays, and above which it does not. */
const SPREAD_BELOW = 15;
const PIN_ABOVE = 30;
/** Share of resumes that found another thread running, below which threads take turns. */
const TURN_TAKING = 0.25;
const TICKS_PER_LEASE = 5;
/** Exchanges without a pin at the end of a lease. */
const FLOATING_RESUMES = 4;

/**
 * Asks the host's scheduler to let the calling thread preempt longer-sliced ones when it wakes (sched_setattr(2); Linux 6.12, a no-op
 * before). Call it after the first stub exists: clones inherit it.
 */
export function shortenOwnSlice(): void {
  const attr = allocateNative(SCHED_ATTR_SIZE);
  attr.u32[0] = SCHED_ATTR_SIZE;
  attr.u32[6] = SENTRY_SLICE_NS;
  rawSyscall(SYS_SCHED_SETATTR, 0, attr.addr, 0);
}

export class CpuPolicy {
  /** The processor everything is kept on, or SPREAD. */
  private cpu = SPREAD;
  private floating = 0;
  private lease = 0;
  private tickAt = 0;
  private windowStart = 0;
  private resumes = 0;
  private overlapped = 0;
  private readonly threads: ReadonlyMap<number, PtraceThread>;
  private readonly everywhere = allocateNative(MASK_BYTES);
  private readonly only = allocateNative(MASK_BYTES);
  private readonly cpuOut = allocateNative(16);
  /** Masks of restricted threads, each once. */
  private readonly masks = new Map<string, NativeMemory>();
  /** The Sentry has followed a restricted thread in this window. */
  private hasFollowed = false;

  constructor(threads: ReadonlyMap<number, PtraceThread>) {
    this.threads = threads;
    rawSyscall(SYS_SCHED_GETAFFINITY, 0, MASK_BYTES, this.everywhere.addr);
    this.pinHere();
  }

  /** A host thread that was cloned from the Sentry, or is to be treated so: it has the Sentry's restriction. */
  inherits(thread: PtraceThread): void {
    thread.pinnedTo = this.cpu;
  }

  private currentCpu(): number {
    rawSyscall(SYS_GETCPU, this.cpuOut.addr, 0, 0);
    return this.cpuOut.i32[0] as number;
  }

  /** Keeps the Sentry here; threads follow as they are resumed. */
  private pinHere(): void {
    this.keepOn(this.currentCpu());
  }

  private keepOn(cpu: number): void {
    this.cpu = cpu;
    this.only.bytes.fill(0);
    this.only.bytes[this.cpu >> 3] = 1 << (this.cpu & 7);
    rawSyscall(SYS_SCHED_SETAFFINITY, 0, MASK_BYTES, this.only.addr);
  }

  /** Lets the Sentry go; threads follow as they are resumed. */
  private unpin(): void {
    if (this.cpu === SPREAD) return;
    this.cpu = SPREAD;
    rawSyscall(SYS_SCHED_SETAFFINITY, 0, MASK_BYTES, this.everywhere.addr);
  }

  private release(thread: PtraceThread): void {
    thread.pinnedTo = SPREAD;
    rawSyscall(SYS_SCHED_SETAFFINITY, thread.hostTid, MASK_BYTES, (thread.allowed ?? this.everywhere).addr);
  }

  private mayRunOn({ allowed }: PtraceThread, cpu: number): boolean {
    return allowed === null || (((allowed.bytes[cpu >> 3] as number) >> (cpu & 7)) & 1) === 1;
  }

  /** The application restricts a thread. Processors that are not ours do not count: it cannot name them. */
  restrict(thread: PtraceThread, mask: Uint8Array): void {
    const bytes = this.everywhere.bytes.map((byte, i) => byte & (mask[i] ?? 0));
    const isAll = bytes.every((byte, i) => byte === this.everywhere.bytes[i]);
    thread.allowed = isAll || bytes.every((byte) => byte === 0) ? null : this.maskOf(bytes);
    if (this.cpu !== SPREAD && thread.pinnedTo === this.cpu && this.mayRunOn(thread, this.cpu)) return;
    this.release(thread);
  }

  private maskOf(bytes: Uint8Array): NativeMemory | null {
    const key = bytes.join();
    let made = this.masks.get(key);
    if (made === undefined) {
      if (this.masks.size >= MAX_MASKS) return null;
      made = allocateNative(MASK_BYTES);
      made.bytes.set(bytes);
      this.masks.set(key, made);
    }
    return made;
  }

  /** A parked thread is used again as one like `model`. */
  inheritRestriction(model: PtraceThread, thread: PtraceThread): void {
    if (thread.allowed === model.allowed) return;
    thread.allowed = model.allowed;
    this.release(thread);
  }

  /** A lone thread that may not run here: the Sentry goes where it may, once in a while. */
  private follow(thread: PtraceThread): void {
    this.hasFollowed = true;
    const { bytes } = thread.allowed as NativeMemory;
    const at = bytes.findIndex((byte) => byte !== 0);
    const byte = bytes[at] as number;
    this.keepOn(at * 8 + 31 - Math.clz32(byte & -byte));
  }

  private releaseRunning(): void {
    for (const thread of this.threads.values())
      if (thread.state === RUNNING && thread.pinnedTo !== SPREAD) this.release(thread);
  }

  /** A thread is about to run host code for us, or application code. */
  place(thread: PtraceThread): void {
    if (thread.pinnedTo === this.cpu) return;
    if (this.cpu === SPREAD || !this.mayRunOn(thread, this.cpu)) {
      if (thread.pinnedTo !== SPREAD) this.release(thread);
      return;
    }
    thread.pinnedTo = this.cpu;
    rawSyscall(SYS_SCHED_SETAFFINITY, thread.hostTid, MASK_BYTES, this.only.addr);
  }

  /** `thread` is about to run; `running` threads run then, it included. */
  onResume(thread: PtraceThread, running: number): void {
    this.resumes++;
    if (running >= 2) this.overlapped++;
    if (this.floating > 0 && --this.floating === 0) this.pinHere();
    if (running === 1 && !this.hasFollowed && this.cpu !== SPREAD && !this.mayRunOn(thread, this.cpu)) this.follow(thread);
    this.place(thread);
  }

  /** Lets a thread go: one about to be killed dies wherever there is room, and the bell rings from anywhere. */
  letFloat(thread: PtraceThread): void {
    if (thread.pinnedTo !== SPREAD) this.release(thread);
  }

  /** Shortens a wait so that onTick() comes around. */
  limitWait(deadlineNs: number, running: number): number {
    if (running === 0) return deadlineNs;
    if (this.tickAt === 0) {
      this.windowStart = clockNs(CLOCK_MONOTONIC);
      this.tickAt = this.windowStart + TICK_NS;
    }
    const contended = this.windowStart + TICK_CONTENDED_NS;
    const tick = running >= 2 && contended < this.tickAt ? contended : this.tickAt;
    if (tick !== this.tickAt && this.cpu !== SPREAD) this.tickAt = tick;
    return Math.min(this.tickAt, deadlineNs);
  }

  /** The bell rang: looks whether the window is over, and at what happened in it. */
  onTick(running: number): void {
    if (this.tickAt === 0) return;
    const now = clockNs(CLOCK_MONOTONIC);
    if (now < this.tickAt) return;
    const rate = this.resumes / ((now - this.windowStart) / 1e6);
    const takesTurns = this.resumes > 0 && this.overlapped < this.resumes * TURN_TAKING;
    if (this.cpu !== SPREAD) this.lookPinned(running, rate);
    else if (this.floating === 0 && running > 0 && this.resumes > 0 && (takesTurns || rate > PIN_ABOVE))
      this.floating = 1;
    this.tickAt = 0;
    this.resumes = 0;
    this.overlapped = 0;
    this.hasFollowed = false;
  }

  private lookPinned(running: number, rate: number): void {
    if (running >= 2 && rate < SPREAD_BELOW) {
      this.unpin();
      this.releaseRunning();
      this.lease = 0;
    } else if (this.resumes === 0) {
      this.releaseRunning();
    } else if (++this.lease >= TICKS_PER_LEASE) {
      this.lease = 0;
      this.unpin();
      this.floating = FLOATING_RESUMES;
    }
  }
}
