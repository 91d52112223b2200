// SPDX-License-Identifier: Apache-2.0

/**
 * O_ASYNC: a signal to the file's owner when input or output becomes possible.
 *
 * Linux:      fs/fcntl.c (send_sigio, kill_fasync), include/linux/fs.h (struct fown_struct)
 * Invariants: a file with O_ASYNC set that can be polled has one AsyncNotifier on its wait queue, until the flag is cleared or
 *             its last descriptor goes.
 */
import { F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, O_ASYNC } from '../../platform/abi/linux/fcntl.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
} from '../../platform/abi/linux/poll.ts';
import { POLL_HUP, POLL_IN, POLL_OUT, SI_KERNEL, SIGIO, SIGURG } from '../../platform/abi/linux/signal.ts';
import { S_IFMT, S_IFSOCK } from '../../platform/abi/linux/stat.ts';
import { makeSigInfo, type SigInfo } from '../../sentry/arch/siginfo.ts';
import type { PidNamespace } from '../../sentry/kernel/process/pid_namespace.ts';
import { sendToGroup, sendToTask } from '../../sentry/kernel/signal/send.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { Waiter, WaitQueue } from '../../sentry/wait/wait_queue.ts';

/** F_SETOWN and F_SETSIG state of an open file (FileDescription.async). */
export interface AsyncOwner {
  type: number;
  id: number;
  signo: number;
  uid: number;
  euid: number;
  notifier: AsyncNotifier | null;
}

const READABLE = EPOLLIN | EPOLLRDNORM;
const WRITABLE = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;

class AsyncNotifier implements Waiter {
  private readonly file: FileDescription;
  private readonly fd: number;
  /** Numbers owners by this namespace. */
  private readonly pidNs: PidNamespace;
  readonly detach: () => void;

  constructor(file: FileDescription, fd: number, pidNs: PidNamespace) {
    this.file = file;
    this.fd = fd;
    this.pidNs = pidNs;
    this.detach = () => file.waitQueue.remove(this);
  }

  notify(_queue: WaitQueue, mask: number): boolean {
    const { file } = this;
    const isSocket = (file.inode.mode & S_IFMT) === S_IFSOCK;
    if (isSocket && (mask & EPOLLHUP) !== 0) this.signal(POLL_HUP, EPOLLHUP | EPOLLERR);
    else if ((mask & (EPOLLIN | EPOLLHUP | EPOLLERR)) !== 0 && file.isReadable) this.signal(POLL_IN, READABLE);
    else if ((mask & EPOLLOUT) !== 0 && file.isWritable) this.signal(POLL_OUT, WRITABLE);
    return false;
  }

  private signal(code: number, band: number): void {
    sendSigio(this.file, this.fd, this.pidNs, code, band);
  }
}

/** Sends SIGIO (or what F_SETSIG said) to the file's owner, if it has one, as numbered by `pidNs`. Linux: send_sigio(). */
export function sendSigio(file: FileDescription, fd: number, pidNs: PidNamespace, code: number, band: number): void {
  const owner = file.async as AsyncOwner;
  if (owner.id === 0) return;
  const info = makeSigInfo(owner.signo === 0 ? SIGIO : owner.signo, owner.signo === 0 ? SI_KERNEL : code);
  if (owner.signo !== 0) info.setPoll(band, fd);
  signalOwner(owner, pidNs, info);
}

/** Makes the caller's process the owner of a file that has none (F_NOTIFY, F_SETLEASE). */
export function ownIfUnowned(t: Task, file: FileDescription): void {
  const owner = asyncOwnerOf(file, F_OWNER_PID);
  if (owner.id !== 0) return;
  owner.type = F_OWNER_PID;
  owner.id = t.threadGroup.pidIn(t.pidNs);
  owner.uid = t.creds.ruid;
  owner.euid = t.creds.euid;
}

function signalOwner(owner: AsyncOwner, pidNs: PidNamespace, info: SigInfo): void {
  if (owner.type === F_OWNER_PGRP) {
    const group = pidNs.processGroups.get(owner.id);
    for (const member of [...(group?.members ?? [])]) {
      const target = member.representative;
      if (target !== null && mayReach(owner, target)) sendToGroup(member, info);
    }
    return;
  }
  const target = pidNs.tasks.get(owner.id);
  if (target === undefined || !mayReach(owner, target)) return;
  if (owner.type === F_OWNER_TID) sendToTask(target, info);
  else sendToGroup(target.threadGroup, info);
}

/** Has urgent data of `file` signal its owner, as numbered by `pidNs` (Linux: send_sigurg()). */
export function watchUrgent(file: FileDescription, owner: AsyncOwner, pidNs: PidNamespace): void {
  file.urgentSignal = () => {
    if (owner.id !== 0) signalOwner(owner, pidNs, makeSigInfo(SIGURG, SI_KERNEL));
  };
}

/** May the one who set the owner signal it? Linux: sigio_perm(). */
function mayReach(owner: AsyncOwner, target: Task): boolean {
  const { ruid, suid } = target.creds;
  return owner.euid === 0 || [owner.euid, owner.uid].some((id) => id === ruid || id === suid);
}

/** The file's owner state, made on first use; `emptyType` F_OWNER_PID. */
export function asyncOwnerOf(file: FileDescription, emptyType: number): AsyncOwner {
  if (file.async === null)
    file.async = { type: emptyType, id: 0, signo: 0, uid: 0, euid: 0, notifier: null } satisfies AsyncOwner;
  return file.async as AsyncOwner;
}

/** The status flags of `file` (known to the caller as `fd`) changed: begins or ends notification. */
export function updateAsync(t: Task, fd: number, file: FileDescription, emptyType: number): void {
  const wanted = (file.flags & O_ASYNC) !== 0 && file.canPoll;
  const current = (file.async as AsyncOwner | null)?.notifier ?? null;
  if (wanted === (current !== null)) return;
  const owner = asyncOwnerOf(file, emptyType);
  if (current !== null) {
    current.detach();
    file.onLastClose.delete(current.detach);
    owner.notifier = null;
    return;
  }
  const notifier = new AsyncNotifier(file, fd, t.pidNs);
  owner.notifier = notifier;
  file.waitQueue.add(notifier);
  file.onLastClose.add(notifier.detach);
}
