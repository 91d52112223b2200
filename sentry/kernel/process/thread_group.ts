// SPDX-License-Identifier: Apache-2.0

/**
 * ThreadGroup: a process: tasks that share a pid, signal dispositions, limits, timers and children.
 *
 * Linux:      include/linux/sched/signal.h (signal_struct)
 * Invariants: `leader` is the task whose tid is the pid: it stays (as a zombie) until the group is reaped. `pids` are the
 *             process id by pid namespace level, outermost first.
 */
import { PendingSignals } from '../signal/pending.ts';
import type { Key } from '../keys/key.ts';
import type { GuestContainer } from '../guest_container.ts';
import type { SignalHandlers } from '../signal/handlers.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';
import type { Task } from '../task.ts';
import { IoCounters } from './io_counters.ts';
import type { Ptracer } from './ptrace_access.ts';
import type { PidNamespace } from './pid_namespace.ts';
import type { ProcessGroup, Session } from './process_group.ts';
import { Rlimits } from './rlimits.ts';
import type { ProcessTimers } from '../timers/process_timers.ts';

/** CPU time and counters of threads that are gone. */
export interface Usage {
  userNs: number;
  systemNs: number;
  minorFaults: number;
  majorFaults: number;
  maxRssKb: number;
  voluntarySwitches: number;
  involuntarySwitches: number;
}

export function newUsage(): Usage {
  return {
    userNs: 0,
    systemNs: 0,
    minorFaults: 0,
    majorFaults: 0,
    maxRssKb: 0,
    voluntarySwitches: 0,
    involuntarySwitches: 0,
  };
}

/** Adds `more` to `sum` (maxRssKb: the larger). */
export function addUsage(sum: Usage, more: Usage): void {
  sum.userNs += more.userNs;
  sum.systemNs += more.systemNs;
  sum.minorFaults += more.minorFaults;
  sum.majorFaults += more.majorFaults;
  sum.maxRssKb = Math.max(sum.maxRssKb, more.maxRssKb);
  sum.voluntarySwitches += more.voluntarySwitches;
  sum.involuntarySwitches += more.involuntarySwitches;
}

export class ThreadGroup {
  readonly pids: readonly number[];
  readonly pidNs: PidNamespace;
  parent: ThreadGroup | null;
  /** The parent's thread that made this process (PDEATHSIG); null once it is gone. */
  parentTask: Task | null = null;
  readonly children = new Set<ThreadGroup>();
  /** Live threads (zombie leader excluded). */
  readonly tasks = new Set<Task>();
  leader: Task | null = null;
  rlimits = new Rlimits();
  handlers: SignalHandlers;
  readonly sharedPending = new PendingSignals();
  processGroup!: ProcessGroup;
  readonly container: GuestContainer;
  /** Signal sent to the parent at exit (0: none). */
  exitSignal = 0;
  /** Woken when a child changes state (wait4 and friends). */
  readonly childQueue = new WaitQueue();
  /** Woken when this process exits (pidfd poll). */
  readonly exitQueue = new WaitQueue();
  isChildSubreaper = false;
  /** exit_group or a fatal signal: every task is on its way out; the status all report. */
  isExiting = false;
  exitStatus = 0;
  /** All tasks are gone; waiting to be reaped. */
  isZombie = false;
  /** Init of a nested pid namespace, dead but waiting for the others in it to go. */
  isZapping = false;
  /** Reaped or auto-reaped: in no table any more. */
  isReaped = false;
  /** An execve is waiting for the other threads to go. */
  execTask: Task | null = null;
  /** Stopped by job control: all threads are parked. */
  isStopped = false;
  /** A group stop was begun, its threads are on their way to it. */
  stopPending = false;
  stopSignal = 0;
  /** A stop or continue the parent has not seen (wait4 WUNTRACED, WCONTINUED): the stop signal; -1: continued; 0: none. */
  waitEvent = 0;
  /** CPU time of exited threads; of waited-for children. */
  readonly deadUsage = newUsage();
  readonly childUsage = newUsage();
  /** What exited threads have read and written. */
  readonly deadIo = new IoCounters();
  hasExeced = false;
  processKeyring: Key | null = null;
  /** Who else may attach to it (PR_SET_PTRACER). */
  ptracer: Ptracer = null;
  /** oom_score_adj as in /proc. */
  oomScoreAdj = 0;
  /** Interval timers and POSIX timers; null until used. */
  timers: ProcessTimers | null = null;
  /** POSIX and OFD lock owner identity, epoll ids and the like hang on the object itself. */
  readonly startTimeNs: number;

  constructor(
    pidNs: PidNamespace,
    pids: readonly number[],
    parent: ThreadGroup | null,
    handlers: SignalHandlers,
    startTimeNs: number,
    container: GuestContainer,
  ) {
    this.container = container;
    this.pidNs = pidNs;
    this.pids = pids;
    this.parent = parent;
    this.handlers = handlers;
    this.startTimeNs = startTimeNs;
  }

  /** Process id (tgid) in the initial pid namespace. */
  get pid(): number {
    return this.pids[0] as number;
  }
  /** Process id as seen from `ns`; 0 when it has none there. */
  pidIn(ns: PidNamespace): number {
    return ns.contains(this.pidNs) ? (this.pids[ns.level] as number) : 0;
  }
  get session(): Session {
    return this.processGroup.session;
  }
  /** Exiting for good or already a zombie. */
  get isDead(): boolean {
    return this.isZombie || this.isReaped;
  }
  /** Any live thread, the leader when it lives: whose credentials and mm stand for the process. */
  get representative(): Task | null {
    const leader = this.leader;
    if (leader !== null && this.tasks.has(leader)) return leader;
    for (const task of this.tasks) return task;
    return leader;
  }
}
