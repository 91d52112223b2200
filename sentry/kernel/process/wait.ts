// SPDX-License-Identifier: Apache-2.0

/**
 * Finding a child that has something to report, for wait4 and waitid.
 *
 * Linux: kernel/exit.c (do_wait, wait_consider_task, wait_task_zombie, wait_task_stopped, wait_task_continued)
 */
import { ECHILD } from '../../../platform/abi/linux/errno.ts';
import {
  __WALL,
  __WCLONE,
  __WNOTHREAD,
  P_ALL,
  P_PGID,
  WCONTINUED,
  WEXITED,
  WNOWAIT,
  WSTOPPED,
} from '../../../platform/abi/linux/sched.ts';
import {
  CLD_CONTINUED,
  CLD_DUMPED,
  CLD_EXITED,
  CLD_KILLED,
  CLD_STOPPED,
  SIGCHLD,
  SIGCONT,
} from '../../../platform/abi/linux/signal.ts';
import type { Task } from '../task.ts';
import { isTracedByParent } from '../ptrace/trace_state.ts';
import { pollTracees } from '../ptrace/wait.ts';
import { reapGroup } from '../task_exit.ts';
import { addUsage, newUsage, type ThreadGroup, type Usage } from './thread_group.ts';
import { groupUsage } from './usage.ts';

/** Which children, and which of their changes. */
export interface WaitTarget {
  /** P_ALL, P_PID, P_PGID (P_PIDFD is resolved to `group`). */
  type: number;
  id: number;
  /** P_PIDFD: the very process. */
  group: ThreadGroup | null;
  /** WEXITED, WSTOPPED, WCONTINUED, WNOWAIT, __WALL, __WCLONE, __WNOTHREAD. */
  options: number;
}

/** One report. */
export interface WaitResult {
  /** As the waiter sees it. */
  pid: number;
  uid: number;
  /** CLD_*. */
  code: number;
  /** si_status: exit code or signal. */
  status: number;
  /** wait4's status word. */
  waitStatus: number;
  usage: Usage;
}

function matches(t: Task, child: ThreadGroup, target: WaitTarget): boolean {
  const { options } = target;
  if (target.group !== null) {
    if (target.group !== child) return false;
  } else if (target.type === P_PGID) {
    if (child.processGroup.idIn(t.pidNs) !== target.id) return false;
  } else if (target.type !== P_ALL && child.pidIn(t.pidNs) !== target.id) return false;
  if ((options & __WNOTHREAD) !== 0 && child.parentTask !== null && child.parentTask !== t) return false;
  if ((options & __WALL) !== 0 || (child.leader !== null && isTracedByParent(child.leader))) return true;
  return (child.exitSignal !== SIGCHLD) === ((options & __WCLONE) !== 0);
}

/**
 * Looks for a report, and takes it unless WNOWAIT. Returns it; null when children match but have nothing to report; ECHILD
 * when none matches.
 */
export function pollChildren(t: Task, target: WaitTarget): WaitResult | null | typeof ECHILD {
  let any = false;
  for (const child of t.threadGroup.children) {
    if (!matches(t, child, target)) continue;
    any = true;
    const result = consider(t, child, target.options);
    if (result !== null) return result;
  }
  const traced = pollTracees(t, target);
  if (traced !== 'none') return traced;
  return any ? null : ECHILD;
}

function consider(t: Task, child: ThreadGroup, options: number): WaitResult | null {
  const isTraced = child.leader !== null && child.leader.ptrace !== null;
  if (child.isZombie) {
    // Somebody else's tracee: the tracer hears of it first.
    if (isTraced && !isTracedByParent(child.leader as Task)) return null;
    return (options & WEXITED) !== 0 && !child.isZapping ? zombie(t, child, options) : null;
  }
  if (child.waitEvent > 0 && (options & WSTOPPED) !== 0 && !(isTraced && isTracedByParent(child.leader as Task)))
    return stopped(t, child, options);
  if (child.waitEvent < 0 && (options & WCONTINUED) !== 0) return continued(t, child, options);
  return null;
}

function describe(t: Task, child: ThreadGroup, code: number, status: number, waitStatus: number): WaitResult {
  return {
    pid: child.pidIn(t.pidNs),
    uid: child.representative?.creds.ruid ?? 0,
    code,
    status,
    waitStatus,
    usage: newUsage(),
  };
}

function zombie(t: Task, child: ThreadGroup, options: number): WaitResult {
  const status = child.exitStatus;
  const signo = status & 0x7f;
  const code = signo === 0 ? CLD_EXITED : (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
  const result = describe(t, child, code, signo === 0 ? (status >> 8) & 0xff : signo, status);
  addUsage(result.usage, groupUsage(child));
  addUsage(result.usage, child.childUsage);
  if ((options & WNOWAIT) === 0) {
    addUsage(t.threadGroup.childUsage, result.usage);
    reapGroup(child);
  }
  return result;
}

function stopped(t: Task, child: ThreadGroup, options: number): WaitResult {
  const signo = child.waitEvent;
  const result = describe(t, child, CLD_STOPPED, signo, (signo << 8) | 0x7f);
  addUsage(result.usage, groupUsage(child));
  if ((options & WNOWAIT) === 0) child.waitEvent = 0;
  return result;
}

function continued(t: Task, child: ThreadGroup, options: number): WaitResult {
  const result = describe(t, child, CLD_CONTINUED, SIGCONT, 0xffff);
  addUsage(result.usage, groupUsage(child));
  if ((options & WNOWAIT) === 0) child.waitEvent = 0;
  return result;
}
