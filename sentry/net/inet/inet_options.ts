// SPDX-License-Identifier: Apache-2.0

/**
 * The integer options of the IP, IPv6, TCP and UDP levels with their defaults: kept and shown.
 *
 * Linux: net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c, net/ipv4/tcp.c; ip(7), ipv6(7), tcp(7)
 */
import * as abi from '../../../platform/abi/linux/socket.ts';

const IP: ReadonlyMap<number, number> = new Map([
  [abi.IP_TOS, 0],
  [abi.IP_TTL, 64],
  [abi.IP_HDRINCL, 0],
  [abi.IP_RECVOPTS, 0],
  [abi.IP_PKTINFO, 0],
  [abi.IP_MTU_DISCOVER, 1],
  [abi.IP_RECVERR, 0],
  [abi.IP_RECVTTL, 0],
  [abi.IP_RECVTOS, 0],
  [abi.IP_MTU, 65535],
  [abi.IP_FREEBIND, 0],
  [abi.IP_TRANSPARENT, 0],
  [abi.IP_MINTTL, 0],
  [abi.IP_BIND_ADDRESS_NO_PORT, 0],
  [abi.IP_MULTICAST_IF, 0],
  [abi.IP_MULTICAST_TTL, 1],
  [abi.IP_MULTICAST_LOOP, 1],
  [abi.IP_ADD_MEMBERSHIP, 0],
  [abi.IP_DROP_MEMBERSHIP, 0],
  [abi.IP_MULTICAST_ALL, 1],
]);

const IPV6: ReadonlyMap<number, number> = new Map([
  [abi.IPV6_UNICAST_HOPS, 64],
  [abi.IPV6_MULTICAST_IF, 0],
  [abi.IPV6_MULTICAST_HOPS, 1],
  [abi.IPV6_MULTICAST_LOOP, 1],
  [abi.IPV6_ADD_MEMBERSHIP, 0],
  [abi.IPV6_DROP_MEMBERSHIP, 0],
  [abi.IPV6_MTU_DISCOVER, 1],
  [abi.IPV6_MTU, 65536],
  [abi.IPV6_RECVERR, 0],
  [abi.IPV6_V6ONLY, 0],
  [abi.IPV6_RECVPKTINFO, 0],
  [abi.IPV6_RECVHOPLIMIT, 0],
  [abi.IPV6_RECVTCLASS, 0],
  [abi.IPV6_TCLASS, 0],
  [abi.IPV6_DONTFRAG, 0],
  [abi.IPV6_FREEBIND, 0],
]);

const TCP: ReadonlyMap<number, number> = new Map([
  [abi.TCP_NODELAY, 0],
  [abi.TCP_MAXSEG, 536],
  [abi.TCP_CORK, 0],
  [abi.TCP_KEEPIDLE, 7200],
  [abi.TCP_KEEPINTVL, 75],
  [abi.TCP_KEEPCNT, 9],
  [abi.TCP_SYNCNT, 6],
  [abi.TCP_LINGER2, 60],
  [abi.TCP_DEFER_ACCEPT, 0],
  [abi.TCP_WINDOW_CLAMP, 0],
  [abi.TCP_QUICKACK, 1],
  [abi.TCP_USER_TIMEOUT, 0],
  [abi.TCP_FASTOPEN, 0],
  [abi.TCP_FASTOPEN_CONNECT, 0],
  [abi.TCP_NOTSENT_LOWAT, 0],
  [abi.TCP_INQ, 0],
  [abi.TCP_THIN_LINEAR_TIMEOUTS, 0],
]);

/** UDP_CORK, UDP_SEGMENT, UDP_GRO */
const UDP: ReadonlyMap<number, number> = new Map([
  [1, 0],
  [103, 0],
  [104, 0],
]);

/** Default of an option; null when there is none of that name. */
export function defaultOption(_family: number, protocol: number, level: number, name: number): number | null {
  switch (level) {
    case abi.IPPROTO_IP:
      return IP.get(name) ?? null;
    case abi.IPPROTO_IPV6:
      return IPV6.get(name) ?? null;
    case abi.IPPROTO_TCP:
      return protocol === abi.IPPROTO_TCP ? (TCP.get(name) ?? null) : null;
    case abi.IPPROTO_UDP:
      return protocol === abi.IPPROTO_UDP ? (UDP.get(name) ?? null) : null;
    default:
      return null;
  }
}
