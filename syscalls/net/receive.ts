// SPDX-License-Identifier: Apache-2.0

/**
 * recvfrom(2), recvmsg(2), recvmmsg(2).
 *
 * Linux: net/socket.c
 */
import { EAGAIN, EFAULT, EINVAL, WOULD_BLOCK, isErrno } from '../../platform/abi/linux/errno.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLRDHUP } from '../../platform/abi/linux/poll.ts';
import {
  MSG_CMSG_COMPAT,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_OOB,
  MSG_PEEK,
  MSG_WAITALL,
  MSG_WAITFORONE,
} from '../../platform/abi/linux/socket.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type IncomingMessage, newIncoming, type Socket } from '../../sentry/net/socket.ts';
import {
  type Blocking,
  type SyscallReturn,
  WAKE_EVENT,
  WAKE_SIGNAL,
  WAKE_TIMEOUT,
} from '../../sentry/wait/blocking.ts';
import { socketIo } from '../file/iovec.ts';
import { dropFiles, MSGHDR_SIZE, readMsghdr, writeReceived } from './msghdr.ts';
import { interruption, socketAt, timeoutDeadline, writeAddress } from './socket_args.ts';
import { readDeadline, writeRemaining } from '../poll/timeout.ts';

const MMSG_MAX = 1024;
const MMSGHDR_SIZE = MSGHDR_SIZE + 8;

/** Turns bytes received into the call's result (writing names and control messages). */
type Finish = (n: number, message: IncomingMessage) => number;

function receive(t: Task, socket: Socket, message: IncomingMessage, finish: Finish): SyscallReturn {
  const n = socket.receiveMessage(t, message);
  const mayWait = !socket.isNonblocking && (message.flags & (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB)) === 0;
  if (mayWait && (n === WOULD_BLOCK || wantsMore(socket, message, n, n)))
    return receiveBlocking(t, socket, message, finish, Math.max(0, n));
  return n < 0 ? n : finish(n, message);
}

/** MSG_WAITALL (or SO_RCVLOWAT) on a stream: goes on until there is enough or something other than data came. */
function wantsMore(socket: Socket, message: IncomingMessage, n: number, done: number): boolean {
  return (
    n > 0 &&
    ((message.flags & MSG_WAITALL) !== 0 || done < socket.options.receiveLowWater) &&
    (message.flags & MSG_PEEK) === 0 &&
    socket.writesAll &&
    message.io.remaining > 0 &&
    message.files === null &&
    !message.stop
  );
}

function* receiveBlocking(
  t: Task,
  socket: Socket,
  message: IncomingMessage,
  finish: Finish,
  already: number,
): Blocking {
  const timeoutNs = socket.readTimeoutNs;
  const request = {
    queues: [socket.waitQueue],
    mask: EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP,
    deadlineNs: timeoutDeadline(t, timeoutNs),
  };
  let done = already;
  // What is there already beside the data (its end, an error) will wake nobody.
  let isFirst = already > 0;
  socket.incRef();
  try {
    for (;;) {
      const reason = isFirst ? WAKE_EVENT : yield request;
      isFirst = false;
      const n = socket.receiveMessage(t, message);
      if (n > 0) {
        done += n;
        if (wantsMore(socket, message, n, done) && reason !== WAKE_SIGNAL) continue;
        return finish(done, message);
      }
      if (n === 0 || (n !== WOULD_BLOCK && done > 0)) return finish(done, message);
      if (n !== WOULD_BLOCK) return n;
      if (reason === WAKE_SIGNAL) return done > 0 ? finish(done, message) : interruption(timeoutNs);
      if (reason === WAKE_TIMEOUT) return done > 0 ? finish(done, message) : EAGAIN;
    }
  } finally {
    socket.decRef();
  }
}

export function sys_recvfrom(
  t: Task,
  fd: number,
  buf: number,
  length: number,
  flags: number,
  addr: number,
  lengthAddr: number,
): SyscallReturn {
  const io = socketIo(t, buf, length);
  if (isErrno(io)) return io;
  const socket = socketAt(t, fd);
  if (isErrno(socket)) return socket;
  return receive(t, socket, newIncoming(io, flags), (n, message) => {
    dropFiles(message.files);
    if (addr === 0) return n;
    const err = writeAddress(t, message.address ?? new Uint8Array(0), addr, lengthAddr);
    return err !== 0 ? err : n;
  });
}

function receiveOne(t: Task, socket: Socket, addr: number, flags: number): SyscallReturn {
  const user = readMsghdr(t, addr, false);
  if (isErrno(user)) return user;
  return receive(t, socket, newIncoming(user.io, flags), (n, message) => {
    const err = writeReceived(t, user, message, flags);
    return err !== 0 ? err : n;
  });
}

export function sys_recvmsg(t: Task, fd: number, msg: number, flags: number): SyscallReturn {
  if ((flags & MSG_CMSG_COMPAT) !== 0) return EINVAL;
  const socket = socketAt(t, fd);
  return isErrno(socket) ? socket : receiveOne(t, socket, msg, flags);
}

export function sys_recvmmsg(
  t: Task,
  fd: number,
  mmsg: number,
  vlen: number,
  flags: number,
  timeout: number,
): SyscallReturn {
  if ((flags & MSG_CMSG_COMPAT) !== 0) return EINVAL;
  const deadlineNs = readDeadline(t, timeout);
  if (deadlineNs < 0) return deadlineNs;
  const socket = socketAt(t, fd);
  if (isErrno(socket)) return socket;
  return receiveMany(t, socket, mmsg, Math.min(vlen, MMSG_MAX), flags, timeout, deadlineNs);
}

function* receiveMany(
  t: Task,
  socket: Socket,
  mmsg: number,
  count: number,
  flags: number,
  timeout: number,
  deadlineNs: number,
): Blocking {
  let got = 0;
  let result = 0;
  for (let pass = flags; got < count; ) {
    const at = mmsg + got * MMSGHDR_SIZE;
    const one = receiveOne(t, socket, at, pass & ~MSG_WAITFORONE);
    result = typeof one === 'number' ? one : yield* one;
    if (result < 0) break;
    if (t.memory.writeU32(at + MSGHDR_SIZE, result) !== 0) {
      result = EFAULT;
      break;
    }
    got++;
    if ((flags & MSG_WAITFORONE) !== 0) pass |= MSG_DONTWAIT;
    if (t.kernel.clock.monotonicNs() >= deadlineNs) break;
  }
  return got > 0 ? writeRemaining(t, timeout, deadlineNs, 'ns', got) : result;
}
