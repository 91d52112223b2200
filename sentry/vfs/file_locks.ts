// SPDX-License-Identifier: Apache-2.0

/**
 * File locks: POSIX record locks, open-file-description locks and flock(2).
 *
 * Linux:      fs/locks.c; fcntl(2), flock(2)
 * Invariants: locks of one owner on one inode never overlap and are kept in order; neighbours of one type are merged.
 *             POSIX and OFD locks conflict with each other, flock only with flock. Nothing here waits: a conflict is
 *             EAGAIN and `queue` is woken when any lock goes or weakens.
 */
import { EAGAIN, EDEADLK, ENOLCK } from '../../platform/abi/linux/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../../platform/abi/linux/fcntl.ts';
import { WaitQueue } from '../wait/wait_queue.ts';
import type { Inode } from './inode.ts';
import type { Lease } from './leases.ts';

/** End of a lock that reaches to infinity (inclusive). */
export const LOCK_TO_EOF = Number.MAX_SAFE_INTEGER;
/** Record locks in the whole sandbox: a guest must not grow the Sentry without bound. */
const MAX_LOCKS = 1 << 18;
/** As Linux: chains longer than this are not followed. */
const MAX_DEADLOCK_STEPS = 10;

export interface RecordLock {
  /** FdTable (POSIX) or FileDescription (OFD). */
  readonly owner: object;
  /** Process id for F_GETLK; -1 for OFD locks. */
  readonly pid: number;
  readonly type: number;
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

interface Flock {
  readonly owner: object;
  readonly isExclusive: boolean;
  /** Process id of who took it, for /proc/locks. */
  readonly pid: number;
}

export class InodeLocks {
  readonly inode: Inode;
  /** Record locks by owner, each owner's in order of their start. */
  readonly records = new Map<object, RecordLock[]>();
  flocks: Flock[] = [];
  /** See leases.ts. */
  leases: Lease[] = [];
  readonly queue = new WaitQueue();

