// SPDX-License-Identifier: Apache-2.0

/**
 * The stops of a traced task: entering them, telling the tracer, going on.
 *
 * Linux:      kernel/signal.c (ptrace_stop, ptrace_signal, do_jobctl_trap), include/linux/ptrace.h (ptrace_event)
 * Invariants: a stopped task's thread is stopped at its last event and its registers are in the cache. Every stop has a continuation,
 *             which runs as the task's turn once it is let go (or killed: each looks at ATTENTION_EXIT by itself).
 */
import {
  PTRACE_EVENT_EXIT,
  PTRACE_EVENT_SECCOMP,
  PTRACE_EVENT_STOP,
  PTRACE_O_TRACESYSGOOD,
} from '../../../platform/abi/linux/ptrace.ts';
import { CLD_STOPPED, SA_NOCLDSTOP, SI_USER, SIG_IGN, SIGCHLD, SIGTRAP } from '../../../platform/abi/linux/signal.ts';
import { makeSigInfo, SigInfo } from '../../arch/siginfo.ts';
import { recalcAttention, sendToGroup, sendToTask } from '../signal/send.ts';
import { ATTENTION_EXIT, ATTENTION_STOP, ATTENTION_TRAP, TASK_KERNEL, TASK_TRACED, type Task } from '../task.ts';
import { exitTask } from '../task_exit.ts';
import { returnToUser } from '../task_run.ts';
import { completeGroupStop } from '../task_stop.ts';
import { resumeBlocking } from '../task_wait.ts';
import { type TraceState, TraceStop } from './trace_state.ts';

/** A number of `t`'s as the tracer's processes see it. */
function tidFor(tracer: Task, t: Task): number {
  return t.tidIn(tracer.pidNs);
}

/** siginfo of a stop that is no signal: si_code is the stop's code. */
function stopInfo(t: Task, signo: number, code: number): SigInfo {
  return makeSigInfo(signo, code, t.tidIn(t.pidNs), t.creds.ruid);
}

/** Stops t; `goOn` is called when it is let go. A task that is being killed does not stop. */
export function stopTraced(t: Task, trace: TraceState, stop: TraceStop, goOn: (t: Task) => void): void {
  if ((t.attention & ATTENTION_EXIT) !== 0 && stop.code >>> 8 !== PTRACE_EVENT_EXIT) {
    goOn(t);
    return;
  }
  t.state = TASK_TRACED;
  t.afterStop = goOn;
  trace.stop = stop;
  trace.isListening = false;
  completeGroupStop(t.threadGroup);
  notifyTracer(t, trace.tracer, stop.why, stop.code & 0x7f);
}

/** SIGCHLD for a stop of `t` (unless SA_NOCLDSTOP), and a wake-up for the tracer's wait4. */
export function notifyTracer(t: Task, tracer: Task, why: number, status: number): void {
  const group = tracer.threadGroup;
  const action = group.handlers.get(SIGCHLD);
  if (action.handler !== SIG_IGN && (action.flags & SA_NOCLDSTOP) === 0) {
    const info = new SigInfo();
    info.signo = SIGCHLD;
    info.code = why;
    info.pid = tidFor(tracer, t);
    info.uid = t.creds.ruid;
    info.status = status;
    sendToGroup(group, info);
  }
  group.childQueue.wake();
}

/** Lets a stopped tracee go on. */
export function resumeTraced(t: Task): void {
  if (t.state !== TASK_TRACED) return;
  // Signals sent meanwhile passed it by.
  recalcAttention(t);
  if (t.ptrace !== null) {
    t.ptrace.stop = null;
    t.ptrace.isListening = false;
  }
  t.state = TASK_KERNEL;
  t.kernel.ready.push(t);
}

// -----------------------------------------------------------------------------------------------------------------
// System calls

/** Stops at the entry of a system call. `goOn` performs it. */
export function stopAtEntry(t: Task, trace: TraceState, goOn: (t: Task) => void): void {
  stopAtSyscall(t, trace, 'entry', goOn);
}

/** Stops behind a system call, its result in rax. */
export function stopAtExit(t: Task, trace: TraceState): void {
  stopAtSyscall(t, trace, 'exit', returnToUser);
}

