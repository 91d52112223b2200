// SPDX-License-Identifier: Apache-2.0

/**
 * Making and connecting sockets: socket, socketpair, bind, listen, accept, connect, shutdown, the two names.
 *
 * Linux: net/socket.c
 */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINPROGRESS,
  EINVAL,
  EMFILE,
  EOPNOTSUPP,
  WOULD_BLOCK,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '../../platform/abi/linux/poll.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_TYPE_MASK } from '../../platform/abi/linux/socket.ts';
import { RLIMIT_NOFILE } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { familyFor, type Socket, type SocketFamily } from '../../sentry/net/socket.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { installFile } from '../poll/install_file.ts';
import { interruption, readAddress, socketAt, timeoutDeadline, writeAddress } from './socket_args.ts';

const TYPE_FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK;
const pair = new Uint8Array(8);
const pairWords = new Int32Array(pair.buffer);

function install(t: Task, socket: Socket, flags: number): number {
  if ((flags & SOCK_NONBLOCK) !== 0) socket.setNonblocking(true);
  return installFile(t, socket, (flags & SOCK_CLOEXEC) !== 0);
}

export function sys_socket(t: Task, family: number, typeAndFlags: number, protocol: number): number {
  const flags = typeAndFlags & ~SOCK_TYPE_MASK;
  if ((flags & ~TYPE_FLAGS) !== 0) return EINVAL;
  const type = typeAndFlags & SOCK_TYPE_MASK;
  const maker = familyFor(family, type);
  if (isErrno(maker)) return maker;
  const socket = maker.create(t, type, protocol);
  return isErrno(socket) ? socket : install(t, socket, flags);
}

/** A family without pairs: what is wrong with the socket itself is said first. */
function pairless(t: Task, maker: SocketFamily, type: number, protocol: number): number {
  const socket = maker.create(t, type, protocol);
  if (isErrno(socket)) return socket;
  socket.decRef();
  return EOPNOTSUPP;
}

export function sys_socketpair(
  t: Task,
  family: number,
  typeAndFlags: number,
  protocol: number,
  usockvec: number,
): number {
  const flags = typeAndFlags & ~SOCK_TYPE_MASK;
  if ((flags & ~TYPE_FLAGS) !== 0) return EINVAL;
  const type = typeAndFlags & SOCK_TYPE_MASK;
  pairWords[0] = pairWords[1] = -1;
  if (t.memory.copyOut(usockvec, pair, 0, 8) !== 8) return EFAULT;
  const maker = familyFor(family, type);
  if (isErrno(maker)) return maker;
  if (maker.pair === undefined) return pairless(t, maker, type, protocol);
  const made = maker.pair(t, type, protocol);
  if (isErrno(made)) return made;
  const [a, b] = made;
  const first = install(t, a, flags);
  if (first < 0) {
    b.decRef();
    return first;
  }
  const second = install(t, b, flags);
  if (second >= 0) {
    pairWords[0] = first;
    pairWords[1] = second;
    if (t.memory.copyOut(usockvec, pair, 0, 8) === 8) return 0;
    t.fdTable.close(t, second);
  }
  t.fdTable.close(t, first);
  return second < 0 ? second : EFAULT;
}

export function sys_bind(t: Task, fd: number, umyaddr: number, addrlen: number): number {
  const socket = socketAt(t, fd);
  if (isErrno(socket)) return socket;
  const address = readAddress(t, umyaddr, addrlen);
  return isErrno(address) ? address : socket.bind(t, address);
}

export function sys_listen(t: Task, fd: number, backlog: number): number {
  const socket = socketAt(t, fd);
  return isErrno(socket) ? socket : socket.listen(t, backlog);
}

/** Gives a connection accepted from `listener` its descriptor and tells who it is. */
function finishAccept(
  t: Task,
  listener: Socket,
  accepted: Socket,
  addr: number,
  lengthAddr: number,
  flags: number,
): number {
  // Those who wait to accept are woken one at a time.
  if (!listener.waitQueue.isEmpty && (listener.poll() & EPOLLIN) !== 0) listener.waitQueue.wakeNext(EPOLLIN);
  const address = addr === 0 ? null : accepted.peerAddress();
  const fd = install(t, accepted, flags);
  if (fd < 0 || address === null || isErrno(address)) return fd;
  const err = writeAddress(t, address, addr, lengthAddr);
  if (err === 0) return fd;
  t.fdTable.close(t, fd);
  return err;
}

