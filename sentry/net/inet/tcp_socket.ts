// SPDX-License-Identifier: Apache-2.0

/**
 * TcpSocket: TCP between sockets of the same sandbox: connections are pairs of sockets, bytes go straight to the peer's queue.
 *
 * Linux:      net/ipv4/tcp.c, net/ipv4/tcp_ipv4.c; tcp(7)
 * Invariants: a connected socket's peer points back until either is closed. `queue` is what waits to be read here; senders keep it
 *             below what the two ends' buffers allow. An orderly close sends end of file, one that throws data away a reset.
 */
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EALREADY,
  ECONNABORTED,
  ECONNREFUSED,
  ECONNRESET,
  EFAULT,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
  type Errno,
  isErrno,
  WOULD_BLOCK,
} from '../../../platform/abi/linux/errno.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  EPOLLRDNORM,
  EPOLLWRNORM,
} from '../../../platform/abi/linux/poll.ts';
import {
  AF_UNSPEC,
  FIONREAD,
  IPPROTO_TCP,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  SIOCATMARK,
  SIOCOUTQ,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_STREAM,
  TCP_CONGESTION,
  TCP_INFO,
} from '../../../platform/abi/linux/socket.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { IncomingMessage, OutgoingMessage, Socket } from '../socket.ts';
import {
  anyEndpoint,
  decodeEndpoint,
  destination,
  type Endpoint,
  familyOf,
  isAny,
  sameHost,
  sourceFor,
} from './inet_address.ts';
import { ByteQueue } from './byte_queue.ts';
import { InetSocket, overlaps, PortTable } from './inet_socket.ts';

export const tcpPorts = new PortTable();

const SIGPIPE = 13;
/** What a connection holds each way when no buffer size was asked for. */
const CAPACITY = 1 << 20;
/** Defaults of SO_SNDBUF and SO_RCVBUF: net.ipv4.tcp_wmem, tcp_rmem. */
const SEND_BUFFER = 16384;
const RECEIVE_BUFFER = 131072;
const RCV_SHUTDOWN = 1;
const SEND_SHUTDOWN = 2;
const ALL_SHUTDOWN = 3;
const READABLE = EPOLLIN | EPOLLRDNORM;
const WRITABLE = EPOLLOUT | EPOLLWRNORM;
const EVERYTHING = READABLE | WRITABLE | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
/** Linux's tcpi_state and the st column of /proc/net/tcp. */
const TCP_ESTABLISHED = 1;
const TCP_SYN_SENT = 2;
const TCP_FIN_WAIT2 = 5;
const TCP_CLOSE = 7;
const TCP_CLOSE_WAIT = 8;
const TCP_LISTEN = 10;
const TCP_INFO_SIZE = 232;
/** struct tcp_info: tcpi_rto, tcpi_snd_mss, tcpi_rcv_mss, tcpi_rtt, tcpi_snd_cwnd. */
const TCP_INFO_FIELDS: readonly (readonly [at: number, value: number])[] = [
  [8, 204000],
  [16, 32768],
  [20, 536],
  [68, 100],
  [80, 10],
];
/** More buffer than asked for is not kept for a connection. */
const CAPACITY_MIN = 4608;

type TcpState = 'closed' | 'listening' | 'connecting' | 'connected';

export class TcpSocket extends InetSocket {
  state: TcpState = 'closed';
  peer: TcpSocket | null = null;
  readonly queue = new ByteQueue();
  /** Connected by a connect that had answered EINPROGRESS, which the next connect(2) confirms once. */
  private isNews = false;
  /** A connect that had answered EINPROGRESS failed, which the next connect(2) tells. */
  private hasFailed = false;
  private wasConnected = false;
  private finSent = false;
  private finReceived = false;
  /** A send found no room: the reader wakes us. */
  private wasFull = false;
  private sendLimit = 0;
  private receiveLimit = 0;
  // Listening.
  private backlog = 0;
  readonly pending: TcpSocket[] = [];
  /** Clients waiting for room in the backlog. */
  private readonly knocking = new Set<TcpSocket>();
  private knockedAt: TcpSocket | null = null;

