// SPDX-License-Identifier: Apache-2.0

/**
 * ThreadGroup: a process: tasks that share a pid, signal dispositions, limits, timers and children.
 *
 * Linux: include/linux/sched/signal.h (signal_struct)
 */
import type { Task } from '../task.ts';
import { Rlimits } from './rlimits.ts';

export class ThreadGroup {
  /** Process id (tgid) in the initial pid namespace. */
  readonly pid: number;
  parent: ThreadGroup | null;
  readonly children = new Set<ThreadGroup>();
  readonly tasks = new Set<Task>();
  leader: Task | null = null;
  rlimits = new Rlimits();

  constructor(pid: number, parent: ThreadGroup | null) {
    this.pid = pid;
    this.parent = parent;
  }
}
