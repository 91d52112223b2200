// SPDX-License-Identifier: Apache-2.0

/**
 * Dispositions, masks and alternate stacks: rt_sigaction, rt_sigprocmask, rt_sigpending, sigaltstack, rt_sigreturn.
 *
 * Linux: kernel/signal.c
 */
import { EFAULT, EINVAL } from '../../platform/abi/linux/errno.ts';
import {
  SA_EXPOSE_TAGBITS,
  SA_NOCLDSTOP,
  SA_NOCLDWAIT,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTART,
  SA_RESTORER,
  SA_SIGINFO,
  SI_KERNEL,
  SIG_BLOCK,
  SIG_DFL,
  SIG_IGN,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
} from '../../platform/abi/linux/signal.ts';
import type { PlatformThread } from '../../platform/platform.ts';
import { REG_RSP } from '../../platform/registers.ts';
import { popSignalFrame, type ReturnedContext } from '../../sentry/arch/signal_frame.ts';
import { makeSigInfo } from '../../sentry/arch/siginfo.ts';
import { readSigSet, SIGSET_SIZE, SigSet, writeSigSet } from '../../sentry/arch/sigset.ts';
import { altStackStatus, setAltStack } from '../../sentry/kernel/signal/altstack.ts';
import { forceSignal } from '../../sentry/kernel/signal/deliver.ts';
import { defaultAction } from '../../sentry/kernel/signal/handlers.ts';
import { recalcAttention } from '../../sentry/kernel/signal/send.ts';
import { KEEP_REGISTERS } from '../../sentry/kernel/task_run.ts';
import type { Task } from '../../sentry/kernel/task.ts';

/** Flags Linux keeps; unknown ones are cleared so that programs can probe (SA_UNSUPPORTED). */
const KNOWN_FLAGS =
  (SA_NOCLDSTOP |
    SA_NOCLDWAIT |
    SA_SIGINFO |
    SA_ONSTACK |
    SA_RESTART |
    SA_NODEFER |
    SA_RESETHAND |
    SA_EXPOSE_TAGBITS |
    SA_RESTORER) >>>
  0;
const SIGACTION_SIZE = 32;
const buffer = new Uint8Array(SIGACTION_SIZE);
const view = new DataView(buffer.buffer);
const TWO_32 = 4294967296;

function get64(at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32;
}
function put64(at: number, value: number): void {
  const hi = Math.floor(value / TWO_32);
  view.setUint32(at, value - hi * TWO_32, true);
  view.setUint32(at + 4, hi, true);
}

export function sys_rt_sigaction(t: Task, signo: number, actAddr: number, oldAddr: number, size: number): number {
  if (size !== SIGSET_SIZE || signo < 1 || signo > 64) return EINVAL;
  const { handlers } = t.threadGroup;
  const old = handlers.get(signo);
  if (actAddr !== 0) {
    if (t.memory.copyIn(actAddr, buffer, 0, SIGACTION_SIZE) !== SIGACTION_SIZE) return EFAULT;
    if (signo === SIGKILL || signo === SIGSTOP) return EINVAL;
    const mask = new SigSet(view.getInt32(24, true), view.getInt32(28, true));
    mask.dropUnblockable();
    handlers.set(signo, {
      handler: get64(0),
      flags: (view.getUint32(8, true) & KNOWN_FLAGS) >>> 0,
      restorer: get64(16),
      mask,
    });
    discardIfIgnored(t, signo);
  }
  if (oldAddr === 0) return 0;
  put64(0, old.handler);
  put64(8, old.flags);
  put64(16, old.restorer);
  view.setInt32(24, old.mask.lo, true);
  view.setInt32(28, old.mask.hi, true);
  return t.memory.copyOut(oldAddr, buffer, 0, SIGACTION_SIZE) === SIGACTION_SIZE ? 0 : EFAULT;
}

