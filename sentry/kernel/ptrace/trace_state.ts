// SPDX-License-Identifier: Apache-2.0

/**
 * What a traced task has beyond others: who traces it, how, and the stop it is in.
 *
 * Linux:      include/linux/sched.h (ptrace, jobctl, exit_code, last_siginfo), include/linux/ptrace.h
 * Invariants: a task with a TraceState is in its tracer's `tracees`. `stop` is set exactly while the task's state is TASK_TRACED.
 */
import { CLD_TRAPPED } from '../../../platform/abi/linux/signal.ts';
import type { SigInfo } from '../../arch/siginfo.ts';
import type { Task } from '../task.ts';

/** What kind of stop it is: decides what a signal given at its end means, and what PTRACE_GET_SYSCALL_INFO says. */
export type StopKind = 'entry' | 'exit' | 'seccomp' | 'signal' | 'event' | 'group';

export class TraceStop {
  readonly kind: StopKind;
  /** wait status >> 8: the signal, and the event above it. */
  readonly code: number;
  /** CLD_TRAPPED, or CLD_STOPPED for group stops. */
  readonly why: number;
  /** PTRACE_GETSIGINFO; null: EINVAL. */
  info: SigInfo | null;
  /** A wait has reported it. */
  isReported = false;
  /** The signal the tracee goes on with. */
  signal: number;

  constructor(kind: StopKind, code: number, info: SigInfo | null, why: number = CLD_TRAPPED) {
    this.kind = kind;
    this.code = code;
    this.info = info;
    this.why = why;
    this.signal = kind === 'signal' ? code : 0;
  }
}

export class TraceState {
  readonly tracer: Task;
  /** By PTRACE_SEIZE. */
  readonly isSeized: boolean;
  /** PTRACE_O_*. */
  options: number;
  /** How it runs: stopping at system calls, or skipping them. */
  mode: 'run' | 'syscall' | 'sysemu' = 'run';
  isStepping = false;
  stop: TraceStop | null = null;
  /** PTRACE_LISTEN: stopped, and to be told of what happens. */
  isListening = false;
  /** PTRACE_GETEVENTMSG */
  eventMessage = 0;
  /** A handler was entered while stepping: to be reported before its first instruction. */
  reportsHandler = false;

  constructor(tracer: Task, isSeized: boolean, options: number) {
    this.tracer = tracer;
    this.isSeized = isSeized;
    this.options = options;
  }

  /** Is the event with this number (PTRACE_EVENT_*) asked for? */
  wants(event: number): boolean {
    return (this.options & (1 << event)) !== 0;
  }
}

/** True when the tracer is (a thread of) the tracee's own parent. Linux: !ptrace_reparented(). */
export function isTracedByParent(t: Task): boolean {
  return t.ptrace !== null && t.ptrace.tracer.threadGroup === t.threadGroup.parent;
}