export function sys_accept4(t: Task, fd: number, addr: number, lengthAddr: number, flags: number): SyscallReturn {
  const socket = socketAt(t, fd);
  if (socket === EBADF) return EBADF;
  if ((flags & ~TYPE_FLAGS) !== 0) return EINVAL;
  if (isErrno(socket)) return socket;
  if (t.fdTable.openCount >= t.threadGroup.rlimits.soft(RLIMIT_NOFILE)) return EMFILE;
  const accepted = socket.accept(t);
  if (!isErrno(accepted)) return finishAccept(t, socket, accepted, addr, lengthAddr, flags);
  return accepted === WOULD_BLOCK && !socket.isNonblocking
    ? acceptBlocking(t, socket, addr, lengthAddr, flags)
    : accepted;
}

function* acceptBlocking(t: Task, socket: Socket, addr: number, lengthAddr: number, flags: number): Blocking {
  const timeoutNs = socket.readTimeoutNs;
  const request = {
    queues: [socket.waitQueue],
    mask: EPOLLIN | EPOLLRDHUP,
    deadlineNs: timeoutDeadline(t, timeoutNs),
    exclusive: true,
  };
  socket.incRef();
  try {
    for (;;) {
      const reason = yield request;
      const accepted = socket.accept(t);
      if (!isErrno(accepted)) return finishAccept(t, socket, accepted, addr, lengthAddr, flags);
      if (accepted !== WOULD_BLOCK) return accepted;
      if (reason === WAKE_SIGNAL) return interruption(timeoutNs);
      if (reason === WAKE_TIMEOUT) return EAGAIN;
    }
  } finally {
    socket.decRef();
  }
}

export function sys_accept(t: Task, fd: number, addr: number, lengthAddr: number): SyscallReturn {
  return sys_accept4(t, fd, addr, lengthAddr, 0);
}

export function sys_connect(t: Task, fd: number, addr: number, addrlen: number): SyscallReturn {
  const socket = socketAt(t, fd);
  if (socket === EBADF) return EBADF;
  const address = readAddress(t, addr, addrlen);
  if (isErrno(address)) return address;
  if (isErrno(socket)) return socket;
  const result = socket.connect(t, address);
  if (result !== WOULD_BLOCK) return result;
  if (socket.isNonblocking) return socket.connectWait() !== null ? EAGAIN : EINPROGRESS;
  const at = socket.connectWait() === null ? socket.connectOutcome() : WOULD_BLOCK;
  if (at === 0) socket.connectConfirmed();
  if (at !== WOULD_BLOCK) return at;
  return connectBlocking(t, socket, address);
}

function* connectBlocking(t: Task, socket: Socket, address: Uint8Array): Blocking {
  const timeoutNs = socket.writeTimeoutNs;
  const deadlineNs = timeoutDeadline(t, timeoutNs);
  socket.incRef();
  try {
    for (;;) {
      const full = socket.connectWait();
      const reason = yield full !== null
        ? { queues: [full], deadlineNs }
        : { queues: [socket.waitQueue], mask: EPOLLOUT, deadlineNs };
      const result = full !== null ? socket.connect(t, address) : socket.connectOutcome();
      if (result === 0) socket.connectConfirmed();
      if (result !== WOULD_BLOCK) return result;
      if (reason === WAKE_SIGNAL) return interruption(timeoutNs);
      if (reason === WAKE_TIMEOUT) return full !== null ? EAGAIN : EINPROGRESS;
    }
  } finally {
    socket.decRef();
  }
}

export function sys_shutdown(t: Task, fd: number, how: number): number {
  const socket = socketAt(t, fd);
  if (isErrno(socket)) return socket;
  return (how < 0 || how > 2) && !socket.cannotShutDown ? EINVAL : socket.shutdown(how);
}

export function sys_getsockname(t: Task, fd: number, addr: number, lengthAddr: number): number {
  const socket = socketAt(t, fd);
  if (isErrno(socket)) return socket;
  const address = socket.localAddress();
  return isErrno(address) ? address : writeAddress(t, address, addr, lengthAddr);
}

export function sys_getpeername(t: Task, fd: number, addr: number, lengthAddr: number): number {
  const socket = socketAt(t, fd);
  if (isErrno(socket)) return socket;
  const address = socket.peerAddress();
  return isErrno(address) ? address : writeAddress(t, address, addr, lengthAddr);
}
