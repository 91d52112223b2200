// SPDX-License-Identifier: Apache-2.0

/**
 * msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
 *
 * Linux: ipc/msg.c
 */
import {
  E2BIG,
  EAGAIN,
  EFAULT,
  EIDRM,
  EINVAL,
  ENOMEM,
  ENOMSG,
  EPERM,
  ERESTARTNOHAND,
  isErrno,
  type Errno,
} from '../../platform/abi/linux/errno.ts';
import * as I from '../../platform/abi/linux/ipc.ts';
import { mayHold } from '../../sentry/kernel/ipc/held_memory.ts';
import { type Message, MessageQueue, type Receiver } from '../../sentry/kernel/ipc/msg.ts';
import { sysvOf } from '../../sentry/kernel/ipc/sysv.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';
import { WaitQueue } from '../../sentry/wait/wait_queue.ts';
import { applySet, clearScratch, copyScratch, put16, put32, put64, putPerm, readSet } from './ipc_struct.ts';

const MSQID_DS_SIZE = 120;
const CAP_SYS_RESOURCE = 24;
/** What MSG_INFO's older fields say, whatever the limits are. */
const MSGPOOL = (I.MSGMNI * I.MSGMNB) / 1024;
const MSGTQL = I.MSGMNB;

export function sys_msgget(t: Task, key: number, flags: number): number {
  const { msg } = sysvOf(t.ipcNs);
  return msg.get(
    t.creds,
    key,
    flags,
    () => 0,
    () => new MessageQueue(key, flags & 0o777, t.creds, t.kernel.clock.realtimeSeconds(), t.ipcNs.limits.msgmnb),
  );
}

export function sys_msgsnd(t: Task, msqid: number, msgp: number, size: number, flags: number): SyscallReturn {
  const head = new Uint8Array(8);
  if (t.memory.copyIn(msgp, head, 0, 8) !== 8) return EFAULT;
  const view = new DataView(head.buffer);
  const type = view.getInt32(4, true) * 4294967296 + view.getUint32(0, true);
  if (size > t.ipcNs.limits.msgmax || msqid < 0 || type < 1) return EINVAL;
  const data = new Uint8Array(size);
  if (size > 0 && t.memory.copyIn(msgp + 8, data, 0, size) !== size) return EFAULT;
  const queue = sysvOf(t.ipcNs).msg.find(msqid);
  if (isErrno(queue)) return queue;
  const denied = queue.permission(t.creds, 0o222);
  if (denied < 0) return denied;
  const message: Message = { type, data };
  if (queue.hasRoom(size)) return send(t, queue, message);
  return (flags & I.IPC_NOWAIT) !== 0 ? EAGAIN : sendWaiting(t, queue, message);
}

function send(t: Task, queue: MessageQueue, message: Message): number {
  if (!mayHold(message.data.length)) return ENOMEM;
  queue.send(message, t.threadGroup.pid, t.kernel.clock.realtimeSeconds());
  return 0;
}

function* sendWaiting(t: Task, queue: MessageQueue, message: Message): Blocking {
  for (;;) {
    const reason = yield { queues: [queue.roomQueue], deadlineNs: Number.POSITIVE_INFINITY };
    if (queue.isRemoved) return EIDRM;
    const denied = queue.permission(t.creds, 0o222);
    if (denied < 0) return denied;
    if (queue.hasRoom(message.data.length)) return send(t, queue, message);
    if (reason === WAKE_SIGNAL) return ERESTARTNOHAND;
  }
}

export function sys_msgrcv(
  t: Task,
  msqid: number,
  msgp: number,
  size: number,
  type: number,
  flags: number,
): SyscallReturn {
  if (msqid < 0 || size >= 2 ** 63) return EINVAL;
  if ((flags & I.MSG_COPY) !== 0 && ((flags & I.MSG_EXCEPT) !== 0 || (flags & I.IPC_NOWAIT) === 0)) return EINVAL;
  const queue = sysvOf(t.ipcNs).msg.find(msqid);
  if (isErrno(queue)) return queue;
  const denied = queue.permission(t.creds, 0o444);
  if (denied < 0) return denied;
  if ((flags & I.MSG_COPY) !== 0) return peek(t, queue, msgp, size, type, flags);
  const found = queue.receive(type, flags, size, t.threadGroup.pid, t.kernel.clock.realtimeSeconds());
  if (typeof found === 'number') return found;
  if (found !== null) return deliver(t, msgp, size, found);
  if ((flags & I.IPC_NOWAIT) !== 0) return ENOMSG;
  const receiver: Receiver = {
    type,
    flags,
    size,
    pid: t.threadGroup.pid,
    queue: new WaitQueue(),
    message: null,
    error: 0,
  };
  queue.wait(receiver);
  return receiveWaiting(t, queue, receiver, msgp);
}

