// SPDX-License-Identifier: Apache-2.0

/**
 * HeapTrim: gives memory back that the kernel's own objects took and no longer need. A heap is collected when something is allocated: a
 * sandbox that had a thousand processes and now sleeps would keep what they took for good.
 *
 * Invariants: collects at most once for each GROWTH bytes, and only when little happened since the last look.
 */
import { CallbackTimer, type TimerHeap } from '../time/timer_heap.ts';

/** What it works with: the heap's bytes (held from the host, and in use), and the collection of everything. */
export interface HeapServices {
  held(): number;
  used(): number;
  collect(): void;
}
export interface HeapClock {
  readonly timers: TimerHeap;
  readonly clock: { monotonicNs(): number };
}

const GROWTH = 24 << 20;
/** Allocating more than this between two looks is being busy. */
const BUSY = 4 << 20;
const FIRST_NS = 2e9;
const LAST_NS = 8e9;

export class HeapTrim {
  private readonly kernel: HeapClock;
  private readonly heap: HeapServices;
  private readonly timer: CallbackTimer;
  private intervalNs = FIRST_NS;
  private base: number;
  private lastUsed: number;

  constructor(kernel: HeapClock, heap: HeapServices) {
    this.kernel = kernel;
    this.heap = heap;
    this.base = heap.held();
    this.lastUsed = heap.used();
    this.timer = new CallbackTimer((now) => this.look(now));
    this.arm(kernel.clock.monotonicNs());
  }

  private arm(nowNs: number): void {
    this.kernel.timers.arm(this.timer, nowNs + this.intervalNs);
  }

  /** Looks sooner again while much is going on, and less and less often while nothing is. */
  private look(nowNs: number): void {
    const used = this.heap.used();
    const isBusy = Math.abs(used - this.lastUsed) > BUSY;
    this.lastUsed = used;
    this.intervalNs = isBusy ? FIRST_NS : Math.min(this.intervalNs * 2, LAST_NS);
    if (!isBusy && this.heap.held() > this.base + GROWTH) {
      this.heap.collect();
      this.base = this.heap.held();
      this.lastUsed = this.heap.used();
    }
    this.arm(nowNs);
  }
}
