// SPDX-License-Identifier: Apache-2.0

/**
 * IntervalTimer: a timer on any clock that may repeat, counting the expirations it missed.
 *
 * Linux:      kernel/time/hrtimer.c (hrtimer_forward), kernel/time/itimer.c
 * Invariants: the next expiration is always `first + n * interval`: no drift. Between an expiration and rearm() a repeating
 *             timer is idle (Linux rearms when the signal is taken), so a tiny interval cannot keep the kernel busy.
 */
import type { Kernel } from '../kernel.ts';
import { Timer } from '../../time/timer_heap.ts';
import type { ClockSource } from './clock_source.ts';

/** A repeating timer is looked at no more often than this; expirations in between are counted. */
const MIN_REARM_NS = 20_000;
/** The same with many timers: firing all of them takes at most a part of the kernel's time, whatever their intervals. */
const REARM_NS_PER_TIMER = 10_000;

export class IntervalTimer extends Timer {
  private readonly kernel: Kernel;
  readonly clock: ClockSource;
  private readonly onExpire: () => void;
  /** In clock ns; Infinity: disarmed. */
  private expiresNs = Number.POSITIVE_INFINITY;
  intervalNs = 0;

  constructor(kernel: Kernel, clock: ClockSource, onExpire: () => void) {
    super();
    this.kernel = kernel;
    this.clock = clock;
    this.onExpire = onExpire;
  }

  /** Time left in ns; 0 when disarmed (1 when due and not yet fired). */
  remainingNs(): number {
    if (this.expiresNs === Number.POSITIVE_INFINITY) return 0;
    const now = this.clock.nowNs();
    if (this.expiresNs <= now && this.intervalNs > 0) {
      const behind = Math.floor((now - this.expiresNs) / this.intervalNs) + 1;
      return this.expiresNs + behind * this.intervalNs - now;
    }
    return Math.max(this.expiresNs - now, 1);
  }

  /** Arms for clock time `expiresNs`, then every intervalNs (0: once). */
  start(expiresNs: number, intervalNs: number): void {
    this.expiresNs = expiresNs;
    this.intervalNs = intervalNs;
    this.kernel.timers.arm(this, this.clock.monotonicFor(expiresNs));
  }
  stop(): void {
    this.expiresNs = Number.POSITIVE_INFINITY;
    this.intervalNs = 0;
    this.kernel.timers.cancel(this);
  }

  override fire(nowNs: number): void {
    if (this.expiresNs > this.clock.nowNs()) {
      this.kernel.timers.arm(this, Math.max(this.clock.monotonicFor(this.expiresNs), nowNs + 1));
      return;
    }
    if (this.intervalNs === 0) this.expiresNs = Number.POSITIVE_INFINITY;
    this.onExpire();
  }

  /** After an expiration: arms for the next one. Returns how many further expirations have passed meanwhile. */
  rearm(): number {
    if (this.intervalNs === 0 || this.expiresNs === Number.POSITIVE_INFINITY || this.isArmed) return 0;
    const now = this.clock.nowNs();
    const missed = Math.max(0, Math.floor((now - this.expiresNs) / this.intervalNs));
    this.expiresNs += (missed + 1) * this.intervalNs;
    const earliest = this.kernel.clock.monotonicNs() + Math.max(MIN_REARM_NS, this.kernel.timers.size * REARM_NS_PER_TIMER);
    this.kernel.timers.arm(this, Math.max(this.clock.monotonicFor(this.expiresNs), earliest));
    return missed;
  }
}
