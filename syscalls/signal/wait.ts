// SPDX-License-Identifier: Apache-2.0

/**
 * Waiting for signals: rt_sigsuspend, pause, rt_sigtimedwait.
 *
 * Linux: kernel/signal.c (do_sigtimedwait, sigsuspend)
 */
import { EAGAIN, EFAULT, EINTR, EINVAL, ERESTARTNOHAND } from '../../platform/abi/linux/errno.ts';
import { SIGINFO_SIZE, type SigInfo } from '../../sentry/arch/siginfo.ts';
import { readSigSet, SIGSET_SIZE, SigSet } from '../../sentry/arch/sigset.ts';
import { dequeueSignal, recalcAttention } from '../../sentry/kernel/signal/send.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { readDeadline } from '../poll/timeout.ts';

const UNTIL_SIGNAL = { queues: [], deadlineNs: Number.POSITIVE_INFINITY };

function* untilSignal(): Blocking {
  while ((yield UNTIL_SIGNAL) !== WAKE_SIGNAL);
  return ERESTARTNOHAND;
}

export function sys_pause(): SyscallReturn {
  return untilSignal();
}

export function sys_rt_sigsuspend(t: Task, addr: number, size: number): SyscallReturn {
  if (size !== SIGSET_SIZE) return EINVAL;
  const mask = new SigSet();
  const err = readSigSet(t.memory, addr, mask);
  if (err !== 0) return err;
  t.setTemporaryMask(mask);
  return untilSignal();
}

export function sys_rt_sigtimedwait(
  t: Task,
  setAddr: number,
  infoAddr: number,
  timeoutAddr: number,
  size: number,
): SyscallReturn {
  if (size !== SIGSET_SIZE) return EINVAL;
  const wanted = new SigSet();
  const err = readSigSet(t.memory, setAddr, wanted);
  if (err !== 0) return err;
  wanted.dropUnblockable();
  const deadline = readDeadline(t, timeoutAddr);
  if (deadline < 0) return deadline;
  const info = takeWanted(t, wanted);
  if (info !== null) return report(t, info, infoAddr);
  if (deadline === 0) return EAGAIN;
  return waitForSignal(t, wanted, infoAddr, deadline);
}

/** Takes a pending signal that is in `wanted`. */
function takeWanted(t: Task, wanted: SigSet): SigInfo | null {
  return dequeueSignal(t, new SigSet(~wanted.lo, ~wanted.hi));
}

function report(t: Task, info: SigInfo, infoAddr: number): number {
  if (infoAddr !== 0 && t.memory.copyOut(infoAddr, info.bytes, 0, SIGINFO_SIZE) !== SIGINFO_SIZE) return EFAULT;
  return info.signo;
}

function* waitForSignal(t: Task, wanted: SigSet, infoAddr: number, deadlineNs: number): Blocking {
  t.signalWaitSet = wanted;
  const reason = yield { queues: [], deadlineNs };
  t.signalWaitSet = null;
  recalcAttention(t);
  const info = takeWanted(t, wanted);
  if (info !== null) return report(t, info, infoAddr);
  return reason === WAKE_TIMEOUT ? EAGAIN : EINTR;
}
