// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';
import { CallbackTimer, TimerHeap } from './timer_heap.ts';

describe('TimerHeap', () => {
  it('fires in order of deadline, whatever the order of arming, moving and cancelling', () => {
    const heap = new TimerHeap();
    const fired: number[] = [];
    let seed = 12345;
    const random = (): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff);
    const timers = Array.from({ length: 500 }, (_, i) => new CallbackTimer(() => fired.push(i)));
    const deadlines = timers.map(() => random() % 1000);
    timers.forEach((timer, i) => heap.arm(timer, deadlines[i] as number));
    for (let i = 0; i < 500; i += 3) heap.cancel(timers[i] as CallbackTimer);
    for (let i = 1; i < 500; i += 3) {
      deadlines[i] = random() % 1000;
      heap.arm(timers[i] as CallbackTimer, deadlines[i] as number);
    }
    heap.expire(1000);
    const left = fired.map((i) => deadlines[i] as number);
    expect(fired.length).toBe(500 - 167);
    expect(left).toEqual([...left].sort((a, b) => a - b));
    expect(heap.size).toBe(0);
  });

  it('expire() leaves later timers and one that re-arms itself in the past for the next round', () => {
    const heap = new TimerHeap();
    let count = 0;
    const again: CallbackTimer = new CallbackTimer(() => {
      count++;
      heap.arm(again, 0);
    });
    heap.arm(again, 1);
    heap.arm(new CallbackTimer(() => {}), 50);
    heap.expire(10);
    expect(count).toBeLessThanOrEqual(2);
    expect(heap.size).toBe(2);
    expect(heap.nextDeadlineNs).toBe(0);
  });
});
