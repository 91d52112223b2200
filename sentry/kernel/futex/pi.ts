// SPDX-License-Identifier: Apache-2.0

/**
 * Priority-inheritance futexes: who owns a contended lock, and its handing over. Priorities themselves are the host's affair.
 *
 * Linux:      kernel/futex/pi.c, kernel/futex/requeue.c
 * Invariants: a key has a PiState exactly while PI waiters queue on it; its owner is a live task. The lock is given to the first waiter in
 *             the word itself, before that one runs: nobody can take it in between.
 */
import { EAGAIN, EDEADLK, EFAULT, EINVAL, EPERM, ESRCH } from '../../../platform/abi/linux/errno.ts';
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from '../../../platform/abi/linux/futex.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';
import type { Task } from '../task.ts';
import { FutexWaiter, wakePriority } from './futex.ts';

/** Tries of the compare-and-exchange against threads of the application. */
const EXCHANGE_TRIES = 64;

/** Who owns a lock that others wait for. */
export class PiState {
  owner: Task;
  constructor(owner: Task) {
    this.owner = owner;
  }
}

/** One that waits for a PI lock, or to be moved to one (FUTEX_WAIT_REQUEUE_PI). */
export class PiWaiter extends FutexWaiter {
  readonly task: Task;
  /** The word of the lock, in the waiter's own address space. */
  readonly lockAddr: number;
  /** FUTEX_WAIT_REQUEUE_PI: the key it may be moved to; null: it waits for the lock itself. */
  readonly requeueKey: string | null;
  /** The lock is its own. */
  isOwner = false;
  override readonly isPi: boolean = true;

  constructor(key: string, task: Task, lockAddr: number, requeueKey: string | null = null) {
    super(key, -1, wakePriority(task), new WaitQueue());
    this.task = task;
    this.lockAddr = lockAddr;
    this.requeueKey = requeueKey;
  }
}

/** Changes the word from `old` to `desired`. Returns 0, EAGAIN (it was something else) or EFAULT. */
function exchange(t: Task, addr: number, old: number, desired: number): number {
  const seen = t.memory.compareExchangeU32(addr, old >>> 0, desired >>> 0);
  if (seen < 0) return EFAULT;
  return seen === old >>> 0 ? 0 : EAGAIN;
}

/**
 * Tries to take the lock at `addr` for `t`. Returns 1 (taken), 0 (owned by a live task: FUTEX_WAITERS is set now and the key's PiState
 * exists or may be made), or errno. `marksWaiters`: set FUTEX_WAITERS also when it is taken.
 */
export function tryLock(t: Task, addr: number, key: string, marksWaiters: boolean): { taken: boolean; owner: Task } | number {
  const tid = t.tidIn(t.pidNs);
  const { futexes } = t.kernel;
  for (let tries = 0; tries < EXCHANGE_TRIES; tries++) {
    const value = t.memory.readU32(addr);
    if (value < 0) return EFAULT;
    const owner = value & FUTEX_TID_MASK;
    if (owner === tid) return EDEADLK;
    const first = futexes.first(key);
    if (first !== null) {
      const state = futexes.pi.get(key);
      if (!first.isPi || state === undefined) return EINVAL;
      if (owner !== 0 && owner !== state.owner.tidIn(t.pidNs)) return EINVAL;
    }
    if (owner === 0 && first === null) {
      const r = exchange(t, addr, value, (value & FUTEX_OWNER_DIED) | tid | (marksWaiters ? FUTEX_WAITERS : 0));
      if (r === EAGAIN) continue;
      return r < 0 ? r : { taken: true, owner: t };
    }
    const known = futexes.pi.get(key)?.owner ?? t.pidNs.tasks.get(owner);
    if (known === undefined || !known.isLive) return ESRCH;
    const r = (value & FUTEX_WAITERS) !== 0 ? 0 : exchange(t, addr, value, value | FUTEX_WAITERS);
    if (r === EAGAIN) continue;
    return r < 0 ? r : { taken: false, owner: known };
  }
  return EAGAIN;
}

/** Would `t` waiting for `owner` close a circle of owners that wait for each other's locks? */
export function isCircle(t: Task, owner: Task): boolean {
  let at: Task | null = owner;
  for (let depth = 0; at !== null && depth < 1024; depth++) {
    if (at === t) return true;
    at = at.piWaitsFor === null ? null : (t.kernel.futexes.pi.get(at.piWaitsFor)?.owner ?? null);
  }
  return false;
}

