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
  EHOSTUNREACH,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EPIPE,
  ETIMEDOUT,
  type Errno,
  isErrno,
  WOULD_BLOCK,
} from '../../../platform/abi/linux/errno.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  EPOLLRDNORM,
  EPOLLWRNORM,
} from '../../../platform/abi/linux/poll.ts';
import {
  AF_UNSPEC,
  FIONREAD,
  IPPROTO_TCP,
  MSG_FASTOPEN,
  MSG_MORE,
  MSG_NOSIGNAL,
  MSG_OOB,
  SO_OOBINLINE,
  SIOCATMARK,
  SIOCOUTQ,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_STREAM,
  TCP_CORK,
  TCP_NODELAY,
} from '../../../platform/abi/linux/socket.ts';
import { countPacket, netCounters } from '../../kernel/net_counters.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { IncomingMessage, OutgoingMessage, Socket } from '../socket.ts';
import { anyEndpoint, decodeEndpoint, destination, type Endpoint, familyOf, isAny, sameHost } from './inet_address.ts';
import { ByteQueue } from './byte_queue.ts';
import { type Path, pathTo } from '../link/path.ts';
import { resolve } from '../link/packets.ts';
import { CallbackTimer } from '../../time/timer_heap.ts';
import type { Task } from '../../kernel/task.ts';
import { InetSocket } from './inet_socket.ts';
import { mayShare, overlaps, PortTable } from './port_table.ts';
import { setTcpOption, tcpOption } from './tcp_options.ts';
import { bytesReadable, receiveTcp } from './tcp_receive.ts';
import { ClosedConnection, ClosedConnections, TCP_FIN_WAIT2, TCP_TIME_WAIT } from './time_wait.ts';
import { FIN, RST, segmentPasses } from './tcp_segment.ts';
import { SequenceNumbers, traceConnect, traceData, traceEnd, traceRefusal } from './tcp_trace.ts';
import { UrgentMark } from './urgent_mark.ts';

export const tcpPorts = new PortTable();
export const closedConnections = new ClosedConnections(tcpPorts);

netCounters.currEstab = () => {
  let open = 0;
  for (const holder of tcpPorts) {
    const state = holder.isClosed ? TCP_CLOSE : (holder as TcpSocket).stateNumber;
    if (state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT) open++;
  }
  return open;
};

const EMPTY = new Uint8Array(0);
/** How long a connect waits when the next hop's address is unknown; when nothing answers (net.ipv4.tcp_syn_retries). */
const UNRESOLVED_NS = 3_000_000_000;
const SYN_TIMEOUT_NS = 127_000_000_000;
const SIGPIPE = 13;
const SIOCOUTQNSD = 0x894b;
/** What is sent at once however much is to follow, and how long the rest waits. */
const SEGMENT = 32768;
const CORK_NS = 200_000_000;
/** What a connection holds each way when no buffer size was asked for. */
const CAPACITY = 1 << 20;
/** What small writes may add to a queue that is full: Linux puts them into the last segment. */
const TAIL_ROOM = 4096;
/** Defaults of SO_SNDBUF and SO_RCVBUF: net.ipv4.tcp_wmem, tcp_rmem. */
const SEND_BUFFER = 16384;
const RECEIVE_BUFFER = 131072;
export const RCV_SHUTDOWN = 1;
const SEND_SHUTDOWN = 2;
const ALL_SHUTDOWN = 3;
const READABLE = EPOLLIN | EPOLLRDNORM;
const WRITABLE = EPOLLOUT | EPOLLWRNORM;
const EVERYTHING = READABLE | WRITABLE | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
/** Linux's tcpi_state and the st column of /proc/net/tcp. */
const TCP_ESTABLISHED = 1;
const TCP_SYN_SENT = 2;
const TCP_CLOSE = 7;
const TCP_CLOSE_WAIT = 8;
const TCP_LISTEN = 10;
/** More buffer than asked for is not kept for a connection. */
const CAPACITY_MIN = 4608;

type TcpState = 'closed' | 'listening' | 'connecting' | 'connected';

