// SPDX-License-Identifier: Apache-2.0

/**
 * Job-control stops: parking all threads of a process, and telling the parent.
 *
 * Linux: kernel/signal.c (do_signal_stop, do_notify_parent_cldstop)
 */
import { CLD_STOPPED, SA_NOCLDSTOP, SIG_IGN, SIGCHLD } from '../../platform/abi/linux/signal.ts';
import { SigInfo } from '../arch/siginfo.ts';
import { groupUsage } from './process/usage.ts';
import type { ThreadGroup } from './process/thread_group.ts';
import { kick, sendToGroup } from './signal/send.ts';
import { trap } from './ptrace/attach.ts';
import { isTracedByParent } from './ptrace/trace_state.ts';
import { ATTENTION_STOP, TASK_STOPPED, TASK_TRACED, type Task } from './task.ts';

/** A stop signal was taken by t: all threads of its process are to park. */
export function beginGroupStop(t: Task, signo: number): void {
  const group = t.threadGroup;
  if (group.isExiting || group.execTask !== null) return;
  if (!group.isStopped && !group.stopPending) {
    group.stopPending = true;
    group.stopSignal = signo;
  }
  for (const task of group.tasks) {
    if (task.state === TASK_STOPPED) continue;
    task.attention |= ATTENTION_STOP;
    if (task.state === TASK_TRACED && task.ptrace?.isSeized === true) trap(task);
    else if (task !== t) kick(task);
  }
}

/** Parks t; the last thread to park completes the stop and tells the parent. */
export function parkForStop(t: Task): void {
  const group = t.threadGroup;
  t.attention &= ~ATTENTION_STOP;
  t.state = TASK_STOPPED;
  completeGroupStop(group);
}

/** Completes a pending stop when every live thread is parked (also called when a thread exits meanwhile). */
export function completeGroupStop(group: ThreadGroup): void {
  if (!group.stopPending) return;
  for (const task of group.tasks) if (task.state !== TASK_STOPPED && task.state !== TASK_TRACED) return;
  if (group.tasks.size === 0) return;
  group.stopPending = false;
  group.isStopped = true;
  group.waitEvent = group.stopSignal;
  // A parent that traces it is told of the ptrace stops.
  if (group.leader === null || !isTracedByParent(group.leader)) notifyParentOfStop(group, CLD_STOPPED, group.stopSignal);
}

/** SIGCHLD for a stop or continue, unless the parent said SA_NOCLDSTOP; and wakes its wait4. */
export function notifyParentOfStop(group: ThreadGroup, code: number, status: number): void {
  const { parent } = group;
  if (parent === null) return;
  const action = parent.handlers.get(SIGCHLD);
  if (action.handler !== SIG_IGN && (action.flags & SA_NOCLDSTOP) === 0) {
    sendToGroup(parent, childInfo(group, parent, SIGCHLD, code, status));
  }
  parent.childQueue.wake();
}

/** siginfo about a child, numbered for the parent. */
export function childInfo(
  group: ThreadGroup,
  parent: ThreadGroup,
  signo: number,
  code: number,
  status: number,
): SigInfo {
  const info = new SigInfo();
  info.signo = signo;
  info.code = code;
  info.pid = group.pidIn(parent.pidNs);
  info.uid = group.representative?.creds.ruid ?? 0;
  info.status = status;
  const usage = groupUsage(group);
  info.setTimes(Math.floor(usage.userNs / 1e7), Math.floor(usage.systemNs / 1e7));
  return info;
}
