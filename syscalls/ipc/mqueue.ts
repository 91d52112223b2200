// SPDX-License-Identifier: Apache-2.0

/**
 * mq_open(2), mq_unlink, mq_timedsend, mq_timedreceive, mq_notify, mq_getsetattr.
 *
 * Linux: ipc/mqueue.c
 */
import {
  EACCES,
  EAGAIN,
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENOENT,
  ENOMEM,
  ENOTSOCK,
  ERESTARTSYS,
  ETIMEDOUT,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { O_CREAT, O_EXCL, O_NONBLOCK, O_RDWR } from '../../platform/abi/linux/fcntl.ts';
import { NSIG, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD } from '../../platform/abi/linux/signal.ts';
import { defaultLimits, mqueueOf, mqueueRoot, type QueueLimits } from '../../sentry/fs/mqueue/mqueue_filesystem.ts';
import { type Notification, QueueFile, type QueueInode } from '../../sentry/fs/mqueue/queue.ts';
import { mayHold } from '../../sentry/kernel/ipc/held_memory.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { NetlinkSocket } from '../../sentry/net/netlink/netlink_socket.ts';
import { Socket } from '../../sentry/net/socket.ts';
import { removeFile } from '../../sentry/vfs/names.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { installFile } from '../poll/install_file.ts';
import { isValidSpec, readSpec, spec } from '../poll/timeout.ts';

const MQ_PRIO_MAX = 32768;
const HARD_MESSAGES_MAX = 65536;
const HARD_SIZE_MAX = 16 * 1024 * 1024;
const CAP_SYS_RESOURCE = 24;
const ATTR_SIZE = 64;
const COOKIE_SIZE = 32;

const buffer = new Uint8Array(ATTR_SIZE);
const view = new DataView(buffer.buffer);

function long(at: number): number {
  return view.getInt32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}
function putLong(at: number, value: number): void {
  const hi = Math.floor(value / 4294967296);
  view.setUint32(at, value - hi * 4294967296, true);
  view.setInt32(at + 4, hi, true);
}

/** The name as mq_open checks it: one component. Errors: EFAULT, ENAMETOOLONG, ENOENT, EACCES. */
function readName(t: Task, addr: number): string | number {
  const name = t.memory.readCString(addr, 4096);
  if (isErrno(name)) return name;
  if (name === '') return ENOENT;
  return name === '.' || name === '..' || name.includes('/') ? EACCES : name;
}

/** mq_maxmsg and mq_msgsize for a new queue. Errors: EFAULT, EINVAL. */
function readLimits(t: Task, addr: number): QueueLimits | number {
  const { limits } = t.ipcNs;
  if (addr === 0) return defaultLimits(limits);
  if (t.memory.copyIn(addr, buffer, 0, ATTR_SIZE) !== ATTR_SIZE) return EFAULT;
  const maxMessages = long(8);
  const maxSize = long(16);
  const isTrusted = t.creds.hasCap(CAP_SYS_RESOURCE);
  if (maxMessages <= 0 || maxSize <= 0) return EINVAL;
  if (
    maxMessages > (isTrusted ? HARD_MESSAGES_MAX : limits.msg_max) ||
    maxSize > (isTrusted ? HARD_SIZE_MAX : limits.msgsize_max)
  )
    return EINVAL;
  return { maxMessages, maxSize };
}

export function sys_mq_open(t: Task, nameAddr: number, flags: number, mode: number, attr: number): number {
  const given = readLimits(t, attr);
  if (given === EFAULT) return EFAULT;
  const limits = (flags & O_CREAT) !== 0 ? given : null;
  if (typeof limits === 'number') return limits;
  const name = readName(t, nameAddr);
  if (typeof name === 'number') return name;
  if ((flags & 3) === 3) return EINVAL;
  const { root } = mqueueOf(t.ipcNs);
  root.nextLimits = limits;
  const file = t.kernel.vfs.open(
    t,
    mqueueRoot(t.kernel.vfs, t.ipcNs),
    name,
    flags & (3 | O_CREAT | O_EXCL | O_NONBLOCK),
    mode & 0o7777,
  );
  root.nextLimits = null;
  return isErrno(file) ? file : installFile(t, file, true);
}

export function sys_mq_unlink(t: Task, nameAddr: number): number {
  const name = readName(t, nameAddr);
  if (typeof name === 'number') return name;
  return removeFile(t, mqueueRoot(t.kernel.vfs, t.ipcNs), name);
}

/** The queue file behind a descriptor, open in the way asked. */
function queueOf(t: Task, fd: number, wantsWrite: boolean | null): QueueFile | null {
  const file = t.fdTable.get(fd);
  if (!(file instanceof QueueFile)) return null;
  if (wantsWrite === null) return file;
  return (wantsWrite ? file.isWritable : file.isReadable) ? file : null;
}

/** Deadline of an absolute CLOCK_REALTIME timespec. Errors: EFAULT, EINVAL. */
function readAbsolute(t: Task, addr: number): number {
  if (addr === 0) return Number.POSITIVE_INFINITY;
  const failed = readSpec(t, addr);
  if (failed < 0) return failed;
  return isValidSpec() ? Math.max(1, t.kernel.clock.monotonicAtRealtime(spec.sec, spec.nsec)) : EINVAL;
}

export function sys_mq_timedsend(
  t: Task,
  fd: number,
  msg: number,
  length: number,
  priority: number,
  timeout: number,
): SyscallReturn {
  const deadlineNs = readAbsolute(t, timeout);
  if (deadlineNs < 0) return deadlineNs;
  if (priority >= MQ_PRIO_MAX) return EINVAL;
  const file = queueOf(t, fd, true);
  if (file === null) return EBADF;
  if (length > file.queue.maxSize) return EMSGSIZE;
  const data = new Uint8Array(length);
  if (length > 0 && t.memory.copyIn(msg, data, 0, length) !== length) return EFAULT;
  if (!file.queue.isFull) return put(t, file.queue, priority, data);
  return file.isNonblocking ? EAGAIN : sendWaiting(t, file.queue, priority, data, deadlineNs);
}

function put(t: Task, queue: QueueInode, priority: number, data: Uint8Array): number {
  if (!mayHold(data.length)) return ENOMEM;
  queue.send({ priority, data }, t);
  return 0;
}

function* sendWaiting(t: Task, queue: QueueInode, priority: number, data: Uint8Array, deadlineNs: number): Blocking {
  for (;;) {
    const reason = yield { queues: [queue.changed], deadlineNs };
    if (!queue.isFull) return put(t, queue, priority, data);
    if (reason === WAKE_SIGNAL) return ERESTARTSYS;
    if (reason === WAKE_TIMEOUT) return ETIMEDOUT;
  }
}

export function sys_mq_timedreceive(
  t: Task,
  fd: number,
  msg: number,
  length: number,
  priorityAddr: number,
  timeout: number,
): SyscallReturn {
  const deadlineNs = readAbsolute(t, timeout);
  if (deadlineNs < 0) return deadlineNs;
  const file = queueOf(t, fd, false);
  if (file === null) return EBADF;
  if (length < file.queue.maxSize) return EMSGSIZE;
  if (file.queue.messages.length > 0) return take(t, file.queue, msg, priorityAddr);
  return file.isNonblocking ? EAGAIN : receiveWaiting(t, file.queue, msg, priorityAddr, deadlineNs);
}

function take(t: Task, queue: QueueInode, msg: number, priorityAddr: number): number {
  const message = queue.receive();
  if (message === null) return EAGAIN;
  const { length } = message.data;
  if (priorityAddr !== 0 && t.memory.writeU32(priorityAddr, message.priority) < 0) return EFAULT;
  return length > 0 && t.memory.copyOut(msg, message.data, 0, length) !== length ? EFAULT : length;
}

function* receiveWaiting(t: Task, queue: QueueInode, msg: number, priorityAddr: number, deadlineNs: number): Blocking {
  queue.receiversWaiting++;
  try {
    for (;;) {
      const reason = yield { queues: [queue.changed], deadlineNs };
      if (queue.messages.length > 0) return take(t, queue, msg, priorityAddr);
      if (reason === WAKE_SIGNAL) return ERESTARTSYS;
      if (reason === WAKE_TIMEOUT) return ETIMEDOUT;
    }
  } finally {
    queue.receiversWaiting--;
  }
}

/** The struct sigevent at `addr`. Errors: EFAULT, EINVAL; EBADF, ENOTSOCK (SIGEV_THREAD's netlink socket). */
function readNotification(t: Task, addr: number): Notification | number {
  if (t.memory.copyIn(addr, buffer, 0, 64) !== 64) return EFAULT;
  const notify = view.getInt32(12, true);
  const signo = view.getInt32(8, true);
  const valueLo = view.getUint32(0, true);
  const valueHi = view.getUint32(4, true);
  const group = t.threadGroup;
  if (notify === SIGEV_THREAD) {
    const sender = cookieSender(t, signo, valueLo + valueHi * 4294967296);
    return typeof sender === 'number' ? sender : { group, signo: 0, valueLo, valueHi, ...sender };
  }
  if (notify !== SIGEV_NONE && notify !== SIGEV_SIGNAL) return EINVAL;
  if (notify === SIGEV_SIGNAL && (signo < 0 || signo > NSIG)) return EINVAL;
  return { group, signo: notify === SIGEV_NONE ? 0 : signo, valueLo, valueHi };
}

/** SIGEV_THREAD as the C library uses it: 32 bytes that come back through a netlink socket, the last one telling why. */
function cookieSender(t: Task, fd: number, cookieAddr: number): Pick<Notification, 'tell' | 'hold'> | number {
  const cookie = Buffer.alloc(COOKIE_SIZE);
  if (t.memory.copyIn(cookieAddr, cookie, 0, COOKIE_SIZE) !== COOKIE_SIZE) return EFAULT;
  const socket = t.fdTable.get(fd);
  if (socket === null) return EBADF;
  if (!(socket instanceof Socket)) return ENOTSOCK;
  if (!(socket instanceof NetlinkSocket)) return EINVAL;
  const tell = (code: number): void => {
    cookie[COOKIE_SIZE - 1] = code;
    socket.push(cookie);
    socket.decRef();
  };
  return { tell, hold: () => socket.incRef() };
}

export function sys_mq_notify(t: Task, fd: number, eventAddr: number): number {
  const asked = eventAddr === 0 ? null : readNotification(t, eventAddr);
  if (typeof asked === 'number') return asked;
  const file = queueOf(t, fd, null);
  if (file === null) return EBADF;
  const { queue } = file;
  if (asked === null) {
    if (queue.notification?.group === t.threadGroup) queue.endNotification();
    return 0;
  }
  if (queue.notification !== null) return EBUSY;
  asked.hold?.();
  queue.notification = asked;
  return 0;
}

export function sys_mq_getsetattr(t: Task, fd: number, newAddr: number, oldAddr: number): number {
  let flags = -1;
  if (newAddr !== 0) {
    if (t.memory.copyIn(newAddr, buffer, 0, ATTR_SIZE) !== ATTR_SIZE) return EFAULT;
    flags = long(0);
    if ((flags & ~O_NONBLOCK) !== 0 || flags > O_RDWR + O_NONBLOCK) return EINVAL;
  }
  const file = queueOf(t, fd, null);
  if (file === null) return EBADF;
  const { queue } = file;
  buffer.fill(0);
  putLong(0, file.flags & O_NONBLOCK);
  putLong(8, queue.maxMessages);
  putLong(16, queue.maxSize);
  putLong(24, queue.messages.length);
  if (flags >= 0) file.setStatusFlags((file.flags & ~O_NONBLOCK) | flags);
  return oldAddr === 0 || t.memory.copyOut(oldAddr, buffer, 0, ATTR_SIZE) === ATTR_SIZE ? 0 : EFAULT;
}
