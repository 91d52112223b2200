// SPDX-License-Identifier: Apache-2.0

/**
 * TcpSocket: TCP between sockets of the same sandbox: connections are pairs of sockets, bytes go straight to the peer's queue.
 *
 * Linux:      net/ipv4/tcp.c, net/ipv4/tcp_ipv4.c; tcp(7)
 * Invariants: a connected socket's peer points back until either is closed. `queued` is what waits to be read here, at most
 *             RECEIVE_MAX. An orderly close sends end of file, one that throws data away a reset.
 */
import {
  EADDRINUSE,
  EAFNOSUPPORT,
  EALREADY,
  ECONNREFUSED,
  ECONNRESET,
  EFAULT,
  EINVAL,
  EISCONN,
  ENETUNREACH,
  ENOBUFS,
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
  SOCK_STREAM,
  TCP_CONGESTION,
  TCP_INFO,
} from '../../../platform/abi/linux/socket.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { IncomingMessage, OutgoingMessage, Socket } from '../socket.ts';
import { queueBudget } from '../queue_budget.ts';
import {
  anyEndpoint,
  decodeEndpoint,
  destination,
  type Endpoint,
  familyOf,
  isAny,
  isLocal,
  sameHost,
  sourceFor,
} from './inet_address.ts';
import { InetSocket, PortTable } from './inet_socket.ts';

export const tcpPorts = new PortTable();

const SIGPIPE = 13;
const RECEIVE_MAX = 1 << 20;
const CHUNK = 65536;
/** Small writes share a chunk of up to this many bytes: an object for each byte would cost a hundred times as much. */
const SHARED_CHUNK = 4096;
const RCV_SHUTDOWN = 1;
const SEND_SHUTDOWN = 2;
const READABLE = EPOLLIN | EPOLLRDNORM;
const WRITABLE = EPOLLOUT | EPOLLWRNORM;
const EVERYTHING = READABLE | WRITABLE | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
/** Part of the peer's room that must be free for a socket to count as writable. */
const WRITABLE_ROOM = RECEIVE_MAX / 3;
const TCP_INFO_SIZE = 232;

type TcpState = 'closed' | 'listening' | 'connecting' | 'connected';
const STATE_NUMBERS = { closed: 7, listening: 10, connecting: 2, connected: 1 };

export class TcpSocket extends InetSocket {
  state: TcpState = 'closed';
  peer: TcpSocket | null = null;
  private chunks: Uint8Array[] = [];
  private offset = 0;
  queued = 0;
  /** Connected by a connect that had answered EINPROGRESS, which the next connect(2) confirms once. */
  private isNews = false;
  private wasConnected = false;
  // Listening.
  private backlog = 0;
  readonly pending: TcpSocket[] = [];
  /** Clients waiting for room in the backlog. */
  private readonly knocking = new Set<TcpSocket>();
  private knockedAt: TcpSocket | null = null;

  constructor(ctx: IoContext, family: number) {
    super(ctx, family, SOCK_STREAM, IPPROTO_TCP, tcpPorts);
  }
  override get isListening(): boolean {
    return this.state === 'listening';
  }
  /** st column of /proc/net/tcp. */
  get stateNumber(): number {
    if (this.state === 'connected' && (this.shutdownMask & RCV_SHUTDOWN) !== 0) return 8;
    return STATE_NUMBERS[this.state];
  }

  override listen(_ctx: IoContext, backlog: number): number {
    if (this.state !== 'closed' && this.state !== 'listening') return EINVAL;
    const bound = this.autobind();
    if (bound < 0) return bound;
    for (const other of tcpPorts.at(this.local.port)) {
      const clashes = other !== this && other.isListening && !this.mayShare(other);
      if (clashes && (isAny(this.local) || isAny(other.local) || sameHost(this.local, other.local))) return EADDRINUSE;
    }
    const limit = sysctlHooks.net.somaxconn;
    this.backlog = backlog < 0 || backlog > limit ? limit : backlog;
    this.state = 'listening';
    this.shutdownMask = 0;
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
    if (this.state === 'connected') {
      if (!this.isNews) return EISCONN;
      this.isNews = false;
      return 0;
    }
    const to = destination(wanted);
    if (!isLocal(to)) return ENETUNREACH;
    if (to.isV6 !== this.local.isV6 && !isAny(this.local)) return to.isV6 ? ENETUNREACH : EAFNOSUPPORT;
    const from = isAny(this.local) ? sourceFor(to, this.local.port) : this.local;
    if (!this.isHashed) {
      const bound = this.hash(from);
      if (bound < 0) return bound;
    } else this.local = from;
    this.remote = to;
    const listener = findListener(to);
    if (listener === null) {
      this.refuse();
    } else if (listener.pending.length > listener.backlog) {
      this.state = 'connecting';
      this.knockedAt = listener;
      listener.knocking.add(this);
    } else this.complete(listener, ctx);
    return WOULD_BLOCK;
  }

