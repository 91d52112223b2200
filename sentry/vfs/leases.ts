// SPDX-License-Identifier: Apache-2.0

/**
 * File leases (F_SETLEASE): the holder is told before somebody else opens the file in a conflicting way, who waits.
 *
 * Linux:      fs/locks.c (generic_setlease, __break_lease); fcntl(2)
 * Invariants: one lease per open file. A lease with `pending` set goes down to it at `deadlineNs` at the latest. Nothing here
 *             waits: a conflicting open answers WOULD_BLOCK, and `leaseWait` says what for.
 */
import { EAGAIN, EINVAL, WOULD_BLOCK } from '../../platform/abi/linux/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK, O_ACCMODE, O_RDONLY } from '../../platform/abi/linux/fcntl.ts';
import type { WaitQueue } from '../wait/wait_queue.ts';
import type { FileDescription } from './file_description.ts';
import { type InodeLocks, locksOf } from './file_locks.ts';
import type { Inode } from './inode.ts';

export interface Lease {
  readonly file: FileDescription;
  type: number;
  /** F_UNLCK or F_RDLCK while it is being broken; -1 otherwise. */
  pending: number;
  deadlineNs: number;
  /** Tells the holder. */
  readonly tell: () => void;
}

/** sysctl fs.leases-enable and fs.lease-break-time (seconds). */
export const leaseLimits = { enable: 1, breakTime: 45 };
/** The clock the deadlines are in; set with the first lease. */
let now: () => number = () => 0;

export interface LeaseWait {
  readonly queue: WaitQueue;
  readonly deadlineNs: number;
}
/** Why the last open or truncate answered WOULD_BLOCK. */
let wait: LeaseWait | null = null;

/** What to wait for after a WOULD_BLOCK, once; null: it was not a lease. */
export function takeLeaseWait(): LeaseWait | null {
  const taken = wait;
  wait = null;
  return taken;
}

function leasesOf(inode: Inode): Lease[] {
  return (inode.body.locks as InodeLocks | null)?.leases ?? [];
}

/** Takes down what was to be given up by now. */
function timeOut(inode: Inode): void {
  for (const lease of [...leasesOf(inode)]) if (lease.pending >= 0 && now() >= lease.deadlineNs) lower(inode, lease, lease.pending);
}

function lower(inode: Inode, lease: Lease, type: number): void {
  const locks = locksOf(inode);
  lease.pending = -1;
  if (type === F_UNLCK) locks.leases = locks.leases.filter((other) => other !== lease);
  else lease.type = type;
  locks.queue.wake();
}

/** F_GETLEASE: F_RDLCK, F_WRLCK or F_UNLCK (what it is being broken to, when it is). */
export function getLease(file: FileDescription): number {
  timeOut(file.inode);
  const lease = leasesOf(file.inode).find((each) => each.file === file);
  if (lease === undefined) return F_UNLCK;
  return lease.pending >= 0 ? lease.pending : lease.type;
}

/** Do others have the file open in a way that forbids a new lease of `type`? */
function isOpenElsewhere(file: FileDescription, type: number): boolean {
  const { inode } = file;
  if (type === F_RDLCK) return inode.writers > 0;
  return inode.writers !== (file.isWritable ? 1 : 0) || inode.readers !== (file.isWritable ? 0 : 1);
}

/** F_SETLEASE on a regular file by somebody who may. `clock`: CLOCK_MONOTONIC ns. Returns 0, EAGAIN or EINVAL. */
export function setLease(file: FileDescription, type: number, tell: () => void, clock: () => number): number {
  const { inode } = file;
  now = clock;
  timeOut(inode);
  const own = leasesOf(inode).find((lease) => lease.file === file);
  if (type === F_UNLCK) {
    if (own === undefined) return EAGAIN;
    lower(inode, own, F_UNLCK);
    return 0;
  }
  if (leaseLimits.enable === 0) return EINVAL;
  if (isOpenElsewhere(file, type)) return EAGAIN;
  for (const other of leasesOf(inode)) {
    if (other === own) continue;
    if (type === F_WRLCK || other.type === F_WRLCK || other.pending === F_UNLCK) return EAGAIN;
  }
  if (own !== undefined) {
    if (own.pending === F_UNLCK) return EAGAIN;
    lower(inode, own, type);
    return 0;
  }
  locksOf(inode).leases.push({ file, type, pending: -1, deadlineNs: 0, tell });
  return 0;
}

/** The open file is gone. */
export function dropLease(inode: Inode, file: FileDescription): void {
  const lease = leasesOf(inode).find((each) => each.file === file);
  if (lease !== undefined) lower(inode, lease, F_UNLCK);
}

/** Somebody opens (or truncates) the file with these flags. Returns 0, or WOULD_BLOCK until holders have given way. */
export function breakLeases(inode: Inode, flags: number): number {
  if (inode.body.locks === null || leasesOf(inode).length === 0) return 0;
  timeOut(inode);
  const wantsWrite = (flags & O_ACCMODE) !== O_RDONLY;
  const goal = wantsWrite ? F_UNLCK : F_RDLCK;
  let deadlineNs = Number.POSITIVE_INFINITY;
  let isBlocked = false;
  for (const lease of [...leasesOf(inode)]) {
    if (!wantsWrite && lease.type !== F_WRLCK) continue;
    isBlocked = true;
    const isNews = wantsWrite ? lease.pending !== F_UNLCK : lease.pending < 0;
    if (isNews) {
      lease.pending = goal;
      lease.deadlineNs = now() + Math.max(1, leaseLimits.breakTime * 1e9);
      lease.tell();
    }
    deadlineNs = Math.min(deadlineNs, lease.deadlineNs);
  }
  if (!isBlocked) return 0;
  wait = { queue: locksOf(inode).queue, deadlineNs };
  return WOULD_BLOCK;
}
