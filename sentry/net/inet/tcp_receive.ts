// SPDX-License-Identifier: Apache-2.0

/**
 * Taking bytes out of a TCP socket's queue: ordinary reads stop at the urgent byte and pass over it, MSG_OOB takes it.
 *
 * Linux: net/ipv4/tcp.c (tcp_recvmsg_locked, tcp_recv_urg, tcp_inq)
 */
import { EAGAIN, EFAULT, EINVAL, ENOTCONN, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import { MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC } from '../../../platform/abi/linux/socket.ts';
import type { IncomingMessage } from '../socket.ts';
import { RCV_SHUTDOWN, type TcpSocket } from './tcp_socket.ts';

/** Takes the urgent byte. Errors: EINVAL (there is none, or it is in line), EAGAIN, ENOTCONN, EFAULT. */
export function receiveUrgent(socket: TcpSocket, message: IncomingMessage): number {
  const { urgent } = socket;
  if (socket.isUrgentInline || !urgent.isSet || urgent.state === 'taken') return EINVAL;
  if (socket.state === 'closed' && !socket.wasConnected) return ENOTCONN;
  message.outFlags |= MSG_OOB;
  if (message.io.remaining === 0) message.outFlags |= MSG_TRUNC;
  else if ((message.flags & MSG_TRUNC) === 0 && message.io.put(Uint8Array.of(urgent.byte), 0, 1) < 1) return EFAULT;
  if ((message.flags & MSG_PEEK) === 0) urgent.state = 'taken';
  return message.io.remaining === 0 && (message.outFlags & MSG_TRUNC) !== 0 ? 0 : 1;
}

/** What an empty queue answers. */
function emptyResult(socket: TcpSocket): number {
  if (socket.sawEnd) {
    socket.hasReadEnd = true;
    return 0;
  }
  if (socket.error !== 0) return -socket.takeError();
  if (!socket.wasConnected && socket.state !== 'connecting') return ENOTCONN;
  return (socket.shutdownMask & RCV_SHUTDOWN) !== 0 || socket.state === 'closed' ? 0 : WOULD_BLOCK;
}

export function receiveTcp(socket: TcpSocket, message: IncomingMessage): number {
  // Nothing is ever queued there for a stream.
  if ((message.flags & MSG_ERRQUEUE) !== 0) return EAGAIN;
  if (socket.isListening) return ENOTCONN;
  if ((message.flags & MSG_OOB) !== 0) {
    const result = receiveUrgent(socket, message);
    return result === WOULD_BLOCK ? EAGAIN : result;
  }
  const isPeek = (message.flags & MSG_PEEK) !== 0;
  const { urgent, queue } = socket;
  let skip = isPeek ? Math.max(0, socket.options.peekOffset) : 0;
  const position = socket.consumed + skip;
  if (urgent.isSet && urgent.at === position && !socket.isUrgentInline && queue.length > skip) {
    if (isPeek) skip++;
    else socket.take(1);
  }
  if (queue.length <= skip) return emptyResult(socket);
  const start = socket.consumed + skip;
  const ahead = urgent.isSet && urgent.at > start && urgent.at < socket.arrived;
  const limit = ahead ? urgent.at - start : Number.POSITIVE_INFINITY;
  message.stop = ahead && message.io.remaining >= limit;
  return isPeek ? peek(socket, message, limit, skip) : consume(socket, message, limit);
}

function peek(socket: TcpSocket, message: IncomingMessage, limit: number, skip: number): number {
  const isCount = (message.flags & MSG_TRUNC) !== 0;
  const { options, queue } = socket;
  const n = isCount
    ? Math.min(message.io.remaining, limit, queue.length - skip)
    : queue.copyTo(message.io, limit, skip);
  if (n > 0 && options.peekOffset >= 0) options.peekOffset = skip + n;
  return n;
}

function consume(socket: TcpSocket, message: IncomingMessage, limit: number): number {
  const { io } = message;
  const isDiscard = (message.flags & MSG_TRUNC) !== 0;
  const n = isDiscard ? Math.min(io.remaining, socket.queue.length, limit) : socket.queue.copyTo(io, limit);
  if (n <= 0) return n;
  if (isDiscard) io.remaining -= n;
  socket.take(n);
  return n;
}

/** SIOCINQ: bytes that can be read up to the urgent one. */
export function bytesReadable(socket: TcpSocket): number {
  const { urgent, consumed, arrived } = socket;
  if (socket.isUrgentInline || !urgent.isSet || urgent.at < consumed || urgent.at >= arrived)
    return socket.queue.length;
  return urgent.at - consumed;
}
