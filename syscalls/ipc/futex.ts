// SPDX-License-Identifier: Apache-2.0

/**
 * futex, and the calls that came after it: futex_waitv, futex_wait, futex_wake, futex_requeue.
 *
 * Linux: kernel/futex/syscalls.c, waitwake.c, requeue.c; futex(2)
 */
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOSYS,
  ERESTART_RESTARTBLOCK,
  ERESTARTSYS,
  ETIMEDOUT,
} from '../../platform/abi/linux/errno.ts';
import * as fx from '../../platform/abi/linux/futex.ts';
import { REG_R10 } from '../../platform/registers.ts';
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from '../../platform/abi/linux/time.ts';
import { FutexWaiter, wakePriority } from '../../sentry/kernel/futex/futex.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { WaitQueue } from '../../sentry/wait/wait_queue.ts';
import { deadlineAfter, isValidSpec, readSpec, spec } from '../poll/timeout.ts';
import { cmpRequeuePi, lockPi, trylockPi, unlockPi, waitRequeuePi } from './futex_pi.ts';

/** The key of the word at addr. Errors: EINVAL (unaligned), EFAULT. */
export function futexKey(t: Task, addr: number, isPrivate: boolean): string | number {
  if (addr % 4 !== 0) return EINVAL;
  return t.mm.futexKey(addr, isPrivate) ?? EFAULT;
}

/** futexKey() of a word that is not read otherwise: between processes the page must be there (Linux: get_futex_key). */
function mappedKey(t: Task, addr: number, isPrivate: boolean): string | number {
  const key = futexKey(t, addr, isPrivate);
  return isPrivate || typeof key === 'number' || t.memory.readU32(addr) >= 0 ? key : EFAULT;
}

/** CLOCK_MONOTONIC deadline of an absolute timespec in `spec`. */
function absoluteDeadline(t: Task, isRealtime: boolean): number {
  if (isRealtime) return t.kernel.clock.monotonicAtRealtime(spec.sec, spec.nsec);
  return spec.sec * 1e9 + spec.nsec - t.timeNs.monotonicNs;
}

export function sys_futex(
  t: Task,
  addr: number,
  operation: number,
  value: number,
  timeout: number,
  addr2: number,
  value3: number,
): SyscallReturn {
  const command = operation & ~(fx.FUTEX_PRIVATE_FLAG | fx.FUTEX_CLOCK_REALTIME);
  const isPrivate = (operation & fx.FUTEX_PRIVATE_FLAG) !== 0;
  const isRealtime = (operation & fx.FUTEX_CLOCK_REALTIME) !== 0;
  if (
    isRealtime &&
    command !== fx.FUTEX_WAIT_BITSET &&
    command !== fx.FUTEX_WAIT_REQUEUE_PI &&
    command !== fx.FUTEX_LOCK_PI2
  )
    return ENOSYS;
  switch (command) {
    case fx.FUTEX_WAIT:
      return startWait(t, addr, isPrivate, value, timeout, 'relative', -1);
    case fx.FUTEX_WAIT_BITSET:
      return startWait(t, addr, isPrivate, value, timeout, isRealtime ? 'realtime' : 'monotonic', value3 | 0);
    case fx.FUTEX_WAKE:
      return wake(t, addr, isPrivate, value, -1);
    case fx.FUTEX_WAKE_BITSET:
      return wake(t, addr, isPrivate, value, value3 | 0);
    case fx.FUTEX_REQUEUE:
      return requeue(t, addr, addr2, isPrivate, value, t.regs.i32(REG_R10), null);
    case fx.FUTEX_CMP_REQUEUE:
      return requeue(t, addr, addr2, isPrivate, value, t.regs.i32(REG_R10), value3);
    case fx.FUTEX_WAKE_OP:
      return wakeOp(t, addr, addr2, isPrivate, value | 0, t.regs.i32(REG_R10), value3);
    case fx.FUTEX_LOCK_PI:
    case fx.FUTEX_LOCK_PI2:
      return startLockPi(t, addr, isPrivate, timeout, command === fx.FUTEX_LOCK_PI || isRealtime);
    case fx.FUTEX_UNLOCK_PI:
      return unlockPi(t, addr, isPrivate);
    case fx.FUTEX_TRYLOCK_PI:
      return trylockPi(t, addr, isPrivate);
    case fx.FUTEX_WAIT_REQUEUE_PI: {
      const deadlineNs = readAbsolute(t, timeout, isRealtime);
      return deadlineNs < 0 ? deadlineNs : waitRequeuePi(t, addr, isPrivate, value, deadlineNs, -1, addr2);
    }
    case fx.FUTEX_CMP_REQUEUE_PI:
      return cmpRequeuePi(t, addr, addr2, isPrivate, value | 0, t.regs.i32(REG_R10), value3);
    default:
      return ENOSYS;
  }
}

