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
const TWO_32 = 4294967296;
/** struct robust_list_head: list, futex_offset (signed), list_op_pending. */
const headBytes = new Uint8Array(24);
const headView = new DataView(headBytes.buffer);

/** Walks t's robust list at exit: marks each held lock FUTEX_OWNER_DIED and wakes a waiter. */
export function exitRobustList(t: Task): void {
  const head = t.robustListHead;
  t.robustListHead = 0;
  if (head === 0) return;
  const { memory } = t;
  if (memory.copyIn(head, headBytes, 0, 24) !== 24) return;
  let entry = headView.getUint32(0, true) + headView.getUint32(4, true) * TWO_32;
  // An empty list points at itself.
  const offset = headView.getInt32(12, true) * TWO_32 + headView.getUint32(8, true);
  const pendingRaw = headView.getUint32(16, true) + headView.getUint32(20, true) * TWO_32;
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
    // A PI lock is handed over by exitPi().
    if (!isPi && (value & FUTEX_WAITERS) !== 0) wakeWord(t, addr, 1);
    return;
  }
}

/** Wakes waiters on the word at addr as a shared futex: what Linux does for CLEARTID words and robust locks. */
export function wakeWord(t: Task, addr: number, limit: number): void {
  const key = t.mm.futexKey(addr, false);
  if (key !== null) t.kernel.futexes.wake(key, limit);
}
