// SPDX-License-Identifier: Apache-2.0

/**
 * F_SETLEASE, and waiting for leases in open(2) and truncate(2).
 *
 * Linux: fs/locks.c (fcntl_setlease)
 */
import { CAP_LEASE } from '../../platform/abi/linux/capability.ts';
import { EACCES, EAGAIN, EINVAL, ERESTARTSYS, WOULD_BLOCK } from '../../platform/abi/linux/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../../platform/abi/linux/fcntl.ts';
import { EPOLLIN, EPOLLRDNORM } from '../../platform/abi/linux/poll.ts';
import { POLL_MSG } from '../../platform/abi/linux/signal.ts';
import { S_IFMT, S_IFREG } from '../../platform/abi/linux/stat.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import { type LeaseWait, setLease, takeLeaseWait } from '../../sentry/vfs/leases.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';
import { ownIfUnowned, sendSigio } from './async_signal.ts';

export const POLL_MSG_BAND = EPOLLIN | EPOLLRDNORM | 0x400;

export function changeLease(t: Task, fd: number, file: FileDescription, type: number): number {
  const { inode, creds } = { inode: file.inode, creds: t.creds };
  if (creds.fsuid !== inode.uid && !creds.hasCap(CAP_LEASE)) return EACCES;
  if ((inode.mode & S_IFMT) !== S_IFREG) return EINVAL;
  if (type === F_UNLCK) return setLease(file, type, () => {}, () => 0);
  if (type !== F_RDLCK && type !== F_WRLCK) return EINVAL;
  const { pidNs } = t;
  const { clock } = t.kernel;
  const tell = (): void => sendSigio(file, fd, pidNs, POLL_MSG, POLL_MSG_BAND);
  const err = setLease(file, type, tell, () => clock.monotonicNs());
  if (err === 0) ownIfUnowned(t, file);
  return err;
}

/** Runs `attempt`; when leases stand in its way, waits for them (unless `nonblocking`) and tries again. */
export function afterLeases(nonblocking: boolean, attempt: () => SyscallReturn): SyscallReturn {
  const first = attempt();
  if (first !== WOULD_BLOCK) return first;
  const wait = takeLeaseWait();
  if (wait === null || nonblocking) return EAGAIN;
  return afterLeasesBlocking(wait, attempt);
}

function* afterLeasesBlocking(first: LeaseWait, attempt: () => SyscallReturn): Blocking {
  for (let wait: LeaseWait | null = first; wait !== null; wait = takeLeaseWait()) {
    if ((yield { queues: [wait.queue], deadlineNs: wait.deadlineNs }) === WAKE_SIGNAL) return ERESTARTSYS;
    const result = attempt();
    if (result !== WOULD_BLOCK) return typeof result === 'number' ? result : yield* result;
  }
  return EAGAIN;
}
