// SPDX-License-Identifier: Apache-2.0

/**
 * What of a guest's socket calls may reach the host: the allow-lists of options, message flags, control messages and addresses.
 *
 * Linux:      net/core/sock.c, net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c, net/ipv4/tcp.c, net/ipv4/udp.c
 * Invariants: what is not in a table here never reaches the host. Nothing that is makes a host call wait.
 */
import { EAFNOSUPPORT, EINVAL, type Errno } from '../../../platform/abi/linux/errno.ts';
import * as abi from '../../../platform/abi/linux/socket.ts';
import type { ControlMessage } from '../socket.ts';

/** 'r' get only, 'b' both; and the longest value. */
type Rule = readonly [access: 'r' | 'b', size: number];

const INT: Rule = ['b', 4];
const READ: Rule = ['r', 4];
const ints = (names: readonly number[]): [number, Rule][] => names.map((name) => [name, INT]);

const UDP_CORK = 1;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const TCP_INFO_MAX = 256;
const CONGESTION_MAX = 16;
const MREQN = 12;
const IPV6_MREQ = 20;

/** CHECKSUM, RECVERR_RFC4884, UNICAST_IF, LOCAL_PORT_RANGE, PROTOCOL. */
const IP_MORE = [23, 26, abi.IP_UNICAST_IF, 51, 52];
/** 2292PKTINFO to 2292RTHDR, 2292HOPLIMIT, FLOWINFO, RECVERR_RFC4884, FLOWINFO_SEND, RECVHOPOPTS, RECVRTHDR, RECVDSTOPTS, AUTOFLOWLABEL, ADDR_PREFERENCES, MINHOPCOUNT, UNICAST_IF, RECVFRAGSIZE. */
const IPV6_MORE = [2, 3, 4, 5, 8, 11, 31, 33, 53, 56, 58, 70, 72, 73, 76, 77];
/** THIN_LINEAR_TIMEOUTS, THIN_DUPACK, TIMESTAMP, SAVE_SYN, FASTOPEN_CONNECT, FASTOPEN_NO_COOKIE, TX_DELAY, and two limits of retransmission. */
const TCP_MORE = [16, 17, 24, 27, 30, 34, 37, 44, 45];
const IFNAMSIZ = 16;
const IP_ADD_SOURCE_MEMBERSHIP = 39;
const IP_DROP_SOURCE_MEMBERSHIP = 40;
/** struct group_req. */
const GROUP_REQ = 136;
/** MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP. */
const GROUPS: [number, Rule][] = [42, 45].map((name) => [name, ['b', GROUP_REQ]]);

