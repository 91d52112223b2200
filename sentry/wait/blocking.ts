// SPDX-License-Identifier: Apache-2.0

/**
 * How a syscall handler waits: it returns a generator that yields what it waits for.
 *
 * Invariants: only syscall handlers (and a few kernel waits) are generators; objects return WOULD_BLOCK instead.
 *             Between two yields kernel state is atomic, so try-then-yield cannot lose a wake-up: the kernel registers on
 *             the queues at the yield and unregisters at the resume (or kill).
 */
import type { WaitQueue } from './wait_queue.ts';

export interface WaitRequest {
  /** Queues to register on. */
  readonly queues: readonly WaitQueue[];
  /** Poll mask for all of them; WAKE_ALL when absent. */
  readonly mask?: number;
  /** CLOCK_MONOTONIC ns; Infinity: no timeout. */
  readonly deadlineNs: number;
  /** One event is for one waiter (a pipe's readers, accept): see WaitQueue.add(). */
  readonly exclusive?: boolean;
  /** True for waits that only a fatal signal may end (vfork, execve). */
  readonly killableOnly?: boolean;
  /** Not a wait but a ptrace event stop (PTRACE_EVENT_*), when the task is traced: the handler goes on when the tracer lets it. */
  readonly event?: number;
  /** PTRACE_GETEVENTMSG of it. */
  readonly eventMessage?: number;
}

export const WAKE_EVENT = 0;
export const WAKE_TIMEOUT = 1;
export const WAKE_SIGNAL = 2;
/** Why a yield came back. WAKE_SIGNAL: unwind with ERESTARTSYS or a sibling (or a partial result). */
export type WakeReason = typeof WAKE_EVENT | typeof WAKE_TIMEOUT | typeof WAKE_SIGNAL;

/** A handler in the middle of waiting; its return value is the syscall's result. */
export type Blocking<T = number> = Generator<WaitRequest, T, WakeReason>;

/** What a handler returns: the result (negative errno on failure), or a wait. */
export type SyscallReturn = number | Blocking;

/** Yielded between the parts of a long piece of work: others run, and a fatal signal ends it (WAKE_SIGNAL). */
export const TURN: WaitRequest = { queues: [], deadlineNs: 0, killableOnly: true };