function startWait(
  t: Task,
  addr: number,
  isPrivate: boolean,
  value: number,
  timeout: number,
  basis: 'relative' | 'monotonic' | 'realtime',
  bitset: number,
): SyscallReturn {
  if (bitset === 0) return EINVAL;
  let deadlineNs = Number.POSITIVE_INFINITY;
  if (timeout !== 0) {
    const err = readSpec(t, timeout);
    if (err !== 0) return err;
    if (!isValidSpec()) return EINVAL;
    if (basis === 'relative') deadlineNs = deadlineAfter(t, spec.sec, spec.nsec);
    else deadlineNs = absoluteDeadline(t, basis === 'realtime');
  }
  return waitUntil(t, addr, isPrivate, value, deadlineNs, bitset, timeout !== 0);
}

/** Checks the word and sleeps; also how a timed wait goes on after a signal. */
function waitUntil(
  t: Task,
  addr: number,
  isPrivate: boolean,
  value: number,
  deadlineNs: number,
  bitset: number,
  isTimed: boolean,
): SyscallReturn {
  const key = futexKey(t, addr, isPrivate);
  if (typeof key === 'number') return key;
  const found = t.memory.readU32(addr);
  if (found < 0) return EFAULT;
  if (found !== value) return EAGAIN;
  const waiter = new FutexWaiter(key, bitset, wakePriority(t));
  t.kernel.futexes.add(waiter);
  return wait(t, waiter, addr, isPrivate, value, deadlineNs, isTimed);
}

function* wait(
  t: Task,
  waiter: FutexWaiter,
  addr: number,
  isPrivate: boolean,
  value: number,
  deadlineNs: number,
  isTimed: boolean,
): Blocking {
  const reason = yield { queues: [waiter.queue], deadlineNs };
  if (waiter.isWoken) return 0;
  t.kernel.futexes.remove(waiter);
  if (reason === WAKE_TIMEOUT) return ETIMEDOUT;
  if (reason !== WAKE_SIGNAL) return 0;
  if (!isTimed) return ERESTARTSYS;
  t.restart = (self) => waitUntil(self, addr, isPrivate, value, deadlineNs, waiter.bitset, true);
  return ERESTART_RESTARTBLOCK;
}

function wake(t: Task, addr: number, isPrivate: boolean, count: number, bitset: number): number {
  if (bitset === 0) return EINVAL;
  const key = mappedKey(t, addr, isPrivate);
  if (typeof key === 'number') return key;
  if (t.kernel.futexes.hasPi(key)) return EINVAL;
  return t.kernel.futexes.wake(key, Math.max(1, count | 0), bitset);
}

function requeue(
  t: Task,
  from: number,
  to: number,
  isPrivate: boolean,
  wakeCount: number,
  moveCount: number,
  expected: number | null,
): number {
  if ((wakeCount | 0) < 0 || moveCount < 0) return EINVAL;
  const fromKey = mappedKey(t, from, isPrivate);
  if (typeof fromKey === 'number') return fromKey;
  const toKey = mappedKey(t, to, isPrivate);
  if (typeof toKey === 'number') return toKey;
  if (expected !== null) {
    const found = t.memory.readU32(from);
    if (found < 0) return EFAULT;
    if (found !== expected) return EAGAIN;
  }
  if (t.kernel.futexes.hasPi(fromKey)) return EINVAL;
  const { woken, moved } = t.kernel.futexes.requeue(fromKey, toKey, wakeCount, moveCount);
  return woken + moved;
}

