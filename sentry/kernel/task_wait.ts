// SPDX-License-Identifier: Apache-2.0

/**
 * How a task waits inside a system call: registering what its handler yielded, waking it, resuming the handler.
 *
 * Linux:      kernel/sched/wait.c, schedule_timeout()
 * Invariants: a blocked task is registered on exactly its request's queues and at most one timer; waking removes all of
 *             them at once, so a task is woken once per wait. Woken tasks run from Kernel.ready before the next platform wait.
 */
import { EINTR } from '../../platform/abi/linux/errno.ts';
import { Timer } from '../time/timer_heap.ts';
import {
  type Blocking,
  WAKE_EVENT,
  WAKE_SIGNAL,
  WAKE_TIMEOUT,
  type WaitRequest,
  type WakeReason,
} from '../wait/blocking.ts';
import { WAKE_ALL } from '../wait/wait_queue.ts';
import { stopInHandler } from './ptrace/stops.ts';
import { finishSyscall } from './task_run.ts';
import { ATTENTION_EXIT, ATTENTION_SIGNAL, TASK_BLOCKED, TASK_KERNEL, type Task } from './task.ts';
import { isKillPending } from './signal/send.ts';

/** The timeout of a task's wait. */
export class WaitTimer extends Timer {
  private readonly task: Task;
  constructor(task: Task) {
    super();
    this.task = task;
  }
  override fire(): void {
    wakeTask(this.task, WAKE_TIMEOUT);
  }
}

/** Ends the wait of a blocked task: it becomes ready with `reason`. False when it was not waiting. */
export function wakeTask(t: Task, reason: WakeReason): boolean {
  if (t.state !== TASK_BLOCKED) return false;
  const request = t.waitRequest as WaitRequest;
  for (const queue of request.queues) queue.remove(t);
  if (t.waitTimer.isArmed) t.kernel.timers.cancel(t.waitTimer);
  t.waitRequest = null;
  t.wakeReason = reason;
  t.state = TASK_KERNEL;
  t.kernel.ready.push(t);
  return true;
}

/** True when a signal (a fatal one for killable waits) ends the wait `request` of t at once. */
export function interruptsWait(t: Task, request: WaitRequest): boolean {
  if (t.attention === 0) return false;
  return request.killableOnly !== true || isKillPending(t);
}

/** A handler returned a generator: runs it to its first wait. */
export function startBlocking(t: Task, blocking: Blocking): void {
  t.blocking = blocking;
  drive(t, blocking, WAKE_EVENT);
}

/** A woken task's turn: resumes its handler with the wake reason. */
export function resumeBlocking(t: Task): void {
  drive(t, t.blocking as Blocking, t.wakeReason);
}

function drive(t: Task, blocking: Blocking, first: WakeReason): void {
  let reason = first;
  for (let interrupted = 0; ; ) {
    const step = blocking.next(reason);
    if (step.done === true) {
      t.blocking = null;
      t.kernel.syscalls.tracer?.onBlockingResult(t, t.syscallNr, step.value);
      finishSyscall(t, step.value);
      return;
    }
    const request = step.value;
    if (request.event !== undefined) {
      if (t.ptrace !== null && !isKillPending(t)) {
        t.wakeReason = WAKE_EVENT;
        stopInHandler(t, t.ptrace, request.event, request.eventMessage ?? 0);
        return;
      }
      reason = WAKE_EVENT;
      continue;
    }
    if (!interruptsWait(t, request)) {
      register(t, request);
      return;
    }
    // A handler that goes on waiting after it was told of a signal is cut off when the task is dying, and otherwise waits uninterruptibly.
    if (++interrupted > 1) {
      if (isKillPending(t)) {
        blocking.return(EINTR);
        t.blocking = null;
        finishSyscall(t, EINTR);
        return;
      }
      register(t, request);
      return;
    }
    reason = WAKE_SIGNAL;
  }
}

function register(t: Task, request: WaitRequest): void {
  t.state = TASK_BLOCKED;
  t.waitRequest = request;
  const mask = request.mask ?? WAKE_ALL;
  const sharing = request.exclusive === true ? 'exclusive' : 'shared';
  for (const queue of request.queues) queue.add(t, mask, sharing);
  if (request.deadlineNs !== Number.POSITIVE_INFINITY) t.kernel.timers.arm(t.waitTimer, request.deadlineNs);
}

/** Interrupts a blocked task's wait when what is pending is of a kind that does. */
export function signalWake(t: Task): void {
  if (t.state === TASK_BLOCKED && interruptsWait(t, t.waitRequest as WaitRequest)) wakeTask(t, WAKE_SIGNAL);
}

export const INTERRUPTING = ATTENTION_EXIT | ATTENTION_SIGNAL;
