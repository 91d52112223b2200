// SPDX-License-Identifier: Apache-2.0

/**
 * Sending signals: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo.
 *
 * Linux: kernel/signal.c (kill_something_info, do_tkill, do_rt_sigqueueinfo)
 */
import { EFAULT, EINVAL, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import { NSIG, SI_TKILL, SI_USER } from '../../platform/abi/linux/signal.ts';
import { SIGINFO_SIZE, SigInfo } from '../../sentry/arch/siginfo.ts';
import type { ThreadGroup } from '../../sentry/kernel/process/thread_group.ts';
import { checkKill, isFromAncestor, killInfo } from '../../sentry/kernel/signal/permission.ts';
import { sendToGroup, sendToTask } from '../../sentry/kernel/signal/send.ts';
import type { Task } from '../../sentry/kernel/task.ts';

function killGroup(t: Task, group: ThreadGroup, signo: number): number {
  const target = group.representative;
  if (target === null) return ESRCH;
  if (signo < 0 || signo > NSIG) return EINVAL;
  const denied = checkKill(t, target, signo);
  if (denied !== 0 || signo === 0) return denied;
  return sendToGroup(group, killInfo(t, target, signo, SI_USER), { force: isFromAncestor(t, target) });
}

/** Signals every process of a list: success when any took it, otherwise the last error. */
function killAll(t: Task, groups: Iterable<ThreadGroup>, signo: number): number {
  let result = ESRCH as number;
  let ok = false;
  for (const group of [...groups]) {
    const err = killGroup(t, group, signo);
    if (err === 0) ok = true;
    else result = err;
  }
  return ok ? 0 : result;
}

export function sys_kill(t: Task, pid: number, signo: number): number {
  if (pid === -2147483648) return ESRCH;
  const { pidNs } = t;
  if (pid > 0) {
    const task = pidNs.tasks.get(pid);
    return task === undefined ? ESRCH : killGroup(t, task.threadGroup, signo);
  }
  if (pid === 0) return killAll(t, t.threadGroup.processGroup.members, signo);
  if (pid === -1) return killEverybody(t, signo);
  const group = pidNs.processGroups.get(-pid);
  return group === undefined ? ESRCH : killAll(t, group.members, signo);
}

/** kill(-1): all but init and the caller itself. */
function killEverybody(t: Task, signo: number): number {
  const { pidNs } = t;
  let seen = 0;
  let result = 0;
  for (const task of [...pidNs.tasks.values()]) {
    const group = task.threadGroup;
    if (group.leader !== task || group === t.threadGroup || group === pidNs.init) continue;
    seen++;
    const err = killGroup(t, group, signo);
    if (err !== EPERM) result = err;
  }
  return seen === 0 ? ESRCH : result;
}

function killTask(t: Task, tgid: number, tid: number, signo: number): number {
  const target = t.pidNs.tasks.get(tid);
  if (target === undefined || (tgid > 0 && target.threadGroup.pidIn(t.pidNs) !== tgid)) return ESRCH;
  if (signo < 0 || signo > NSIG) return EINVAL;
  const denied = checkKill(t, target, signo);
  if (denied !== 0 || signo === 0) return denied;
  return sendToTask(target, killInfo(t, target, signo, SI_TKILL), { force: isFromAncestor(t, target) });
}

export function sys_tkill(t: Task, tid: number, signo: number): number {
  return tid <= 0 ? EINVAL : killTask(t, 0, tid, signo);
}

export function sys_tgkill(t: Task, tgid: number, tid: number, signo: number): number {
  return tgid <= 0 || tid <= 0 ? EINVAL : killTask(t, tgid, tid, signo);
}

/** Reads a siginfo from the application for queueing. Null: EFAULT. */
export function readSigInfo(t: Task, addr: number, signo: number): SigInfo | null {
  const info = new SigInfo();
  if (t.memory.copyIn(addr, info.bytes, 0, SIGINFO_SIZE) !== SIGINFO_SIZE) return null;
  info.signo = signo;
  return info;
}

/** A process may not pretend that the kernel, or kill or tgkill, sent the signal to another process. */
function isForged(t: Task, target: Task, info: SigInfo): boolean {
  return (info.code >= 0 || info.code === SI_TKILL) && target.threadGroup !== t.threadGroup;
}

export function sys_rt_sigqueueinfo(t: Task, pid: number, signo: number, addr: number): number {
  const info = readSigInfo(t, addr, signo);
  if (info === null) return EFAULT;
  const task = t.pidNs.tasks.get(pid);
  // Linux checks the forged code against the caller's own id before it looks the target up.
  if ((info.code >= 0 || info.code === SI_TKILL) && t.tidIn(t.pidNs) !== pid && task?.threadGroup !== t.threadGroup)
    return EPERM;
  if (task === undefined) return ESRCH;
  if (signo < 0 || signo > NSIG) return EINVAL;
  const denied = checkKill(t, task, signo);
  if (denied !== 0 || signo === 0) return denied;
  return sendToGroup(task.threadGroup, info);
}

export function sys_rt_tgsigqueueinfo(t: Task, tgid: number, tid: number, signo: number, addr: number): number {
  if (tgid <= 0 || tid <= 0) return EINVAL;
  const info = readSigInfo(t, addr, signo);
  if (info === null) return EFAULT;
  const target = t.pidNs.tasks.get(tid);
  if (target === undefined || target.threadGroup.pidIn(t.pidNs) !== tgid) return ESRCH;
  if (isForged(t, target, info)) return EPERM;
  if (signo < 0 || signo > NSIG) return EINVAL;
  const denied = checkKill(t, target, signo);
  if (denied !== 0 || signo === 0) return denied;
  return sendToTask(target, info);
}
