// SPDX-License-Identifier: Apache-2.0

/**
 * Membership of sockets in groups, and by which interface packets to a group leave.
 *
 * Linux:      net/ipv4/igmp.c (ip_mc_join_group, ip_mc_sf_allow), net/ipv6/mcast.c, net/ipv4/ip_sockglue.c
 * Invariants: a group counts as joined on an interface as long as one socket's membership says so.
 */
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EINVAL,
  ENOBUFS,
  ENODEV,
  type Errno,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import * as abi from '../../../platform/abi/linux/socket.ts';
import { currentNet } from '../net_namespace.ts';
import { interfaceOfAddress, interfaces } from '../netlink/network_view.ts';
import { decodeEndpoint, type Endpoint, hostKey, isMulticast } from './inet_address.ts';

/** net.ipv4.igmp_max_memberships */
const MEMBERSHIPS_MAX = 20;
const MCAST_JOIN_GROUP = 42;
const MCAST_LEAVE_GROUP = 45;
const IP_ADD_SOURCE_MEMBERSHIP = 39;
const IP_DROP_SOURCE_MEMBERSHIP = 40;
/** 224.0.0.1 */
const ALL_HOSTS = 0xe0000001;
const SOCKADDR_STORAGE = 128;

interface Membership {
  readonly group: Endpoint;
  readonly key: string;
  readonly index: number;
  /** Sources that are let through; null: all. */
  sources: Set<number> | null;
}

/** How many sockets joined a group on an interface, by "namespace/index/group". */
const joined = new Map<string, number>();

export function isJoined(tag: number, index: number, group: Endpoint): boolean {
  return joined.has(`${tag}/${index}/${hostKey(group)}`);
}

function count(tag: number, index: number, key: string, change: number): void {
  const name = `${tag}/${index}/${key}`;
  const now = (joined.get(name) ?? 0) + change;
  if (now > 0) joined.set(name, now);
  else joined.delete(name);
}

export class Memberships {
  private readonly list: Membership[] = [];
  /** The namespace of the socket. */
  tag = 0;

  get isEmpty(): boolean {
    return this.list.length === 0;
  }
  private find(group: Endpoint, index: number): Membership | undefined {
    const key = hostKey(group);
    return this.list.find((one) => one.key === key && one.index === index);
  }
  /** Errors: EADDRINUSE, ENOBUFS. */
  join(group: Endpoint, index: number, source: number | null): number {
    const known = this.find(group, index);
    if (known !== undefined) {
      if (source === null || known.sources === null) return source === null ? EADDRINUSE : EINVAL;
      if (known.sources.has(source)) return EADDRNOTAVAIL;
      known.sources.add(source);
      return 0;
    }
    if (this.list.length >= MEMBERSHIPS_MAX) return ENOBUFS;
    const key = hostKey(group);
    this.list.push({ group, key, index, sources: source === null ? null : new Set([source]) });
    count(this.tag, index, key, 1);
    return 0;
  }
  /** Errors: EADDRNOTAVAIL. */
  leave(group: Endpoint, index: number, source: number | null): number {
    const key = hostKey(group);
    const at = this.list.findIndex((one) => one.key === key && (index === 0 || one.index === index));
    const found = this.list[at];
    if (found === undefined) return EADDRNOTAVAIL;
    if (source !== null) {
      if (found.sources === null) return EINVAL;
      if (!found.sources.delete(source)) return EADDRNOTAVAIL;
      if (found.sources.size > 0) return 0;
    }
    this.list.splice(at, 1);
    count(this.tag, found.index, key, -1);
    return 0;
  }
  leaveAll(): void {
    for (const { index, key } of this.list.splice(0)) count(this.tag, index, key, -1);
  }
  /** Is a packet to `group` from `from` for this socket? `all`: IP_MULTICAST_ALL. */
  lets(group: Endpoint, index: number, from: Endpoint, all: boolean): boolean {
    const found = this.find(group, index);
    if (found === undefined) return all;
    return found.sources === null || found.sources.has(from.ip);
  }
}

/** The interface a request names by index, else by address, else by the route to the group. Errors: ENODEV. */
function interfaceFor(index: number, address: number, group: Endpoint): number {
  if (index !== 0) return interfaces().some((link) => link.index === index) ? index : ENODEV;
  if (address !== 0) return interfaceOfAddress(address) ?? ENODEV;
  return routedInterface(group) ?? ENODEV;
}

/** Where packets to a group go when nothing else says: the first interface that is not lo. */
export function routedInterface(_group: Endpoint): number | null {
  const UP_MULTICAST = 0x1001;
  return interfaces().find((link) => (link.flags & UP_MULTICAST) === UP_MULTICAST)?.index ?? null;
}

interface Request {
  readonly group: Endpoint;
  readonly index: number;
  readonly source: number | null;
}

const group4 = (ip: number): Endpoint => ({ isV6: false, ip, port: 0 });