  constructor(ctx: IoContext, family: number) {
    super(ctx, family, SOCK_STREAM, IPPROTO_TCP, tcpPorts);
    this.options.sendBuffer = SEND_BUFFER;
    this.options.receiveBuffer = RECEIVE_BUFFER;
  }
  override get isListening(): boolean {
    return this.state === 'listening';
  }
  get queued(): number {
    return this.queue.length;
  }
  /** Both sides have ended it, or one has broken it. */
  private get isOver(): boolean {
    return (
      this.state === 'connected' && ((this.finSent && this.finReceived) || (this.peer === null && !this.finReceived))
    );
  }
  get stateNumber(): number {
    if (this.state === 'listening') return TCP_LISTEN;
    if (this.state === 'connecting') return TCP_SYN_SENT;
    if (this.state === 'closed' || this.isOver) return TCP_CLOSE;
    return this.finReceived ? TCP_CLOSE_WAIT : this.finSent ? TCP_FIN_WAIT2 : TCP_ESTABLISHED;
  }
  override optionChanged(name: number): void {
    if (name === SO_SNDBUF || name === SO_SNDBUFFORCE) this.sendLimit = this.options.sendBuffer;
    if (name === SO_RCVBUF || name === SO_RCVBUFFORCE) this.receiveLimit = this.options.receiveBuffer;
  }
  override peerAddress(): Uint8Array | Errno {
    return this.state === 'connected' && !this.isOver ? super.peerAddress() : ENOTCONN;
  }
  /** How much of what this socket sends may wait at the peer. */
  private capacityOf(peer: TcpSocket): number {
    if (this.sendLimit === 0 && peer.receiveLimit === 0) return CAPACITY;
    const sum = (this.sendLimit || CAPACITY / 2) + (peer.receiveLimit || CAPACITY / 2);
    return Math.max(CAPACITY_MIN, Math.min(sum, CAPACITY));
  }
  private hasRoom(peer: TcpSocket): boolean {
    const capacity = this.capacityOf(peer);
    const room = peer.queue.room(capacity);
    return room > 0 && room >= Math.min(capacity, peer.queue.length + room) / 3;
  }

  override listen(_ctx: IoContext, backlog: number): number {
    if (this.state !== 'closed' && this.state !== 'listening') return EINVAL;
    const bound = this.autobind();
    if (bound < 0) return bound;
    for (const other of tcpPorts.listenersAt(this.local.port)) {
      const clashes = other !== this && !this.mayShare(other);
      if (clashes && overlaps(this, this.local, other, other.local)) return EADDRINUSE;
    }
    const limit = sysctlHooks.net.somaxconn;
    this.backlog = backlog < 0 || backlog > limit ? limit : backlog;
    this.state = 'listening';
    this.shutdownMask = 0;
    tcpPorts.addListener(this);
    return 0;
  }

  override accept(_ctx: IoContext): Socket | Errno {
    if (this.state !== 'listening') return EINVAL;
    const next = this.pending.shift();
    if (next === undefined) return WOULD_BLOCK;
    const [client] = this.knocking;
    if (client !== undefined) {
      this.knocking.delete(client);
      client.complete(this);
    }
    return next;
  }

  override connect(ctx: IoContext, address: Uint8Array): number {
    if (familyOf(address) === AF_UNSPEC && address.length >= 2) return this.disconnect();
    const wanted = decodeEndpoint(address, this.family);
    if (isErrno(wanted)) return wanted;
    if (this.state === 'connecting') return EALREADY;
    if (this.state === 'listening') return EISCONN;
    if (this.hasFailed) return this.toldOfFailure();
    if (this.state === 'connected') {
      if (!this.isNews) return EISCONN;
      this.isNews = false;
      return 0;
    }
    const to = destination(wanted);
    const refused = this.cannotReach(to);
    if (refused !== 0) return refused;
    const from = isAny(this.local) ? sourceFor(to, this.local.port) : this.local;
    if (!this.isHashed) {
      const bound = this.hash(from);
      if (bound < 0) return bound === EADDRINUSE ? EADDRNOTAVAIL : bound;
    } else this.local = from;
    this.remote = to;
    const listener = findListener(to);
    if (listener === null) this.refuse();
    else if (listener.pending.length > listener.backlog) {
      this.state = 'connecting';
      this.knockedAt = listener;
      listener.knocking.add(this);
    } else this.complete(listener, ctx);
    return WOULD_BLOCK;
  }
  private toldOfFailure(): number {
    const error = this.takeError();
    this.hasFailed = false;
    this.shutdownMask = 0;
    return error === 0 ? ECONNABORTED : -error;
  }
  override connectOutcome(): number {
    if (this.state === 'connecting') return WOULD_BLOCK;
    return this.hasFailed ? this.toldOfFailure() : super.connectOutcome();
  }
  override connectConfirmed(): void {
    this.isNews = false;
  }

  /** The connection is made: its other end goes to the listener's queue. */
  private complete(listener: TcpSocket, ctx: IoContext = { creds: this.creds } as IoContext): void {
    const other = new TcpSocket(ctx, listener.family);
    other.inherit(listener);
    other.sendLimit = listener.sendLimit;
    other.receiveLimit = listener.receiveLimit;
    other.local = this.remote as Endpoint;
    other.remote = this.local;
    tcpPorts.add(other);
    other.isHashed = true;
    this.knockedAt = null;
    for (const end of [this, other]) {
      end.state = 'connected';
      end.wasConnected = true;
      end.shutdownMask = 0;
      end.finSent = false;
      end.finReceived = false;
    }
    this.isNews = true;
    this.peer = other;
    other.peer = this;
    listener.pending.push(other);
    listener.waitQueue.wake(READABLE);
    this.waitQueue.wake(WRITABLE);
  }