function stopAtSyscall(t: Task, trace: TraceState, kind: 'entry' | 'exit', goOn: (t: Task) => void): void {
  const code = SIGTRAP | ((trace.options & PTRACE_O_TRACESYSGOOD) !== 0 ? 0x80 : 0);
  const stop = new TraceStop(kind, code, stopInfo(t, SIGTRAP, code));
  trace.eventMessage = kind === 'entry' ? 1 : 2;
  stopTraced(t, trace, stop, (self) => {
    if (stop.signal !== 0) sendToTask(self, makeSigInfo(stop.signal, SI_USER, self.tidIn(self.pidNs), self.creds.ruid));
    goOn(self);
  });
}

/** SECCOMP_RET_TRACE: stops for the tracer's decision. */
export function stopForSeccomp(t: Task, trace: TraceState, data: number, goOn: (t: Task) => void): void {
  const code = SIGTRAP | (PTRACE_EVENT_SECCOMP << 8);
  trace.eventMessage = data;
  stopTraced(t, trace, new TraceStop('seccomp', code, stopInfo(t, SIGTRAP, code)), goOn);
}

// -----------------------------------------------------------------------------------------------------------------
// Events

/** Stops inside a system call that waits (a generator), which then goes on. */
export function stopInHandler(t: Task, trace: TraceState, event: number, message: number): void {
  const code = SIGTRAP | (event << 8);
  trace.eventMessage = message;
  stopTraced(t, trace, new TraceStop('event', code, stopInfo(t, SIGTRAP, code)), resumeBlocking);
}

/** Stops before t exits, when that is asked for; false when it is not. */
export function stopBeforeExit(t: Task): boolean {
  const trace = t.ptrace;
  if (trace === null || !trace.wants(PTRACE_EVENT_EXIT) || t.hasReportedExit || t.thread === null) return false;
  t.hasReportedExit = true;
  const status = t.threadGroup.isExiting ? t.threadGroup.exitStatus : t.exitStatus;
  const code = SIGTRAP | (PTRACE_EVENT_EXIT << 8);
  trace.eventMessage = status;
  stopTraced(t, trace, new TraceStop('event', code, stopInfo(t, SIGTRAP, code)), (self) =>
    exitTask(self, self.exitStatus),
  );
  return true;
}

// -----------------------------------------------------------------------------------------------------------------
// Signals

/** A signal was taken: the tracer decides what becomes of it. */
export function stopForSignal(t: Task, trace: TraceState, info: SigInfo): void {
  const stop = new TraceStop('signal', info.signo, info);
  stopTraced(t, trace, stop, (self) => {
    const signo = stop.signal;
    if (signo !== 0) {
      const same = stop.info !== null && stop.info.signo === signo;
      const { tracer } = trace;
      const next = same
        ? (stop.info as SigInfo)
        : makeSigInfo(signo, SI_USER, tracer.tidIn(self.pidNs), tracer.creds.ruid);
      if (self.blocked.has(signo)) sendToTask(self, next);
      else self.injectedSignal = next;
    }
    returnToUser(self);
  });
}

/** The stop of a traced thread for a group stop, PTRACE_INTERRUPT, a birth under PTRACE_SEIZE. */
export function stopForGroup(t: Task, trace: TraceState): void {
  const group = t.threadGroup;
  t.attention &= ~(ATTENTION_STOP | ATTENTION_TRAP);
  const isGroupStop = group.isStopped || group.stopPending;
  const signo = isGroupStop ? group.stopSignal : SIGTRAP;
  if (!trace.isSeized) {
    if (isGroupStop) stopTraced(t, trace, new TraceStop('group', signo, null, CLD_STOPPED), returnToUser);
    else returnToUser(t);
    return;
  }
  const code = signo | (PTRACE_EVENT_STOP << 8);
  trace.eventMessage = 0;
  stopTraced(t, trace, new TraceStop('group', code, stopInfo(t, signo, code), CLD_STOPPED), returnToUser);
}

/** A handler's frame was pushed while single-stepping: stops at its first instruction. */
export function stopAtHandler(t: Task, trace: TraceState): void {
  trace.reportsHandler = false;
  stopTraced(t, trace, new TraceStop('event', SIGTRAP, stopInfo(t, SIGTRAP, SIGTRAP)), returnToUser);
}
