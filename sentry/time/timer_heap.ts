// SPDX-License-Identifier: Apache-2.0

/**
 * TimerHeap: everything in the kernel that will happen at a known time, soonest first.
 *
 * Linux:      kernel/time/hrtimer.c
 * Invariants: a Timer is in at most one heap at one place (heapIndex). Times are CLOCK_MONOTONIC ns. arm() of an armed
 *             timer moves it. fire() may arm and cancel timers, its own included.
 */

export abstract class Timer {
  /** CLOCK_MONOTONIC ns; meaningful while armed. */
  deadlineNs = Number.POSITIVE_INFINITY;
  /** Place in the heap; -1: not armed. */
  heapIndex = -1;

  get isArmed(): boolean {
    return this.heapIndex >= 0;
  }
  /** The deadline passed. Runs in the kernel loop; the timer is no longer armed. */
  abstract fire(nowNs: number): void;
}

/** A timer that calls a function. */
export class CallbackTimer extends Timer {
  private readonly callback: (nowNs: number) => void;
  constructor(callback: (nowNs: number) => void) {
    super();
    this.callback = callback;
  }
  override fire(nowNs: number): void {
    this.callback(nowNs);
  }
}

export class TimerHeap {
  private readonly heap: Timer[] = [];

  /** Deadline of the soonest timer, or Infinity. */
  get nextDeadlineNs(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : (this.heap[0] as Timer).deadlineNs;
  }
  get size(): number {
    return this.heap.length;
  }

  /** Arms `timer` for `deadlineNs` (Infinity disarms). */
  arm(timer: Timer, deadlineNs: number): void {
    if (timer.heapIndex >= 0) this.cancel(timer);
    timer.deadlineNs = deadlineNs;
    if (deadlineNs === Number.POSITIVE_INFINITY) return;
    timer.heapIndex = this.heap.length;
    this.heap.push(timer);
    this.up(timer.heapIndex);
  }

  /** Disarms; no-op when not armed. */
  cancel(timer: Timer): void {
    const at = timer.heapIndex;
    if (at < 0) return;
    timer.heapIndex = -1;
    const last = this.heap.pop() as Timer;
    if (last === timer) return;
    this.heap[at] = last;
    last.heapIndex = at;
    this.up(at);
    this.down(last.heapIndex);
  }

  /** Fires every timer whose deadline is at or before nowNs. */
  expire(nowNs: number): void {
    // Bounded by what was armed at entry: a timer that re-arms itself in the past waits for the next round.
    for (let left = this.heap.length; left > 0; left--) {
      const first = this.heap[0];
      if (first === undefined || first.deadlineNs > nowNs) return;
      this.cancel(first);
      first.fire(nowNs);
    }
  }

  private up(index: number): void {
    const heap = this.heap;
    let at = index;
    const timer = heap[at] as Timer;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt] as Timer;
      if (parent.deadlineNs <= timer.deadlineNs) break;
      heap[at] = parent;
      parent.heapIndex = at;
      at = parentAt;
    }
    heap[at] = timer;
    timer.heapIndex = at;
  }

  private down(index: number): void {
    const heap = this.heap;
    let at = index;
    const timer = heap[at] as Timer;
    for (;;) {
      let childAt = at * 2 + 1;
      if (childAt >= heap.length) break;
      const right = heap[childAt + 1];
      if (right !== undefined && right.deadlineNs < (heap[childAt] as Timer).deadlineNs) childAt++;
      const child = heap[childAt] as Timer;
      if (child.deadlineNs >= timer.deadlineNs) break;
      heap[at] = child;
      child.heapIndex = at;
      at = childAt;
    }
    heap[at] = timer;
    timer.heapIndex = at;
  }
}