  /** connect(2) with AF_UNSPEC: back to the beginning. */
  private disconnect(): number {
    if (this.state === 'listening') this.stopListening();
    this.knockedAt?.knocking.delete(this);
    this.knockedAt = null;
    const wasOpen = this.state === 'connecting' || (this.state === 'connected' && !this.isOver);
    this.reset();
    this.state = 'closed';
    this.remote = null;
    this.error = wasOpen ? -ECONNRESET : 0;
    this.shutdownMask = 0;
    this.hasFailed = false;
    this.queue.clear();
    this.unhash();
    this.local = anyEndpoint(this.family);
    this.waitQueue.wake(EVERYTHING);
    return 0;
  }

  override shutdown(how: number): number {
    if (this.state === 'listening') {
      if (how !== 1) this.stopListening();
      return 0;
    }
    if (this.state === 'connecting') return this.stopKnocking();
    const mode = how + 1;
    const isOpen = this.state === 'connected' && !this.isOver;
    this.shutdownMask |= mode;
    if (isOpen && (mode & SEND_SHUTDOWN) !== 0) this.sendFin();
    this.waitQueue.wake(EVERYTHING);
    return isOpen ? 0 : ENOTCONN;
  }
  private stopKnocking(): number {
    this.knockedAt?.knocking.delete(this);
    this.knockedAt = null;
    this.state = 'closed';
    this.remote = null;
    this.waitQueue.wake(EVERYTHING);
    return 0;
  }
  private stopListening(): void {
    tcpPorts.removeListener(this);
    this.state = 'closed';
    for (const end of this.pending.splice(0)) {
      end.reset();
      end.decRef();
    }
    for (const client of this.knocking) client.refuse();
    this.knocking.clear();
    this.waitQueue.wake(EVERYTHING);
  }
  private refuse(): void {
    this.state = 'closed';
    this.knockedAt = null;
    this.remote = null;
    this.hasFailed = true;
    this.shutdownMask = ALL_SHUTDOWN;
    this.error = -ECONNREFUSED;
    this.waitQueue.wake(EVERYTHING);
  }
  private sendFin(): void {
    const { peer } = this;
    this.finSent = true;
    if (peer === null) return;
    peer.finReceived = true;
    peer.shutdownMask |= RCV_SHUTDOWN;
    peer.waitQueue.wake(READABLE | EPOLLRDHUP | EPOLLHUP);
  }
  /** Breaks the connection: the peer gets ECONNRESET. */
  private reset(): void {
    const { peer } = this;
    this.peer = null;
    if (peer === null) return;
    peer.peer = null;
    peer.broken(peer.finReceived ? -EPIPE : -ECONNRESET);
  }
  /** The connection is no more. What had come can still be read. */
  private broken(error: number): void {
    this.error = error;
    this.finSent = true;
    this.finReceived = true;
    this.shutdownMask = ALL_SHUTDOWN;
    this.waitQueue.wake(EVERYTHING);
  }

