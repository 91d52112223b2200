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
  EMSGSIZE,
  ENETUNREACH,
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
  IPPROTO_IP,
  IPPROTO_UDP,
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  SIOCOUTQ,
  SOCK_DGRAM,
} from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { IncomingMessage, OutgoingMessage } from '../socket.ts';
import { queueBudget } from '../queue_budget.ts';
import {
  anyEndpoint,
  decodeEndpoint,
  destination,
  type Endpoint,
  encodeEndpoint,
  familyOf,
  isAny,
  isLocal,
  sameHost,
  sourceFor,
} from './inet_address.ts';
import { InetSocket, PortTable } from './inet_socket.ts';

export const udpPorts = new PortTable();

const DATAGRAM_MAX = 65507;
/** What a datagram is charged beyond its bytes. */
const OVERHEAD = 768;
const RCV_SHUTDOWN = 1;
const SEND_SHUTDOWN = 2;
const READABLE = EPOLLIN | EPOLLRDNORM;

interface Datagram {
  readonly data: Uint8Array;
  readonly from: Endpoint;
  readonly to: Endpoint;
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
    if (!isLocal(to)) return ENETUNREACH;
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
    if (this.remote === null) return ENOTCONN;
    this.shutdownMask |= how + 1;
    this.waitQueue.wake();
    return 0;
  }

  override sendMessage(_ctx: IoContext, message: OutgoingMessage): number {
    if ((message.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    const to = this.target(message.address);
    if (isErrno(to)) return to;
    if (this.error !== 0) return -this.takeError();
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return EPIPE;
    const { io } = message;
    const length = io.remaining;
    if (length > DATAGRAM_MAX) return EMSGSIZE;
    if (!isLocal(to)) return ENETUNREACH;
    const bound = this.autobind();
    if (bound < 0) return bound;
    const data = Buffer.allocUnsafe(length);
    if (length > 0 && io.take(data, 0, length) < length) return EFAULT;
    const from = isAny(this.local) ? sourceFor(to, this.local.port) : this.local;
    const receiver = findReceiver(to, from);
    if (receiver !== null) receiver.deliver({ data, from, to });
    else if (this.remote !== null) {
      this.error = -ECONNREFUSED;
      this.waitQueue.wake(EPOLLERR | READABLE);
    }
    return length;
  }
  private target(address: Uint8Array | null): Endpoint | Errno {
    if (address === null) return this.remote ?? EDESTADDRREQ;
    const wanted = decodeEndpoint(address, this.family);
    return isErrno(wanted) ? wanted : destination(wanted);
  }
  private deliver(datagram: Datagram): void {
    const charge = datagram.data.length + OVERHEAD;
    if (queueBudget.isExhausted || this.charged + charge > this.options.receiveBuffer || (this.shutdownMask & RCV_SHUTDOWN) !== 0) {
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
    if (this.intOption(IPPROTO_IP, IP_PKTINFO) !== 0 && this.family === AF_INET)
      message.control = [packetInfo(datagram)];
    if ((message.flags & MSG_PEEK) === 0) {
      this.queue.shift();
      this.charged -= data.length + OVERHEAD;
      queueBudget.used -= data.length + OVERHEAD;
    }
    return (message.flags & MSG_TRUNC) !== 0 ? data.length : n;
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

/** struct in_pktinfo: interface, local address, destination address. */
function packetInfo(datagram: Datagram): { level: number; type: number; data: Uint8Array } {
  const data = Buffer.alloc(12);
  data.writeInt32LE(1, 0);
  data.writeUInt32BE(datagram.to.ip, 4);
  data.writeUInt32BE(datagram.to.ip, 8);
  return { level: IPPROTO_IP, type: IP_PKTINFO, data };
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
