// SPDX-License-Identifier: Apache-2.0

/**
 * pidfd_open, pidfd_send_signal, pidfd_getfd.
 *
 * Linux: kernel/pid.c, kernel/signal.c
 */
import { EBADF, EFAULT, EINVAL, ENOENT, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import { O_NONBLOCK, O_PATH } from '../../platform/abi/linux/fcntl.ts';
import { NSIG, SI_TKILL, SI_USER } from '../../platform/abi/linux/signal.ts';
import { PIDFD_THREAD, PidFile } from '../../sentry/fs/anon/pidfd.ts';
import { processOfDirectory } from '../../sentry/fs/proc/pid_dir.ts';
import { mayPtraceAccess } from '../../sentry/kernel/process/ptrace_access.ts';
import type { ThreadGroup } from '../../sentry/kernel/process/thread_group.ts';
import { checkKill, isFromAncestor, killInfo } from '../../sentry/kernel/signal/permission.ts';
import { sendToGroup, sendToTask } from '../../sentry/kernel/signal/send.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { installFile } from '../poll/install_file.ts';
import { readSigInfo } from '../signal/send.ts';

/** A new pidfd of `group` in t's table. Returns it or EMFILE. */
export function installPidfd(t: Task, group: ThreadGroup, thread: Task | null = null): number {
  const flags = thread === null ? 0 : PIDFD_THREAD;
  return installFile(t, new PidFile(group, t.pidNs, flags, t.creds, thread), true);
}

export function sys_pidfd_open(t: Task, pid: number, flags: number): number {
  if ((flags & ~(O_NONBLOCK | PIDFD_THREAD)) !== 0 || pid <= 0) return EINVAL;
  const task = t.pidNs.tasks.get(pid);
  if (task === undefined) return ESRCH;
  const isThread = (flags & PIDFD_THREAD) !== 0;
  if (!isThread && task.threadGroup.leader !== task) return ENOENT;
  return installFile(t, new PidFile(task.threadGroup, t.pidNs, flags, t.creds, isThread ? task : null), true);
}

/** The process of a pidfd argument; null: EBADF. */
function groupOf(t: Task, fd: number): ThreadGroup | null {
  const file = t.fdTable.get(fd);
  return file instanceof PidFile ? file.threadGroup : null;
}

/** As groupOf, and an open /proc/pid will do as well (Linux: pidfd_to_pid). */
function signalledGroupOf(t: Task, fd: number): ThreadGroup | null {
  const file = t.fdTable.get(fd);
  const task = file === null || (file.flags & O_PATH) !== 0 ? null : processOfDirectory(file.inode);
  return task === null ? groupOf(t, fd) : task.threadGroup;
}

const PIDFD_SIGNAL_THREAD = 1;
const PIDFD_SIGNAL_THREAD_GROUP = 2;
const PIDFD_SIGNAL_PROCESS_GROUP = 4;

export function sys_pidfd_send_signal(t: Task, fd: number, signo: number, infoAddr: number, flags: number): number {
  if (![0, PIDFD_SIGNAL_THREAD, PIDFD_SIGNAL_THREAD_GROUP, PIDFD_SIGNAL_PROCESS_GROUP].includes(flags)) return EINVAL;
  const group = signalledGroupOf(t, fd);
  if (group === null) return EBADF;
  const named = (t.fdTable.get(fd) as PidFile).thread ?? null;
  const toThread = flags === PIDFD_SIGNAL_THREAD || (flags === 0 && named !== null);
  const target = toThread ? (named ?? group.leader) : group.representative;
  if (target === null || !t.pidNs.contains(target.pidNs)) return EINVAL;
  let info = killInfo(t, target, signo, toThread ? SI_TKILL : SI_USER);
  if (infoAddr !== 0) {
    const given = readSigInfo(t, infoAddr, signo);
    if (given === null) return EFAULT;
    if (t.memory.readU32(infoAddr) !== signo) return EINVAL;
    if (group !== t.threadGroup && (given.code >= 0 || given.code === SI_TKILL)) return EPERM;
    info = given;
  }
  if (group.isReaped || (toThread && !target.isLive)) return ESRCH;
  if (signo < 0 || signo > NSIG) return EINVAL;
  const denied = checkKill(t, target, signo);
  if (denied !== 0 || signo === 0) return denied;
  const options = { force: isFromAncestor(t, target) };
  if (toThread) return sendToTask(target, info, options);
  if (flags !== PIDFD_SIGNAL_PROCESS_GROUP) return sendToGroup(group, info, options);
  for (const member of [...group.processGroup.members]) {
    const leader = member.representative;
    if (leader !== null && checkKill(t, leader, signo) === 0) sendToGroup(member, info, options);
  }
  return 0;
}

export function sys_pidfd_getfd(t: Task, pidfd: number, fd: number, flags: number): number {
  if (flags !== 0) return EINVAL;
  const group = groupOf(t, pidfd);
  if (group === null) return EBADF;
  const target = group.representative;
  if (target === null || !target.isLive) return ESRCH;
  if (!mayPtraceAccess(t, target)) return EPERM;
  const file = target.fdTable.get(fd);
  if (file === null) return EBADF;
  file.incRef();
  return installFile(t, file, true);
}
