// SPDX-License-Identifier: Apache-2.0

/**
 * sendto(2), sendmsg(2), sendmmsg(2).
 *
 * Linux: net/socket.c
 */
import { EAGAIN, EFAULT, EINVAL, WOULD_BLOCK, isErrno } from '../../platform/abi/linux/errno.ts';
import { EPOLLERR, EPOLLHUP, EPOLLOUT } from '../../platform/abi/linux/poll.ts';
import { MSG_CMSG_COMPAT, MSG_DONTWAIT } from '../../platform/abi/linux/socket.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { newOutgoing, type OutgoingMessage, type Socket } from '../../sentry/net/socket.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { socketIo } from '../file/iovec.ts';
import { dropFiles, MSGHDR_SIZE, readControl, readMsghdr } from './msghdr.ts';
import { interruption, readAddress, socketAt, timeoutDeadline } from './socket_args.ts';

const MMSG_MAX = 1024;
const MMSGHDR_SIZE = MSGHDR_SIZE + 8;

/** Sends a decoded message, waiting as the socket and flags say. Takes over the message's files. */
function send(t: Task, socket: Socket, message: OutgoingMessage): SyscallReturn {
  const total = message.io.remaining;
  const n = socket.sendMessage(t, message);
  const isPartial = n > 0 && n < total && socket.writesAll;
  if ((n === WOULD_BLOCK || isPartial) && !socket.isNonblocking && (message.flags & MSG_DONTWAIT) === 0) {
    return sendBlocking(t, socket, message, Math.max(0, n));
  }
  dropFiles(message.files);
  return n;
}

function* sendBlocking(t: Task, socket: Socket, message: OutgoingMessage, already: number): Blocking {
  const timeoutNs = socket.writeTimeoutNs;
  const request = {
    queues: [socket.waitQueue],
    mask: EPOLLOUT | EPOLLERR | EPOLLHUP,
    deadlineNs: timeoutDeadline(t, timeoutNs),
  };
  let done = already;
  const { files } = message;
  if (done > 0) message.files = null;
  socket.incRef();
  try {
    for (;;) {
      const reason = yield request;
      const n = socket.sendMessage(t, message);
      if (n > 0) {
        done += n;
        message.files = null;
        if (message.io.remaining === 0 || !socket.writesAll || reason === WAKE_SIGNAL) return done;
        continue;
      }
      if (n !== WOULD_BLOCK) return done > 0 ? done : n;
      if (reason === WAKE_SIGNAL) return done > 0 ? done : interruption(timeoutNs);
      if (reason === WAKE_TIMEOUT) return done > 0 ? done : EAGAIN;
    }
  } finally {
    dropFiles(files);
    socket.decRef();
  }
}

export function sys_sendto(
  t: Task,
  fd: number,
  buf: number,
  length: number,
  flags: number,
  addr: number,
  addrlen: number,
): SyscallReturn {
  const io = socketIo(t, buf, length);
  if (isErrno(io)) return io;
  const socket = socketAt(t, fd);
  if (isErrno(socket)) return socket;
  const message = newOutgoing(io, flags);
  if (addr !== 0) {
    const address = readAddress(t, addr, addrlen);
    if (isErrno(address)) return address;
    message.address = address;
  }
  return send(t, socket, message);
}

function sendOne(t: Task, socket: Socket, addr: number, flags: number): SyscallReturn {
  const user = readMsghdr(t, addr, true);
  if (isErrno(user)) return user;
  const message = newOutgoing(user.io, flags);
  if (user.name !== null) message.address = user.name;
  const err = readControl(t, socket.family, user, message);
  if (err === 0) return send(t, socket, message);
  // What is wrong with the socket itself is said before what is wrong with the control messages.
  const refused = socket.sendRefusal(t, message);
  return refused !== 0 ? refused : err;
}

export function sys_sendmsg(t: Task, fd: number, msg: number, flags: number): SyscallReturn {
  if ((flags & MSG_CMSG_COMPAT) !== 0) return EINVAL;
  const socket = socketAt(t, fd);
  return isErrno(socket) ? socket : sendOne(t, socket, msg, flags);
}

export function sys_sendmmsg(t: Task, fd: number, mmsg: number, vlen: number, flags: number): SyscallReturn {
  if ((flags & MSG_CMSG_COMPAT) !== 0) return EINVAL;
  const socket = socketAt(t, fd);
  return isErrno(socket) ? socket : sendMany(t, socket, mmsg, Math.min(vlen, MMSG_MAX), flags);
}

function* sendMany(t: Task, socket: Socket, mmsg: number, count: number, flags: number): Blocking {
  for (let i = 0; i < count; i++) {
    const at = mmsg + i * MMSGHDR_SIZE;
    const result = sendOne(t, socket, at, flags);
    const n = typeof result === 'number' ? result : yield* result;
    if (n < 0) return i > 0 ? i : n;
    if (t.memory.writeU32(at + MSGHDR_SIZE, n) !== 0) return i > 0 ? i : EFAULT;
  }
  return count;
}
