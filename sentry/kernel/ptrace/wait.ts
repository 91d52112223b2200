// SPDX-License-Identifier: Apache-2.0

/**
 * What tracees have to report to wait4 and waitid.
 *
 * Linux: kernel/exit.c (do_wait, ptrace_do_wait, wait_task_stopped, wait_task_zombie with ptrace)
 */
import { P_ALL, P_PGID, __WNOTHREAD, WEXITED, WNOWAIT } from '../../../platform/abi/linux/sched.ts';
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED } from '../../../platform/abi/linux/signal.ts';
import { newUsage, type Usage } from '../process/thread_group.ts';
import { groupUsage } from '../process/usage.ts';
import type { WaitResult, WaitTarget } from '../process/wait.ts';
import { TASK_TRACED, TASK_ZOMBIE, type Task } from '../task.ts';
import { notifyExit, releaseTask } from '../task_exit.ts';
import { unlink } from './attach.ts';
import { isTracedByParent, type TraceState } from './trace_state.ts';

function matches(t: Task, tracee: Task, target: WaitTarget): boolean {
  if (target.group !== null) return target.group === tracee.threadGroup && tracee.isLeader;
  if (target.type === P_PGID) return tracee.threadGroup.processGroup.idIn(t.pidNs) === target.id;
  return target.type === P_ALL || tracee.tidIn(t.pidNs) === target.id;
}

/** Looks at the tracees of t's process. Returns a report, null (some match, none reports), or 'none'. */
export function pollTracees(t: Task, target: WaitTarget): WaitResult | null | 'none' {
  let any = false;
  for (const tracer of t.threadGroup.tasks) {
    if (tracer.tracees === null || (tracer !== t && (target.options & __WNOTHREAD) !== 0)) continue;
    for (const tracee of tracer.tracees) {
      if (!matches(t, tracee, target)) continue;
      any = true;
      const result = consider(t, tracee, tracee.ptrace as TraceState, target.options);
      if (result !== null) return result;
    }
  }
  return any ? null : 'none';
}

function consider(t: Task, tracee: Task, trace: TraceState, options: number): WaitResult | null {
  if (tracee.state === TASK_TRACED) return stopped(t, tracee, trace, options);
  if (tracee.state === TASK_ZOMBIE && (options & WEXITED) !== 0) return exited(t, tracee, options);
  return null;
}

function describe(t: Task, tracee: Task, code: number, status: number, waitStatus: number, usage: Usage): WaitResult {
  return { pid: tracee.tidIn(t.pidNs), uid: tracee.creds.ruid, code, status, waitStatus, usage };
}

function stopped(t: Task, tracee: Task, trace: TraceState, options: number): WaitResult | null {
  const { stop } = trace;
  if (stop === null || stop.isReported || trace.isListening) return null;
  if ((options & WNOWAIT) === 0) stop.isReported = true;
  const usage = groupUsage(tracee.threadGroup);
  return describe(t, tracee, stop.why, stop.code, ((stop.code << 8) | 0x7f) >>> 0, usage);
}

/** A thread's end; the end of a process whose parent is somebody else (the parent hears of it then). */
function exited(t: Task, tracee: Task, options: number): WaitResult | null {
  const group = tracee.threadGroup;
  const isLeader = tracee === group.leader;
  if (isLeader && (!group.isZombie || group.isZapping || isTracedByParent(tracee))) return null;
  const status = isLeader ? group.exitStatus : tracee.exitStatus;
  const signo = status & 0x7f;
  const code = signo === 0 ? CLD_EXITED : (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
  const usage = isLeader ? groupUsage(group) : (tracee.usage ?? newUsage());
  const result = describe(t, tracee, code, signo === 0 ? (status >> 8) & 0xff : signo, status, usage);
  if ((options & WNOWAIT) === 0) {
    unlink(tracee);
    if (isLeader) notifyExit(group);
    else releaseTask(tracee);
  }
  return result;
}
