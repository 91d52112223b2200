// SPDX-License-Identifier: Apache-2.0

/**
 * Bounds the number of cached dentries: a guest that walks millions of names must not grow the Sentry.
 *
 * Linux:      fs/dcache.c (dentry LRU)
 * Invariants: every dentry that is in a parent's map is in exactly one ring. A dentry with refs, mounts or children is never
 *             dropped. Second chance: one that was looked up since the hand last passed is spared once.
 */
import type { Dentry } from './dentry.ts';

const DEFAULT_LIMIT = 16384;
/** Dentries looked at for each one added over the limit. */
const SCAN = 32;

class DentryCache {
  limit = DEFAULT_LIMIT;
  private count = 0;
  /** The clock hand: next dentry to look at; the newest is behind it. */
  private hand: Dentry | null = null;

  get size(): number {
    return this.count;
  }

  /** Adds a dentry just put in its parent's map. */
  add(dentry: Dentry): void {
    const hand = this.hand;
    if (hand === null) {
      dentry.ringNext = dentry;
      dentry.ringPrev = dentry;
      this.hand = dentry;
    } else {
      const last = hand.ringPrev as Dentry;
      dentry.ringNext = hand;
      dentry.ringPrev = last;
      last.ringNext = dentry;
      hand.ringPrev = dentry;
    }
    dentry.wasUsed = true;
    this.count++;
    if (this.count > this.limit) this.shrink(dentry);
  }

  /** Takes a dentry that leaves its parent's map out. */
  remove(dentry: Dentry): void {
    const next = dentry.ringNext;
    if (next === null) return;
    if (next === dentry) {
      this.hand = null;
    } else {
      const prev = dentry.ringPrev as Dentry;
      prev.ringNext = next;
      next.ringPrev = prev;
      if (this.hand === dentry) this.hand = next;
    }
    dentry.ringNext = null;
    dentry.ringPrev = null;
    this.count--;
  }

  /** Drops every droppable dentry (drop_caches; memory pressure). */
  dropAll(): void {
    for (let rounds = 0; rounds < 64; rounds++) {
      const before = this.count;
      for (let i = before; i > 0 && this.hand !== null; i--) this.step(null, true);
      if (this.count === before) return;
    }
  }

  private shrink(keep: Dentry): void {
    for (let i = 0; i < SCAN && this.count > this.limit; i++) this.step(keep, false);
  }

  private step(keep: Dentry | null, force: boolean): void {
    const dentry = this.hand as Dentry;
    this.hand = dentry.ringNext;
    if (dentry === keep || !dentry.isDroppable) return;
    if (dentry.wasUsed && !force) {
      dentry.wasUsed = false;
      return;
    }
    dentry.drop();
  }
}

export const dentryCache = new DentryCache();
