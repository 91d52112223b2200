// SPDX-License-Identifier: Apache-2.0

/**
 * SEM_UNDO at exit: which sets a process has adjustments in, applied when its last thread goes.
 *
 * Linux:      ipc/sem.c (exit_sem)
 * Invariants: exactly one live thread of a process with adjustments carries the exit hook.
 */
import type { ThreadGroup } from '../process/thread_group.ts';
import type { Task } from '../task.ts';
import type { SemaphoreSet } from './sem.ts';

const undoSets = new WeakMap<ThreadGroup, Set<SemaphoreSet>>();

/** What stands for the process's list of adjustments (kcmp); null when it has none. */
export function undoListOf(group: ThreadGroup): object | null {
  return undoSets.get(group) ?? null;
}

/** Remembers that t's process has adjustments in `set`. */
export function registerUndo(t: Task, set: SemaphoreSet): void {
  const group = t.threadGroup;
  let sets = undoSets.get(group);
  if (sets === undefined) {
    sets = new Set();
    undoSets.set(group, sets);
    t.exitHooks.add(exitHook);
  }
  sets.add(set);
}

/** Runs when the thread with the duty exits: passes it on, or does it when it was the last. */
function exitHook(t: Task): void {
  const group = t.threadGroup;
  for (const heir of group.tasks) {
    if (heir === t) continue;
    heir.exitHooks.add(exitHook);
    return;
  }
  const sets = undoSets.get(group);
  undoSets.delete(group);
  if (sets === undefined) return;
  const seconds = t.kernel.clock.realtimeSeconds();
  for (const set of sets) if (!set.isRemoved) set.exit(group, seconds);
}
