// SPDX-License-Identifier: Apache-2.0

/**
 * Taking signals on the way back to application code: handlers, default actions, stops, restarts, exit.
 *
 * Linux:      kernel/signal.c (get_signal), arch/x86/kernel/signal.c (arch_do_signal_or_restart, handle_signal)
 * Invariants: when deliverSignals() returns true rax holds no internal restart code and `attention` is zero.
 */
import {
  EINTR,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
  ERESTARTNOINTR,
  ERESTARTSYS,
} from '../../../platform/abi/linux/errno.ts';
import {
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTART,
  SA_RESTORER,
  SI_KERNEL,
  SIG_DFL,
  SIG_IGN,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
  SS_AUTODISARM,
} from '../../../platform/abi/linux/signal.ts';
import type { PlatformThread } from '../../../platform/platform.ts';
import { REG_RAX, REG_RIP, REG_RSP } from '../../../platform/registers.ts';
import { makeSigInfo, type SigInfo } from '../../arch/siginfo.ts';
import { pushSignalFrame } from '../../arch/signal_frame.ts';
import { RLIMIT_CORE } from '../process/rlimits.ts';
import { stopAtHandler, stopBeforeExit, stopForGroup, stopForSignal } from '../ptrace/stops.ts';
import { ATTENTION_EXIT, ATTENTION_FREEZE, ATTENTION_STOP, ATTENTION_TRAP, TASK_STOPPED, type Task } from '../task.ts';
import { exitTask } from '../task_exit.ts';
import { beginGroupStop, parkForStop } from '../task_stop.ts';
import { isOnStack, onAltStack, resetAltStack } from './altstack.ts';
import { defaultAction, type SigAction } from './handlers.ts';
import { beginGroupExit, dequeueSignal, isUnkillable, recalcAttention, sendToTask } from './send.ts';

const NR_RESTART_SYSCALL = 219;
/** Length of the syscall instruction. */
const SYSCALL_LENGTH = 2;

/** Returns true when the task may run application code; false when it was parked or has exited. */
export function deliverSignals(t: Task): boolean {
  for (;;) {
    if (t.attention !== 0) {
      if ((t.attention & ATTENTION_EXIT) !== 0) {
        if (t.ptrace === null || !stopBeforeExit(t)) exitTask(t, t.exitStatus);
        return false;
      }
      if (t.injectedSignal === null && (t.attention & (ATTENTION_STOP | ATTENTION_TRAP)) !== 0) {
        if (t.ptrace !== null) stopForGroup(t, t.ptrace);
        else if ((t.attention & ATTENTION_STOP) !== 0) parkForStop(t);
        else {
          t.attention &= ~ATTENTION_TRAP;
          continue;
        }
        return false;
      }
      if ((t.attention & ATTENTION_FREEZE) !== 0) {
        t.state = TASK_STOPPED;
        return false;
      }
    }
    const injected = t.injectedSignal;
    if (injected !== null) t.injectedSignal = null;
    const info = injected ?? dequeueSignal(t, t.blocked);
    if (info === null) {
      recalcAttention(t);
      break;
    }
    if (t.ptrace !== null && injected === null && info.signo !== SIGKILL) {
      stopForSignal(t, t.ptrace, info);
      return false;
    }
    takeSignal(t, info);
    if (t.ptrace?.reportsHandler === true) {
      stopAtHandler(t, t.ptrace);
      return false;
    }
  }
  restartWithoutHandler(t);
  if (t.savedMask !== null) {
    const mask = t.savedMask;
    t.savedMask = null;
    t.setBlocked(mask);
    // What the temporary mask held back may be deliverable now.
    if (t.attention !== 0) return deliverSignals(t);
  }
  return true;
}

function takeSignal(t: Task, info: SigInfo): void {
  const { signo } = info;
  const group = t.threadGroup;
  const action = group.handlers.get(signo);
  t.kernel.syscalls.tracer?.onSignal(t, signo, info.code);
  if (action.handler === SIG_IGN) return;
  if (action.handler !== SIG_DFL) {
    runHandler(t, info, action);
    return;
  }
  const kind = defaultAction(signo);
  if (kind === 'ignore' || kind === 'continue') return;
  // What was sent in spite of that (while it was blocked, say) is dropped here; SIGKILL and SIGSTOP come only from outside.
  if (isUnkillable(group) && signo !== SIGKILL && signo !== SIGSTOP) return;
  if (kind === 'stop') {
    if (signo !== SIGSTOP && group.processGroup.isOrphaned()) return;
    beginGroupStop(t, signo);
    return;
  }
  dieOfSignal(t, signo, kind === 'core');
}

/** A fatal signal: the whole process goes. */
export function dieOfSignal(t: Task, signo: number, dumpsCore: boolean): void {
  const group = t.threadGroup;
  const hasCore = dumpsCore && group.rlimits.soft(RLIMIT_CORE) > 0 && t.mm.dumpable === 1;
  beginGroupExit(group, signo | (hasCore ? 0x80 : 0));
}