  protected override release(): void {
    if (this.state === 'listening') this.stopListening();
    this.knockedAt?.knocking.delete(this);
    const isAbort = this.queued > 0 || (this.options.lingerOn !== 0 && this.options.lingerSeconds === 0);
    const { peer } = this;
    if (isAbort) this.reset();
    else if (peer !== null) {
      if (!this.finSent) this.sendFin();
      peer.peer = null;
      peer.waitQueue.wake(WRITABLE);
    }
    this.queue.clear();
    super.release();
  }

  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    if ((message.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    if (this.error !== 0) return -this.takeError();
    if (this.state === 'connecting') return WOULD_BLOCK;
    if (this.state !== 'connected' || (this.shutdownMask & SEND_SHUTDOWN) !== 0) {
      if ((message.flags & MSG_NOSIGNAL) === 0) ctx.raiseSignal(SIGPIPE);
      return EPIPE;
    }
    const { io } = message;
    const { peer } = this;
    if (io.remaining === 0) return 0;
    if (peer === null) return this.sendToNobody(message);
    if ((peer.shutdownMask & RCV_SHUTDOWN) !== 0 && !peer.finReceived) return this.sendUnread(message);
    const room = peer.queue.room(this.capacityOf(peer));
    const want = Math.min(io.remaining, room);
    if (want < io.remaining) this.wasFull = true;
    if (want === 0) return WOULD_BLOCK;
    const n = peer.queue.fill(io, want);
    if (n > 0) peer.waitQueue.wake(READABLE);
    return n === 0 ? EFAULT : n;
  }
  /** The peer has closed: the answer to this data is a reset. */
  private sendToNobody(message: OutgoingMessage): number {
    const n = message.io.remaining;
    this.broken(-EPIPE);
    return n;
  }
  /** shutdown(SHUT_RD) at the other end: data still arrives and can be read there. */
  private sendUnread(message: OutgoingMessage): number {
    const peer = this.peer as TcpSocket;
    const want = Math.min(message.io.remaining, peer.queue.room(this.capacityOf(peer)));
    if (want < message.io.remaining) this.wasFull = true;
    return want === 0 ? WOULD_BLOCK : peer.queue.fill(message.io, want);
  }

  override receiveMessage(_ctx: IoContext, message: IncomingMessage): number {
    if ((message.flags & MSG_OOB) !== 0) return EINVAL;
    if (this.queued === 0) {
      if (this.error !== 0) return -this.takeError();
      if (!this.wasConnected && this.state !== 'connecting') return ENOTCONN;
      return (this.shutdownMask & RCV_SHUTDOWN) !== 0 || this.state === 'closed' ? 0 : WOULD_BLOCK;
    }
    const { io } = message;
    const discards = (message.flags & MSG_TRUNC) !== 0;
    const n = discards ? Math.min(io.remaining, this.queued) : this.queue.copyTo(io);
    if (n <= 0) return n;
    if (discards) io.remaining -= n;
    if ((message.flags & MSG_PEEK) === 0) {
      this.queue.drop(n);
      this.peer?.roomAgain(this);
    }
    return n;
  }
  private roomAgain(peer: TcpSocket): void {
    if (!this.wasFull || !this.hasRoom(peer)) return;
    this.wasFull = false;
    this.waitQueue.wake(WRITABLE);
  }

  override poll(): number {
    if (this.state === 'listening') return this.pending.length > 0 ? READABLE : 0;
    let bits = this.error !== 0 ? EPOLLERR : 0;
    if (this.state === 'connecting') return bits;
    if (this.shutdownMask === ALL_SHUTDOWN || this.state === 'closed') bits |= EPOLLHUP;
    if ((this.shutdownMask & RCV_SHUTDOWN) !== 0) bits |= READABLE | EPOLLRDHUP;
    if (this.queued > 0) bits |= READABLE;
    return this.isWritableNow() ? bits | WRITABLE : bits;
  }
  private isWritableNow(): boolean {
    const { peer } = this;
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0 || peer === null || this.hasRoom(peer)) return true;
    this.wasFull = true;
    return false;
  }

  override getOption(ctx: IoContext, level: number, name: number, length: number): Uint8Array | Errno {
    if (level === IPPROTO_TCP && name === TCP_CONGESTION) return Buffer.from('reno\0\0\0\0\0\0\0\0\0\0\0\0', 'latin1');
    if (level === IPPROTO_TCP && name === TCP_INFO) {
      const info = Buffer.alloc(TCP_INFO_SIZE);
      info[0] = this.stateNumber;
      for (const [at, value] of TCP_INFO_FIELDS) info.writeUInt32LE(value, at);
      return info;
    }
    return super.getOption(ctx, level, name, length);
  }
  override setOption(ctx: IoContext, level: number, name: number, value: Uint8Array): number {
    if (level === IPPROTO_TCP && name === TCP_CONGESTION)
      return Buffer.from(value).toString('latin1').startsWith('reno') ? 0 : -2;
    return super.setOption(ctx, level, name, value);
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    switch (cmd) {
      case FIONREAD:
        return this.state === 'listening' ? EINVAL : ctx.memory.writeU32(arg, this.queued);
      case SIOCOUTQ:
        return this.state === 'listening' ? EINVAL : ctx.memory.writeU32(arg, 0);
      case SIOCATMARK:
        return ctx.memory.writeU32(arg, 0);
      default:
        return super.ioctl(ctx, cmd, arg);
    }
  }
}

/** The listening socket that takes connections to `to`: the exact address before the wildcard; among equals, by turns. */
function findListener(to: Endpoint): TcpSocket | null {
  let best: TcpSocket[] = [];
  let bestScore = 0;
  for (const socket of tcpPorts.listenersAt(to.port)) {
    let score = 0;
    if (sameHost(socket.local, to)) score = 3;
    else if (isAny(socket.local) && socket.local.isV6 === to.isV6) score = 2;
    else if (isAny(socket.local) && socket.local.isV6 && !socket.isV6Only) score = 1;
    if (score > bestScore) best = [];
    if (score > 0 && score >= bestScore) {
      best.push(socket as TcpSocket);
      bestScore = score;
    }
  }
  return best.length <= 1 ? (best[0] ?? null) : (best[turn++ % best.length] as TcpSocket);
}
let turn = 0;