const OP_SET = 0;
const OP_ADD = 1;
const OP_OR = 2;
const OP_ANDN = 3;
const OP_XOR = 4;
const OP_ARG_SHIFT = 8;
const EXCHANGE_TRIES = 64;

function operate(op: number, old: number, arg: number): number | null {
  switch (op) {
    case OP_SET:
      return arg;
    case OP_ADD:
      return (old + arg) | 0;
    case OP_OR:
      return old | arg;
    case OP_ANDN:
      return old & ~arg;
    case OP_XOR:
      return old ^ arg;
    default:
      return null;
  }
}

function compare(cmp: number, old: number, arg: number): boolean | null {
  return [old === arg, old !== arg, old < arg, old <= arg, old > arg, old >= arg][cmp] ?? null;
}

function wakeOp(
  t: Task,
  addr: number,
  addr2: number,
  isPrivate: boolean,
  count: number,
  count2: number,
  encoded: number,
): number {
  const key = futexKey(t, addr, isPrivate);
  if (typeof key === 'number') return key;
  const key2 = futexKey(t, addr2, isPrivate);
  if (typeof key2 === 'number') return key2;
  const op = (encoded >>> 28) & 7;
  const shift = ((encoded >>> 28) & OP_ARG_SHIFT) !== 0;
  const raw = ((encoded << 8) | 0) >> 20;
  const arg = shift ? 1 << (raw & 31) : raw;
  const cmp = (encoded >>> 24) & 15;
  const cmpArg = ((encoded << 20) | 0) >> 20;
  let old = 0;
  for (let tries = 0; ; tries++) {
    const found = t.memory.readU32(addr2);
    if (found < 0) return EFAULT;
    old = found | 0;
    const desired = operate(op, old, arg);
    if (desired === null) return ENOSYS;
    const seen = t.memory.compareExchangeU32(addr2, found, desired >>> 0);
    if (seen < 0) return EFAULT;
    if (seen === found) break;
    if (tries > EXCHANGE_TRIES) return EAGAIN;
  }
  const matches = compare(cmp, old, cmpArg);
  if (matches === null) return ENOSYS;
  let woken = t.kernel.futexes.wake(key, Math.max(1, count));
  if (matches) woken += t.kernel.futexes.wake(key2, Math.max(1, count2));
  return woken;
}

function startLockPi(t: Task, addr: number, isPrivate: boolean, timeout: number, isRealtime: boolean): SyscallReturn {
  const deadlineNs = readAbsolute(t, timeout, isRealtime);
  return deadlineNs < 0 ? deadlineNs : lockPi(t, addr, isPrivate, deadlineNs);
}

/** Deadline from an absolute timespec at `addr` (0: none). Errors: EFAULT, EINVAL. */
function readAbsolute(t: Task, addr: number, isRealtime: boolean): number {
  if (addr === 0) return Number.POSITIVE_INFINITY;
  const err = readSpec(t, addr);
  if (err !== 0) return err;
  return isValidSpec() ? Math.max(0, absoluteDeadline(t, isRealtime)) : EINVAL;
}

const WAITV_SIZE = 24;
const entry = new Uint8Array(WAITV_SIZE * fx.FUTEX_WAITV_MAX);
const entryView = new DataView(entry.buffer);

function entry64(at: number): number {
  return entryView.getUint32(at, true) + entryView.getUint32(at + 4, true) * 4294967296;
}

/** Deadline of the calls that name their clock (0: none). Errors: EINVAL, EFAULT. */
function readDeadline(t: Task, addr: number, clockId: number): number {
  if (addr === 0) return Number.POSITIVE_INFINITY;
  if (clockId !== CLOCK_REALTIME && clockId !== CLOCK_MONOTONIC) return EINVAL;
  return readAbsolute(t, addr, clockId === CLOCK_REALTIME);
}

/** FUTEX2_* of a 32-bit word on any node, the only kind there is. */
function isFutex2(flags: number): boolean {
  return (flags & ~(fx.FUTEX2_SIZE_MASK | fx.FUTEX2_PRIVATE)) === 0 && (flags & fx.FUTEX2_SIZE_MASK) === fx.FUTEX2_SIZE_U32;
}

