// SPDX-License-Identifier: Apache-2.0

/**
 * DatagramSocket: what UDP, ping and raw sockets of the loopback network share: the queue of datagrams, the queue of errors,
 * the control messages that were asked for.
 *
 * Linux:      net/ipv4/datagram.c, net/ipv4/udp.c (__udp_enqueue_schedule_skb), net/ipv4/ip_sockglue.c (ip_recv_error)
 * Invariants: what is queued (errors too) is bounded by SO_RCVBUF as Linux charges it; what does not fit is lost, as on a network.
 */
import { EFAULT, EOPNOTSUPP, type Errno, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
} from '../../../platform/abi/linux/poll.ts';
import {
  AF_INET,
  FIONREAD,
  IP_PKTINFO,
  IP_RECVERR,
  IP_RECVORIGDSTADDR,
  IP_RECVTOS,
  IP_RECVTTL,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_HOPLIMIT,
  IPV6_RECVERR,
  IPV6_RECVHOPLIMIT,
  IPV6_RECVORIGDSTADDR,
  IPV6_RECVPKTINFO,
  IPV6_RECVTCLASS,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  SIOCOUTQ,
  SOCK_RAW,
  SO_SELECT_ERR_QUEUE,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
} from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { SocketFilter } from '../filter/filter_options.ts';
import { type FilterPacket, runSocketFilter } from '../filter/filter_program.ts';
import { withNetwork } from '../net_namespace.ts';
import { queueBudget } from '../queue_budget.ts';
import type { ControlMessage, IncomingMessage, OutgoingMessage } from '../socket.ts';
import { int32, packetInfo4, packetInfo6, stampMessages } from './ancillary.ts';
import { type Endpoint, encodeEndpoint } from './inet_address.ts';
import { InetSocket } from './inet_socket.ts';
import { errorMessage, type QueuedError } from './queued_error.ts';

/** What a datagram is charged beyond its bytes. */
const OVERHEAD = 768;
export const RCV_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;
export const READABLE = EPOLLIN | EPOLLRDNORM;

export interface Datagram {
  readonly data: Uint8Array;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly ttl: number;
  readonly tos: number;
  /** Index of the interface it came in by. */
  readonly interface: number;
  /** CLOCK_REALTIME when it came. */
  readonly stamp: readonly [seconds: number, nanoseconds: number];
}

export abstract class DatagramSocket extends InetSocket {
  private readonly queue: Datagram[] = [];
  private readonly errors: QueuedError[] = [];
  charged = 0;
  drops = 0;

  get wantsStamp(): boolean {
    return this.flag(SO_TIMESTAMP) || this.flag(SO_TIMESTAMPNS);
  }
  /** IP_RECVERR for errors about packets to an IPv4 address, IPV6_RECVERR for the others. */
  protected wantsErrors(isV6: boolean): boolean {
    return isV6 ? this.intOption(IPPROTO_IPV6, IPV6_RECVERR) !== 0 : this.intOption(IPPROTO_IP, IP_RECVERR) !== 0;
  }
  private charge(length: number): boolean {
    const charge = length + OVERHEAD;
    if (queueBudget.isExhausted || this.charged + charge > this.options.receiveBuffer) return false;
    this.charged += charge;
    queueBudget.used += charge;
    return true;
  }
  private uncharge(length: number): void {
    this.charged -= length + OVERHEAD;
    queueBudget.used -= length + OVERHEAD;
  }

  /** The datagram as this socket's filter sees it. */
  protected abstract filterView(datagram: Datagram): FilterPacket;
  /** Bytes before the datagram's data that the filter sees, and that it cannot take away. */
  protected get headerSize(): number {
    return 0;
  }
  /** What the filter leaves of a datagram; null: nothing. */
  private filtered(datagram: Datagram, filter: SocketFilter): Datagram | null {
    const kept = runSocketFilter(filter.program, this.filterView(datagram));
    if (kept === 0) return null;
    const length = Math.max(kept, this.headerSize) - this.headerSize;
    return length >= datagram.data.length ? datagram : { ...datagram, data: datagram.data.subarray(0, length) };
  }

  /** Queues a datagram, or loses it. */
  deliver(whole: Datagram): void {
    const { filter } = this.options;
    const datagram = filter === null ? whole : this.filtered(whole, filter);
    if (datagram === null) {
      this.drops++;
      return;
    }
    if ((this.shutdownMask & RCV_SHUTDOWN) !== 0 || !this.charge(datagram.data.length)) {
      this.drops++;
      return;
    }
    this.queue.push(datagram);
    this.waitQueue.wake(READABLE);
  }
  /** Tells of a packet of ours that did not arrive: queued when asked for; a connected socket's next call gets it. */
  reportError(failure: QueuedError): void {
    const isQueued = this.wantsErrors(failure.destination.isV6);
    if (!isQueued && this.remote === null) return;
    if (isQueued && this.charge(failure.data.length)) this.errors.push(failure);
    this.error = failure.errno;
    this.waitQueue.wake(EPOLLERR | READABLE);
  }

