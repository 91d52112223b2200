// SPDX-License-Identifier: Apache-2.0

/**
 * What happens to a task between leaving application code and going back to it.
 *
 * Linux:      kernel/entry/common.c (exit_to_user_mode_loop), arch/x86/entry/common.c
 * Invariants: the way back to application code is returnToUser() alone. Internal restart codes never reach rax.
 */
import { EINTR, ENOSYS, ERESTART_RESTARTBLOCK, ERESTARTSYS } from '../../platform/abi/linux/errno.ts';
import { REG_ORIG_RAX, REG_RAX } from '../../platform/registers.ts';
import { PTRACE_O_SUSPEND_SECCOMP } from '../../platform/abi/linux/ptrace.ts';
import { SIGTRAP, TRAP_BRKPT } from '../../platform/abi/linux/signal.ts';
import { makeSigInfo } from '../arch/siginfo.ts';
import { stopAtEntry, stopAtExit, stopForSeccomp } from './ptrace/stops.ts';
import { checkSeccomp, SECCOMP_PASS, SECCOMP_TRACE, type SeccompState } from './seccomp/seccomp.ts';
import { isDispatched } from './seccomp/user_dispatch.ts';
import { deliverSignals, forceSignal } from './signal/deliver.ts';
import { isKillPending, recalcAttention } from './signal/send.ts';
import { resumeBlocking, startBlocking } from './task_wait.ts';
import { ATTENTION_EXIT, TASK_KERNEL, TASK_USER, type Task } from './task.ts';
import type { PlatformThread } from '../../platform/platform.ts';

/** A handler's result when it has set all registers itself (rt_sigreturn). */
export const KEEP_REGISTERS = -100000;

/** A task stopped at a system call. */
export function handleSyscall(t: Task): void {
  const regs = (t.thread as PlatformThread).registers;
  t.state = TASK_KERNEL;
  const nr = regs.u32(REG_ORIG_RAX);
  t.syscallNr = nr;
  if (t.userDispatch !== null && isDispatched(t, t.userDispatch, nr)) skipSyscall(t);
  else if (t.ptrace !== null && t.ptrace.mode !== 'run') stopAtEntry(t, t.ptrace, enterTraced);
  else if (t.seccomp === null || passesSeccomp(t, nr, false)) performSyscall(t, nr);
}

function performSyscall(t: Task, nr: number): void {
  const { regs } = t;
  const fn = t.kernel.syscalls.functions[nr];
  const result = fn === undefined ? ENOSYS : fn(t, regs);
  if (typeof result === 'number') finishSyscall(t, result);
  else startBlocking(t, result);
}

/** Asks the filters; false when the call is over, or the task stopped for its tracer. `isAgain`: the tracer has been asked. */
function passesSeccomp(t: Task, nr: number, isAgain: boolean): boolean {
  if (((t.ptrace?.options ?? 0) & PTRACE_O_SUSPEND_SECCOMP) !== 0) return true;
  const verdict = checkSeccomp(t, t.seccomp as SeccompState, nr, t.regs, isAgain);
  if (verdict === SECCOMP_PASS) return true;
  if (verdict >= SECCOMP_TRACE && t.ptrace !== null)
    stopForSeccomp(t, t.ptrace, verdict - SECCOMP_TRACE, (self) => {
      const wanted = self.regs.i32(REG_ORIG_RAX);
      self.syscallNr = wanted;
      if (wanted < 0 || isKillPending(self)) skipSyscall(self);
      else if (self.seccomp === null || passesSeccomp(self, wanted, true)) performSyscall(self, wanted);
    });
  else finishSyscall(t, verdict);
  return false;
}

/** The tracer has seen a system call's entry, and may have changed its number. */
function enterTraced(t: Task): void {
  const nr = t.regs.i32(REG_ORIG_RAX);
  t.syscallNr = nr;
  // Other negative numbers are calls that do not exist.
  if (nr === -1 || isKillPending(t)) skipSyscall(t);
  else if (t.ptrace?.mode === 'sysemu') returnToUser(t);
  else if (t.seccomp === null || passesSeccomp(t, nr, false)) performSyscall(t, nr);
}

/** A call that is not made: rax is as the tracer left it. */
function skipSyscall(t: Task): void {
  finishSlowly(t, KEEP_REGISTERS);
}

/** A system call is over: its result goes to rax and the task back to application code, by way of signals if there are any. */
export function finishSyscall(t: Task, result: number): void {
  if (result <= -512 || t.attention !== 0 || t.savedMask !== null || t.ptrace !== null) {
    finishSlowly(t, result);
    return;
  }
  const thread = t.thread as PlatformThread;
  thread.registers.set(REG_RAX, result);
  t.state = TASK_USER;
  thread.resume();
}

function finishSlowly(t: Task, result: number): void {
  const isRestart = result <= ERESTARTSYS && result >= ERESTART_RESTARTBLOCK;
  if (t.savedMask !== null && !isRestart && result !== EINTR) {
    t.blocked.copyFrom(t.savedMask);
    t.savedMask = null;
    recalcAttention(t);
  }
  if (t.thread === null) return;
  if (result === KEEP_REGISTERS) t.syscallNr = -1;
  else if ((t.attention & ATTENTION_EXIT) === 0) t.thread.registers.set(REG_RAX, result);
  const trace = t.ptrace;
  if (trace !== null && (t.attention & ATTENTION_EXIT) === 0) {
    if (trace.mode === 'syscall') {
      stopAtExit(t, trace);
      return;
    }
    if (trace.isStepping) forceSignal(t, makeSigInfo(SIGTRAP, TRAP_BRKPT));
  }
  returnToUser(t);
}

/** The way back to application code: deals with everything in `attention`, and with a restart code in rax. */
export function returnToUser(t: Task): void {
  if (!deliverSignals(t)) return;
  t.syscallNr = -1;
  t.state = TASK_USER;
  if (t.ptrace?.isStepping === true) (t.thread as PlatformThread).step();
  else (t.thread as PlatformThread).resume();
}

/** The turn of a task from the ready queue: woken from a wait, or let out of a stop. */
export function runReadyTask(t: Task): void {
  if (t.state !== TASK_KERNEL) return;
  const { afterStop } = t;
  if (afterStop !== null) {
    t.afterStop = null;
    afterStop(t);
  } else if (t.blocking !== null) resumeBlocking(t);
  else returnToUser(t);
}
