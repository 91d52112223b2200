// SPDX-License-Identifier: Apache-2.0

/**
 * What happens to a task between leaving application code and going back to it.
 *
 * Linux:      kernel/entry/common.c (exit_to_user_mode_loop), arch/x86/entry/common.c
 * Invariants: the way back to application code is returnToUser() alone. Internal restart codes never reach rax.
 */
import { EINTR, ENOSYS, ERESTART_RESTARTBLOCK, ERESTARTSYS } from '../../platform/abi/linux/errno.ts';
import { REG_ORIG_RAX, REG_RAX } from '../../platform/registers.ts';
import { checkSeccomp, SECCOMP_PASS } from './seccomp/seccomp.ts';
import { deliverSignals } from './signal/deliver.ts';
import { recalcAttention } from './signal/send.ts';
import { resumeBlocking, startBlocking } from './task_wait.ts';
import { TASK_KERNEL, TASK_USER, type Task } from './task.ts';
import type { PlatformThread } from '../../platform/platform.ts';

/** A handler's result when it has set all registers itself (rt_sigreturn). */
export const KEEP_REGISTERS = -100000;

/** A task stopped at a system call. */
export function handleSyscall(t: Task): void {
  const regs = (t.thread as PlatformThread).registers;
  t.state = TASK_KERNEL;
  const nr = regs.u32(REG_ORIG_RAX);
  t.syscallNr = nr;
  if (t.seccomp !== null) {
    const verdict = checkSeccomp(t, t.seccomp, nr, regs);
    if (verdict !== SECCOMP_PASS) {
      finishSyscall(t, verdict);
      return;
    }
  }
  const fn = t.kernel.syscalls.functions[nr];
  const result = fn === undefined ? ENOSYS : fn(t, regs);
  if (typeof result === 'number') finishSyscall(t, result);
  else startBlocking(t, result);
}

/** A system call is over: its result goes to rax and the task back to application code, by way of signals if there are any. */
export function finishSyscall(t: Task, result: number): void {
  if (result <= -512 || t.attention !== 0 || t.savedMask !== null) {
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
  else t.thread.registers.set(REG_RAX, result);
  returnToUser(t);
}

/** The way back to application code: deals with everything in `attention`, and with a restart code in rax. */
export function returnToUser(t: Task): void {
  if (!deliverSignals(t)) return;
  t.syscallNr = -1;
  t.state = TASK_USER;
  (t.thread as PlatformThread).resume();
}

/** The turn of a task from the ready queue: woken from a wait, or let out of a stop. */
export function runReadyTask(t: Task): void {
  if (t.state !== TASK_KERNEL) return;
  if (t.blocking !== null) resumeBlocking(t);
  else returnToUser(t);
}