  override receiveMessage(_ctx: IoContext, message: IncomingMessage): number {
    if ((message.flags & MSG_ERRQUEUE) !== 0) return this.receiveError(message);
    if ((message.flags & MSG_OOB) !== 0 && this.type === SOCK_RAW) return EOPNOTSUPP;
    if (this.error !== 0) return -this.takeError();
    const isPeek = (message.flags & MSG_PEEK) !== 0;
    let offset = isPeek ? Math.max(0, this.options.peekOffset) : 0;
    let index = 0;
    while (offset > 0 && offset >= (this.queue[index]?.data.length ?? Number.POSITIVE_INFINITY))
      offset -= (this.queue[index++] as Datagram).data.length;
    const datagram = this.queue[index];
    if (datagram === undefined) {
      const waits = !this.isNonblocking && (message.flags & MSG_DONTWAIT) === 0;
      return waits && (this.shutdownMask & RCV_SHUTDOWN) !== 0 ? 0 : WOULD_BLOCK;
    }
    const { data } = datagram;
    const want = Math.min(data.length - offset, message.io.remaining);
    const n = want === 0 ? 0 : message.io.put(data, offset, want);
    if (n < want) return EFAULT;
    if (want < data.length - offset) message.outFlags |= MSG_TRUNC;
    message.address = this.sourceAddress(datagram.from);
    message.control =
      this.net === null ? this.ancillary(datagram) : withNetwork(this.net, () => this.ancillary(datagram));
    if (isPeek && this.options.peekOffset >= 0) this.options.peekOffset += n;
    if (!isPeek) {
      this.queue.shift();
      this.uncharge(data.length);
      if (this.options.peekOffset > 0) this.options.peekOffset = Math.max(0, this.options.peekOffset - data.length);
    }
    return (message.flags & MSG_TRUNC) !== 0 ? data.length - offset : n;
  }
  /** The sender's address as recvfrom(2) shows it. */
  protected sourceAddress(from: Endpoint): Uint8Array {
    return encodeEndpoint(from, this.family);
  }
  private receiveError(message: IncomingMessage): number {
    const failure = this.errors.shift();
    if (failure === undefined) return WOULD_BLOCK;
    this.uncharge(failure.data.length);
    this.error = this.errors[0]?.errno ?? 0;
    const want = Math.min(failure.data.length, message.io.remaining);
    if (want > 0 && message.io.put(failure.data, 0, want) < want) return EFAULT;
    message.outFlags |= MSG_ERRQUEUE | (want < failure.data.length ? MSG_TRUNC : 0);
    message.address = encodeEndpoint(failure.destination, this.family);
    message.control = [errorMessage(failure, this.family)];
    return want;
  }

  /** Hop limit and traffic class of what is sent: the socket's, or the message's own. */
  protected markings(control: OutgoingMessage['control']): { ttl: number; tos: number } {
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
    const { to, ttl, tos } = datagram;
    if (this.family === AF_INET) {
      if (wants(IPPROTO_IP, IP_PKTINFO)) found.push(packetInfo4(to, datagram.interface));
      if (wants(IPPROTO_IP, IP_RECVTTL)) found.push({ level: IPPROTO_IP, type: IP_TTL, data: int32(ttl) });
      if (wants(IPPROTO_IP, IP_RECVTOS)) found.push({ level: IPPROTO_IP, type: IP_TOS, data: Uint8Array.of(tos) });
      if (wants(IPPROTO_IP, IP_RECVORIGDSTADDR))
        found.push({ level: IPPROTO_IP, type: IP_RECVORIGDSTADDR, data: encodeEndpoint(to, this.family) });
    } else {
      if (wants(IPPROTO_IPV6, IPV6_RECVPKTINFO)) found.push(packetInfo6(to, datagram.interface));
      if (wants(IPPROTO_IPV6, IPV6_RECVHOPLIMIT))
        found.push({ level: IPPROTO_IPV6, type: IPV6_HOPLIMIT, data: int32(ttl) });
      if (wants(IPPROTO_IPV6, IPV6_RECVTCLASS))
        found.push({ level: IPPROTO_IPV6, type: IPV6_TCLASS, data: int32(tos) });
      if (wants(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR))
        found.push({ level: IPPROTO_IPV6, type: IPV6_RECVORIGDSTADDR, data: encodeEndpoint(to, this.family) });
    }
    return found.length === 0 ? null : found;
  }

  protected override release(): void {
    queueBudget.used -= this.charged;
    this.charged = 0;
    this.queue.length = 0;
    this.errors.length = 0;
    super.release();
  }

  override poll(): number {
    let bits = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    if (this.error !== 0 || this.errors.length > 0) bits |= EPOLLERR;
    if (this.errors.length > 0 && this.flag(SO_SELECT_ERR_QUEUE)) bits |= EPOLLPRI;
    if (this.queue.length > 0) bits |= READABLE;
    if ((this.shutdownMask & RCV_SHUTDOWN) !== 0) bits |= READABLE | EPOLLRDHUP;
    if (this.shutdownMask === (RCV_SHUTDOWN | SEND_SHUTDOWN)) bits |= EPOLLHUP;
    return bits;
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number | Errno {
    if (cmd === FIONREAD) return ctx.memory.writeU32(arg, this.queue[0]?.data.length ?? 0);
    if (cmd === SIOCOUTQ) return ctx.memory.writeU32(arg, 0);
    return super.ioctl(ctx, cmd, arg);
  }
}