  override connectConfirmed(): void {
    this.isNews = false;
  }

  /** The connection is made: its other end goes to the listener's queue. */
  private complete(listener: TcpSocket, ctx: IoContext = { creds: this.creds } as IoContext): void {
    const other = new TcpSocket(ctx, listener.family);
    other.local = this.remote as Endpoint;
    other.remote = this.local;
    other.options.flags.clear();
    for (const [name, value] of listener.options.flags) other.options.flags.set(name, value);
    tcpPorts.add(other);
    other.isHashed = true;
    this.knockedAt = null;
    for (const end of [this, other]) {
      end.state = 'connected';
      end.wasConnected = true;
      end.shutdownMask = 0;
    }
    this.isNews = true;
    this.peer = other;
    other.peer = this;
    listener.pending.push(other);
    listener.waitQueue.wake(READABLE);
    this.waitQueue.wake(WRITABLE);
  }

  private dropQueued(): void {
    queueBudget.used -= this.queued;
    this.queued = 0;
    this.chunks = [];
    this.offset = 0;
  }

  /** connect(2) with AF_UNSPEC: back to the beginning. */
  private disconnect(): number {
    this.reset();
    this.dropQueued();
    this.state = 'closed';
    this.remote = null;
    this.error = 0;
    this.shutdownMask = 0;
    this.unhash();
    this.local = anyEndpoint(this.family);
    return 0;
  }

  override shutdown(how: number): number {
    if (this.state === 'listening') {
      if (how !== 1) this.stopListening();
      return 0;
    }
    if (this.state !== 'connected') return ENOTCONN;
    const mode = how + 1;
    this.shutdownMask |= mode;
    if ((mode & SEND_SHUTDOWN) !== 0) this.sendFin();
    this.waitQueue.wake(EVERYTHING);
    return 0;
  }
  private stopListening(): void {
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
    this.error = -ECONNREFUSED;
    this.shutdownMask = RCV_SHUTDOWN | SEND_SHUTDOWN;
    this.waitQueue.wake(EVERYTHING);
  }
  private sendFin(): void {
    const { peer } = this;
    if (peer === null) return;
    peer.shutdownMask |= RCV_SHUTDOWN;
    peer.waitQueue.wake(READABLE | EPOLLRDHUP | EPOLLHUP);
  }
  /** Breaks the connection: the peer gets ECONNRESET. */
  private reset(): void {
    const { peer } = this;
    this.peer = null;
    if (peer === null) return;
    peer.peer = null;
    peer.error = (peer.shutdownMask & RCV_SHUTDOWN) !== 0 ? -EPIPE : -ECONNRESET;
    peer.shutdownMask = RCV_SHUTDOWN | SEND_SHUTDOWN;
    peer.waitQueue.wake(EVERYTHING);
  }

