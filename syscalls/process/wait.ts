// SPDX-License-Identifier: Apache-2.0

/**
 * wait4, waitid.
 *
 * Linux: kernel/exit.c (kernel_wait4, kernel_waitid)
 */
import { EAGAIN, EBADF, EFAULT, EINVAL, ERESTARTSYS, ESRCH } from '../../platform/abi/linux/errno.ts';
import {
  __WALL,
  __WCLONE,
  __WNOTHREAD,
  P_ALL,
  P_PGID,
  P_PID,
  P_PIDFD,
  WCONTINUED,
  WEXITED,
  WNOHANG,
  WNOWAIT,
  WSTOPPED,
  WUNTRACED,
} from '../../platform/abi/linux/sched.ts';
import { SIGCHLD } from '../../platform/abi/linux/signal.ts';
import { SigInfo, SIGINFO_SIZE } from '../../sentry/arch/siginfo.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { pollChildren, type WaitResult, type WaitTarget } from '../../sentry/kernel/process/wait.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';
import { writeRusage } from '../time/usage.ts';

/** Tries, then waits; `finish` writes the report out and gives the call's result. */
function waitFor(
  t: Task,
  target: WaitTarget,
  noHang: boolean,
  finish: (result: WaitResult | null) => number,
): SyscallReturn {
  const first = pollChildren(t, target);
  if (typeof first === 'number') return first;
  if (first !== null || noHang) return finish(first);
  return waitBlocking(t, target, finish);
}

function* waitBlocking(t: Task, target: WaitTarget, finish: (result: WaitResult | null) => number): Blocking {
  const request = { queues: [t.threadGroup.childQueue], deadlineNs: Number.POSITIVE_INFINITY };
  for (;;) {
    const reason = yield request;
    const result = pollChildren(t, target);
    if (typeof result === 'number') return result;
    if (result !== null) return finish(result);
    if (reason === WAKE_SIGNAL) return ERESTARTSYS;
  }
}

export function sys_wait4(
  t: Task,
  pid: number,
  statusAddr: number,
  options: number,
  rusageAddr: number,
): SyscallReturn {
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) !== 0) return EINVAL;
  if (pid === -2147483648) return ESRCH;
  const target: WaitTarget = { type: P_ALL, id: 0, group: null, options: WEXITED | options };
  if (pid > 0) {
    target.type = P_PID;
    target.id = pid;
  } else if (pid !== -1) {
    target.type = P_PGID;
    target.id = pid === 0 ? t.threadGroup.processGroup.idIn(t.pidNs) : -pid;
  }
  return waitFor(t, target, (options & WNOHANG) !== 0, (result) => {
    if (result === null) return 0;
    if (statusAddr !== 0 && t.memory.writeU32(statusAddr, result.waitStatus) !== 0) return EFAULT;
    if (rusageAddr !== 0 && writeRusage(t, rusageAddr, result.usage) !== 0) return EFAULT;
    return result.pid;
  });
}

/** Whatever came of it, *infoAddr is written: with zeros when there was nothing to tell. */
export function sys_waitid(
  t: Task,
  type: number,
  id: number,
  infoAddr: number,
  options: number,
  rusageAddr: number,
): SyscallReturn {
  const result = waitId(t, type, id, infoAddr, options, rusageAddr);
  if (typeof result !== 'number' || result >= 0 || infoAddr === 0) return result;
  return t.memory.copyOut(infoAddr, new SigInfo().bytes, 0, REPORTED) === REPORTED ? result : EFAULT;
}
/** Bytes of a siginfo that waitid fills: up to si_status. */
const REPORTED = 28;

function waitId(
  t: Task,
  type: number,
  id: number,
  infoAddr: number,
  options: number,
  rusageAddr: number,
): SyscallReturn {
  if ((options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) !== 0)
    return EINVAL;
  if ((options & (WEXITED | WSTOPPED | WCONTINUED)) === 0) return EINVAL;
  const target: WaitTarget = { type, id, group: null, options };
  let noHang = (options & WNOHANG) !== 0;
  if (type === P_PID) {
    if (id <= 0) return EINVAL;
  } else if (type === P_PGID) {
    if (id < 0) return EINVAL;
    if (id === 0) target.id = t.threadGroup.processGroup.idIn(t.pidNs);
  } else if (type === P_PIDFD) {
    if (id < 0) return EINVAL;
    const file = t.fdTable.get(id);
    const group = file === null ? null : t.kernel.pidfdTarget(file);
    if (file === null || group === null) return EBADF;
    target.group = group;
    noHang ||= file.isNonblocking;
  } else if (type !== P_ALL) return EINVAL;
  return waitFor(t, target, noHang, (result) =>
    reportId(t, result, infoAddr, rusageAddr, type === P_PIDFD && noHang && (options & WNOHANG) === 0),
  );
}

function reportId(
  t: Task,
  result: WaitResult | null,
  infoAddr: number,
  rusageAddr: number,
  isNonblockingPidfd: boolean,
): number {
  if (result === null && isNonblockingPidfd) return EAGAIN;
  if (result !== null && rusageAddr !== 0 && writeRusage(t, rusageAddr, result.usage) !== 0) return EFAULT;
  if (infoAddr === 0) return 0;
  const info = new SigInfo();
  if (result !== null) {
    info.signo = SIGCHLD;
    info.code = result.code;
    info.pid = result.pid;
    info.uid = result.uid;
    info.status = result.status;
  }
  return t.memory.copyOut(infoAddr, info.bytes, 0, SIGINFO_SIZE) === SIGINFO_SIZE ? 0 : EFAULT;
}
