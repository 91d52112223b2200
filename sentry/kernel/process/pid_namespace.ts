// SPDX-License-Identifier: Apache-2.0

/**
 * PidNamespace: the numbers by which tasks, process groups and sessions are known.
 *
 * Linux:      kernel/pid.c, kernel/pid_namespace.c; pid_namespaces(7)
 * Invariants: a number is not reused while a task, process group or session has it. A task has one number in its own
 *             namespace and in each ancestor (Task.pids, outermost first).
 */
import { EAGAIN, ENOMEM } from '../../../platform/abi/linux/errno.ts';
import type { UserNamespace } from '../../auth/user_namespace.ts';
import type { Task } from '../task.ts';
import type { ProcessGroup, Session } from './process_group.ts';
import type { ThreadGroup } from './thread_group.ts';

/** Numbers below this are not reused after the first wrap. */
const RESERVED_PIDS = 300;
const DEFAULT_PID_MAX = 32768;

export class PidNamespace {
  readonly parent: PidNamespace | null;
  /** 0 for the container's own. */
  readonly level: number;
  readonly tasks = new Map<number, Task>();
  readonly processGroups = new Map<number, ProcessGroup>();
  readonly sessions = new Map<number, Session>();
  /** Process 1, the reaper of orphans; null before it exists. */
  init: ThreadGroup | null = null;
  /** Signals that init has no handler for, sent from inside, do nothing to it. */
  protectsInit = true;
  /** False once init has died: no more tasks can be made. */
  isAlive = true;
  /** Inode number shown by /proc/pid/ns/pid. */
  readonly inum: number;
  /** Whose capabilities count over it; null: the initial one's. */
  readonly userNs: UserNamespace | null;
  pidMax = DEFAULT_PID_MAX;
  private last = 0;

  constructor(parent: PidNamespace | null, inum: number, userNs: UserNamespace | null = null) {
    this.parent = parent;
    this.userNs = userNs;
    this.level = parent === null ? 0 : parent.level + 1;
    this.inum = inum;
  }

  /** Last number given out (for /proc/loadavg, /proc/sys/kernel/ns_last_pid). */
  get lastPid(): number {
    return this.last;
  }
  set lastPid(pid: number) {
    this.last = pid;
  }

  /** Takes the next free number. Errors: EAGAIN when all are in use; ENOMEM after init died. */
  allocate(): number {
    if (!this.isAlive) return ENOMEM;
    for (let tries = 0, pid = this.last + 1; tries < this.pidMax; tries++, pid++) {
      if (pid >= this.pidMax) pid = RESERVED_PIDS;
      if (this.tasks.has(pid) || this.processGroups.has(pid) || this.sessions.has(pid)) continue;
      this.last = pid;
      return pid;
    }
    return EAGAIN;
  }

  /** The thread group whose process id here is `pid`, dead or alive but not yet reaped; null otherwise (also for other threads' ids). */
  threadGroup(pid: number): ThreadGroup | null {
    const task = this.tasks.get(pid);
    return task !== undefined && task.threadGroup.leader === task ? task.threadGroup : null;
  }

  /** True when `other` is this namespace or below it. */
  contains(other: PidNamespace): boolean {
    for (let ns: PidNamespace | null = other; ns !== null; ns = ns.parent) if (ns === this) return true;
    return false;
  }
}