  constructor(inode: Inode) {
    this.inode = inode;
  }
  get isEmpty(): boolean {
    return this.records.size === 0 && this.flocks.length === 0;
  }
}

/** Inodes with locks, for /proc/locks. */
export const lockedInodes = new Set<InodeLocks>();

function noteChange(locks: InodeLocks): void {
  if (locks.isEmpty) lockedInodes.delete(locks);
  else lockedInodes.add(locks);
}

let recordCount = 0;
/** Owners asleep in F_SETLKW: the owner whose lock each waits for. */
const waitsFor = new Map<object, object>();

/** The inode's lock state, made on demand. */
export function locksOf(inode: Inode): InodeLocks {
  if (inode.body.locks === null) inode.body.locks = new InodeLocks(inode);
  return inode.body.locks as InodeLocks;
}

/** Index of the first lock in an owner's list that ends at or behind `start`. */
function firstReaching(list: readonly RecordLock[], start: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as RecordLock).end < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first lock that stands in the way of `owner` taking `type` on [start, end]; null when none. */
export function findConflict(inode: Inode, owner: object, type: number, start: number, end: number): RecordLock | null {
  if (inode.body.locks === null) return null;
  for (const [other, list] of (inode.body.locks as InodeLocks).records) {
    if (other === owner) continue;
    for (let i = firstReaching(list, start); i < list.length; i++) {
      const lock = list[i] as RecordLock;
      if (lock.start > end) break;
      if (type === F_WRLCK || lock.type === F_WRLCK) return lock;
    }
  }
  return null;
}

/**
 * Sets (F_RDLCK, F_WRLCK) or removes (F_UNLCK) `owner`'s lock on [start, end], splitting and merging its others.
 * Returns 0, EAGAIN on conflict, ENOLCK.
 */
export function setRecordLock(
  inode: Inode,
  owner: object,
  pid: number,
  type: number,
  start: number,
  end: number,
): number {
  if (type === F_UNLCK && inode.body.locks === null) return 0;
  const locks = locksOf(inode);
  if (type !== F_UNLCK && findConflict(inode, owner, type, start, end) !== null) return EAGAIN;
  if (type !== F_UNLCK && recordCount >= MAX_LOCKS) return ENOLCK;
  const list = locks.records.get(owner) ?? [];
  // Those it meets, and those of its type it touches.
  let first = firstReaching(list, start);
  const before = list[first - 1];
  if (before !== undefined && before.type === type && before.end === start - 1) first--;
  let mergedStart = start;
  let mergedEnd = end;
  let changed = false;
  const pieces: RecordLock[] = [];
  const behind: RecordLock[] = [];
  let last = first;
  for (; last < list.length; last++) {
    const lock = list[last] as RecordLock;
    if (lock.start > end && !(lock.type === type && lock.start === end + 1)) break;
    if (lock.type === type) {
      mergedStart = Math.min(mergedStart, lock.start);
      mergedEnd = Math.max(mergedEnd, lock.end);
      continue;
    }
    changed = true;
    if (lock.start < start) pieces.push({ ...lock, end: start - 1 });
    if (lock.end > end) behind.push({ ...lock, start: end + 1 });
  }
  if (type !== F_UNLCK) pieces.push({ owner, pid, type, start: mergedStart, end: mergedEnd });
  pieces.push(...behind);
  recordCount += pieces.length - (last - first);
  list.splice(first, last - first, ...pieces);
  if (list.length === 0) locks.records.delete(owner);
  else locks.records.set(owner, list);
  noteChange(locks);
  if (changed && type !== F_WRLCK) locks.queue.wake();
  return 0;
}

/** Before sleeping for `conflict`: EDEADLK when its owner (directly or through others) waits for `owner`; else 0. */
export function beginLockWait(owner: object, conflict: RecordLock): number {
  let blocker: object | undefined = conflict.owner;
  for (let i = 0; i < MAX_DEADLOCK_STEPS && blocker !== undefined; i++) {
    if (blocker === owner) return EDEADLK;
    blocker = waitsFor.get(blocker);
  }
  waitsFor.set(owner, conflict.owner);
  return 0;
}

/** After the sleep, whatever ended it. */
export function endLockWait(owner: object): void {
  waitsFor.delete(owner);
}

/** Drops every record lock of `owner` on the inode: any close(2) for POSIX, the last one for OFD. */
export function dropRecordLocks(inode: Inode, owner: object): void {
  const locks = inode.body.locks as InodeLocks | null;
  const list = locks?.records.get(owner);
  if (locks === null || list === undefined) return;
  recordCount -= list.length;
  locks.records.delete(owner);
  noteChange(locks);
  locks.queue.wake();
}

/**
 * flock(2) of an open file: 'shared', 'exclusive' or 'none'. Changing the kind drops the old lock first, as Linux does.
 * Returns 0 or EAGAIN.
 */
export function setFlock(inode: Inode, owner: object, kind: 'shared' | 'exclusive' | 'none', pid = 0): number {
  if (kind === 'none' && inode.body.locks === null) return 0;
  const locks = locksOf(inode);
  const isExclusive = kind === 'exclusive';
  const mine = locks.flocks.find((f) => f.owner === owner);
  if (mine !== undefined) {
    if (kind !== 'none' && mine.isExclusive === isExclusive) return 0;
    locks.flocks = locks.flocks.filter((f) => f !== mine);
    noteChange(locks);
    locks.queue.wake();
  }
  if (kind === 'none') return 0;
  if (locks.flocks.some((f) => isExclusive || f.isExclusive)) return EAGAIN;
  locks.flocks.push({ owner, isExclusive, pid });
  noteChange(locks);
  return 0;
}

/** The open file is gone: its flock and OFD locks go. */
export function dropFileLocks(inode: Inode, file: object): void {
  setFlock(inode, file, 'none');
  dropRecordLocks(inode, file);
}

/** True when F_GETLK should answer F_RDLCK or F_WRLCK as a type the caller may ask for. */
export function isLockType(type: number): boolean {
  return type === F_RDLCK || type === F_WRLCK || type === F_UNLCK;
}
