// SPDX-License-Identifier: Apache-2.0

/**
 * The operations on priority-inheritance futexes.
 *
 * Linux: kernel/futex/pi.c, requeue.c; futex(2) PI operations
 */
import {
  EAGAIN,
  EDEADLK,
  EFAULT,
  EINVAL,
  ERESTARTNOINTR,
  ETIMEDOUT,
} from '../../platform/abi/linux/errno.ts';
import { dequeue, enqueue, isCircle, PiWaiter, requeuePi, tryLock, unlock } from '../../sentry/kernel/futex/pi.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';

function keyOf(t: Task, addr: number, isPrivate: boolean): string | number {
  if (addr % 4 !== 0) return EINVAL;
  return t.mm.futexKey(addr, isPrivate) ?? EFAULT;
}

export function trylockPi(t: Task, addr: number, isPrivate: boolean): number {
  const key = keyOf(t, addr, isPrivate);
  if (typeof key === 'number') return key;
  const lock = tryLock(t, addr, key, false);
  if (typeof lock === 'number') return lock;
  return lock.taken ? 0 : EAGAIN;
}

export function lockPi(t: Task, addr: number, isPrivate: boolean, deadlineNs: number): SyscallReturn {
  const key = keyOf(t, addr, isPrivate);
  if (typeof key === 'number') return key;
  const lock = tryLock(t, addr, key, false);
  if (typeof lock === 'number') return lock;
  if (lock.taken) return 0;
  if (isCircle(t, lock.owner)) return EDEADLK;
  return waitForLock(t, key, addr, lock.owner, deadlineNs);
}

function* waitForLock(t: Task, key: string, addr: number, owner: Task, deadlineNs: number): Blocking {
  const waiter = new PiWaiter(key, t, addr);
  enqueue(waiter, owner);
  try {
    for (;;) {
      const reason = yield { queues: [waiter.queue], deadlineNs };
      if (waiter.isOwner) return 0;
      if (reason === WAKE_TIMEOUT) return ETIMEDOUT;
      if (reason === WAKE_SIGNAL) return ERESTARTNOINTR;
    }
  } finally {
    if (!waiter.isOwner) dequeue(waiter);
  }
}

export function unlockPi(t: Task, addr: number, isPrivate: boolean): number {
  const key = keyOf(t, addr, isPrivate);
  return typeof key === 'number' ? key : unlock(t, addr, key);
}

/** FUTEX_WAIT_REQUEUE_PI: waits on `addr` to be moved to the lock at `lockAddr`, and for that. */
export function waitRequeuePi(
  t: Task,
  addr: number,
  isPrivate: boolean,
  value: number,
  deadlineNs: number,
  bitset: number,
  lockAddr: number,
): SyscallReturn {
  if (addr === lockAddr || bitset === 0) return EINVAL;
  const lockKey = keyOf(t, lockAddr, isPrivate);
  if (typeof lockKey === 'number') return lockKey;
  const key = keyOf(t, addr, isPrivate);
  if (typeof key === 'number') return key;
  const found = t.memory.readU32(addr);
  if (found < 0) return EFAULT;
  if (found !== value) return EAGAIN;
  if (key === lockKey) return EINVAL;
  const waiter = new PiWaiter(key, t, lockAddr, lockKey);
  t.kernel.futexes.add(waiter);
  return awaitRequeue(waiter, lockKey, deadlineNs);
}

function* awaitRequeue(waiter: PiWaiter, lockKey: string, deadlineNs: number): Blocking {
  try {
    for (;;) {
      const reason = yield { queues: [waiter.queue], deadlineNs };
      if (waiter.isOwner) return 0;
      const wasMoved = waiter.key === lockKey;
      if (reason === WAKE_TIMEOUT) return ETIMEDOUT;
      if (reason === WAKE_SIGNAL) return wasMoved ? EAGAIN : ERESTARTNOINTR;
      if (waiter.isWoken) return EAGAIN;
    }
  } finally {
    if (!waiter.isOwner) dequeue(waiter);
  }
}

/** FUTEX_CMP_REQUEUE_PI. Returns how many were woken or moved, or errno. */
export function cmpRequeuePi(
  t: Task,
  from: number,
  to: number,
  isPrivate: boolean,
  wakeCount: number,
  moveCount: number,
  expected: number,
): number {
  if (moveCount < 0 || wakeCount < 0) return EINVAL;
  if (from === to || wakeCount !== 1) return EINVAL;
  const fromKey = keyOf(t, from, isPrivate);
  if (typeof fromKey === 'number') return fromKey;
  const toKey = keyOf(t, to, isPrivate);
  if (typeof toKey === 'number') return toKey;
  if (fromKey === toKey) return EINVAL;
  const found = t.memory.readU32(from);
  if (found < 0) return EFAULT;
  if (found !== expected) return EAGAIN;
  return requeuePi(t, fromKey, to, toKey, moveCount);
}
