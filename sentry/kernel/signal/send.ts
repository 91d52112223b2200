// SPDX-License-Identifier: Apache-2.0

/**
 * Sending signals: what sending has as side effects, who of a process gets it, who is woken.
 *
 * Linux:      kernel/signal.c (prepare_signal, __send_signal_locked, complete_signal, wants_signal)
 * Invariants: every change of a pending set or mask is followed by recalcAttention() of the tasks it concerns. A task that
 *             runs application code is interrupted; one that waits is woken; one in the kernel looks at `attention` itself.
 */
import { EAGAIN } from '../../../platform/abi/linux/errno.ts';
import {
  CLD_CONTINUED,
  SI_KERNEL,
  SI_USER,
  SIG_DFL,
  SIGCONT,
  SIGKILL,
  SIGRTMIN,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
} from '../../../platform/abi/linux/signal.ts';
import type { PlatformThread } from '../../../platform/platform.ts';
import { makeSigInfo, type SigInfo } from '../../arch/siginfo.ts';
import { SigSet } from '../../arch/sigset.ts';
import type { ProcessGroup } from '../process/process_group.ts';
import { trap } from '../ptrace/attach.ts';
import { resumeTraced } from '../ptrace/stops.ts';
import { RLIMIT_SIGPENDING } from '../process/rlimits.ts';
import type { ThreadGroup } from '../process/thread_group.ts';
import {
  ATTENTION_EXIT,
  ATTENTION_SIGNAL,
  ATTENTION_STOP,
  TASK_STOPPED,
  TASK_TRACED,
  TASK_USER,
  TASK_KERNEL,
  type Task,
} from '../task.ts';
import { notifyParentOfStop } from '../task_stop.ts';
import { signalWake } from '../task_wait.ts';
import { defaultAction } from './handlers.ts';
import type { PendingSignals } from './pending.ts';

const STOP_SIGNALS = new SigSet();
for (const signo of [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]) STOP_SIGNALS.add(signo);
const CONT_SIGNALS = new SigSet();
CONT_SIGNALS.add(SIGCONT);

/** Most signals queued by a process, whatever its limit says. */
const MAX_QUEUED = 131072;

/** What send functions take besides the info. */
export interface SendOptions {
  /** From outside the target's pid namespace: even its init dies of SIGKILL and stops at SIGSTOP. */
  force?: boolean;
  /** Called when the signal leaves the queue (POSIX timers). */
  onTaken?: (info: SigInfo) => void;
}

/** Sets or clears ATTENTION_SIGNAL after a change of a mask or pending set. */
export function recalcAttention(t: Task): void {
  const shared = t.threadGroup.sharedPending.set;
  const { blocked } = t;
  const own = t.pending.set;
  const deliverable = ((own.lo | shared.lo) & ~blocked.lo) | ((own.hi | shared.hi) & ~blocked.hi);
  if (deliverable !== 0) t.attention |= ATTENTION_SIGNAL;
  else t.attention &= ~ATTENTION_SIGNAL;
}

/** True when the task is going to die: nothing but its exit matters any more. */
export function isKillPending(t: Task): boolean {
  return (t.attention & ATTENTION_EXIT) !== 0 || t.pending.has(SIGKILL) || t.threadGroup.sharedPending.has(SIGKILL);
}

/** Makes a task look at its attention bits soon, wherever it is. */
export function kick(t: Task): void {
  if (t.state === TASK_USER) (t.thread as PlatformThread).interrupt();
  else if (t.state === TASK_STOPPED) {
    if ((t.attention & ATTENTION_EXIT) !== 0) unpark(t);
  } else if (t.state === TASK_TRACED) {
    if ((t.attention & ATTENTION_EXIT) !== 0) resumeTraced(t);
  } else signalWake(t);
}

/** Lets a parked task go on. */
export function unpark(t: Task): void {
  if (t.state !== TASK_STOPPED) return;
  t.state = TASK_KERNEL;
  t.kernel.ready.push(t);
}

/** Starts the death of a whole process with wait status `status`; the calling task, if any, exits on its own. Linux: do_group_exit(), zap_other_threads(). */
export function beginGroupExit(group: ThreadGroup, status: number): void {
  if (group.isExiting) return;
  group.isExiting = true;
  group.exitStatus = status;
  group.stopPending = false;
  group.isStopped = false;
  for (const task of group.tasks) {
    task.attention = (task.attention | ATTENTION_EXIT) & ~ATTENTION_STOP;
    kick(task);
  }
}

/** Sends to one thread (tgkill, faults). Returns 0, or EAGAIN when its queue is full. */
export function sendToTask(t: Task, info: SigInfo, options: SendOptions = {}): number {
  if (!t.isLive) return 0;
  return send(t, t.pending, info, options, 'thread');
}

/** Sends to a process: any thread that does not block it takes it. Returns 0 or EAGAIN. */
export function sendToGroup(group: ThreadGroup, info: SigInfo, options: SendOptions = {}): number {
  const target = group.representative;
  if (target === null || group.isDead) return 0;
  return send(target, group.sharedPending, info, options, 'process');
}

/** Sends a kernel signal to every member of a process group (terminals). */
export function sendToProcessGroup(group: ProcessGroup, signo: number): void {
  for (const member of [...group.members]) sendToGroup(member, makeSigInfo(signo, SI_KERNEL));
}

