// SPDX-License-Identifier: Apache-2.0

/**
 * Which control messages a datagram may be sent with.
 *
 * Linux: net/ipv4/ip_sockglue.c (ip_cmsg_send), net/ipv6/datagram.c (ip6_datagram_send_ctl), net/ipv4/udp.c (udp_cmsg_send)
 */
import { EINVAL } from '../../../platform/abi/linux/errno.ts';
import { AF_INET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP } from '../../../platform/abi/linux/socket.ts';
import type { OutgoingMessage } from '../socket.ts';

const IP_TOS = 1;
const IP_TTL = 2;
const IP_RETOPTS = 7;
const IP_PKTINFO = 8;
const IP_PROTOCOL = 52;
const IPV6_HOPLIMIT = 52;
const IPV6_2292HOPLIMIT = 8;
const IPV6_TCLASS = 67;
const IPV6_DONTFRAG = 62;
const IPV6_PKTINFO = 50;
const IPV6_2292PKTINFO = 2;
const UDP_SEGMENT = 103;
/** HOPOPTS, RTHDRDSTOPTS, RTHDR, DSTOPTS and their older numbers, FLOWINFO. */
const IPV6_HEADERS: ReadonlySet<number> = new Set([3, 4, 5, 11, 54, 55, 57, 59]);

function isKnownFour(type: number, data: Uint8Array): boolean {
  const int = data.length === 4 ? Buffer.from(data).readInt32LE(0) : -1;
  switch (type) {
    case IP_RETOPTS:
      return true;
    case IP_PKTINFO:
      return data.length === 12;
    case IP_TTL:
      return int >= 1 && int <= 255;
    case IP_TOS:
      return data.length === 1 || (int >= 0 && int <= 255);
    case IP_PROTOCOL:
      return int >= 1;
    default:
      return false;
  }
}
function isKnownSix(type: number, data: Uint8Array): boolean {
  const int = data.length === 4 ? Buffer.from(data).readInt32LE(0) : -2;
  switch (type) {
    case IPV6_HOPLIMIT:
    case IPV6_2292HOPLIMIT:
    case IPV6_TCLASS:
      return int >= -1 && int <= 255;
    case IPV6_DONTFRAG:
      return int === 0 || int === 1;
    case IPV6_PKTINFO:
    case IPV6_2292PKTINFO:
      return data.length >= 20;
    default:
      return IPV6_HEADERS.has(type);
  }
}

/** EINVAL when a message of the socket's own levels is not one that can be sent; 0 else. Others' levels are passed over. */
export function refusedControl(family: number, control: OutgoingMessage['control']): number {
  for (const { level, type, data } of control ?? []) {
    if (level === IPPROTO_UDP && (type !== UDP_SEGMENT || data.length !== 2)) return EINVAL;
    if (family === AF_INET && level === IPPROTO_IP && !isKnownFour(type, data)) return EINVAL;
    if (family !== AF_INET && level === IPPROTO_IPV6 && !isKnownSix(type, data)) return EINVAL;
  }
  return 0;
}
