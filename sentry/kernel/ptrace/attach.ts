// SPDX-License-Identifier: Apache-2.0

/**
 * The tie between a tracer and its tracees: made, inherited, cut.
 *
 * Linux: kernel/ptrace.c (ptrace_attach, ptrace_traceme, ptrace_detach, exit_ptrace), include/linux/ptrace.h (ptrace_init_task)
 */
import { EPERM } from '../../../platform/abi/linux/errno.ts';
import { PTRACE_O_EXITKILL } from '../../../platform/abi/linux/ptrace.ts';
import { SI_KERNEL, SI_USER, SIGKILL, SIGSTOP } from '../../../platform/abi/linux/signal.ts';
import { makeSigInfo } from '../../arch/siginfo.ts';
import { mayAttach } from '../process/ptrace_access.ts';
import { kick, recalcAttention, sendToGroup, sendToTask, unpark } from '../signal/send.ts';
import { ATTENTION_STOP, ATTENTION_TRAP, TASK_STOPPED, TASK_TRACED, TASK_ZOMBIE, type Task } from '../task.ts';
import { notifyExit, releaseTask } from '../task_exit.ts';
import { resumeTraced } from './stops.ts';
import { TraceState } from './trace_state.ts';

function link(tracer: Task, t: Task, isSeized: boolean, options: number): TraceState {
  const trace = new TraceState(tracer, isSeized, options);
  t.ptrace = trace;
  tracer.tracees ??= new Set();
  tracer.tracees.add(t);
  return trace;
}

/** Cuts the tie on both sides, leaving the task as it is. */
export function unlink(t: Task): void {
  t.ptrace?.tracer.tracees?.delete(t);
  t.ptrace = null;
}

/** PTRACE_TRACEME. Returns 0 or EPERM. */
export function traceMe(t: Task): number {
  const { parent, parentTask } = t.threadGroup;
  const tracer = parentTask ?? parent?.representative ?? null;
  if (t.ptrace !== null || tracer === null || !tracer.isLive) return EPERM;
  link(tracer, t, false, 0);
  return 0;
}

/** PTRACE_ATTACH and PTRACE_SEIZE. Returns 0 or EPERM. */
export function attach(tracer: Task, t: Task, isSeized: boolean, options: number): number {
  if (t.threadGroup === tracer.threadGroup || !mayAttach(tracer, t)) return EPERM;
  if (!t.isLive || t.ptrace !== null) return EPERM;
  link(tracer, t, isSeized, options);
  if (!isSeized) sendToTask(t, makeSigInfo(SIGSTOP, SI_KERNEL), { force: true });
  // Parked by job control: it stops again as a tracee.
  if (t.state === TASK_STOPPED && t.threadGroup.isStopped) {
    t.attention |= ATTENTION_TRAP | (isSeized ? 0 : ATTENTION_STOP);
    unpark(t);
  }
  return 0;
}

/** A traced task made another with tracing asked for it: the new one starts stopped. */
export function inheritTracing(t: Task, child: Task): void {
  const trace = t.ptrace;
  if (trace === null) return;
  link(trace.tracer, child, trace.isSeized, trace.options);
  if (trace.isSeized) child.attention |= ATTENTION_TRAP;
  else {
    child.pending.addBare(SIGSTOP);
    recalcAttention(child);
  }
}

/** PTRACE_INTERRUPT, and what changes a listening tracee: it stops (again). */
export function trap(t: Task): void {
  t.attention |= ATTENTION_TRAP;
  if (t.state === TASK_TRACED) {
    if (t.ptrace?.isListening === true) resumeTraced(t);
  } else if (t.state === TASK_STOPPED) unpark(t);
  else kick(t);
}

/** PTRACE_DETACH, and the tracer's exit. `signal` null: as the stop had it. */
export function detach(t: Task, signal: number | null): void {
  const trace = t.ptrace;
  if (trace === null) return;
  if (trace.stop !== null && signal !== null) trace.stop.signal = signal;
  unlink(t);
  t.attention &= ~ATTENTION_TRAP;
  if (t.state === TASK_ZOMBIE) {
    buryZombie(t, trace);
    return;
  }
  const group = t.threadGroup;
  if (group.isStopped || group.stopPending) t.attention |= ATTENTION_STOP;
  resumeTraced(t);
}

/** A zombie nobody traces any more: its parent hears of it, or nobody. */
function buryZombie(t: Task, trace: TraceState): void {
  const group = t.threadGroup;
  if (t !== group.leader) releaseTask(t);
  else if (group.isZombie && !group.isZapping && trace.tracer.threadGroup !== group.parent) notifyExit(group);
}

/** A tracer is gone: its tracees go on by themselves, or die with PTRACE_O_EXITKILL. */
export function releaseTracees(tracer: Task): void {
  const { tracees } = tracer;
  if (tracees === null) return;
  tracer.tracees = null;
  for (const t of tracees) {
    const dies = ((t.ptrace?.options ?? 0) & PTRACE_O_EXITKILL) !== 0;
    detach(t, null);
    if (dies && t.isLive) sendToGroup(t.threadGroup, makeSigInfo(SIGKILL, SI_USER), { force: true });
  }
}