/** Reads struct futex_waitv and looks its words up. Returns their keys, or EINVAL, EFAULT. */
function readWaiters(t: Task, waiters: number, count: number): string[] | number {
  const bytes = count * WAITV_SIZE;
  if (t.memory.copyIn(waiters, entry, 0, bytes) !== bytes) return EFAULT;
  const keys: string[] = [];
  for (let i = 0; i < count; i++) {
    const at = i * WAITV_SIZE;
    const flags = entryView.getUint32(at + 16, true);
    if (!isFutex2(flags) || entryView.getUint32(at + 20, true) !== 0 || entry64(at) > 0xffffffff) return EINVAL;
    const key = futexKey(t, entry64(at + 8), (flags & fx.FUTEX2_PRIVATE) !== 0);
    if (typeof key === 'number') return key;
    keys.push(key);
  }
  return keys;
}

export function sys_futex_waitv(
  t: Task,
  waiters: number,
  count: number,
  flags: number,
  timeout: number,
  clockId: number,
): SyscallReturn {
  if (flags !== 0 || count === 0 || count > fx.FUTEX_WAITV_MAX || waiters === 0) return EINVAL;
  const deadlineNs = readDeadline(t, timeout, clockId);
  if (deadlineNs < 0) return deadlineNs;
  const keys = readWaiters(t, waiters, count);
  if (typeof keys === 'number') return keys;
  for (let i = 0; i < count; i++) {
    const found = t.memory.readU32(entry64(i * WAITV_SIZE + 8));
    if (found < 0) return EFAULT;
    if (found !== entry64(i * WAITV_SIZE)) return EAGAIN;
  }
  const queue = new WaitQueue();
  const all = keys.map((key, i) => new FutexWaiter(key, -1, wakePriority(t), queue, i));
  for (const waiter of all) t.kernel.futexes.add(waiter);
  return waitAny(t, all, queue, deadlineNs);
}

export function sys_futex_wait(
  t: Task,
  addr: number,
  value: number,
  mask: number,
  flags: number,
  timeout: number,
  clockId: number,
): SyscallReturn {
  if (!isFutex2(flags) || value > 0xffffffff || mask > 0xffffffff) return EINVAL;
  const deadlineNs = readDeadline(t, timeout, clockId);
  if (deadlineNs < 0) return deadlineNs;
  if (mask === 0) return EINVAL;
  // The deadline is a point in time: after a signal the call begins anew.
  return waitUntil(t, addr, (flags & fx.FUTEX2_PRIVATE) !== 0, value, deadlineNs, mask | 0, false);
}

export function sys_futex_wake(t: Task, addr: number, mask: number, count: number, flags: number): number {
  if (!isFutex2(flags) || mask > 0xffffffff || mask === 0) return EINVAL;
  const isPrivate = (flags & fx.FUTEX2_PRIVATE) !== 0;
  if (count !== 0) return wake(t, addr, isPrivate, count, mask | 0);
  const key = mappedKey(t, addr, isPrivate);
  return typeof key === 'number' ? key : 0;
}

export function sys_futex_requeue(t: Task, waiters: number, flags: number, wakeCount: number, moveCount: number): number {
  if (flags !== 0 || waiters === 0) return EINVAL;
  const keys = readWaiters(t, waiters, 2);
  if (typeof keys === 'number') return keys;
  const wordFlags = entryView.getUint32(16, true);
  if (wordFlags !== entryView.getUint32(WAITV_SIZE + 16, true)) return EINVAL;
  const isPrivate = (wordFlags & fx.FUTEX2_PRIVATE) !== 0;
  return requeue(t, entry64(8), entry64(WAITV_SIZE + 8), isPrivate, wakeCount, moveCount, entry64(0));
}

function* waitAny(t: Task, all: readonly FutexWaiter[], queue: WaitQueue, deadlineNs: number): Blocking {
  const reason = yield { queues: [queue], deadlineNs };
  const woken = all.find((waiter) => waiter.isWoken);
  for (const waiter of all) t.kernel.futexes.remove(waiter);
  if (woken !== undefined) return woken.index;
  return reason === WAKE_TIMEOUT ? ETIMEDOUT : ERESTARTSYS;
}