export class TcpSocket extends InetSocket {
  state: TcpState = 'closed';
  peer: TcpSocket | null = null;
  readonly queue = new ByteQueue();
  /** What this socket's filter dropped, and the peer sends again. */
  private readonly held = new ByteQueue();
  /** Bytes taken out of the queue since the connection was made. */
  consumed = 0;
  readonly numbers = new SequenceNumbers();
  readonly urgent = new UrgentMark();
  /** Connected by a connect that had answered EINPROGRESS, which the next connect(2) confirms once. */
  private isNews = false;
  /** A connect that had answered EINPROGRESS failed, which the next connect(2) tells. */
  private hasFailed = false;
  wasConnected = false;
  /** The port is one that bind(2) asked for. */
  private isPortChosen = false;
  private wasAccepted = false;
  /** The peer ended the stream in order: reads find the end, whatever comes after it. */
  sawEnd = false;
  hasReadEnd = false;
  private finSent = false;
  private finReceived = false;
  /** A send found no room: the reader wakes us. */
  private wasFull = false;
  /** What is left of a peer that was closed before us. */
  congestion = 'cubic';
  private ghost: ClosedConnection | null = null;
  private sendLimit = 0;
  private receiveLimit = 0;
  // Listening.
  backlog = 0;
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
  /** SO_OOBINLINE. */
  get isUrgentInline(): boolean {
    return this.flag(SO_OOBINLINE);
  }
  /** Position in the stream after the last byte that came. */
  get arrived(): number {
    return this.consumed + this.queue.length;
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
  /** Linux shows no closed sockets. */
  get isShown(): boolean {
    return this.stateNumber !== TCP_CLOSE;
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
    if ((this.state !== 'closed' && this.state !== 'listening') || this.hasFailed) return EINVAL;
    closedConnections.expire();
    const bound = this.autobind();
    if (bound < 0) return bound;
    for (const other of tcpPorts.listenersAt(this.local.port, this.netTag)) {
      const clashes = other !== this && !mayShare(this, other);
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
    this.letIn();
    return next;
  }

  override connect(ctx: IoContext, address: Uint8Array): number {
    if (address.length < 2) return EINVAL;
    if (familyOf(address) === AF_UNSPEC) return this.disconnect();
    if (this.state === 'connecting') return EALREADY;
    if (this.state === 'listening') return EISCONN;
    if (this.hasFailed) return this.toldOfFailure();
    if (this.state === 'connected') {
      if (!this.isNews) return EISCONN;
      this.isNews = false;
      return 0;
    }
    const wanted = decodeEndpoint(address, this.family);
    if (isErrno(wanted)) return wanted;
    const to = destination(wanted);
    const refused = this.cannotReach(to);
    if (refused !== 0) return refused;
    const from = isAny(this.local) ? this.sourceTo(to, this.local.port) : this.local;
    if (!this.isHashed) {
      const bound = this.hash(from);
      if (bound < 0) return bound === EADDRINUSE ? EADDRNOTAVAIL : bound;
    } else if (tcpPorts.hasConnection(this, from, to)) return EADDRNOTAVAIL;
    else this.local = from;
    this.remote = to;
    const path = pathTo(this.network, to, this.boundIndex);
    netCounters.Tcp.ActiveOpens++;
    if (typeof path === 'number' || path.kind !== 'arrives') {
      this.state = 'connecting';
      if (typeof path !== 'number') this.waitForNobody(ctx, path);
      return WOULD_BLOCK;
    }
    const listener = findListener(to, path.network.tag, path.link.index);
    if (listener === null) {
      traceRefusal(this, to);
      this.refuse();
    } else if (listener.pending.length > listener.backlog || !segmentPasses(listener, this, EMPTY)) {
      this.state = 'connecting';
      this.knockedAt = listener;
      listener.knocking.add(this);
    } else this.complete(listener, ctx);
    return WOULD_BLOCK;
  }
  /** Nothing will answer: an error after a while when the next hop is not there, else none for long. */
  private waitForNobody(ctx: IoContext, path: Exclude<Path, { kind: 'arrives' }>): void {
    const isMine = this.remote;
    const fail = (errno: number): void => {
      if (this.state === 'connecting' && this.remote === isMine) this.refuse(errno);
    };
    if (path.kind === 'leaves' && path.link.kind === 'tap') {
      resolve(ctx, path.link, path.nextHop, (mac) => {
        if (mac === null) fail(EHOSTUNREACH);
      });
      return;
    }
    const { kernel } = ctx as Task;
    const isUnresolved = path.kind === 'lost' && path.isUnresolved;
    const timer = new CallbackTimer(() => fail(isUnresolved ? EHOSTUNREACH : ETIMEDOUT));
    kernel.timers.arm(timer, kernel.clock.monotonicNs() + (isUnresolved ? UNRESOLVED_NS : SYN_TIMEOUT_NS));
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
    other.wasAccepted = true;
    this.knockedAt = null;
    for (const end of [this, other]) {
      end.state = 'connected';
      end.writesAll = true;
      end.wasConnected = true;
      end.shutdownMask = 0;
      end.finSent = false;
      end.finReceived = false;
      end.sawEnd = false;
      end.hasReadEnd = false;
    }
    netCounters.Tcp.PassiveOpens++;
    traceConnect(this, other);
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
    if (isOpen && (mode & SEND_SHUTDOWN) !== 0 && !this.finSent) this.sendFin();
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
  private refuse(errno: number = ECONNREFUSED): void {
    netCounters.Tcp.AttemptFails++;
    this.state = 'closed';
    this.knockedAt = null;
    this.remote = null;
    this.releasePort();
    this.hasFailed = true;
    this.shutdownMask = ALL_SHUTDOWN;
    this.error = -errno;
    this.waitQueue.wake(EVERYTHING);
  }
  private sendFin(): void {
    const { peer } = this;
    peer?.retransmitted();
    this.finSent = true;
    if (this.ghost !== null) closedConnections.finish(this.ghost);
    this.ghost = null;
    if (peer === null) return;
    traceEnd(this, peer, FIN);
    if (this.finReceived) {
      peer.leave(TCP_TIME_WAIT);
      peer.releasePort();
      this.releasePort();
    }
    peer.finReceived = true;
    peer.sawEnd = true;
    peer.shutdownMask |= RCV_SHUTDOWN;
    peer.waitQueue.wake(READABLE | EPOLLRDHUP | EPOLLHUP);
  }
  /** The port stays taken for a while: this end closed first. */
  private leave(state: number): ClosedConnection {
    const entry = new ClosedConnection(this, this.remote as Endpoint, state);
    closedConnections.add(entry);
    return entry;
  }
  /** Breaks the connection: the peer gets ECONNRESET. */
  private reset(): void {
    const { peer } = this;
    this.peer = null;
    this.forgetGhost();
    if (peer === null) return;
    netCounters.Tcp.EstabResets++;
    netCounters.Tcp.OutRsts++;
    traceEnd(this, peer, RST);
    peer.peer = null;
    peer.broken(peer.finReceived ? -EPIPE : -ECONNRESET);
  }
  private forgetGhost(): void {
    if (this.ghost !== null) closedConnections.remove(this.ghost);
    this.ghost = null;
  }
  /** A port that was chosen by the kernel is free again at once. */
  private releasePort(): void {
    if (!this.isPortChosen && !this.wasAccepted) this.unhash();
  }
  override bind(ctx: IoContext, address: Uint8Array): number {
    const isFree = !this.isHashed && (this.state === 'closed' || this.isOver);
    const { remote } = this;
    if (isFree) this.remote = null;
    const result = super.bind(ctx, address);
    if (result !== 0) this.remote = remote;
    else this.isPortChosen = true;
    return result;
  }
  /** The connection is no more. What had come can still be read. */
  private broken(error: number): void {
    this.error = error;
    this.releasePort();
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
    else {
      if (!this.finSent && this.state === 'connected') this.sendFin();
      if (peer !== null && !peer.finSent) peer.ghost = this.leave(TCP_FIN_WAIT2);
    }
    if (!isAbort && peer !== null) {
      peer.peer = null;
      peer.waitQueue.wake(WRITABLE);
    }
    this.queue.clear();
    this.held.clear();
    super.release();
  }

  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    if ((message.flags & MSG_FASTOPEN) !== 0) {
      const begun = this.connectToSend(ctx, message);
      if (begun !== 0) return begun;
    }
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
    if (peer.shutdownMask === ALL_SHUTDOWN && peer.finSent && !peer.finReceived) return this.sendToDeaf(peer, message);
    if ((peer.shutdownMask & RCV_SHUTDOWN) !== 0 && !peer.finReceived) return this.sendUnread(message);
    const capacity = this.capacityOf(peer);
    const room = peer.queue.room(capacity) || this.roomAtTheTail(peer, capacity, io.remaining);
    const want = Math.min(io.remaining, room);
    if (want < io.remaining) this.wasFull = true;
    if (want === 0) return WOULD_BLOCK;
    const isMore = (message.flags & MSG_MORE) !== 0 || this.intOption(IPPROTO_TCP, TCP_CORK) !== 0;
    if (isMore && (message.flags & MSG_OOB) === 0) return this.sendLater(ctx, peer, io, room);
    if (peer.options.filter !== null || peer.held.length > 0) return this.sendFiltered(peer, io, room);
    const n = peer.queue.fill(io, want);
    if (n > 0) {
      traceData(this, peer, n, () => peer.queue.tailBytes(n));
      netCounters.Tcp.InSegs++;
      netCounters.Tcp.OutSegs++;
      countPacket();
      const isUrgent = (message.flags & MSG_OOB) !== 0;
      if (isUrgent) peer.markUrgent();
      peer.waitQueue.wake(isUrgent ? READABLE | EPOLLPRI : READABLE);
    }
    return n === 0 ? EFAULT : n;
  }
  /** MSG_FASTOPEN: the connection is made by the first send. Returns 0 when there is one, WOULD_BLOCK or errno. */
  private connectToSend(ctx: IoContext, message: OutgoingMessage): number {
    if (this.state === 'connecting') return EALREADY;
    if (this.hasFailed) return this.toldOfFailure();
    if (this.state !== 'closed') return EISCONN;
    const result = this.connect(ctx, message.address ?? EMPTY);
    if (result === 0) return EISCONN;
    if (result !== WOULD_BLOCK) return result;
    message.flags &= ~MSG_FASTOPEN;
    if ((this.state as TcpState) !== 'connected') return this.hasFailed ? this.toldOfFailure() : EINPROGRESS;
    this.isNews = false;
    return 0;
  }
  override sendRefusal(ctx: IoContext, message: OutgoingMessage): number {
    if (this.error !== 0) return -this.takeError();
    if (this.state === 'connecting' || (this.state === 'connected' && (this.shutdownMask & SEND_SHUTDOWN) === 0))
      return 0;
    if ((message.flags & MSG_NOSIGNAL) === 0) ctx.raiseSignal(SIGPIPE);
    return EPIPE;
  }
  /** A few bytes still join the last segment of a queue that the write before fitted into. */
  private roomAtTheTail(peer: TcpSocket, capacity: number, count: number): number {
    return !this.wasFull && count <= TAIL_ROOM && peer.queue.room(capacity + TAIL_ROOM) >= count ? count : 0;
  }
  /** MSG_MORE, TCP_CORK: less than a segment waits for what follows, a while at most. */
  private sendLater(ctx: IoContext, peer: TcpSocket, io: OutgoingMessage['io'], room: number): number {
    const want = room - peer.held.length;
    if (want <= 0) return WOULD_BLOCK;
    const n = peer.held.fill(io, Math.min(want, io.remaining));
    if (peer.held.length >= SEGMENT) peer.retransmitted();
    else if (n > 0) {
      const { kernel } = ctx as Task;
      kernel.timers.arm(new CallbackTimer(() => peer.retransmitted()), kernel.clock.monotonicNs() + CORK_NS);
    }
    return n === 0 ? EFAULT : n;
  }
  /** The peer's filter looks at what comes: segments that it drops are sent again until it lets them through. */
  private sendFiltered(peer: TcpSocket, io: OutgoingMessage['io'], room: number): number {
    const want = Math.min(io.remaining, room - peer.held.length);
    if (want <= 0) return WOULD_BLOCK;
    const n = peer.held.fill(io, want);
    if (n > 0) peer.retransmitted();
    return n === 0 ? EFAULT : n;
  }
  /** Segments held back are tried once more. */
  private retransmitted(): void {
    const { peer, held } = this;
    if (held.length === 0 || peer === null) return;
    const bytes = held.peekAll();
    if (!segmentPasses(this, peer, bytes)) return;
    held.clear();
    this.queue.append(bytes);
    this.waitQueue.wake(READABLE);
  }
  /** SO_ATTACH_FILTER or SO_DETACH_FILTER. */
  override filterChanged(): void {
    this.retransmitted();
    if (this.state === 'listening') this.letIn();
  }
  /** Connects the clients that wait, as far as there is room. */
  private letIn(): void {
    for (const client of [...this.knocking]) {
      if (this.pending.length > this.backlog || !segmentPasses(this, client, EMPTY)) return;
      this.knocking.delete(client);
      client.complete(this);
    }
  }
  /** The peer has closed: the answer to this data is a reset. */
  private sendToNobody(message: OutgoingMessage): number {
    const wanted = Math.min(message.io.remaining, this.sendLimit || CAPACITY / 2);
    const n = message.io.take(new Uint8Array(wanted), 0, wanted);
    if (n < 0) return n;
    this.forgetGhost();
    this.broken(-EPIPE);
    // A write that is larger ends here: nothing will make room.
    this.writesAll = false;
    return n;
  }
  /** The peer shut down both ways: data for it breaks the connection. */
  private sendToDeaf(peer: TcpSocket, message: OutgoingMessage): number {
    const n = message.io.remaining;
    this.peer = null;
    peer.peer = null;
    peer.queue.clear();
    peer.broken(-ECONNRESET);
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
    return receiveTcp(this, message);
  }
  /** Takes bytes off the queue. */
  take(count: number): void {
    this.queue.drop(count);
    this.consumed += count;
    this.urgent.passed(this.consumed);
    if (this.options.peekOffset > 0) this.options.peekOffset = Math.max(0, this.options.peekOffset - count);
    this.peer?.roomAgain(this);
  }
  /** The last byte queued is urgent: an unread older one becomes ordinary, a taken one goes. */
  private markUrgent(): void {
    const { urgent } = this;
    const at = this.arrived - 1;
    if (urgent.isSet && urgent.at === this.consumed && !this.isUrgentInline && this.queued > 1) {
      this.queue.drop(1);
      this.consumed++;
    }
    urgent.set(at, this.queue.last);
    this.urgentSignal?.();
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
    if (this.isReadableNow) bits |= READABLE;
    if (this.urgent.state === 'waiting') bits |= EPOLLPRI;
    return this.isWritableNow() ? bits | WRITABLE : bits;
  }
  /** As many bytes as SO_RCVLOWAT wants, not counting an urgent one that is next, or as many as there will be. */
  private get isReadableNow(): boolean {
    const { urgent, queued, peer } = this;
    const isHole = urgent.isSet && urgent.at === this.consumed && !this.isUrgentInline;
    const wanted = this.options.receiveLowWater + (isHole ? 1 : 0);
    return queued >= wanted || (queued > 0 && peer !== null && queued * 2 > peer.capacityOf(this));
  }
  private isWritableNow(): boolean {
    const { peer } = this;
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0 || peer === null || this.hasRoom(peer)) return true;
    this.wasFull = true;
    return false;
  }

  override getOption(
    ctx: IoContext,
    level: number,
    name: number,
    length: number,
    valueAddr: number,
  ): Uint8Array | Errno {
    return tcpOption(this, level, name) ?? super.getOption(ctx, level, name, length, valueAddr);
  }
  override setOption(ctx: IoContext, level: number, name: number, value: Uint8Array): number {
    const result = setTcpOption(this, level, name, value) ?? super.setOption(ctx, level, name, value);
    const isPushed = level === IPPROTO_TCP && (name === TCP_CORK || name === TCP_NODELAY);
    if (isPushed && result === 0 && this.intOption(IPPROTO_TCP, TCP_CORK) === 0) this.peer?.retransmitted();
    return result;
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    switch (cmd) {
      case FIONREAD:
        return this.state === 'listening' ? EINVAL : ctx.memory.writeU32(arg, bytesReadable(this));
      case SIOCOUTQ:
        return this.state === 'listening' ? EINVAL : ctx.memory.writeU32(arg, 0);
      case SIOCOUTQNSD:
        return this.state === 'listening' ? EINVAL : ctx.memory.writeU32(arg, 0);
      case SIOCATMARK:
        return ctx.memory.writeU32(arg, this.urgent.isSet && this.urgent.at === this.consumed ? 1 : 0);
      default:
        return super.ioctl(ctx, cmd, arg);
    }
  }
}

/** The listening socket that takes connections to `to`: the exact address before the wildcard; among equals, by turns. */
function findListener(to: Endpoint, tag: number, index: number): TcpSocket | null {
  let best: TcpSocket[] = [];
  let bestScore = 0;
  for (const socket of tcpPorts.listenersAt(to.port, tag)) {
    let score = 0;
    if (sameHost(socket.local, to)) score = 3;
    else if (isAny(socket.local) && socket.local.isV6 === to.isV6) score = 2;
    else if (isAny(socket.local) && socket.local.isV6 && !socket.isV6Only) score = 1;
    if (score === 0 || !(socket as TcpSocket).hears(index)) continue;
    if (score > bestScore) best = [];
    if (score >= bestScore) {
      best.push(socket as TcpSocket);
      bestScore = score;
    }
  }
  return best.length <= 1 ? (best[0] ?? null) : (best[turn++ % best.length] as TcpSocket);
}
let turn = 0;
