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
import type { VirtualNetwork } from './virtual_network.ts';

export interface Link {
  index: number;
  name: string;
  /** IFLA_INFO_KIND; empty for lo. */
  readonly kind: LinkKind;
  flags: number;
  mtu: number;
  txqlen: number;
  /** Empty: an interface without a link layer (tun). */
  mac: Buffer;
  readonly isLoopback: boolean;
  /** The network it is in. */
  network: VirtualNetwork;
  /** The other end of a veth pair. */
  peer: Link | null;
  /** The bridge it is a port of. */
  master: Link | null;
  /** Who takes what is sent by a tun or tap interface. */
  device: LinkDevice | null;
  readonly counters: LinkCounters;
  /** How many asked for every packet (PACKET_MR_PROMISC). */
  promiscuity: number;
}
export type LinkKind = '' | 'dummy' | 'veth' | 'bridge' | 'tun' | 'tap';

/** The program behind a tun or tap interface. */
export interface LinkDevice {
  readonly isAttached: boolean;
  /** Takes a frame (tap) or packet (tun); one more than fit is lost. */
  take(bytes: Uint8Array, protocol: number): void;
}
export interface LinkCounters {
  rxPackets: number;
  rxBytes: number;
  txPackets: number;
  txBytes: number;
  txDropped: number;
}
export function newLink(
  network: VirtualNetwork,
  about: Pick<Link, 'index' | 'name' | 'kind' | 'flags' | 'mac'> & Partial<Link>,
): Link {
  return {
    mtu: 1500,
    txqlen: 1000,
    isLoopback: false,
    peer: null,
    master: null,
    device: null,
    promiscuity: 0,
    counters: { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0, txDropped: 0 },
    ...about,
    network,
  };
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
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
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

export function loopbackLink(network: VirtualNetwork): Link {
  const about = { index: LO_INDEX, name: 'lo', kind: '', flags: LO_FLAGS, mac: Buffer.alloc(6) } as const;
  return newLink(network, { ...about, mtu: 65536, isLoopback: true });
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
    { ...six, type: view.RTN_LOCAL },
  ];
}

const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_PROMISCUITY = 30;
const IFLA_LINK_NETNSID = 37;
const IFF_RUNNING = 0x40;
const IF_OPER_LOWERLAYERDOWN = 3;
const IF_OPER_UP = 6;
const ARPHRD_NONE = 65534;

/** What struct ifinfomsg calls the interface's type. */
export function hardwareOf(link: Link): number {
  if (link.isLoopback) return ARPHRD_LOOPBACK;
  return link.mac.length === 0 ? ARPHRD_NONE : ARPHRD_ETHER;
}

function operState(link: Link): number {
  if ((link.flags & IFF_UP) === 0) return IF_OPER_DOWN;
  if (link.isLoopback || link.kind === 'dummy') return IF_OPER_UNKNOWN;
  if ((link.flags & IFF_RUNNING) !== 0)
    return link.kind === 'tun' || link.kind === 'tap' ? IF_OPER_UNKNOWN : IF_OPER_UP;
  return link.kind === 'veth' ? IF_OPER_LOWERLAYERDOWN : IF_OPER_DOWN;
}

/** struct rtnl_link_stats64. */
function statistics({ rxPackets, txPackets, rxBytes, txBytes, txDropped }: LinkCounters): Buffer {
  const bytes = Buffer.alloc(RTNL_STATS64_SIZE);
  for (const [i, value] of [rxPackets, txPackets, rxBytes, txBytes, 0, 0, 0, txDropped].entries())
    bytes.writeBigUInt64LE(BigInt(value), i * 8);
  return bytes;
}