/** POSIX: setting a pending signal to be ignored discards it, blocked or not. */
function discardIfIgnored(t: Task, signo: number): void {
  const { handler } = t.threadGroup.handlers.get(signo);
  const kind = defaultAction(signo);
  if (handler !== SIG_IGN && !(handler === SIG_DFL && (kind === 'ignore' || kind === 'continue'))) return;
  const which = new SigSet();
  which.add(signo);
  t.threadGroup.sharedPending.discard(which);
  for (const task of t.threadGroup.tasks) {
    task.pending.discard(which);
    recalcAttention(task);
  }
}

export function sys_rt_sigprocmask(t: Task, how: number, setAddr: number, oldAddr: number, size: number): number {
  if (size !== SIGSET_SIZE) return EINVAL;
  const old = t.blocked.clone();
  if (setAddr !== 0) {
    const set = new SigSet();
    const err = readSigSet(t.memory, setAddr, set);
    if (err !== 0) return err;
    const mask = t.blocked.clone();
    if (how === SIG_BLOCK) mask.union(set);
    else if (how === SIG_UNBLOCK) mask.subtract(set);
    else if (how === SIG_SETMASK) mask.copyFrom(set);
    else return EINVAL;
    t.setBlocked(mask);
  }
  return oldAddr === 0 ? 0 : writeSigSet(t.memory, oldAddr, old);
}

export function sys_rt_sigpending(t: Task, addr: number, size: number): number {
  if (size > SIGSET_SIZE) return EINVAL;
  const set = t.pending.set.clone();
  set.union(t.threadGroup.sharedPending.set);
  set.lo &= t.blocked.lo;
  set.hi &= t.blocked.hi;
  if (size === SIGSET_SIZE) return writeSigSet(t.memory, addr, set);
  const bytes = new Uint8Array(new Int32Array([set.lo, set.hi]).buffer);
  return size === 0 || t.memory.copyOut(addr, bytes, 0, size) === size ? 0 : EFAULT;
}

const stack = new Uint8Array(24);
const stackView = new DataView(stack.buffer);

export function sys_sigaltstack(t: Task, newAddr: number, oldAddr: number): number {
  const sp = t.regs.u64(REG_RSP);
  const oldStack = {
    addr: t.altStackAddr,
    size: t.altStackSize,
    flags: altStackStatus(t, sp) | (t.altStackFlags & 0x80000000),
  };
  if (newAddr !== 0) {
    if (t.memory.copyIn(newAddr, stack, 0, 24) !== 24) return EFAULT;
    const addr = stackView.getUint32(0, true) + stackView.getUint32(4, true) * TWO_32;
    const size = stackView.getUint32(16, true) + stackView.getUint32(20, true) * TWO_32;
    const err = setAltStack(t, sp, addr, stackView.getUint32(8, true), size);
    if (err !== 0) return err;
  }
  if (oldAddr === 0) return 0;
  stack.fill(0);
  stackView.setUint32(0, oldStack.addr % TWO_32, true);
  stackView.setUint32(4, Math.floor(oldStack.addr / TWO_32), true);
  stackView.setUint32(8, oldStack.flags >>> 0, true);
  stackView.setUint32(16, oldStack.size % TWO_32, true);
  stackView.setUint32(20, Math.floor(oldStack.size / TWO_32), true);
  return t.memory.copyOut(oldAddr, stack, 0, 24) === 24 ? 0 : EFAULT;
}

const returned: ReturnedContext = { maskLo: 0, maskHi: 0, stackAddr: 0, stackFlags: 0, stackSize: 0 };

export function sys_rt_sigreturn(t: Task): number {
  const thread = t.thread as PlatformThread;
  if (popSignalFrame(thread, t.memory, returned) !== 0) {
    forceSignal(t, makeSigInfo(SIGSEGV, SI_KERNEL));
    return KEEP_REGISTERS;
  }
  // Errors of the alternate stack are ignored, as in Linux.
  setAltStack(t, thread.registers.u64(REG_RSP), returned.stackAddr, returned.stackFlags, returned.stackSize);
  t.setBlocked(new SigSet(returned.maskLo, returned.maskHi));
  return KEEP_REGISTERS;
}
