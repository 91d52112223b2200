// SPDX-License-Identifier: Apache-2.0

/**
 * Wait queues: how anything that happens reaches whoever waits for it.
 *
 * Linux:      include/linux/wait.h, fs/select.c (poll callbacks)
 * Invariants: notify() never runs application-visible work; it marks a task runnable or an epoll item ready.
 */

/** Receives wake-ups from queues it was added to. One waiter may be on many queues. */
export interface Waiter {
  /** True: once one such waiter has consumed a wake, the others are passed over (EPOLLEXCLUSIVE). */
  readonly isExclusive?: boolean;
  /**
   * Called for each wake whose mask meets the one given at add(). Returns true when the wake was consumed
   * (counts against the wake's limit, as an exclusive wait in Linux).
   */
  notify(queue: WaitQueue, mask: number): boolean;
}

interface Entry {
  waiter: Waiter;
  mask: number;
  /** One of several that only one event is for: a wake reaches the first of them alone, unless it tells of an end. */
  exclusive: boolean;
}

/** EPOLLERR | EPOLLHUP | EPOLLRDHUP: what everybody is told. */
const ENDS = 0x8 | 0x10 | 0x2000;

/** All bits: a waiter or wake that is not about poll masks. */
export const WAKE_ALL = 0x7fffffff;

export class WaitQueue {
  private entries: Entry[] = [];

  /**
   * Adds `waiter` for wakes that meet `mask` (EPOLL* bits; EPOLLERR and EPOLLHUP always match). 'exclusive': it will take what it was woken
   * for, and whoever takes it calls wakeNext() when something is left.
   */
  add(waiter: Waiter, mask: number = WAKE_ALL, sharing: 'exclusive' | 'shared' = 'shared'): void {
    this.entries.push({ waiter, mask: mask | 0x18, exclusive: sharing === 'exclusive' });
  }

  /** Something is left of what an exclusive waiter was woken for: wakes the next of them, and nobody else. */
  wakeNext(mask: number): void {
    for (const entry of this.entries)
      if (entry.exclusive && (entry.mask & mask) !== 0) {
        entry.waiter.notify(this, mask);
        return;
      }
  }

  /** Removes one registration of `waiter`; no-op when it has none. */
  remove(waiter: Waiter): void {
    const at = this.entries.findIndex((e) => e.waiter === waiter);
    if (at >= 0) this.entries.splice(at, 1);
  }

  /** Everyone registered now. */
  waiters(): Waiter[] {
    return this.entries.map((e) => e.waiter);
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  get size(): number {
    return this.entries.length;
  }

  /** Wakes waiters in arrival order until `limit` of them consumed it. Returns how many did. */
  wake(mask: number = WAKE_ALL, limit = Number.POSITIVE_INFINITY): number {
    const entries = this.entries;
    if (entries.length === 0) return 0;
    let woken = 0;
    if (entries.length === 1) {
      const only = entries[0] as Entry;
      return (only.mask & mask) !== 0 && only.waiter.notify(this, mask) ? 1 : 0;
    }
    let isTaken = false;
    const isEnd = (mask & ENDS) !== 0;
    for (const entry of entries.slice()) {
      if ((entry.mask & mask) === 0) continue;
      const isExclusive = (entry.exclusive && !isEnd) || entry.waiter.isExclusive === true;
      if ((isExclusive && isTaken) || !entry.waiter.notify(this, mask)) continue;
      isTaken ||= isExclusive;
      if (++woken >= limit) break;
    }
    return woken;
  }
}
