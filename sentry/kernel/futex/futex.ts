// SPDX-License-Identifier: Apache-2.0

/**
 * FutexTable: who waits on which word of memory.
 *
 * Linux:      kernel/futex/ (core.c, waitwake.c, requeue.c); futex(2)
 * Invariants: a waiter is in exactly one bucket while it waits; buckets are in the order of wake-ups: real-time priorities first, then
 *             who came first. Checking the word and queueing happen between two platform
 *             waits, so no wake by another system call can fall in between; the word itself is read after the caller's
 *             system call began, as Linux requires.
 */
import { SCHED_DEADLINE, SCHED_FIFO, SCHED_RR } from '../../../platform/abi/linux/sched.ts';
import type { PiState } from './pi.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';

/** How urgent a waiting task is: its real-time priority; 0 for all without one. */
export function wakePriority(t: { readonly schedPolicy: number; readonly schedPriority: number }): number {
  if (t.schedPolicy === SCHED_DEADLINE) return 100;
  return t.schedPolicy === SCHED_FIFO || t.schedPolicy === SCHED_RR ? t.schedPriority : 0;
}

export class FutexWaiter {
  /** Null once woken. */
  key: string | null;
  /** FUTEX_WAIT_BITSET mask (int32). */
  readonly bitset: number;
  /** Queue the waiting task sleeps on. */
  readonly queue: WaitQueue;
  /** Index for futex_waitv. */
  readonly index: number;
  /** wakePriority() of the task. */
  readonly priority: number;

  constructor(key: string, bitset: number, priority = 0, queue: WaitQueue = new WaitQueue(), index = 0) {
    this.key = key;
    this.bitset = bitset;
    this.queue = queue;
    this.index = index;
    this.priority = priority;
  }
  get isWoken(): boolean {
    return this.key === null;
  }
  /** A PiWaiter: it is handed a lock, not woken. */
  readonly isPi: boolean = false;
}

export class FutexTable {
  private readonly buckets = new Map<string, FutexWaiter[]>();
  /** Owners of contended PI locks, by key. */
  readonly pi = new Map<string, PiState>();

  add(waiter: FutexWaiter): void {
    const key = waiter.key as string;
    const bucket = this.buckets.get(key);
    if (bucket === undefined) this.buckets.set(key, [waiter]);
    else {
      let at = bucket.length;
      while (at > 0 && (bucket[at - 1] as FutexWaiter).priority < waiter.priority) at--;
      if (at === bucket.length) bucket.push(waiter);
      else bucket.splice(at, 0, waiter);
    }
  }

  /** Takes a waiter out that was not woken (timeout, signal). No-op when it was. */
  remove(waiter: FutexWaiter): void {
    const { key } = waiter;
    if (key === null) return;
    waiter.key = null;
    const bucket = this.buckets.get(key);
    if (bucket === undefined) return;
    const at = bucket.indexOf(waiter);
    if (at >= 0) bucket.splice(at, 1);
    if (bucket.length === 0) this.buckets.delete(key);
  }

  /** Wakes up to `limit` waiters whose bitset meets `bitset`. Returns how many. */
  wake(key: string, limit: number, bitset = -1): number {
    const bucket = this.buckets.get(key);
    if (bucket === undefined) return 0;
    let woken = 0;
    const kept: FutexWaiter[] = [];
    for (const waiter of bucket) {
      if (woken < limit && (waiter.bitset & bitset) !== 0) {
        waiter.key = null;
        waiter.queue.wake();
        woken++;
      } else kept.push(waiter);
    }
    this.keep(key, kept);
    return woken;
  }

  /** Wakes up to `wakeLimit` waiters of `from` and moves up to `moveLimit` more to `to`. Returns woken + moved. */
  requeue(from: string, to: string, wakeLimit: number, moveLimit: number): { woken: number; moved: number } {
    const woken = this.wake(from, wakeLimit);
    const bucket = this.buckets.get(from);
    if (bucket === undefined || moveLimit <= 0) return { woken, moved: 0 };
    if (from === to) return { woken, moved: Math.min(bucket.length, moveLimit) };
    const moving = bucket.slice(0, moveLimit);
    this.keep(from, bucket.slice(moveLimit));
    for (const waiter of moving) {
      waiter.key = to;
      this.add(waiter);
    }
    return { woken, moved: moving.length };
  }

  /** Is a waiter among them that plain wakes and moves must leave alone? */
  hasPi(key: string): boolean {
    return this.buckets.get(key)?.some((waiter) => waiter.isPi) === true;
  }
  /** Wakes this waiter of `key`. */
  wakeOne(key: string, waiter: FutexWaiter): void {
    const bucket = this.buckets.get(key);
    const at = bucket?.indexOf(waiter) ?? -1;
    if (bucket === undefined || at < 0) return;
    bucket.splice(at, 1);
    if (bucket.length === 0) this.buckets.delete(key);
    waiter.key = null;
    waiter.queue.wake();
  }

  /** First waiter on `key` (PI handover), left in place; null: none. */
  first(key: string): FutexWaiter | null {
    return this.buckets.get(key)?.[0] ?? null;
  }
  count(key: string): number {
    return this.buckets.get(key)?.length ?? 0;
  }

  private keep(key: string, kept: FutexWaiter[]): void {
    if (kept.length === 0) this.buckets.delete(key);
    else this.buckets.set(key, kept);
  }
}
