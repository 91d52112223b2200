// SPDX-License-Identifier: Apache-2.0

/**
 * The bell: a stub without application code that sleeps in poll on the Sentry's epoll set and a timer, and traps when one of them
 * is ready. So the Sentry waits for application threads, descriptors and deadlines with one blocking wait4: no SIGCHLD, no
 * signalfd, nothing that a booted Node's threads or masks could disturb, and a system call costs what a bare tracer pays.
 *
 * Invariants: it rings once, then stays stopped until prepare(); it shares the Sentry's descriptor table (CLONE_FILES).
 */
import { PTRACE_CONT } from '../abi/linux/ptrace.ts';
import { timerfd_create, timerfd_set } from '../ffi/epoll.ts';
import { read } from '../ffi/files.ts';
import { process_vm_write } from '../ffi/memory.ts';
import { ptrace } from '../ffi/ptrace.ts';

const POLLIN = 1;

/** Where the bell keeps its pollfd array: a page of its own. */
export const BELL_PAGE = 0x10000;
export const BELL_ENTRIES = 2;

export class Bell {
  readonly tid: number;
  /** The deadline the timer is set to; Infinity when it is not. */
  armedNs = Number.POSITIVE_INFINITY;
  private stopped = true;
  private readonly timerFd: number;
  private readonly expirations = new Uint8Array(8);

  /** `tid`: a stopped stub whose BELL_PAGE is mapped and whose registers are set to the bell code. */
  constructor(tid: number, epollFd: number) {
    this.tid = tid;
    this.timerFd = timerfd_create();
    const entries = Int32Array.of(epollFd, POLLIN, this.timerFd, POLLIN);
    process_vm_write(tid, new Uint8Array(entries.buffer), 0, entries.byteLength, BELL_PAGE);
  }

  /** Makes sure that it rings for descriptors and no later than `deadlineNs`. */
  prepare(deadlineNs: number): void {
    if (deadlineNs < this.armedNs) {
      this.armedNs = deadlineNs;
      timerfd_set(this.timerFd, deadlineNs);
    }
    if (this.stopped) {
      this.stopped = false;
      ptrace(PTRACE_CONT, this.tid, 0, 0);
    }
  }

  /** Its stop was seen by wait4. */
  rang(): void {
    this.stopped = true;
    if (this.armedNs !== Number.POSITIVE_INFINITY && read(this.timerFd, this.expirations) === 8)
      this.armedNs = Number.POSITIVE_INFINITY;
  }
}