/** Queues a waiter on the lock `owner` has. */
export function enqueue(waiter: PiWaiter, owner: Task): void {
  const { futexes } = waiter.task.kernel;
  const key = waiter.key as string;
  if (!futexes.pi.has(key)) futexes.pi.set(key, new PiState(owner));
  waiter.task.piWaitsFor = key;
  futexes.add(waiter);
}

/** Takes a waiter that gave up out of the queue. */
export function dequeue(waiter: PiWaiter): void {
  const { futexes } = waiter.task.kernel;
  const { key } = waiter;
  waiter.task.piWaitsFor = null;
  futexes.remove(waiter);
  if (key !== null && futexes.count(key) === 0) futexes.pi.delete(key);
}

/** Gives the lock to the first waiter on `key`: the word is written, the waiter woken. Returns 0 or errno. */
function handOver(next: PiWaiter, key: string, from: Task, hasDied: boolean): number {
  const { task, lockAddr } = next;
  const { futexes } = task.kernel;
  const desired = (task.tidIn(task.pidNs) | FUTEX_WAITERS | (hasDied ? FUTEX_OWNER_DIED : 0)) >>> 0;
  for (let tries = 0; ; tries++) {
    const value = task.memory.readU32(lockAddr);
    if (value < 0) return EFAULT;
    if (!hasDied && (value & FUTEX_TID_MASK) !== from.tidIn(from.pidNs)) return EINVAL;
    const r = exchange(task, lockAddr, value, desired);
    if (r === 0) break;
    if (r !== EAGAIN || tries > EXCHANGE_TRIES) return r;
  }
  next.isOwner = true;
  task.piWaitsFor = null;
  futexes.wakeOne(key, next);
  const state = futexes.pi.get(key);
  if (futexes.count(key) === 0) futexes.pi.delete(key);
  else if (state !== undefined) state.owner = task;
  return 0;
}

/** FUTEX_UNLOCK_PI. Returns 0 or errno. */
export function unlock(t: Task, addr: number, key: string): number {
  const tid = t.tidIn(t.pidNs);
  const { futexes } = t.kernel;
  for (let tries = 0; tries < EXCHANGE_TRIES; tries++) {
    const value = t.memory.readU32(addr);
    if (value < 0) return EFAULT;
    if ((value & FUTEX_TID_MASK) !== tid) return EPERM;
    const next = futexes.first(key);
    if (next !== null) {
      if (!(next instanceof PiWaiter) || futexes.pi.get(key)?.owner !== t) return EINVAL;
      return handOver(next, key, t, false);
    }
    const r = exchange(t, addr, value, 0);
    if (r !== EAGAIN) return r;
  }
  return EAGAIN;
}

/** A task ends: the contended locks it holds go to their first waiters, marked FUTEX_OWNER_DIED. */
export function exitPi(t: Task): void {
  const { futexes } = t.kernel;
  if (futexes.pi.size === 0) return;
  for (const [key, state] of [...futexes.pi]) {
    if (state.owner !== t) continue;
    const next = futexes.first(key);
    if (next instanceof PiWaiter) handOver(next, key, t, true);
    else futexes.pi.delete(key);
  }
}

/**
 * FUTEX_CMP_REQUEUE_PI, the word compared already: gives the lock at `toAddr` to the first waiter when it is free, and moves up to
 * `moveCount` others to it. Returns how many were woken or moved, or errno.
 */
export function requeuePi(t: Task, fromKey: string, toAddr: number, toKey: string, moveCount: number): number {
  const { futexes } = t.kernel;
  const first = futexes.first(fromKey);
  if (first === null) return 0;
  if (!(first instanceof PiWaiter) || first.requeueKey !== toKey) return EINVAL;
  const lock = lockFor(t, first, toAddr, toKey, moveCount > 0);
  if (typeof lock === 'number') return lock;
  let done = 0;
  if (lock.taken) {
    first.isOwner = true;
    futexes.wakeOne(fromKey, first);
    done++;
  }
  for (let moved = 0; moved < moveCount + (lock.taken ? 0 : 1); moved++) {
    const next = futexes.first(fromKey);
    if (next === null) break;
    if (!(next instanceof PiWaiter) || next.requeueKey !== toKey) return done > 0 ? done : EINVAL;
    futexes.remove(next);
    next.key = toKey;
    enqueue(next, lock.taken ? first.task : lock.owner);
    done++;
  }
  return done;
}

/** tryLock() on behalf of a waiter. */
function lockFor(t: Task, waiter: PiWaiter, addr: number, key: string, marks: boolean): { taken: boolean; owner: Task } | number {
  const same = waiter.task.mm === t.mm;
  return tryLock(waiter.task, same ? addr : waiter.lockAddr, key, marks);
}
