// SPDX-License-Identifier: Apache-2.0

/**
 * The shim as a subreaper: sandboxes and exec waiters become its children when the commands that made them end, and it learns
 * how they end.
 *
 * Linux: prctl(2) PR_SET_CHILD_SUBREAPER, waitid(2)
 * Invariants: processes that Node started are left to Node. An end that nobody waits for yet is kept until somebody does, as long as
 *             something is being started.
 */
import { endedChild, prctl, waitPid, waitStatus } from '../../platform/ffi/lifecycle.ts';
import { type Instant, now } from './protocol/well_known.ts';

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;

export interface Exit {
  /** 128 + the signal's number for one that a signal ended. */
  readonly status: number;
  readonly at: Instant;
}

export class Reaper {
  private readonly waiting = new Map<number, (exit: Exit) => void>();
  private readonly unclaimed = new Map<number, Exit>();
  private readonly expected = new Map<number, Promise<Exit>>();
  private readonly foreign = new Set<number>();
  private starting = 0;

  /** Becomes the subreaper. Called once. */
  start(): void {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    // After libuv has reaped what is its own.
    process.on('SIGCHLD', () => setImmediate(() => this.reap()));
  }

  /** A process that Node started, and reaps. */
  leaveToNode(pid: number): void {
    this.foreign.add(pid);
  }
  nodeReaped(pid: number): void {
    this.foreign.delete(pid);
    this.reap();
  }

  /** While `act` runs, ends are kept. */
  async whileStarting<T>(act: () => Promise<T>): Promise<T> {
    this.starting++;
    try {
      return await act();
    } finally {
      if (--this.starting === 0) this.unclaimed.clear();
    }
  }

  /** From now on the end of this process is kept for wait(). */
  expect(pid: number): void {
    if (this.expected.has(pid)) return;
    const early = this.unclaimed.get(pid);
    this.unclaimed.delete(pid);
    this.expected.set(pid, early !== undefined ? Promise.resolve(early) : new Promise((resolve) => this.waiting.set(pid, resolve)));
    this.reap();
  }

  /** The end of a process that is expected. */
  wait(pid: number): Promise<Exit> {
    this.expect(pid);
    return this.expected.get(pid) as Promise<Exit>;
  }

  /** Its end was told: the number may be another process's soon. */
  forget(pid: number): void {
    this.expected.delete(pid);
  }

  private reap(): void {
    for (;;) {
      const pid = endedChild();
      // Node's own: its end reaches us through nodeReaped(), which looks again.
      if (pid <= 0 || this.foreign.has(pid)) return;
      if (waitPid(pid, WNOHANG) !== pid) return;
      const status = waitStatus();
      const exit = { status: (status & 0x7f) === 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f), at: now() };
      const resolve = this.waiting.get(pid);
      this.waiting.delete(pid);
      if (resolve !== undefined) resolve(exit);
      else if (this.starting > 0) this.unclaimed.set(pid, exit);
    }
  }
}