/** struct ip_mreq, ip_mreqn or ip_mreq_source. */
function parseIpv4(name: number, buf: Buffer): Request | Errno {
  const isSource = name === IP_ADD_SOURCE_MEMBERSHIP || name === IP_DROP_SOURCE_MEMBERSHIP;
  if (isSource ? buf.length !== 12 : buf.length < 8) return EINVAL;
  const group = group4(buf.readUInt32BE(0));
  const isLeave = name === abi.IP_DROP_MEMBERSHIP || name === IP_DROP_SOURCE_MEMBERSHIP;
  if (!isMulticast(group)) return isLeave ? EADDRNOTAVAIL : EINVAL;
  const named = !isSource && buf.length >= 12 ? buf.readInt32LE(8) : 0;
  const index = interfaceFor(named, buf.readUInt32BE(4), group);
  return index < 0 ? (index as Errno) : { group, index, source: isSource ? buf.readUInt32BE(8) : null };
}

/** struct ipv6_mreq. */
function parseIpv6(buf: Buffer): Request | Errno {
  if (buf.length < 20) return EINVAL;
  const address = Buffer.alloc(28);
  address.writeUInt16LE(abi.AF_INET6, 0);
  buf.copy(address, 8, 0, 16);
  return withGroup(address, buf.readInt32LE(16));
}

/** struct group_req. */
function parseGroupRequest(buf: Buffer): Request | Errno {
  return buf.length < 8 + SOCKADDR_STORAGE ? EINVAL : withGroup(buf.subarray(8), buf.readUInt32LE(0));
}
function withGroup(address: Buffer, named: number): Request | Errno {
  const family = address.readUInt16LE(0);
  if (family !== abi.AF_INET && family !== abi.AF_INET6) return EADDRNOTAVAIL;
  const group = decodeEndpoint(address, family);
  if (isErrno(group)) return group;
  if (!isMulticast(group)) return EINVAL;
  const index = interfaceFor(named, 0, group);
  return index < 0 ? (index as Errno) : { group, index, source: null };
}

/** Options that join and leave groups. Returns 0, errno, or undefined: it is none of them. */
export function setMembership(
  memberships: Memberships,
  level: number,
  name: number,
  value: Uint8Array,
): number | undefined {
  const buf = Buffer.from(value.buffer, value.byteOffset, value.length);
  let isJoin = true;
  let request: Request | Errno;
  if (name === MCAST_JOIN_GROUP || name === MCAST_LEAVE_GROUP) {
    if (level !== abi.IPPROTO_IP && level !== abi.IPPROTO_IPV6) return undefined;
    isJoin = name === MCAST_JOIN_GROUP;
    request = parseGroupRequest(buf);
  } else if (level === abi.IPPROTO_IP && isIpv4Name(name)) {
    isJoin = name === abi.IP_ADD_MEMBERSHIP || name === IP_ADD_SOURCE_MEMBERSHIP;
    request = parseIpv4(name, buf);
  } else if (level === abi.IPPROTO_IPV6 && (name === abi.IPV6_ADD_MEMBERSHIP || name === abi.IPV6_DROP_MEMBERSHIP)) {
    isJoin = name === abi.IPV6_ADD_MEMBERSHIP;
    request = parseIpv6(buf);
  } else return undefined;
  if (isErrno(request)) return request;
  const { group, index, source } = request;
  return isJoin ? memberships.join(group, index, source) : memberships.leave(group, index, source);
}
function isIpv4Name(name: number): boolean {
  return (
    name === abi.IP_ADD_MEMBERSHIP ||
    name === abi.IP_DROP_MEMBERSHIP ||
    name === IP_ADD_SOURCE_MEMBERSHIP ||
    name === IP_DROP_SOURCE_MEMBERSHIP
  );
}

/** IP_MULTICAST_IF's value as an interface index: an address, or struct ip_mreq(n). Errors: EINVAL, EADDRNOTAVAIL. */
export function multicastInterface(value: Buffer): { index: number; address: number } | Errno {
  if (value.length < 4) return EINVAL;
  const address = value.readUInt32BE(value.length >= 8 ? 4 : 0);
  const named = value.length >= 12 ? value.readInt32LE(8) : 0;
  if (named === 0 && address === 0) return { index: 0, address: 0 };
  const index = named !== 0 ? named : interfaceOfAddress(address);
  if (index === null || !interfaces().some((link) => link.index === index)) return EADDRNOTAVAIL;
  return { index, address };
}

/** Text of /proc/net/igmp: every interface is in the group of all hosts. */
export function igmpText(): string {
  let text = 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n';
  for (const { index, name } of interfaces()) {
    const groups: [number, number][] = [[ALL_HOSTS, 1]];
    for (const [key, users] of joined) {
      const [tag, itsIndex, ip] = key.split('/') as [string, string, string];
      if (Number(tag) === (currentNet.net?.tag ?? 0) && Number(itsIndex) === index && /^\d+$/.test(ip))
        groups.unshift([Number(ip), users]);
    }
    text += `${index}\t${name.padEnd(10)}: ${String(groups.length).padStart(5)}      V3\n`;
    for (const [ip, users] of groups) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(ip, 0);
      text += `\t\t\t\t${bytes.toString('hex').toUpperCase()} ${String(users).padStart(5)} 0:00000000\t\t0\n`;
    }
  }
  return text;
}