export function linkBody(link: Link): Buffer {
  const isUp = (link.flags & IFF_UP) !== 0;
  const info = Buffer.alloc(view.IFINFO_SIZE);
  info.writeUInt16LE(hardwareOf(link), 2);
  info.writeInt32LE(link.index, 4);
  info.writeUInt32LE(link.flags, 8);
  const writer = new BodyWriter()
    .raw(info)
    .text(view.IFLA_IFNAME, link.name)
    .u32(view.IFLA_TXQLEN, link.txqlen)
    .u8(IFLA_OPERSTATE, operState(link))
    .u8(IFLA_LINKMODE, 0)
    .u32(view.IFLA_MTU, link.mtu)
    .u32(IFLA_GROUP, 0)
    .u32(IFLA_PROMISCUITY, link.promiscuity)
    .u32(IFLA_NUM_TX_QUEUES, 1)
    .u32(IFLA_NUM_RX_QUEUES, 1)
    .u8(IFLA_CARRIER, isUp && (link.flags & IFF_RUNNING) !== 0 ? 1 : 0)
    .text(IFLA_QDISC, isUp ? 'noqueue' : 'noop');
  if (link.mac.length > 0)
    writer
      .attribute(view.IFLA_ADDRESS, link.mac)
      .attribute(view.IFLA_BROADCAST, Buffer.alloc(6, link.isLoopback ? 0 : 0xff));
  writer.attribute(IFLA_STATS64, statistics(link.counters));
  const { peer, master, network } = link;
  if (peer !== null) {
    writer.u32(IFLA_LINK, peer.index);
    if (peer.network !== network) writer.u32(IFLA_LINK_NETNSID, network.idOf(peer.network));
  }
  if (master !== null) writer.u32(IFLA_MASTER, master.index);
  if (link.kind !== '' || master !== null) writer.attribute(IFLA_LINKINFO, linkInfo(link));
  return writer.body();
}
const IFLA_PROTINFO = 12;
const IFLA_BRPORT_STATE = 1;
const BR_STATE_DISABLED = 0;
const BR_STATE_FORWARDING = 3;
/** A bridge's port as family AF_BRIDGE shows it. */
export function portBody(link: Link): Buffer {
  const body = linkBody(link);
  body[0] = AF_BRIDGE;
  const state = (link.flags & IFF_RUNNING) !== 0 ? BR_STATE_FORWARDING : BR_STATE_DISABLED;
  const about = new BodyWriter().u8(IFLA_BRPORT_STATE, state).body();
  return Buffer.concat([body, new BodyWriter().attribute(IFLA_PROTINFO, about).body()]);
}
export const AF_BRIDGE = 7;

const TUN_TYPE = 3;
function linkInfo(link: Link): Buffer {
  const isTun = link.kind === 'tun' || link.kind === 'tap';
  const writer = new BodyWriter().text(IFLA_INFO_KIND, isTun ? 'tun' : link.kind);
  if (link.master !== null) writer.text(IFLA_INFO_SLAVE_KIND, link.master.kind);
  if (isTun) writer.attribute(IFLA_INFO_DATA, new BodyWriter().u8(TUN_TYPE, link.kind === 'tun' ? 1 : 2).body());
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
    (a.family === AF_INET || a.oif === b.oif) &&
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

/** fe80:: and the interface's number, made of its link layer address (EUI-64). */
export function linkLocalAddress(link: Link): Address {
  const ip = Buffer.alloc(16);
  ip.writeUInt16BE(0xfe80, 0);
  link.mac.copy(ip, 8, 0, 3);
  ip.writeUInt16BE(0xfffe, 11);
  link.mac.copy(ip, 13, 3, 6);
  ip[8] = (ip[8] as number) ^ 2;
  const place = { prefix: 64, index: link.index, scope: RT_SCOPE_LINK };
  return { family: AF_INET6, ip, peer: ip, ...place, label: '', broadcast: null };
}
/** ff00::/8 by an interface. */
export function groupRoute(link: Link): Route {
  const destination = Buffer.alloc(16);
  destination[0] = 0xff;
  const about = { family: AF_INET6, destination, prefix: 8, table: RT_TABLE_LOCAL, type: RTN_MULTICAST };
  return {
    ...about,
    scope: 0,
    protocol: RTPROT_KERNEL,
    oif: link.index,
    gateway: null,
    priority: 256,
    prefSource: null,
  };
}
const RTN_MULTICAST = 5;

/** The order dumps have: version, table (main first), destination, longer prefixes first, metric. */
export function routeOrder(a: Route, b: Route): number {
  const isMain = (route: Route): number => (route.table === RT_TABLE_LOCAL ? 1 : 0);
  return (
    a.family - b.family ||
    isMain(a) - isMain(b) ||
    Buffer.compare(a.destination, b.destination) ||
    (a.family === AF_INET ? a.prefix - b.prefix : b.prefix - a.prefix) ||
    a.priority - b.priority
  );
}