function send(
  t: Task,
  pending: PendingSignals,
  info: SigInfo,
  options: SendOptions,
  type: 'thread' | 'process',
): number {
  const { signo } = info;
  const group = t.threadGroup;
  if (!prepare(t, signo, options.force === true)) {
    options.onTaken?.(info);
    return 0;
  }
  if (signo < SIGRTMIN && pending.has(signo)) {
    options.onTaken?.(info);
    return 0;
  }
  const fromKernel = info.code === SI_KERNEL || info.code > 0;
  const limit = Math.min(group.rlimits.soft(RLIMIT_SIGPENDING), MAX_QUEUED);
  if (signo === SIGKILL) pending.addBare(signo);
  else if (signo >= SIGRTMIN || !fromKernel) {
    if (queuedSignals(group) >= limit) {
      if (signo >= SIGRTMIN && info.code !== SI_USER && info.code !== SI_KERNEL) return EAGAIN;
      pending.addBare(signo);
      options.onTaken?.(info);
    } else pending.add(info, options.onTaken ?? null);
  } else pending.add(info, options.onTaken ?? null);
  for (const watcher of t.kernel.signalWatchers) watcher.onSignal(t, signo);
  complete(t, signo, type);
  return 0;
}

/** Signals queued in the whole process (the limit is per user in Linux; a process's own queues bound memory as well). */
function queuedSignals(group: ThreadGroup): number {
  let n = group.sharedPending.count;
  for (const task of group.tasks) n += task.pending.count;
  return n;
}

/** Side effects on stops, and whether the signal is to be queued at all. */
function prepare(t: Task, signo: number, force: boolean): boolean {
  const group = t.threadGroup;
  if (group.isExiting) {
    // A second SIGKILL ends the exit's own ptrace stop.
    if (signo === SIGKILL) for (const task of group.tasks) if (task.state === TASK_TRACED) resumeTraced(task);
    return signo === SIGKILL;
  }
  if (STOP_SIGNALS.has(signo)) {
    group.sharedPending.discard(CONT_SIGNALS);
    for (const task of group.tasks) task.pending.discard(CONT_SIGNALS);
  } else if (signo === SIGCONT) continueGroup(group);
  return !isIgnored(t, signo, force);
}

/** SIGCONT was sent: whatever its disposition, the process goes on. */
function continueGroup(group: ThreadGroup): void {
  group.sharedPending.discard(STOP_SIGNALS);
  const wasStopped = group.isStopped;
  const wasStopping = group.stopPending;
  group.isStopped = false;
  group.stopPending = false;
  for (const task of group.tasks) {
    task.pending.discard(STOP_SIGNALS);
    task.attention &= ~ATTENTION_STOP;
    recalcAttention(task);
    if (task.ptrace?.isSeized === true && (wasStopped || wasStopping)) trap(task);
    else unpark(task);
  }
  if (wasStopped) {
    group.waitEvent = -1;
    notifyParentOfStop(group, CLD_CONTINUED, SIGCONT);
  } else if (wasStopping) group.waitEvent = 0;
}

function isIgnored(t: Task, signo: number, force: boolean): boolean {
  if (t.blocked.has(signo) || t.savedMask?.has(signo) === true || t.signalWaitSet?.has(signo) === true) return false;
  const { handlers } = t.threadGroup;
  if (t.ptrace !== null && signo !== SIGKILL) return false;
  if (isUnkillable(t.threadGroup) && handlers.get(signo).handler === SIG_DFL && !force) return true;
  return handlers.isIgnored(signo);
}

/** A signal from an ancestor of the pid namespaces here: process 1 is killed and stopped by it, and ignores the rest as always. */
export function sendFromOutside(group: ThreadGroup, signo: number): number {
  return sendToGroup(group, makeSigInfo(signo, SI_KERNEL), { force: signo === SIGKILL || signo === SIGSTOP });
}

/** Process 1 of a pid namespace ignores what it has no handler for, when its own children send it. */
export function isUnkillable(group: ThreadGroup): boolean {
  return group.pidNs.init === group && group.pidNs.protectsInit;
}

function wants(t: Task, signo: number): boolean {
  if (t.blocked.has(signo)) return t.signalWaitSet?.has(signo) === true;
  if ((t.attention & ATTENTION_EXIT) !== 0) return false;
  if (signo === SIGKILL) return true;
  return t.state !== TASK_STOPPED && t.state !== TASK_TRACED;
}

/** Chooses the thread that will take the signal and wakes it; a fatal one starts the process's death at once. */
function complete(t: Task, signo: number, type: 'thread' | 'process'): void {
  const group = t.threadGroup;
  let target: Task | null = wants(t, signo) && t.isLive ? t : null;
  if (target === null && type === 'process') {
    for (const task of group.tasks) {
      if (!wants(task, signo)) continue;
      target = task;
      if ((task.attention & ATTENTION_SIGNAL) === 0) break;
    }
  }
  if (target === null) return;
  const action = defaultAction(signo);
  const isFatal =
    signo === SIGKILL ||
    (group.handlers.get(signo).handler === SIG_DFL &&
      action === 'terminate' &&
      !isUnkillable(group) &&
      !target.blocked.has(signo) &&
      target.ptrace === null);
  if (isFatal && target.savedMask?.has(signo) !== true) {
    beginGroupExit(group, signo);
    return;
  }
  recalcAttention(target);
  if (target.signalWaitSet?.has(signo) === true) target.attention |= ATTENTION_SIGNAL;
  kick(target);
}

/** Takes the next deliverable signal of t not in `mask` (its own first, then the process's). Null: none. */
export function dequeueSignal(t: Task, mask: SigSet): SigInfo | null {
  let signo = t.pending.next(mask);
  let from = t.pending;
  if (signo === 0) {
    from = t.threadGroup.sharedPending;
    signo = from.next(mask);
  }
  if (signo === 0) return null;
  const info = from.take(signo);
  recalcAttention(t);
  return info;
}
