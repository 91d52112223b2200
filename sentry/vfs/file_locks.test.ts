// SPDX-License-Identifier: Apache-2.0

/** Record locks and flock: ranges, conflicts, deadlocks. */
import { beforeEach, describe, expect, it } from 'vitest';
import { EAGAIN, EDEADLK } from '../../platform/abi/linux/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../../platform/abi/linux/fcntl.ts';
import {
  type InodeLocks,
  LOCK_TO_EOF,
  type RecordLock,
  beginLockWait,
  dropFileLocks,
  dropRecordLocks,
  endLockWait,
  findConflict,
  setFlock,
  setRecordLock,
} from './file_locks.ts';
import type { Inode } from './inode.ts';

let inode: Inode;
const a = { name: 'a' };
const b = { name: 'b' };
const set = (owner: object, type: number, start: number, end: number): number =>
  setRecordLock(inode, owner, 1, type, start, end);
const ranges = (owner: object): [number, number, number][] =>
  ((inode.locks as InodeLocks).records.get(owner) ?? []).map((l) => [l.type, l.start, l.end]);

beforeEach(() => {
  inode = { locks: null, get body() { return inode; } } as Inode;
});

describe('record locks', () => {
  it('merge with neighbours of their type and split others', () => {
    set(a, F_WRLCK, 0, 9);
    set(a, F_WRLCK, 10, 19);
    expect(ranges(a)).toEqual([[F_WRLCK, 0, 19]]);
    set(a, F_RDLCK, 5, 7);
    expect(ranges(a)).toEqual([
      [F_WRLCK, 0, 4],
      [F_RDLCK, 5, 7],
      [F_WRLCK, 8, 19],
    ]);
    set(a, F_UNLCK, 3, 8);
    expect(ranges(a)).toEqual([
      [F_WRLCK, 0, 2],
      [F_WRLCK, 9, 19],
    ]);
    set(a, F_WRLCK, 3, 8);
    expect(ranges(a)).toEqual([[F_WRLCK, 0, 19]]);
    set(a, F_UNLCK, 0, LOCK_TO_EOF);
    expect(ranges(a)).toEqual([]);
  });

  it('conflict between owners unless both read', () => {
    set(a, F_RDLCK, 0, 9);
    expect(set(b, F_RDLCK, 5, 14)).toBe(0);
    expect(set(b, F_WRLCK, 5, 14)).toBe(EAGAIN);
    expect(findConflict(inode, b, F_WRLCK, 0, 0)).toMatchObject({ owner: a, type: F_RDLCK, start: 0, end: 9 });
    expect(set(b, F_WRLCK, 10, 14)).toBe(0);
    expect(set(a, F_RDLCK, 0, LOCK_TO_EOF)).toBe(EAGAIN);
    dropRecordLocks(inode, b);
    expect(set(a, F_WRLCK, 0, LOCK_TO_EOF)).toBe(0);
  });

  it('wake waiters when they go or weaken', () => {
    let wakes = 0;
    set(a, F_WRLCK, 0, 9);
    (inode.locks as InodeLocks).queue.add({ notify: () => ++wakes > 0 });
    set(a, F_RDLCK, 0, 9);
    set(a, F_UNLCK, 0, 4);
    dropRecordLocks(inode, a);
    expect(wakes).toBe(3);
  });

  it('see deadlocks through several owners', () => {
    const c = { name: 'c' };
    const heldBy = (owner: object): RecordLock => ({ owner, pid: 1, type: F_WRLCK, start: 0, end: 0 });
    expect(beginLockWait(a, heldBy(b))).toBe(0);
    expect(beginLockWait(b, heldBy(c))).toBe(0);
    expect(beginLockWait(c, heldBy(a))).toBe(EDEADLK);
    endLockWait(a);
    expect(beginLockWait(c, heldBy(a))).toBe(0);
    for (const owner of [b, c]) endLockWait(owner);
  });
});

describe('flock', () => {
  it('is shared, exclusive, converted and dropped with the file', () => {
    expect(setFlock(inode, a, 'shared')).toBe(0);
    expect(setFlock(inode, b, 'shared')).toBe(0);
    expect(setFlock(inode, a, 'exclusive')).toBe(EAGAIN);
    dropFileLocks(inode, b);
    expect(setFlock(inode, a, 'exclusive')).toBe(0);
    expect(setFlock(inode, b, 'shared')).toBe(EAGAIN);
    expect(setFlock(inode, a, 'none')).toBe(0);
    expect(setFlock(inode, b, 'exclusive')).toBe(0);
  });
});
