// SPDX-License-Identifier: Apache-2.0

/**
 * CPU time and resource usage of tasks and processes.
 *
 * Linux: kernel/sys.c (getrusage), kernel/sched/cputime.c
 */
import type { Task } from '../task.ts';
import { addUsage, newUsage, type ThreadGroup, type Usage } from './thread_group.ts';

const times = new Float64Array(2);
const memory = new Float64Array(3);

/** What one task has used so far. */
export function taskUsage(t: Task): Usage {
  const usage = newUsage();
  if (t.thread === null) return t.usage ?? usage;
  t.thread.cpuTimes(times);
  usage.userNs = times[0] as number;
  usage.systemNs = times[1] as number;
  return usage;
}

/** What a process has used so far, its exited threads included. */
export function groupUsage(group: ThreadGroup): Usage {
  const usage = newUsage();
  addUsage(usage, group.deadUsage);
  for (const task of group.tasks) addUsage(usage, taskUsage(task));
  return usage;
}

/** CPU time of a process in ns. */
export function groupCpuNs(group: ThreadGroup): number {
  const usage = groupUsage(group);
  return usage.userNs + usage.systemNs;
}

/** Resident set of t's address space in KiB as it stands; 0 when unknown. */
export function residentKb(t: Task): number {
  return t.mm.addressSpace.usage(memory) < 0 ? 0 : Math.floor((memory[0] as number) / 1024);
}
