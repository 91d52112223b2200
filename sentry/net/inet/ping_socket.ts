// SPDX-License-Identifier: Apache-2.0

/**
 * PingSocket: SOCK_DGRAM of IPPROTO_ICMP or ICMPV6: sends echo requests under an identifier of its own and gets their answers.
 *
 * Linux: net/ipv4/ping.c, net/ipv6/ping.c; icmp(7)
 */
import {
  EACCES,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  EOPNOTSUPP,
  type Errno,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import {
  AF_INET6,
  AF_UNSPEC,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  MSG_OOB,
  SOCK_DGRAM,
} from '../../../platform/abi/linux/socket.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { OutgoingMessage } from '../socket.ts';
import type { FilterPacket } from '../filter/filter_program.ts';
import { type Datagram, DatagramSocket } from './datagram_socket.ts';
import { filterView } from './frame.ts';
import { sendPacket } from '../link/packets.ts';
import {
  ICMP_ECHO,
  ICMP_HEADER,
  ICMPV6_ECHO_REQUEST,
  type Packet,
  pingPorts,
  pingPorts6,
  type RawReceiver,
  sealIcmp,
} from './icmp.ts';
import {
  decodeEndpoint,
  destination,
  type Endpoint,
  encodeEndpoint,
  familyOf,
  IN6_MIN,
  IN_SIZE,
  isAny,
  sameHost,
} from './inet_address.ts';

/** May this caller make ping sockets (net.ipv4.ping_group_range)? */
export function mayPing(ctx: IoContext): boolean {
  const [low, high] = sysctlHooks.net.pingGroups as [number, number];
  const isIn = (gid: number): boolean => gid >= low && gid <= high;
  return isIn(ctx.creds.egid) || ctx.creds.groups.some(isIn);
}

export class PingSocket extends DatagramSocket implements RawReceiver {
  constructor(ctx: IoContext, family: number) {
    const isV6 = family === AF_INET6;
    super(ctx, family, SOCK_DGRAM, isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, isV6 ? pingPorts6 : pingPorts);
  }
  protected override filterView({ data, from, to, ttl, tos, interface: index }: Datagram): FilterPacket {
    const payload = Buffer.from(data);
    return filterView({ isV6: to.isV6, protocol: this.protocol, from, to, ttl, tos, payload }, index, 'transport');
  }
  wantsPacket(packet: Packet): boolean {
    return isAny(this.local) || sameHost(this.local, packet.to);
  }
  protected override sourceAddress(from: Endpoint): Uint8Array {
    return encodeEndpoint({ ...from, port: 0 }, this.family);
  }
  /** An identifier is taken like a port, but none is reserved. */
  override bind(ctx: IoContext, address: Uint8Array): number {
    const local = decodeEndpoint(address, this.family);
    if (isErrno(local)) return local;
    if (local.isV6 !== (this.family === AF_INET6)) return EINVAL;
    return super.bind(ctx, address);
  }
  protected override get needsCapForLowPorts(): boolean {
    return false;
  }
  override connect(_ctx: IoContext, address: Uint8Array): number {
    if (familyOf(address) === AF_UNSPEC && address.length >= 2) {
      this.remote = null;
      return 0;
    }
    const to = this.target(address);
    if (isErrno(to)) return to;
    const refused = this.cannotReach(to);
    if (refused !== 0) return refused;
    const bound = this.autobind();
    if (bound < 0) return bound;
    if (isAny(this.local)) this.local = this.sourceTo(to, this.local.port);
    this.remote = to;
    return 0;
  }
  override shutdown(how: number): number {
    this.shutdownMask |= how + 1;
    this.waitQueue.wake();
    return 0;
  }
  private target(address: Uint8Array | null): Endpoint | Errno {
    if (address === null) return this.remote ?? EDESTADDRREQ;
    if (address.length < (this.family === AF_INET6 ? IN6_MIN : IN_SIZE)) return EINVAL;
    if (familyOf(address) !== this.family) return EAFNOSUPPORT;
    const wanted = decodeEndpoint(address, this.family);
    return isErrno(wanted) ? wanted : destination({ ...wanted, port: 0 });
  }
  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    const { io } = message;
    const length = io.remaining;
    if (length > 65535) return EMSGSIZE;
    if (length < ICMP_HEADER) return EINVAL;
    if ((message.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    const payload = Buffer.allocUnsafe(length);
    if (io.take(payload, 0, length) < length) return EFAULT;
    const isV6 = this.family === AF_INET6;
    if (payload[0] !== (isV6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO) || payload[1] !== 0) return EINVAL;
    const to = this.target(message.address);
    if (isErrno(to)) return to;
    const refused = to.isV6 === isV6 ? this.cannotReach(to) : ENETUNREACH;
    if (refused !== 0) return refused;
    const bound = this.autobind();
    if (bound < 0) return bound;
    payload.writeUInt16BE(this.local.port, 4);
    const from = isAny(this.local) ? this.sourceTo(to, 0) : { ...this.local, port: 0 };
    const packet = { isV6, protocol: this.protocol, from, to, ...this.markings(message.control), payload };
    sealIcmp(packet);
    const sent = sendPacket(ctx, this.network, packet, this.boundIndex);
    return sent < 0 ? sent : length;
  }
}

/** Makes a ping socket. Errors: EACCES (not in net.ipv4.ping_group_range). */
export function makePingSocket(ctx: IoContext, family: number): PingSocket | Errno {
  return mayPing(ctx) ? new PingSocket(ctx, family) : (EACCES as Errno);
}
