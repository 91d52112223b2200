// SPDX-License-Identifier: Apache-2.0

/**
 * Priority-inheritance futexes: the kernel hands the lock over; priorities themselves are the host's affair.
 *
 * Linux: kernel/futex/pi.c; futex(2) PI operations
 */
import {
  EAGAIN,
  EDEADLK,
  EFAULT,
  EINVAL,
  EPERM,
  ERESTARTNOINTR,
  ESRCH,
  ETIMEDOUT,
} from '../../platform/abi/linux/errno.ts';
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from '../../platform/abi/linux/futex.ts';
import { FutexWaiter } from '../../sentry/kernel/futex/futex.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { WaitQueue } from '../../sentry/wait/wait_queue.ts';

const EXCHANGE_TRIES = 64;

/** Tries to take the lock. Returns 0 (taken), EAGAIN (owned; FUTEX_WAITERS is now set), or errno. */
function acquire(t: Task, addr: number, marksWaiters: boolean): number {
  const tid = t.tidIn(t.pidNs);
  for (let tries = 0; tries < EXCHANGE_TRIES; tries++) {
    const value = t.memory.readU32(addr);
    if (value < 0) return EFAULT;
    const owner = value & FUTEX_TID_MASK;
    if (owner === tid) return EDEADLK;
    if (owner === 0) {
      const desired = (tid | (value & (FUTEX_OWNER_DIED | FUTEX_WAITERS))) >>> 0;
      const seen = t.memory.compareExchangeU32(addr, value, desired);
      if (seen < 0) return EFAULT;
      if (seen === value) return 0;
      continue;
    }
    if (!marksWaiters) return EAGAIN;
    if (t.pidNs.tasks.get(owner)?.isLive !== true) return ESRCH;
    if ((value & FUTEX_WAITERS) !== 0) return EAGAIN;
    const seen = t.memory.compareExchangeU32(addr, value, (value | FUTEX_WAITERS) >>> 0);
    if (seen < 0) return EFAULT;
    if (seen === value) return EAGAIN;
  }
  return EAGAIN;
}

function keyOf(t: Task, addr: number, isPrivate: boolean): string | number {
  if (addr % 4 !== 0) return EINVAL;
  return t.mm.futexKey(addr, isPrivate) ?? EFAULT;
}

export function trylockPi(t: Task, addr: number): number {
  return addr % 4 !== 0 ? EINVAL : acquire(t, addr, false);
}

export function lockPi(t: Task, addr: number, isPrivate: boolean, deadlineNs: number): SyscallReturn {
  const key = keyOf(t, addr, isPrivate);
  if (typeof key === 'number') return key;
  const result = acquire(t, addr, true);
  return result === EAGAIN ? waitForLock(t, key, addr, deadlineNs) : result;
}

function* waitForLock(t: Task, key: string, addr: number, deadlineNs: number): Blocking {
  const tid = t.tidIn(t.pidNs);
  for (;;) {
    const waiter = new FutexWaiter(key, -1, new WaitQueue(), tid);
    t.kernel.futexes.add(waiter);
    const reason = yield { queues: [waiter.queue], deadlineNs };
    const wasWoken = waiter.isWoken;
    t.kernel.futexes.remove(waiter);
    if (wasWoken) {
      const value = t.memory.readU32(addr);
      if (value >= 0 && (value & FUTEX_TID_MASK) === tid) return 0;
    }
    const result = acquire(t, addr, true);
    if (result !== EAGAIN) return result;
    if (reason === WAKE_TIMEOUT) return ETIMEDOUT;
    if (reason === WAKE_SIGNAL) return ERESTARTNOINTR;
  }
}

export function unlockPi(t: Task, addr: number, isPrivate: boolean): number {
  const key = keyOf(t, addr, isPrivate);
  if (typeof key === 'number') return key;
  const tid = t.tidIn(t.pidNs);
  for (let tries = 0; tries < EXCHANGE_TRIES; tries++) {
    const value = t.memory.readU32(addr);
    if (value < 0) return EFAULT;
    if ((value & FUTEX_TID_MASK) !== tid) return EPERM;
    const next = t.kernel.futexes.first(key);
    const more = t.kernel.futexes.count(key) > 1 ? FUTEX_WAITERS : 0;
    const desired = next === null ? 0 : (next.tid | more) >>> 0;
    const seen = t.memory.compareExchangeU32(addr, value, desired);
    if (seen < 0) return EFAULT;
    if (seen !== value) continue;
    if (next !== null) t.kernel.futexes.wake(key, 1);
    return 0;
  }
  return EAGAIN;
}