function peek(t: Task, queue: MessageQueue, msgp: number, size: number, position: number, flags: number): number {
  const message = queue.peek(position);
  if (message === null) return ENOMSG;
  if (message.data.length > size && (flags & I.MSG_NOERROR) === 0) return E2BIG;
  return deliver(t, msgp, size, message);
}

function* receiveWaiting(t: Task, queue: MessageQueue, receiver: Receiver, msgp: number): Blocking {
  for (;;) {
    const reason = yield { queues: [receiver.queue], deadlineNs: Number.POSITIVE_INFINITY };
    if (receiver.message !== null) return deliver(t, msgp, receiver.size, receiver.message);
    if (receiver.error < 0) return receiver.error;
    if (reason === WAKE_SIGNAL) {
      queue.cancel(receiver);
      return ERESTARTNOHAND;
    }
  }
}

/** Writes a message to the application. Returns its length, cut to `size`. */
function deliver(t: Task, msgp: number, size: number, message: Message): number {
  const length = Math.min(size, message.data.length);
  if (t.memory.writeU64(msgp, message.type) < 0) return EFAULT;
  if (length > 0 && t.memory.copyOut(msgp + 8, message.data, 0, length) !== length) return EFAULT;
  return length;
}

export function sys_msgctl(t: Task, msqid: number, command: number, buf: number): number {
  const { msg } = sysvOf(t.ipcNs);
  const cmd = command & ~I.IPC_64;
  if (msqid < 0 || cmd < 0) return EINVAL;
  switch (cmd) {
    case I.IPC_INFO:
    case I.MSG_INFO:
      return writeInfo(t, cmd, buf);
    case I.IPC_STAT:
    case I.MSG_STAT:
    case I.MSG_STAT_ANY:
      return writeStat(t, cmd === I.IPC_STAT ? msg.find(msqid) : msg.at(msqid), cmd, buf);
    case I.IPC_SET:
    case I.IPC_RMID:
      return change(t, msqid, cmd, buf);
    default:
      return EINVAL;
  }
}

function writeInfo(t: Task, cmd: number, buf: number): number {
  const { msg } = sysvOf(t.ipcNs);
  const { msgmax, msgmnb, msgmni } = t.ipcNs.limits;
  const isUsage = cmd === I.MSG_INFO;
  const queues = msg.all();
  clearScratch();
  put32(0, isUsage ? queues.length : MSGPOOL);
  put32(4, isUsage ? queues.reduce((sum, q) => sum + q.count, 0) : MSGTQL);
  put32(8, msgmax);
  put32(12, msgmnb);
  put32(16, msgmni);
  put32(20, 16);
  put32(24, isUsage ? queues.reduce((sum, q) => sum + q.bytes, 0) : MSGTQL);
  put16(28, 0xffff);
  const failed = copyScratch(t, buf, 32);
  return failed < 0 ? failed : Math.max(0, msg.highestIndex);
}

function writeStat(t: Task, queue: MessageQueue | Errno, cmd: number, buf: number): number {
  if (isErrno(queue)) return queue;
  if (cmd !== I.MSG_STAT_ANY) {
    const denied = queue.permission(t.creds, 0o444);
    if (denied < 0) return denied;
  }
  clearScratch();
  putPerm(queue);
  put64(48, queue.stime);
  put64(56, queue.rtime);
  put64(64, queue.ctime);
  put64(72, queue.bytes);
  put64(80, queue.count);
  put64(88, queue.maxBytes);
  put32(96, queue.lspid);
  put32(100, queue.lrpid);
  const failed = copyScratch(t, buf, MSQID_DS_SIZE);
  return failed < 0 ? failed : cmd === I.IPC_STAT ? 0 : queue.id;
}

function change(t: Task, msqid: number, cmd: number, buf: number): number {
  const set = cmd === I.IPC_SET ? readSet(t, buf, MSQID_DS_SIZE, 88) : null;
  if (cmd === I.IPC_SET && set === null) return EFAULT;
  const { msg } = sysvOf(t.ipcNs);
  const queue = msg.find(msqid);
  if (isErrno(queue)) return queue;
  const denied = queue.ownership(t.creds);
  if (denied < 0) return denied;
  if (set === null) {
    msg.remove(queue);
    queue.destroy();
    return 0;
  }
  if (set.bytes > t.ipcNs.limits.msgmnb && !t.creds.hasCap(CAP_SYS_RESOURCE)) return EPERM;
  queue.maxBytes = set.bytes;
  applySet(queue, set, t.kernel.clock.realtimeSeconds());
  queue.roomQueue.wake();
  return 0;
}
