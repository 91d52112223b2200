// SPDX-License-Identifier: Apache-2.0

/**
 * HeapTrim. Behaviours: memory that grew is collected once the kernel is quiet, not while it is busy, and not again before it grew again.
 */
import { expect, test } from 'vitest';
import { TimerHeap } from '../time/timer_heap.ts';
import { HeapTrim } from './heap_trim.ts';

const MB = 1 << 20;

function setUp() {
  const state = { now: 0, held: 40 * MB, used: 20 * MB, collections: 0 };
  const kernel = { timers: new TimerHeap(), clock: { monotonicNs: () => state.now } };
  const trim = new HeapTrim(kernel, {
    held: () => state.held,
    used: () => state.used,
    collect() {
      state.collections++;
      state.held = 45 * MB;
      state.used = 20 * MB;
    },
  });
  /** Until the next look. */
  const pass = (): number => {
    const before = state.now;
    state.now = kernel.timers.nextDeadlineNs;
    kernel.timers.expire(state.now);
    return state.now - before;
  };
  return { state, pass, trim };
}

test('collects what grew when it is quiet, once', () => {
  const { state, pass } = setUp();
  state.held = 150 * MB;
  state.used = 90 * MB;
  pass();
  expect(state.collections).toBe(0);
  pass();
  expect(state.collections).toBe(1);
  for (let i = 0; i < 5; i++) pass();
  expect(state.collections).toBe(1);
});

test('looks less and less often while nothing happens', () => {
  const { pass } = setUp();
  const times = Array.from({ length: 8 }, pass);
  expect(times[0]).toBe(2e9);
  expect(times.at(-1)).toBe(8e9);
});
