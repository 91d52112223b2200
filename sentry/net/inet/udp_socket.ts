// SPDX-License-Identifier: Apache-2.0

/**
 * UdpSocket: UDP between sockets of the same sandbox.
 *
 * Linux:      net/ipv4/udp.c; udp(7)
 * Invariants: queued datagrams are bounded by SO_RCVBUF as Linux charges them; what does not fit is lost, as on a network.
 */
import {
  ECONNREFUSED,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
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
  EPOLLWRBAND,
  EPOLLWRNORM,
} from '../../../platform/abi/linux/poll.ts';
import {
  AF_INET,
  AF_UNSPEC,
  FIONREAD,
  IP_PKTINFO,
  IP_RECVTOS,
  IP_RECVTTL,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_HOPLIMIT,
  IPV6_RECVHOPLIMIT,
  IPV6_RECVPKTINFO,
  IPV6_RECVTCLASS,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  SIOCOUTQ,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SOCK_DGRAM,
} from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { ControlMessage, IncomingMessage, OutgoingMessage } from '../socket.ts';
import { queueBudget } from '../queue_budget.ts';
import {
  anyEndpoint,
  decodeEndpoint,
  destination,
  type Endpoint,
  encodeEndpoint,
  familyOf,
  isAny,
  sameHost,
  sourceFor,
} from './inet_address.ts';
import { int32, packetInfo4, packetInfo6, realtime, stampMessages } from './ancillary.ts';
import { InetSocket, PortTable } from './inet_socket.ts';

export const udpPorts = new PortTable();

const DATAGRAM_MAX = 65507;
/** What a datagram is charged beyond its bytes. */
const OVERHEAD = 768;
const NO_STAMP = [0, 0] as const;
const RCV_SHUTDOWN = 1;
const SEND_SHUTDOWN = 2;
const READABLE = EPOLLIN | EPOLLRDNORM;

interface Datagram {
  readonly data: Uint8Array;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly ttl: number;
  readonly tos: number;
  /** CLOCK_REALTIME when it came. */
  readonly stamp: readonly [seconds: number, nanoseconds: number];
}

export class UdpSocket extends InetSocket {
  private readonly queue: Datagram[] = [];
  charged = 0;
  drops = 0;
  /** The address was chosen by connect, not bind: disconnecting gives it up. */
  private isBoundByConnect = false;

  constructor(ctx: IoContext, family: number) {
    super(ctx, family, SOCK_DGRAM, IPPROTO_UDP, udpPorts);
  }

  override connect(_ctx: IoContext, address: Uint8Array): number {
    if (familyOf(address) === AF_UNSPEC && address.length >= 2) {
      this.remote = null;
      if (this.isBoundByConnect) this.local = { ...anyEndpoint(this.family), port: this.local.port };
      return 0;
    }
    const wanted = decodeEndpoint(address, this.family);
    if (isErrno(wanted)) return wanted;
    const to = destination(wanted);
    const refused = this.cannotReach(to);
    if (refused !== 0) return refused;
    const bound = this.autobind();
    if (bound < 0) return bound;
    if (isAny(this.local)) {
      this.local = sourceFor(to, this.local.port);
      this.isBoundByConnect = true;
    }
    this.remote = to;
    return 0;
  }

