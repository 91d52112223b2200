// SPDX-License-Identifier: Apache-2.0

/**
 * The parts of a virtual network, and the bodies of the messages that tell of them.
 *
 * Linux: net/core/rtnetlink.c (rtnl_fill_ifinfo), net/ipv4/devinet.c (inet_fill_ifaddr), net/ipv4/fib_semantics.c (fib_dump_info);
 *        rtnetlink(7)
 */
import { AF_INET, AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import { BodyWriter } from './netlink_message.ts';
import * as view from './network_view.ts';

export interface Link {
  readonly index: number;
  name: string;
  /** IFLA_INFO_KIND; empty for lo. */
  readonly kind: string;
  flags: number;
  mtu: number;
  txqlen: number;
  mac: Buffer;
  readonly isLoopback: boolean;
}
export interface Address {
  readonly family: number;
  readonly ip: Buffer;
  readonly prefix: number;
  readonly index: number;
  readonly scope: number;
  readonly label: string;
  readonly broadcast: Buffer | null;
  /** The other end of a point-to-point link (IFA_ADDRESS beside IFA_LOCAL). */
  readonly peer: Buffer;
}
export interface Route {
  readonly family: number;
  readonly destination: Buffer;
  readonly prefix: number;
  readonly table: number;
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly oif: number;
  readonly gateway: Buffer | null;
  readonly priority: number;
  readonly prefSource: Buffer | null;
}

const IFLA_QDISC = 6;
const IFLA_OPERSTATE = 16;
const IFLA_LINKMODE = 17;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_STATS64 = 23;
const IFLA_GROUP = 27;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
const IFLA_CARRIER = 33;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
const RTA_CACHEINFO = 12;
const RTA_PREF = 20;
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
const IFA_F_PERMANENT = 0x80;
const RTNL_STATS64_SIZE = 200;
const IFF_UP = 1;
/** IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP */
const LO_FLAGS = 0x10049;
const LO_INDEX = 1;
const RT_SCOPE_LINK = 253;
const RT_TABLE_LOCAL = 255;
const RTPROT_KERNEL = 2;
const RTN_BROADCAST = 3;
const IF_OPER_DOWN = 2;
const IF_OPER_UNKNOWN = 0;

const LOOPBACK_6 = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
const LOOPBACK_4 = Buffer.of(127, 0, 0, 1);

export function loopbackLink(): Link {
  return {
    index: LO_INDEX,
    name: 'lo',
    kind: '',
    flags: LO_FLAGS,
    mtu: 65536,
    txqlen: 1000,
    mac: Buffer.alloc(6),
    isLoopback: true,
  };
}
export function loopbackAddresses(): Address[] {
  const base = { index: LO_INDEX, scope: view.RT_SCOPE_HOST, broadcast: null };
  return [
    { ...base, family: AF_INET, ip: LOOPBACK_4, peer: LOOPBACK_4, prefix: 8, label: 'lo' },
    { ...base, family: AF_INET6, ip: LOOPBACK_6, peer: LOOPBACK_6, prefix: 128, label: '' },
  ];
}
export function loopbackRoutes(): Route[] {
  const base = {
    family: AF_INET,
    table: RT_TABLE_LOCAL,
    protocol: RTPROT_KERNEL,
    oif: LO_INDEX,
    gateway: null,
    priority: 0,
    prefSource: LOOPBACK_4,
  };
  const six = { ...base, family: AF_INET6, destination: LOOPBACK_6, prefix: 128, scope: 0, prefSource: null };
  return [
    { ...base, destination: Buffer.of(127, 0, 0, 0), prefix: 8, type: view.RTN_LOCAL, scope: view.RT_SCOPE_HOST },
    { ...base, destination: LOOPBACK_4, prefix: 32, type: view.RTN_LOCAL, scope: view.RT_SCOPE_HOST },
    { ...base, destination: Buffer.of(127, 255, 255, 255), prefix: 32, type: RTN_BROADCAST, scope: RT_SCOPE_LINK },
    { ...six, table: view.RT_TABLE_MAIN, type: view.RTN_UNICAST, priority: 256 },
    { ...six, type: view.RTN_LOCAL },
  ];
}

export function linkBody(link: Link): Buffer {
  const isUp = (link.flags & IFF_UP) !== 0;
  const info = Buffer.alloc(view.IFINFO_SIZE);
  info.writeUInt16LE(link.isLoopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER, 2);
  info.writeInt32LE(link.index, 4);
  info.writeUInt32LE(link.flags, 8);
  const writer = new BodyWriter()
    .raw(info)
    .text(view.IFLA_IFNAME, link.name)
    .u32(view.IFLA_TXQLEN, link.txqlen)
    .u8(IFLA_OPERSTATE, isUp ? IF_OPER_UNKNOWN : IF_OPER_DOWN)
    .u8(IFLA_LINKMODE, 0)
    .u32(view.IFLA_MTU, link.mtu)
    .u32(IFLA_GROUP, 0)
    .u32(IFLA_NUM_TX_QUEUES, 1)
    .u32(IFLA_NUM_RX_QUEUES, 1)
    .u8(IFLA_CARRIER, isUp ? 1 : 0)
    .text(IFLA_QDISC, isUp ? 'noqueue' : 'noop')
    .attribute(view.IFLA_ADDRESS, link.mac)
    .attribute(view.IFLA_BROADCAST, Buffer.alloc(6, link.isLoopback ? 0 : 0xff))
    .attribute(IFLA_STATS64, Buffer.alloc(RTNL_STATS64_SIZE));
  if (link.kind !== '') writer.attribute(IFLA_LINKINFO, new BodyWriter().text(IFLA_INFO_KIND, link.kind).body());
  return writer.body();
}

export function addressBody(address: Address): Buffer {
  const { family, ip, peer, prefix, scope, index, label, broadcast } = address;
  const info = Buffer.from([family, prefix, IFA_F_PERMANENT, scope, 0, 0, 0, 0]);
  info.writeUInt32LE(index, 4);
  const writer = new BodyWriter().raw(info).attribute(view.IFA_ADDRESS, family === AF_INET ? peer : ip);
  if (family === AF_INET) {
    writer.attribute(view.IFA_LOCAL, ip);
    if (broadcast !== null) writer.attribute(view.IFA_BROADCAST, broadcast);
    writer.text(view.IFA_LABEL, label);
  }
  const forever = Buffer.alloc(16).fill(0xff, 0, 8);
  return writer.u32(IFA_FLAGS, IFA_F_PERMANENT).attribute(IFA_CACHEINFO, forever).body();
}

export function routeBody(route: Route): Buffer {
  const { family, prefix, table, protocol, scope, type, destination, gateway, prefSource, priority, oif } = route;
  const writer = new BodyWriter()
    .raw(Buffer.from([family, prefix, 0, 0, table & 255, protocol, scope, type, 0, 0, 0, 0]))
    .u32(view.RTA_TABLE, table);
  if (prefix > 0) writer.attribute(view.RTA_DST, destination);
  if (prefSource !== null) writer.attribute(view.RTA_PREFSRC, prefSource);
  if (gateway !== null) writer.attribute(view.RTA_GATEWAY, gateway);
  if (family === AF_INET6 || priority !== 0) writer.u32(view.RTA_PRIORITY, priority);
  writer.u32(view.RTA_OIF, oif);
  if (family === AF_INET6) writer.attribute(RTA_CACHEINFO, Buffer.alloc(32)).u8(RTA_PREF, 0);
  return writer.body();
}

/** The network part of an address. */
export function masked(ip: Buffer, prefix: number): Buffer {
  return Buffer.from(ip.map((byte, i) => byte & maskByte(prefix, i)));
}
/** The last address of a network: its broadcast address. */
export function lastOf(ip: Buffer, prefix: number): Buffer {
  return Buffer.from(ip.map((byte, i) => byte | (~maskByte(prefix, i) & 0xff)));
}
function maskByte(prefix: number, i: number): number {
  const bits = Math.max(0, Math.min(8, prefix - i * 8));
  return (0xff << (8 - bits)) & 0xff;
}

/** Do two routes exclude each other? */
export function sameRoute(a: Route, b: Route): boolean {
  return (
    a.family === b.family &&
    a.table === b.table &&
    a.prefix === b.prefix &&
    a.priority === b.priority &&
    a.type === b.type &&
    a.destination.equals(b.destination)
  );
}

/** The address an old ioctl sets: prefix by class, as Linux guesses. */
export function classAddress(link: Link, ip: Buffer): Address {
  const first = ip[0] as number;
  const prefix = first < 128 ? 8 : first < 192 ? 16 : 24;
  const broadcast = link.isLoopback ? null : lastOf(ip, prefix);
  return { family: AF_INET, ip, peer: ip, prefix, index: link.index, scope: 0, label: link.name, broadcast };
}

/** The prefix a mask stands for; null: it is none. */
export function prefixOf(mask: Buffer): number | null {
  const bits = mask.readUInt32BE(0);
  const prefix = Math.clz32(~bits);
  return bits === (prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0) ? prefix : null;
}
