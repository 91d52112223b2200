// SPDX-License-Identifier: Apache-2.0

/**
 * Moving data between Unix sockets: streams, datagrams and sequenced packets.
 *
 * Linux: net/unix/af_unix.c (unix_stream_sendmsg, unix_dgram_sendmsg, unix_stream_read_generic, __unix_dgram_recvmsg)
 */
import {
  ECONNREFUSED,
  EFAULT,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENOBUFS,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  EPROTOTYPE,
  WOULD_BLOCK,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import { EPOLLIN, EPOLLRDNORM } from '../../../platform/abi/linux/poll.ts';
import {
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
} from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';
import { CHUNK_SIZE, returnChunk, takeChunk } from '../chunk_pool.ts';
import type { SocketFilter } from '../filter/filter_options.ts';
import { runSocketFilter } from '../filter/filter_program.ts';
import { queueBudget } from '../queue_budget.ts';
import type { IncomingMessage, OutgoingMessage, PeerCred } from '../socket.ts';
import { realtime, stampMessages } from '../inet/ancillary.ts';
import { findUnixSocket, parseUnixAddress } from './unix_address.ts';
import { Packet, packetCharge } from './unix_queue.ts';
import { RCV_SHUTDOWN, SEND_SHUTDOWN, type UnixSocket } from './unix_socket.ts';

const SIGPIPE = 13;
/** Largest packet of a stream write: SKB_MAX_ALLOC and UNIX_SKB_FRAGS_SZ. */
const STREAM_PACKET_MAX = 3776 + 32768;
/** What a receiver that asked for credentials too late is told. */
const NO_CREDS: PeerCred = { pid: 0, uid: 65534, gid: 65534 };

/** Credentials to attach: those given, or the sender's when either side wants them. */
function credsFor(ctx: IoContext, from: UnixSocket, to: UnixSocket, message: OutgoingMessage): PeerCred | null {
  if (message.creds !== null) return message.creds;
  return from.passCred || to.passCred || to.passPidfd
    ? { pid: ctx.lockOwnerPid, uid: ctx.creds.euid, gid: ctx.creds.egid }
    : null;
}

function broken(ctx: IoContext, message: OutgoingMessage): number {
  if ((message.flags & MSG_NOSIGNAL) === 0) ctx.raiseSignal(SIGPIPE);
  return EPIPE;
}

/** Bytes of a stream write that go into one buffer: as many parts as Linux would send as packets before the sender has to wait. */
function streamRun(socket: UnixSocket, remaining: number, part: number): number {
  let total = Math.min(remaining, part);
  let { charged } = socket;
  while (total < remaining && total + part <= CHUNK_SIZE) {
    charged += packetCharge(part);
    if (charged >= socket.options.sendBuffer) break;
    total = Math.min(total + part, remaining);
  }
  return total;
}

export function sendStream(ctx: IoContext, socket: UnixSocket, message: OutgoingMessage): number {
  const isUrgent = (message.flags & MSG_OOB) !== 0;
  if (isUrgent && message.io.remaining === 0) return EOPNOTSUPP;
  if (message.address !== null) return socket.state === 'connected' ? EISCONN : EOPNOTSUPP;
  const { peer } = socket;
  if (peer === null || socket.state !== 'connected') return ENOTCONN;
  if ((socket.shutdownMask & SEND_SHUTDOWN) !== 0) return broken(ctx, message);
  const { io } = message;
  const creds = credsFor(ctx, socket, peer, message);
  let done = 0;
  let { files } = message;
  while (io.remaining > 0) {
    if (peer.isDead || (peer.shutdownMask & RCV_SHUTDOWN) !== 0) return done > 0 ? done : broken(ctx, message);
    if (socket.charged >= socket.options.sendBuffer) break;
    if (queueBudget.isExhausted) return done > 0 ? done : ENOBUFS;
    const left = isUrgent && io.remaining > 1 ? io.remaining - 1 : io.remaining;
    const part = Math.min(Math.max(1, Math.floor(socket.options.sendBuffer / 2) - 64), STREAM_PACKET_MAX);
    const want = streamRun(socket, left, part);
    const isLast = isUrgent && io.remaining === 1;
    const data = takeChunk(want);
    const n = io.take(data, 0, want);
    if (n < want) {
      returnChunk(data);
      return done > 0 ? done : EFAULT;
    }
    const packet = new Packet(data, n, socket, files, creds, part);
    if (isLast) peer.urgent = packet;
    queueTo(peer, packet);
    if (isLast) peer.noteUrgent();
    files = null;
    done += n;
  }
  return done > 0 || io.remaining === 0 ? done : WOULD_BLOCK;
}

function queueTo(peer: UnixSocket, packet: Packet): void {
  packet.sender.charged += packet.charge;
  peer.queue.push(packet);
  peer.waitQueue.wake(EPOLLIN | EPOLLRDNORM);
}

/** The receiver of a datagram, or errno. */
function datagramTarget(ctx: IoContext, socket: UnixSocket, message: OutgoingMessage): UnixSocket | number {
  if (socket.type === SOCK_SEQPACKET)
    return socket.state === 'connected' && socket.peer !== null ? socket.peer : ENOTCONN;
  if (message.address === null) return socket.peer ?? ENOTCONN;
  const name = parseUnixAddress(message.address);
  if (isErrno(name)) return name;
  const target = findUnixSocket(ctx, socket.type, name, socket.netTag);
  if (isErrno(target)) return target;
  return target.type === socket.type ? target : EPROTOTYPE;
}

/** Bytes of a datagram that a filter lets through; -1: it drops it. */
function passes(filter: SocketFilter, bytes: Uint8Array): number {
  const packet = {
    bytes,
    start: 0,
    network: -1,
    link: -1,
    protocol: 0,
    type: 0,
    interface: 0,
    hardware: 0,
    payload: 0,
  };
  return runSocketFilter(filter.program, packet) || -1;
}

export function sendDatagram(ctx: IoContext, socket: UnixSocket, message: OutgoingMessage): number {
  if (socket.type === SOCK_SEQPACKET && socket.state !== 'connected') return ENOTCONN;
  if ((message.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
  const { io } = message;
  if (io.remaining > socket.options.sendBuffer - 32) return EMSGSIZE;
  if (socket.passCred && socket.boundAddress === null) socket.autobind();
  const target = datagramTarget(ctx, socket, message);
  if (typeof target === 'number') return target;
  const isPacketPair = socket.type === SOCK_SEQPACKET;
  if (socket.error !== 0) return -socket.takeError();
  if ((socket.shutdownMask & SEND_SHUTDOWN) !== 0) return EPIPE;
  if (target.isDead) {
    if (isPacketPair) return EPIPE;
    if (socket.peer === target) socket.disconnectDatagram();
    return ECONNREFUSED;
  }
  if (!isPacketPair && target.peer !== null && target.peer !== socket) return EPERM;
  if ((target.shutdownMask & RCV_SHUTDOWN) !== 0) return EPIPE;
  if (target !== socket && target.peer !== socket && target.isQueueFull) {
    target.heldUp.add(socket);
    return WOULD_BLOCK;
  }
  if (socket.charged >= socket.options.sendBuffer) return WOULD_BLOCK;
  if (queueBudget.isExhausted) return ENOBUFS;
  const length = io.remaining;
  const data = Buffer.allocUnsafe(length);
  const n = length === 0 ? 0 : io.take(data, 0, length);
  if (n < length) return EFAULT;
  const kept = target.options.filter === null ? length : passes(target.options.filter, data);
  // A datagram the receiver's filter drops counts as sent.
  if (kept < 0) return length;
  const packet = new Packet(
    data,
    Math.min(kept, length),
    socket,
    message.files,
    credsFor(ctx, socket, target, message),
  );
  if (target.wantsStamp) packet.stamp = realtime(ctx);
  queueTo(target, packet);
  return length;
}

/** Pending error, end of file or WOULD_BLOCK of an empty queue. Datagrams have no end of file for those who do not wait. */
function emptyResult(socket: UnixSocket, message: IncomingMessage): number {
  if (socket.error !== 0) return -socket.takeError();
  if (socket.type === SOCK_DGRAM && (socket.isNonblocking || (message.flags & MSG_DONTWAIT) !== 0)) return WOULD_BLOCK;
  return (socket.shutdownMask & RCV_SHUTDOWN) !== 0 ? 0 : WOULD_BLOCK;
}

function sameCreds(a: PeerCred | null, b: PeerCred | null): boolean {
  return a === b || (a !== null && b !== null && a.pid === b.pid && a.uid === b.uid && a.gid === b.gid);
}

/** Takes the urgent byte. Errors: EINVAL when there is none, or it is in line. */
function receiveUrgent(socket: UnixSocket, message: IncomingMessage): number {
  const { urgent, isUrgentInline } = socket;
  if (isUrgentInline || urgent === null || urgent.isSpent) return EINVAL;
  const { io } = message;
  if (io.remaining > 0 && io.put(urgent.data, 0, 1) < 1) return EFAULT;
  if ((message.flags & MSG_PEEK) === 0) {
    socket.queue.spend(urgent);
    socket.urgent = null;
  }
  message.outFlags |= MSG_OOB;
  return 1;
}

/** What an ordinary read does with the packet at `index`: reads it, passes it over, or stops before it. */
function atUrgent(socket: UnixSocket, packet: Packet, isPeek: boolean, hasRead: boolean): 'read' | 'pass' | 'stop' {
  if (packet.isSpent) {
    if (hasRead) return 'stop';
    return 'pass';
  }
  if (packet !== socket.urgent) return 'read';
  if (hasRead) return 'stop';
  if (socket.isUrgentInline) {
    if (!isPeek) socket.urgent = null;
    return 'read';
  }
  if (!isPeek) socket.urgent = null;
  return 'pass';
}

export function receiveStream(socket: UnixSocket, message: IncomingMessage): number {
  if (socket.state !== 'connected') return EINVAL;
  if ((message.flags & MSG_OOB) !== 0) return receiveUrgent(socket, message);
  const isPeek = (message.flags & MSG_PEEK) !== 0;
  const { io } = message;
  let done = 0;
  let index = 0;
  let skip = isPeek && socket.options.peekOffset > 0 ? socket.options.peekOffset : 0;
  let first: Packet | null = null;
  while (io.remaining > 0 || first === null) {
    const packet = socket.queue.at(index);
    if (packet === null) break;
    const what = atUrgent(socket, packet, isPeek, first !== null);
    if (what === 'stop') {
      message.stop = true;
      break;
    }
    if (what === 'pass') {
      if (isPeek) index++;
      else socket.queue.shift()?.release();
      continue;
    }
    const unread = packet.length - packet.offset;
    if (skip >= unread && skip > 0) {
      skip -= unread;
      index++;
      continue;
    }
    if (first !== null && socket.passCred && (!sameCreds(packet.creds, first.creds) || packet.sender !== first.sender))
      break;
    if (first === null) describe(socket, message, packet);
    first = first ?? packet;
    const want = Math.min(unread - skip, io.remaining);
    const n = want === 0 ? 0 : io.put(packet.data, packet.offset + skip, want);
    if (n < want) return done > 0 ? done : EFAULT;
    done += n;
    const hadFiles = packet.files !== null;
    if (isPeek) {
      if (hadFiles && message.files === null) message.files = packet.peekFiles();
      index++;
      skip = 0;
    } else {
      if (hadFiles) message.files = packet.takeFiles();
      socket.queue.consume(n);
      if (packet.offset === packet.length) socket.queue.shift()?.release();
    }
    if (hadFiles || io.remaining === 0) break;
  }
  if (first === null) return emptyResult(socket, message);
  movePeekOffset(socket, isPeek, done);
  return done;
}

function movePeekOffset({ options }: UnixSocket, isPeek: boolean, done: number): void {
  if (isPeek && options.peekOffset >= 0) options.peekOffset += done;
  else if (!isPeek && options.peekOffset > 0) options.peekOffset = Math.max(0, options.peekOffset - done);
}

/** Fills in who sent it. */
function describe(socket: UnixSocket, message: IncomingMessage, packet: Packet): void {
  message.address = packet.address;
  if (socket.passCred) message.creds = packet.creds ?? NO_CREDS;
  if (socket.passPidfd) message.pidfdOf = packet.creds?.pid ?? 0;
  if (packet.stamp !== null && socket.wantsStamp) message.control = stampMessages(socket.options.flags, packet.stamp);
}

export function receiveDatagram(socket: UnixSocket, message: IncomingMessage): number {
  if (socket.type === SOCK_SEQPACKET && socket.state !== 'connected') return ENOTCONN;
  if ((message.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
  const isPeek = (message.flags & MSG_PEEK) !== 0;
  let offset = isPeek ? Math.max(0, socket.options.peekOffset) : 0;
  let index = 0;
  let packet = socket.queue.at(index);
  while (packet !== null && offset > 0 && offset >= packet.length) {
    offset -= packet.length;
    packet = socket.queue.at(++index);
  }
  if (packet === null) return emptyResult(socket, message);
  const { io } = message;
  const length = packet.length - offset;
  const want = Math.min(length, io.remaining);
  const n = want === 0 ? 0 : io.put(packet.data, offset, want);
  if (n < want) return EFAULT;
  if (want < length) message.outFlags |= MSG_TRUNC;
  describe(socket, message, packet);
  if (isPeek) {
    message.files = packet.peekFiles();
    if (socket.options.peekOffset >= 0) socket.options.peekOffset += n;
  } else {
    message.files = packet.takeFiles();
    socket.queue.shift();
    movePeekOffset(socket, false, packet.length);
    packet.release();
    if (!socket.isQueueFull) socket.wakeHeldUp();
  }
  return (message.flags & MSG_TRUNC) !== 0 ? length : n;
}