  override shutdown(how: number): number {
    this.shutdownMask |= how + 1;
    this.waitQueue.wake();
    return this.remote === null ? ENOTCONN : 0;
  }

  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    if ((message.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    if (message.io.remaining > 65535) return EMSGSIZE;
    const to = this.target(message.address);
    if (isErrno(to)) return to;
    if (this.error !== 0) return -this.takeError();
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return EPIPE;
    const { io } = message;
    const length = io.remaining;
    if (length > DATAGRAM_MAX) return EMSGSIZE;
    const refused = this.cannotReach(to);
    if (refused !== 0) return refused;
    const bound = this.autobind();
    if (bound < 0) return bound;
    const data = Buffer.allocUnsafe(length);
    if (length > 0 && io.take(data, 0, length) < length) return EFAULT;
    const from = isAny(this.local) ? sourceFor(to, this.local.port) : this.local;
    const receiver = findReceiver(to, from);
    if (receiver !== null)
      receiver.deliver({
        data,
        from,
        to,
        ...this.markings(message.control),
        stamp: receiver.wantsStamp ? realtime(ctx) : NO_STAMP,
      });
    else if (this.remote !== null) {
      this.error = -ECONNREFUSED;
      this.waitQueue.wake(EPOLLERR | READABLE);
    }
    return length;
  }
  private target(address: Uint8Array | null): Endpoint | Errno {
    if (address === null) return this.remote ?? EDESTADDRREQ;
    const wanted = decodeEndpoint(address, this.sendFamily(address));
    if (isErrno(wanted)) return wanted;
    return wanted.port === 0 ? EINVAL : destination(wanted);
  }
  /** A socket of AF_INET6 sends to AF_INET addresses too. */
  private sendFamily(address: Uint8Array): number {
    return this.family !== AF_INET && familyOf(address) === AF_INET && !this.isV6Only ? AF_INET : this.family;
  }
  private get wantsStamp(): boolean {
    const { flags } = this.options;
    return (flags.get(SO_TIMESTAMP) ?? 0) !== 0 || (flags.get(SO_TIMESTAMPNS) ?? 0) !== 0;
  }
  private deliver(datagram: Datagram): void {
    const charge = datagram.data.length + OVERHEAD;
    if (
      queueBudget.isExhausted ||
      this.charged + charge > this.options.receiveBuffer ||
      (this.shutdownMask & RCV_SHUTDOWN) !== 0
    ) {
      this.drops++;
      return;
    }
    this.charged += charge;
    queueBudget.used += charge;
    this.queue.push(datagram);
    this.waitQueue.wake(READABLE);
  }

  override receiveMessage(_ctx: IoContext, message: IncomingMessage): number {
    if (this.error !== 0) return -this.takeError();
    const datagram = this.queue[0];
    if (datagram === undefined) {
      const waits = !this.isNonblocking && (message.flags & MSG_DONTWAIT) === 0;
      return waits && (this.shutdownMask & RCV_SHUTDOWN) !== 0 ? 0 : WOULD_BLOCK;
    }
    const { data } = datagram;
    const want = Math.min(data.length, message.io.remaining);
    const n = want === 0 ? 0 : message.io.put(data, 0, want);
    if (n < want) return EFAULT;
    if (want < data.length) message.outFlags |= MSG_TRUNC;
    message.address = encodeEndpoint(datagram.from, this.family);
    message.control = this.ancillary(datagram);
    if ((message.flags & MSG_PEEK) === 0) {
      this.queue.shift();
      this.charged -= data.length + OVERHEAD;
      queueBudget.used -= data.length + OVERHEAD;
    }
    return (message.flags & MSG_TRUNC) !== 0 ? data.length : n;
  }

  /** Hop limit and traffic class of what is sent: the socket's, or the message's own. */
  private markings(control: OutgoingMessage['control']): { ttl: number; tos: number } {
    const isV6 = this.family !== AF_INET;
    let ttl = isV6 ? this.intOption(IPPROTO_IPV6, IPV6_UNICAST_HOPS) : this.intOption(IPPROTO_IP, IP_TTL);
    let tos = isV6 ? this.intOption(IPPROTO_IPV6, IPV6_TCLASS) : this.intOption(IPPROTO_IP, IP_TOS);
    for (const { level, type, data } of control ?? []) {
      const value = data[0] ?? 0;
      if (level === (isV6 ? IPPROTO_IPV6 : IPPROTO_IP)) {
        if (type === (isV6 ? IPV6_HOPLIMIT : IP_TTL)) ttl = value;
        else if (type === (isV6 ? IPV6_TCLASS : IP_TOS)) tos = value;
      }
    }
    return { ttl, tos };
  }
  /** The control messages that were asked for by options, in Linux's order. */
  private ancillary(datagram: Datagram): ControlMessage[] | null {
    const found = stampMessages(this.options.flags, datagram.stamp);
    const wants = (level: number, name: number): boolean => this.intOption(level, name) !== 0;
    if (this.family === AF_INET) {
      if (wants(IPPROTO_IP, IP_PKTINFO)) found.push(packetInfo4(datagram.to));
      if (wants(IPPROTO_IP, IP_RECVTTL)) found.push({ level: IPPROTO_IP, type: IP_TTL, data: int32(datagram.ttl) });
      if (wants(IPPROTO_IP, IP_RECVTOS))
        found.push({ level: IPPROTO_IP, type: IP_TOS, data: Uint8Array.of(datagram.tos) });
    } else {
      if (wants(IPPROTO_IPV6, IPV6_RECVPKTINFO)) found.push(packetInfo6(datagram.to));
      if (wants(IPPROTO_IPV6, IPV6_RECVHOPLIMIT))
        found.push({ level: IPPROTO_IPV6, type: IPV6_HOPLIMIT, data: int32(datagram.ttl) });
      if (wants(IPPROTO_IPV6, IPV6_RECVTCLASS))
        found.push({ level: IPPROTO_IPV6, type: IPV6_TCLASS, data: int32(datagram.tos) });
    }
    return found.length === 0 ? null : found;
  }

  protected override release(): void {
    queueBudget.used -= this.charged;
    this.charged = 0;
    this.queue.length = 0;
    super.release();
  }

  override poll(): number {
    let bits = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    if (this.error !== 0) bits |= EPOLLERR;
    if (this.queue.length > 0) bits |= READABLE;
    if ((this.shutdownMask & RCV_SHUTDOWN) !== 0) bits |= READABLE | EPOLLRDHUP;
    if (this.shutdownMask === (RCV_SHUTDOWN | SEND_SHUTDOWN)) bits |= EPOLLHUP;
    return bits;
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    if (cmd === FIONREAD) return ctx.memory.writeU32(arg, this.queue[0]?.data.length ?? 0);
    if (cmd === SIOCOUTQ) return ctx.memory.writeU32(arg, 0);
    return super.ioctl(ctx, cmd, arg);
  }
}

/** The socket a datagram from `from` to `to` belongs to: connected before bound, exact before wildcard. */
function findReceiver(to: Endpoint, from: Endpoint): UdpSocket | null {
  let best: UdpSocket | null = null;
  let bestScore = 0;
  for (const socket of udpPorts.at(to.port)) {
    let score = 0;
    if (sameHost(socket.local, to)) score = 3;
    else if (isAny(socket.local) && socket.local.isV6 === to.isV6) score = 2;
    else if (isAny(socket.local) && socket.local.isV6 && !socket.isV6Only) score = 1;
    if (score === 0) continue;
    if (socket.remote !== null) {
      if (!sameHost(socket.remote, from) || socket.remote.port !== from.port) continue;
      score += 4;
    }
    if (score > bestScore) {
      best = socket as UdpSocket;
      bestScore = score;
    }
  }
  return best;
}
