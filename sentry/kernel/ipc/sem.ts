// SPDX-License-Identifier: Apache-2.0

/**
 * Semaphore sets: atomic groups of operations, waiters in order of arrival, undo at exit.
 *
 * Linux:      ipc/sem.c
 * Invariants: a waiter in `pending` could not proceed when last looked at; every change of a value looks at all of them again,
 *             first come first served.
 */
import { EAGAIN, EIDRM, ERANGE } from '../../../platform/abi/linux/errno.ts';
import { IPC_NOWAIT, SEM_UNDO, SEMVMX } from '../../../platform/abi/linux/ipc.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { WaitQueue } from '../../wait/wait_queue.ts';
import type { ThreadGroup } from '../process/thread_group.ts';
import { IpcObject } from './ipc_ids.ts';

/** One struct sembuf. */
export interface SemOperation {
  readonly index: number;
  readonly delta: number;
  readonly flags: number;
}

/** A task inside semop. `result` is set when another task completed or cancelled it. */
export interface PendingOperations {
  readonly operations: readonly SemOperation[];
  readonly group: ThreadGroup;
  readonly queue: WaitQueue;
  /** Index of the operation that cannot proceed. */
  blockedOn: number;
  result: number | null;
}

const WOULD_WAIT = 1;

export class SemaphoreSet extends IpcObject {
  readonly values: Int32Array;
  /** Process that last operated on each. */
  readonly pids: Int32Array;
  otime = 0;
  readonly pending: PendingOperations[] = [];
  /** Undo adjustments by process. */
  readonly undo = new Map<ThreadGroup, Int16Array>();

  constructor(key: number, mode: number, creds: Credentials, count: number, seconds: number) {
    super(key, mode, creds);
    this.values = new Int32Array(count);
    this.pids = new Int32Array(count);
    this.ctime = seconds;
  }

  /** Tries all operations at once. Returns 0, EAGAIN (IPC_NOWAIT), ERANGE, or WOULD_WAIT with who.blockedOn set. */
  private attempt(who: PendingOperations): number {
    const { operations, group } = who;
    let done = 0;
    let result = 0;
    for (; done < operations.length; done++) {
      result = this.attemptOne(operations[done]!, group);
      if (result !== 0) break;
    }
    if (result === 0) {
      for (const op of operations) this.pids[op.index] = group.pid;
      return 0;
    }
    for (let j = done - 1; j >= 0; j--) this.revert(operations[j]!, group);
    who.blockedOn = done;
    return result === WOULD_WAIT && (operations[done]!.flags & IPC_NOWAIT) !== 0 ? EAGAIN : result;
  }

  private attemptOne(op: SemOperation, group: ThreadGroup): number {
    const value = this.values[op.index] as number;
    if (op.delta === 0) return value !== 0 ? WOULD_WAIT : 0;
    if (value + op.delta < 0) return WOULD_WAIT;
    if (value + op.delta > SEMVMX) return ERANGE;
    if ((op.flags & SEM_UNDO) !== 0) {
      const adjust = this.undoOf(group);
      const next = (adjust[op.index] as number) - op.delta;
      if (next < -SEMVMX - 1 || next > SEMVMX) return ERANGE;
      adjust[op.index] = next;
    }
    this.values[op.index] = value + op.delta;
    return 0;
  }
  private revert(op: SemOperation, group: ThreadGroup): void {
    this.values[op.index] = (this.values[op.index] as number) - op.delta;
    if ((op.flags & SEM_UNDO) === 0 || op.delta === 0) return;
    const adjust = this.undoOf(group);
    adjust[op.index] = (adjust[op.index] as number) + op.delta;
  }
  private undoOf(group: ThreadGroup): Int16Array {
    let adjust = this.undo.get(group);
    if (adjust === undefined) {
      adjust = new Int16Array(this.values.length);
      this.undo.set(group, adjust);
    }
    return adjust;
  }

  /** semop: returns 0 or errno, or true when the caller must wait as `who` (already queued). */
  operate(who: PendingOperations, seconds: number): number | true {
    const result = this.attempt(who);
    if (result === WOULD_WAIT) {
      this.pending.push(who);
      return true;
    }
    if (result === 0) {
      this.otime = seconds;
      if (alters(who)) this.wakeWaiters(seconds);
    }
    return result;
  }

  /** Values changed: completes every waiter that now can, in order, until none can. */
  wakeWaiters(seconds: number): void {
    for (let i = 0; i < this.pending.length; ) {
      const who = this.pending[i]!;
      const result = this.attempt(who);
      if (result === WOULD_WAIT) {
        i++;
        continue;
      }
      this.pending.splice(i, 1);
      who.result = result;
      who.queue.wake();
      if (result !== 0) continue;
      this.otime = seconds;
      if (alters(who)) i = 0;
    }
  }

  /** A waiter gave up (signal, timeout). */
  cancel(who: PendingOperations): void {
    const at = this.pending.indexOf(who);
    if (at >= 0) this.pending.splice(at, 1);
  }

  /** IPC_RMID: everybody waiting gets EIDRM. */
  destroy(): void {
    for (const who of this.pending.splice(0)) {
      who.result = EIDRM;
      who.queue.wake();
    }
    this.undo.clear();
  }

  /** Waiters whose blocked operation is on semaphore `index`: for zero, or for an increase. */
  countWaiters(index: number, forZero: boolean): number {
    let count = 0;
    for (const who of this.pending) {
      const op = who.operations[who.blockedOn]!;
      if (op.index === index && (op.delta === 0) === forZero) count++;
    }
    return count;
  }

  /** SETVAL and SETALL forget adjustments. `index` -1: all. */
  clearUndo(index: number): void {
    for (const adjust of this.undo.values()) {
      if (index < 0) adjust.fill(0);
      else adjust[index] = 0;
    }
  }

  /** exit(2): applies the process's adjustments. */
  exit(group: ThreadGroup, seconds: number): void {
    const adjust = this.undo.get(group);
    if (adjust === undefined) return;
    this.undo.delete(group);
    for (let i = 0; i < adjust.length; i++) {
      if (adjust[i] === 0) continue;
      const value = (this.values[i] as number) + (adjust[i] as number);
      this.values[i] = Math.min(Math.max(value, 0), SEMVMX);
      this.pids[i] = group.pid;
    }
    this.otime = seconds;
    this.wakeWaiters(seconds);
  }
}

function alters(who: PendingOperations): boolean {
  return who.operations.some((op) => op.delta !== 0);
}