function runHandler(t: Task, info: SigInfo, action: SigAction): void {
  const { signo } = info;
  const { handler, restorer, flags } = action;
  restartForHandler(t, flags);
  if ((flags & SA_RESETHAND) !== 0) t.threadGroup.handlers.set(signo, { ...action, handler: SIG_DFL });
  if (pushFrame(t, info, handler, restorer, flags) !== 0) {
    forceSignal(t, makeSigInfo(SIGSEGV, SI_KERNEL), signo === SIGSEGV);
    return;
  }
  t.savedMask = null;
  const mask = t.blocked.clone();
  mask.union(action.mask);
  if ((flags & SA_NODEFER) === 0) mask.add(signo);
  t.setBlocked(mask);
  if (t.ptrace?.isStepping === true) t.ptrace.reportsHandler = true;
}

function pushFrame(t: Task, info: SigInfo, handler: number, restorer: number, flags: number): number {
  const thread = t.thread as PlatformThread;
  if ((flags & SA_RESTORER) === 0) return -1;
  // The handler interrupts a critical section: the frame must say where that is aborted to.
  if (t.rseqAddr !== 0 && (thread.abortSequence?.() ?? 0) < 0) return -1;
  const sp = thread.registers.u64(REG_RSP);
  let altStackTop = 0;
  let stackBase = 0;
  if ((flags & SA_ONSTACK) !== 0 && t.altStackSize > 0 && !onAltStack(t, sp)) {
    altStackTop = t.altStackAddr + t.altStackSize;
    stackBase = t.altStackAddr;
  } else if (isOnStack(t, sp)) stackBase = t.altStackAddr;
  const result = pushSignalFrame({
    thread,
    memory: t.memory,
    info,
    handler,
    restorer,
    flags,
    mask: t.savedMask ?? t.blocked,
    altStackTop,
    stackBase,
    altStackAddr: t.altStackAddr,
    altStackFlags: t.altStackFlags,
    altStackSize: t.altStackSize,
    fault: t.fault,
    xfeatures: t.kernel.host.info.xfeatures,
  });
  if (result === 0 && (t.altStackFlags & SS_AUTODISARM) !== 0) resetAltStack(t);
  return result;
}

/** rewinds over the syscall instruction so that the call is made again. */
function rewind(t: Task, nr: number): void {
  const { regs } = t;
  regs.set(REG_RAX, nr);
  regs.set(REG_RIP, regs.u64(REG_RIP) - SYSCALL_LENGTH);
  t.syscallNr = -1;
}

/** The call's result when it may be an errno, else 0. */
function resultOf(t: Task): number {
  const { regs } = t;
  return regs.hi32(REG_RAX) === 0xffffffff ? regs.i32(REG_RAX) : 0;
}

/** A handler is about to run: an interrupted call becomes EINTR or is restarted after the handler. */
function restartForHandler(t: Task, flags: number): void {
  if (t.syscallNr < 0) return;
  switch (resultOf(t)) {
    case ERESTART_RESTARTBLOCK:
    case ERESTARTNOHAND:
      t.regs.set(REG_RAX, EINTR);
      break;
    case ERESTARTSYS:
      if ((flags & SA_RESTART) === 0) {
        t.regs.set(REG_RAX, EINTR);
        break;
      }
      rewind(t, t.syscallNr);
      break;
    case ERESTARTNOINTR:
      rewind(t, t.syscallNr);
      break;
    default:
  }
  t.syscallNr = -1;
}

/** No handler ran: interrupted calls go on as if nothing had happened. */
function restartWithoutHandler(t: Task): void {
  if (t.syscallNr < 0) return;
  switch (resultOf(t)) {
    case ERESTARTSYS:
    case ERESTARTNOHAND:
    case ERESTARTNOINTR:
      rewind(t, t.syscallNr);
      break;
    case ERESTART_RESTARTBLOCK:
      rewind(t, NR_RESTART_SYSCALL);
      break;
    default:
  }
  t.syscallNr = -1;
}

/**
 * A signal that must be acted on (a fault): blocked or ignored, it kills. Linux: force_sig_info_to_task().
 * `evenHandled`: the handler itself could not be run.
 */
export function forceSignal(t: Task, info: SigInfo, evenHandled = false): void {
  const { signo } = info;
  const { handlers } = t.threadGroup;
  const action = handlers.get(signo);
  const isBlocked = t.blocked.has(signo);
  if (evenHandled || isBlocked || action.handler === SIG_IGN) {
    handlers.set(signo, { ...action, handler: SIG_DFL });
    t.blocked.delete(signo);
  }
  if (handlers.get(signo).handler === SIG_DFL && isUnkillable(t.threadGroup)) {
    dieOfSignal(t, signo, defaultAction(signo) === 'core');
    return;
  }
  sendToTask(t, info, { force: true });
  recalcAttention(t);
}