const RULES: ReadonlyMap<number, ReadonlyMap<number, Rule>> = new Map([
  [
    abi.SOL_SOCKET,
    new Map([
      ...ints([
        abi.SO_REUSEADDR,
        abi.SO_REUSEPORT,
        abi.SO_BROADCAST,
        abi.SO_KEEPALIVE,
        abi.SO_OOBINLINE,
        abi.SO_SNDBUF,
        abi.SO_RCVBUF,
        abi.SO_RCVLOWAT,
        abi.SO_TIMESTAMP,
        abi.SO_TIMESTAMPNS,
        abi.SO_PRIORITY,
        abi.SO_DONTROUTE,
        abi.SO_PEEK_OFF,
        abi.SO_SELECT_ERR_QUEUE,
      ]),
      [abi.SO_INCOMING_CPU, READ],
      [abi.SO_BINDTODEVICE, ['b', IFNAMSIZ]],
    ]),
  ],
  [
    abi.IPPROTO_IP,
    new Map([
      ...ints([
        abi.IP_TOS,
        abi.IP_TTL,
        abi.IP_PKTINFO,
        abi.IP_MTU_DISCOVER,
        abi.IP_RECVERR,
        abi.IP_RECVTTL,
        abi.IP_RECVTOS,
        abi.IP_FREEBIND,
        abi.IP_MINTTL,
        abi.IP_BIND_ADDRESS_NO_PORT,
        abi.IP_MULTICAST_TTL,
        abi.IP_MULTICAST_LOOP,
        abi.IP_MULTICAST_ALL,
        abi.IP_RECVORIGDSTADDR,
        abi.IP_RECVOPTS,
        abi.IP_RETOPTS,
        ...IP_MORE,
      ]),
      ...GROUPS,
      [IP_ADD_SOURCE_MEMBERSHIP, ['b', MREQN]],
      [IP_DROP_SOURCE_MEMBERSHIP, ['b', MREQN]],
      [abi.IP_MTU, READ],
      [abi.IP_MULTICAST_IF, ['b', MREQN]],
      [abi.IP_ADD_MEMBERSHIP, ['b', MREQN]],
      [abi.IP_DROP_MEMBERSHIP, ['b', MREQN]],
    ]),
  ],
  [
    abi.IPPROTO_IPV6,
    new Map([
      ...ints([
        abi.IPV6_V6ONLY,
        abi.IPV6_UNICAST_HOPS,
        abi.IPV6_MULTICAST_IF,
        abi.IPV6_MULTICAST_HOPS,
        abi.IPV6_MULTICAST_LOOP,
        abi.IPV6_MULTICAST_ALL,
        abi.IPV6_MTU_DISCOVER,
        abi.IPV6_RECVERR,
        abi.IPV6_RECVPKTINFO,
        abi.IPV6_RECVHOPLIMIT,
        abi.IPV6_RECVTCLASS,
        abi.IPV6_TCLASS,
        abi.IPV6_DONTFRAG,
        abi.IPV6_FREEBIND,
        abi.IPV6_RECVORIGDSTADDR,
        ...IPV6_MORE,
      ]),
      ...GROUPS,
      [abi.IPV6_MTU, READ],
      [abi.IPV6_ADD_MEMBERSHIP, ['b', IPV6_MREQ]],
      [abi.IPV6_DROP_MEMBERSHIP, ['b', IPV6_MREQ]],
    ]),
  ],
  [
    abi.IPPROTO_TCP,
    new Map([
      ...ints([
        abi.TCP_NODELAY,
        abi.TCP_MAXSEG,
        abi.TCP_CORK,
        abi.TCP_KEEPIDLE,
        abi.TCP_KEEPINTVL,
        abi.TCP_KEEPCNT,
        abi.TCP_SYNCNT,
        abi.TCP_LINGER2,
        abi.TCP_DEFER_ACCEPT,
        abi.TCP_WINDOW_CLAMP,
        abi.TCP_QUICKACK,
        abi.TCP_USER_TIMEOUT,
        abi.TCP_FASTOPEN,
        abi.TCP_NOTSENT_LOWAT,
        abi.TCP_INQ,
        ...TCP_MORE,
      ]),
      [abi.TCP_INFO, ['r', TCP_INFO_MAX]],
      [abi.TCP_CONGESTION, ['b', CONGESTION_MAX]],
    ]),
  ],
  [abi.IPPROTO_UDP, new Map(ints([UDP_CORK, UDP_SEGMENT, UDP_GRO]))],
]);

/** Algorithms every kernel has built in: naming others would have the host load a module. */
const CONGESTION_CONTROLS: readonly string[] = ['reno', 'cubic'];
const PRIORITY_MAX = 6;

/** The longest value of an option the host may be asked for or told; 0: not on the list. */
export function optionSize(level: number, name: number, access: 'get' | 'set'): number {
  const rule = RULES.get(level)?.get(name);
  return rule === undefined || (access === 'set' && rule[0] === 'r') ? 0 : rule[1];
}