  protected override release(): void {
    if (this.state === 'listening') this.stopListening();
    this.knockedAt?.knocking.delete(this);
    const isAbort = this.queued > 0 || (this.options.lingerOn !== 0 && this.options.lingerSeconds === 0);
    const { peer } = this;
    if (isAbort) this.reset();
    else if (peer !== null) {
      this.sendFin();
      peer.peer = null;
      peer.waitQueue.wake(WRITABLE);
    }
    this.dropQueued();
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
    let done = 0;
    while (io.remaining > 0) {
      const room = peer === null ? CHUNK : RECEIVE_MAX - peer.queued;
      if (room <= 0) break;
      if (queueBudget.isExhausted) return done > 0 ? done : ENOBUFS;
      const want = Math.min(io.remaining, room, CHUNK);
      const data = Buffer.allocUnsafe(want);
      const n = io.take(data, 0, want);
      if (n <= 0) return done > 0 ? done : EFAULT;
      peer?.push(n < want ? data.subarray(0, n) : data);
      done += n;
      if (n < want) break;
    }
    if (peer === null && done > 0) {
      // Nobody is there: the answer to this data is a reset.
      this.error = -EPIPE;
      this.shutdownMask = RCV_SHUTDOWN | SEND_SHUTDOWN;
      this.waitQueue.wake(EVERYTHING);
    }
    return done > 0 || io.remaining === 0 ? done : WOULD_BLOCK;
  }

  private push(data: Uint8Array): void {
    const last = this.chunks.length - 1;
    const tail = this.chunks[last];
    if (tail !== undefined && tail.length + data.length <= SHARED_CHUNK) this.chunks[last] = Buffer.concat([tail, data]);
    else this.chunks.push(data);
    this.queued += data.length;
    queueBudget.used += data.length;
    this.waitQueue.wake(READABLE);
  }

  override receiveMessage(_ctx: IoContext, message: IncomingMessage): number {
    if ((message.flags & MSG_OOB) !== 0) return EINVAL;
    if (this.queued === 0) {
      if (this.error !== 0) return -this.takeError();
      if ((this.shutdownMask & RCV_SHUTDOWN) !== 0) return 0;
      return this.wasConnected || this.state === 'connecting' ? WOULD_BLOCK : ENOTCONN;
    }
    const isPeek = (message.flags & MSG_PEEK) !== 0;
    const discards = (message.flags & MSG_TRUNC) !== 0;
    const { io } = message;
    let done = 0;
    let index = 0;
    let { offset } = this;
    while (io.remaining > 0 && index < this.chunks.length) {
      const chunk = this.chunks[index] as Uint8Array;
      const want = Math.min(io.remaining, chunk.length - offset);
      const n = discards ? want : io.put(chunk, offset, want);
      if (discards) io.remaining -= want;
      if (n <= 0) {
        if (done === 0) return n;
        break;
      }
      done += n;
      offset += n;
      if (offset === chunk.length) {
        index++;
        offset = 0;
      }
      if (n < want) break;
    }
    if (!isPeek) this.consumed(index, offset, done);
    return done;
  }
  private consumed(index: number, offset: number, count: number): void {
    this.chunks.splice(0, index);
    this.offset = offset;
    const before = RECEIVE_MAX - this.queued;
    this.queued -= count;
    queueBudget.used -= count;
    if (before < WRITABLE_ROOM && before + count >= WRITABLE_ROOM) this.peer?.waitQueue.wake(WRITABLE);
  }

  override poll(): number {
    if (this.state === 'listening') return this.pending.length > 0 ? READABLE : 0;
    let bits = this.error !== 0 ? EPOLLERR : 0;
    if (this.state === 'connecting') return bits;
    if (this.shutdownMask === (RCV_SHUTDOWN | SEND_SHUTDOWN) || this.state === 'closed') bits |= EPOLLHUP;
    if ((this.shutdownMask & RCV_SHUTDOWN) !== 0) bits |= READABLE | EPOLLRDHUP;
    if (this.queued > 0) bits |= READABLE;
    if (this.error !== 0 && this.state === 'closed') bits |= READABLE | EPOLLRDHUP;
    const { peer } = this;
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0 || peer === null || RECEIVE_MAX - peer.queued >= WRITABLE_ROOM)
      bits |= WRITABLE;
    return bits;
  }

  override getOption(ctx: IoContext, level: number, name: number, length: number): Uint8Array | Errno {
    if (level === IPPROTO_TCP && name === TCP_CONGESTION) return Buffer.from('reno\0\0\0\0\0\0\0\0\0\0\0\0', 'latin1');
    if (level === IPPROTO_TCP && name === TCP_INFO) {
      const info = Buffer.alloc(TCP_INFO_SIZE);
      info[0] = this.stateNumber;
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
  for (const socket of tcpPorts.at(to.port)) {
    if (!socket.isListening) continue;
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
