// SPDX-License-Identifier: Apache-2.0

/**
 * epoll_create(2), epoll_ctl(2), epoll_wait(2) and their variants.
 *
 * Linux: fs/eventpoll.c
 */
import { EBADF, EFAULT, EINTR, EINVAL, EPERM } from '../../platform/abi/linux/errno.ts';
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLL_EVENT_SIZE,
  EPOLLIN,
} from '../../platform/abi/linux/poll.ts';
import { EpollFile } from '../../sentry/fs/anon/epoll.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { isUserRange } from '../file/iovec.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { installFile } from './install_file.ts';
import { pollFile } from './poll_set.ts';
import { installMask } from './temporary_mask.ts';
import { deadlineAfterMs, readDeadline } from './timeout.ts';

const MAX_EVENTS = Math.floor(0x7fffffff / EPOLL_EVENT_SIZE);
/** Events handed over in one copy at most; the rest stay ready. */
const BATCH = 1024;
const scratch = new Uint8Array(BATCH * EPOLL_EVENT_SIZE);
const view = new DataView(scratch.buffer);

export function sys_epoll_create1(t: Task, flags: number): number {
  if ((flags & ~EPOLL_CLOEXEC) !== 0) return EINVAL;
  return installFile(t, new EpollFile(t.creds), (flags & EPOLL_CLOEXEC) !== 0);
}

export function sys_epoll_create(t: Task, size: number): number {
  return size <= 0 ? EINVAL : sys_epoll_create1(t, 0);
}

export function sys_epoll_ctl(t: Task, epfd: number, op: number, fd: number, event: number): number {
  let events = 0;
  let dataLo = 0;
  let dataHi = 0;
  if (op !== EPOLL_CTL_DEL) {
    if (t.memory.copyIn(event, scratch, 0, EPOLL_EVENT_SIZE) !== EPOLL_EVENT_SIZE) return EFAULT;
    events = view.getInt32(0, true);
    dataLo = view.getUint32(4, true);
    dataHi = view.getUint32(8, true);
  }
  const epoll = pollFile(t, epfd);
  const file = pollFile(t, fd);
  if (epoll === null || file === null) return EBADF;
  if (!(epoll instanceof EpollFile)) return file.canPoll ? EINVAL : EPERM;
  if (!file.canPoll) return EPERM;
  if (file === epoll) return EINVAL;
  switch (op) {
    case EPOLL_CTL_ADD:
      return epoll.add(fd, file, events, dataLo, dataHi);
    case EPOLL_CTL_MOD:
      return epoll.modify(fd, file, events, dataLo, dataHi);
    case EPOLL_CTL_DEL:
      return epoll.remove(fd, file);
    default:
      return EINVAL;
  }
}

/** Hands over what is ready now. Returns how many events, or EFAULT. */
function report(t: Task, epoll: EpollFile, addr: number, max: number): number {
  const ready = epoll.collect(Math.min(max, BATCH));
  if (ready.length === 0) return 0;
  let at = 0;
  for (const { item, events } of ready) {
    view.setUint32(at, events, true);
    view.setUint32(at + 4, item.dataLo, true);
    view.setUint32(at + 8, item.dataHi, true);
    at += EPOLL_EVENT_SIZE;
  }
  const copied = t.memory.copyOut(addr, scratch, 0, at);
  const told = copied < 0 ? 0 : Math.floor(copied / EPOLL_EVENT_SIZE);
  epoll.giveBack(ready.slice(told));
  epoll.settle(ready.slice(0, told));
  return told === 0 ? EFAULT : told;
}

function waitUntil(t: Task, epfd: number, addr: number, max: number, deadlineNs: number): SyscallReturn {
  const epoll = pollFile(t, epfd);
  if (epoll === null) return EBADF;
  if (max <= 0 || max > MAX_EVENTS) return EINVAL;
  if (!isUserRange(addr, max * EPOLL_EVENT_SIZE)) return EFAULT;
  if (!(epoll instanceof EpollFile)) return EINVAL;
  const n = report(t, epoll, addr, max);
  if (n !== 0 || deadlineNs === 0) return n;
  return waitBlocking(t, epoll, addr, max, deadlineNs);
}

function* waitBlocking(t: Task, epoll: EpollFile, addr: number, max: number, deadlineNs: number): Blocking {
  const request = { queues: [epoll.waitQueue], mask: EPOLLIN, deadlineNs };
  epoll.incRef();
  try {
    for (;;) {
      const reason = yield request;
      const n = report(t, epoll, addr, max);
      if (n !== 0 || reason === WAKE_TIMEOUT) return n;
      if (reason === WAKE_SIGNAL) return EINTR;
    }
  } finally {
    epoll.decRef();
  }
}

export function sys_epoll_wait(
  t: Task,
  epfd: number,
  events: number,
  maxevents: number,
  timeoutMs: number,
): SyscallReturn {
  return waitUntil(t, epfd, events, maxevents, deadlineAfterMs(t, timeoutMs));
}

export function sys_epoll_pwait(
  t: Task,
  epfd: number,
  events: number,
  maxevents: number,
  timeoutMs: number,
  sigmask: number,
  size: number,
): SyscallReturn {
  const err = installMask(t, sigmask, size);
  return err !== 0 ? err : waitUntil(t, epfd, events, maxevents, deadlineAfterMs(t, timeoutMs));
}

export function sys_epoll_pwait2(
  t: Task,
  epfd: number,
  events: number,
  maxevents: number,
  timeout: number,
  sigmask: number,
  size: number,
): SyscallReturn {
  const deadlineNs = readDeadline(t, timeout);
  if (deadlineNs < 0) return deadlineNs;
  const err = installMask(t, sigmask, size);
  return err !== 0 ? err : waitUntil(t, epfd, events, maxevents, deadlineNs);
}
