// SPDX-License-Identifier: Apache-2.0

/**
 * Robust futexes: releasing the locks a dying thread holds.
 *
 * Linux:      kernel/futex/core.c (exit_robust_list, handle_futex_death); get_robust_list(2)
 * Invariants: the list lives in application memory and is walked at most ROBUST_LIST_LIMIT steps.
 */
import type { Task } from '../task.ts';

const ROBUST_LIST_LIMIT = 2048;
const FUTEX_WAITERS = 0x80000000;
const FUTEX_OWNER_DIED = 0x40000000;
const FUTEX_TID_MASK = 0x3fffffff;
/** Tries of the compare-and-exchange against threads of the application. */
const EXCHANGE_TRIES = 16;

/** Walks t's robust list at exit: marks each held lock FUTEX_OWNER_DIED and wakes a waiter. */
export function exitRobustList(t: Task): void {
  const head = t.robustListHead;
  t.robustListHead = 0;
  if (head === 0) return;
  const { memory } = t;
  let entry = memory.readU64(head);
  const offset = signed(memory.readU64(head + 8));
  const pendingRaw = memory.readU64(head + 16);
  if (entry < 0 || pendingRaw < 0) return;
  const pending = pendingRaw - (pendingRaw % 2);
  for (let left = ROBUST_LIST_LIMIT; left > 0; left--) {
    const at = entry - (entry % 2);
    if (at === head || at === 0) break;
    const next = memory.readU64(at);
    if (at !== pending) releaseLock(t, at + offset, entry % 2 === 1, false);
    if (next < 0) break;
    entry = next;
  }
  if (pending !== 0) releaseLock(t, pending + offset, pendingRaw % 2 === 1, true);
}

function signed(value: number): number {
  return value >= 2 ** 63 ? value - 2 ** 64 : value;
}

function releaseLock(t: Task, addr: number, isPi: boolean, isPending: boolean): void {
  if (addr % 4 !== 0 || addr <= 0) return;
  const { memory } = t;
  const tid = t.tidIn(t.pidNs);
  for (let tries = 0; tries < EXCHANGE_TRIES; tries++) {
    const value = memory.readU32(addr);
    if (value < 0) return;
    // Between unlocking and leaving the list the owner may have died with the word already 0: a waiter would sleep for ever.
    if (isPending && !isPi && value === 0) {
      wakeWord(t, addr, 1);
      return;
    }
    if ((value & FUTEX_TID_MASK) !== tid) return;
    const desired = ((value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0;
    const found = memory.compareExchangeU32(addr, value, desired);
    if (found < 0) return;
    if (found !== value) continue;
    if ((value & FUTEX_WAITERS) !== 0) wakeWord(t, addr, 1);
    return;
  }
}

/** Wakes waiters on the word at addr, private and shared alike. */
export function wakeWord(t: Task, addr: number, limit: number): void {
  for (const isPrivate of [false, true]) {
    const key = t.mm.futexKey(addr, isPrivate);
    if (key !== null) t.kernel.futexes.wake(key, limit);
  }
}