/** May this value of an option on the list be passed on? */
export function isValueAllowed(level: number, name: number, value: Uint8Array): boolean {
  const buf = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (level === abi.IPPROTO_TCP && name === abi.TCP_CONGESTION)
    return CONGESTION_CONTROLS.includes(buf.toString('latin1').split('\0', 1)[0] as string);
  if (level === abi.SOL_SOCKET && name === abi.SO_PRIORITY)
    return buf.length >= 4 && buf.readInt32LE(0) >= 0 && buf.readInt32LE(0) <= PRIORITY_MAX;
  return true;
}

export const SEND_FLAGS = abi.MSG_OOB | abi.MSG_DONTROUTE | abi.MSG_EOR | abi.MSG_CONFIRM | abi.MSG_MORE;
export const RECEIVE_FLAGS = abi.MSG_OOB | abi.MSG_PEEK | abi.MSG_TRUNC | abi.MSG_ERRQUEUE;
/** What the host may report back in msg_flags. */
export const REPORTED_FLAGS = abi.MSG_OOB | abi.MSG_TRUNC | abi.MSG_CTRUNC | abi.MSG_EOR | abi.MSG_ERRQUEUE;

const FAMILY_SIZES: ReadonlyMap<number, number> = new Map([
  [abi.AF_UNSPEC, 16],
  [abi.AF_INET, 16],
  [abi.AF_INET6, 28],
]);

/** The address as the host is given it: an internet address or none, without what follows it. Errors: EINVAL, EAFNOSUPPORT. */
export function allowedAddress(address: Uint8Array): Uint8Array | Errno {
  if (address.length < 2) return EINVAL;
  const size = FAMILY_SIZES.get((address[0] as number) + (address[1] as number) * 256);
  return size === undefined ? EAFNOSUPPORT : address.subarray(0, size);
}

/** Control messages that may be sent: level, type, longest data. */
const SENT_CONTROL: readonly (readonly [level: number, type: number, size: number])[] = [
  [abi.IPPROTO_IP, abi.IP_PKTINFO, 12],
  [abi.IPPROTO_IP, abi.IP_TTL, 4],
  [abi.IPPROTO_IP, abi.IP_TOS, 4],
  [abi.IPPROTO_IPV6, abi.IPV6_PKTINFO, 20],
  [abi.IPPROTO_IPV6, abi.IPV6_HOPLIMIT, 4],
  [abi.IPPROTO_IPV6, abi.IPV6_TCLASS, 4],
  [abi.IPPROTO_UDP, UDP_SEGMENT, 2],
];
const CMSGHDR = 16;
const SENT_MAX = 8;

const padded = (length: number): number => (length + 7) & ~7;

/** The bytes of control messages for the host; null when there are none. Errors: EINVAL for what is not on the list. */
export function encodeControl(control: readonly ControlMessage[] | null): Uint8Array | null | Errno {
  if (control === null || control.length === 0) return null;
  if (control.length > SENT_MAX) return EINVAL;
  const parts: Buffer[] = [];
  for (const { level, type, data } of control) {
    const rule = SENT_CONTROL.find(([itsLevel, itsType]) => itsLevel === level && itsType === type);
    if (rule === undefined || data.length > rule[2]) return EINVAL;
    const part = Buffer.alloc(padded(CMSGHDR + data.length));
    part.writeUInt32LE(CMSGHDR + data.length, 0);
    part.writeInt32LE(level, 8);
    part.writeInt32LE(type, 12);
    part.set(data, CMSGHDR);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Control messages as the host wrote them; null when there are none. */
export function decodeControl(bytes: Uint8Array, length: number): ControlMessage[] | null {
  if (length < CMSGHDR) return null;
  const buf = Buffer.from(bytes.buffer, bytes.byteOffset, length);
  const found: ControlMessage[] = [];
  for (let at = 0; at + CMSGHDR <= length; ) {
    const size = buf.readUInt32LE(at);
    if (size < CMSGHDR || at + size > length) break;
    const data = Uint8Array.from(buf.subarray(at + CMSGHDR, at + size));
    found.push({ level: buf.readInt32LE(at + 8), type: buf.readInt32LE(at + 12), data });
    at += padded(size);
  }
  return found;
}
