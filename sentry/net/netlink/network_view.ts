// SPDX-License-Identifier: Apache-2.0

/**
 * The network as it can be asked about: interfaces, addresses and routes, in the form rtnetlink tells them.
 *
 * Linux: net/core/rtnetlink.c (rtnl_fill_ifinfo), net/ipv4/devinet.c (inet_fill_ifaddr), net/ipv4/fib_semantics.c (fib_dump_info);
 *        rtnetlink(7)
 */
import { AF_INET, AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import type { NetworkView } from '../../../platform/platform.ts';
import { BodyWriter, readAttributes } from './netlink_message.ts';

export const IFLA_ADDRESS = 1;
export const IFLA_BROADCAST = 2;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_TXQLEN = 13;
const IFLA_QDISC = 6;
const IFLA_OPERSTATE = 16;
const IFLA_LINKMODE = 17;
const IFLA_STATS64 = 23;
const IFLA_GROUP = 27;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
const IFLA_CARRIER = 33;
export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_LABEL = 3;
export const IFA_BROADCAST = 4;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
export const RTA_DST = 1;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_PRIORITY = 6;
export const RTA_PREFSRC = 7;
export const RTA_TABLE = 15;
const RTA_PREF = 20;

export const IFINFO_SIZE = 16;
export const IFADDR_SIZE = 8;
export const RTMSG_SIZE = 12;

const LO_INDEX = 1;
const ARPHRD_LOOPBACK = 772;
/** IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP */
const LO_FLAGS = 0x10049;
const IFA_F_PERMANENT = 0x80;
export const RT_SCOPE_HOST = 254;
const RT_SCOPE_LINK = 253;
const RTPROT_KERNEL = 2;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
const RTN_BROADCAST = 3;
export const RT_TABLE_MAIN = 254;
const RT_TABLE_LOCAL = 255;
const RTNL_STATS64_SIZE = 200;

const LOOPBACK_6 = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

function loLink(): Buffer {
  const info = Buffer.alloc(IFINFO_SIZE);
  info.writeUInt16LE(ARPHRD_LOOPBACK, 2);
  info.writeInt32LE(LO_INDEX, 4);
  info.writeUInt32LE(LO_FLAGS, 8);
  return new BodyWriter()
    .raw(info)
    .text(IFLA_IFNAME, 'lo')
    .u32(IFLA_TXQLEN, 1000)
    .u8(IFLA_OPERSTATE, 0)
    .u8(IFLA_LINKMODE, 0)
    .u32(IFLA_MTU, 65536)
    .u32(IFLA_GROUP, 0)
    .u32(IFLA_NUM_TX_QUEUES, 1)
    .u32(IFLA_NUM_RX_QUEUES, 1)
    .u8(IFLA_CARRIER, 1)
    .text(IFLA_QDISC, 'noqueue')
    .attribute(IFLA_ADDRESS, Buffer.alloc(6))
    .attribute(IFLA_BROADCAST, Buffer.alloc(6))
    .attribute(IFLA_STATS64, Buffer.alloc(RTNL_STATS64_SIZE))
    .body();
}

function loAddress(family: number): Buffer {
  const info = Buffer.from([family, family === AF_INET ? 8 : 128, IFA_F_PERMANENT, RT_SCOPE_HOST, LO_INDEX, 0, 0, 0]);
  const writer = new BodyWriter().raw(info);
  const ip = Buffer.of(127, 0, 0, 1);
  if (family === AF_INET) writer.attribute(IFA_ADDRESS, ip).attribute(IFA_LOCAL, ip).text(IFA_LABEL, 'lo');
  else writer.attribute(IFA_ADDRESS, LOOPBACK_6);
  const forever = Buffer.alloc(16).fill(0xff, 0, 8);
  return writer.u32(IFA_FLAGS, IFA_F_PERMANENT).attribute(IFA_CACHEINFO, forever).body();
}

function loRoute4(destination: Buffer, prefix: number, type: number, scope: number): Buffer {
  const info = Buffer.from([AF_INET, prefix, 0, 0, RT_TABLE_LOCAL, RTPROT_KERNEL, scope, type, 0, 0, 0, 0]);
  return new BodyWriter()
    .raw(info)
    .u32(RTA_TABLE, RT_TABLE_LOCAL)
    .attribute(RTA_DST, destination)
    .attribute(RTA_PREFSRC, Buffer.of(127, 0, 0, 1))
    .u32(RTA_OIF, LO_INDEX)
    .body();
}

function loRoute6(table: number, type: number, priority: number): Buffer {
  const info = Buffer.from([AF_INET6, 128, 0, 0, table, RTPROT_KERNEL, 0, type, 0, 0, 0, 0]);
  return new BodyWriter()
    .raw(info)
    .u32(RTA_TABLE, table)
    .attribute(RTA_DST, LOOPBACK_6)
    .u32(RTA_PRIORITY, priority)
    .u32(RTA_OIF, LO_INDEX)
    .attribute(RTA_CACHEINFO, Buffer.alloc(32))
    .u8(RTA_PREF, 0)
    .body();
}
const RTA_CACHEINFO = 12;

/** A network of nothing but lo. Its parts are made when asked for: most programs never do, and it takes a good part of a millisecond. */
export function loopbackView(): NetworkView {
  return {
    get links() {
      return [loLink()];
    },
    get addresses() {
      return [loAddress(AF_INET), loAddress(AF_INET6)];
    },
    get routes() {
      return loRoutes();
    },
  };
}

function loRoutes(): Buffer[] {
  return [
    loRoute4(Buffer.of(127, 0, 0, 0), 8, RTN_LOCAL, RT_SCOPE_HOST),
    loRoute4(Buffer.of(127, 0, 0, 1), 32, RTN_LOCAL, RT_SCOPE_HOST),
    loRoute4(Buffer.of(127, 255, 255, 255), 32, RTN_BROADCAST, RT_SCOPE_LINK),
    loRoute6(RT_TABLE_MAIN, RTN_UNICAST, 256),
    loRoute6(RT_TABLE_LOCAL, RTN_LOCAL, 0),
  ];
}

/** The sandbox's network; set by the composition root. */
export const network: { view: NetworkView } = { view: loopbackView() };

/** One interface, as the ioctls need it. */
export interface Interface {
  readonly index: number;
  readonly name: string;
  readonly flags: number;
  /** ARPHRD_* */
  readonly type: number;
  readonly attributes: ReadonlyMap<number, Buffer>;
}

export function parseLink(body: Uint8Array): Interface {
  const buf = Buffer.from(body.buffer, body.byteOffset, body.length);
  const attributes = readAttributes(buf.subarray(IFINFO_SIZE));
  return {
    index: buf.readInt32LE(4),
    name: (attributes.get(IFLA_IFNAME)?.toString('latin1') ?? '').split('\0', 1)[0] as string,
    flags: buf.readUInt32LE(8),
    type: buf.readUInt16LE(2),
    attributes,
  };
}

export function interfaces(): Interface[] {
  return network.view.links.map(parseLink);
}

/** An interface address. */
export interface InterfaceAddress {
  readonly family: number;
  readonly prefix: number;
  readonly flags: number;
  readonly scope: number;
  readonly index: number;
  readonly attributes: ReadonlyMap<number, Buffer>;
}

export function addressesOf(family: number): InterfaceAddress[] {
  return network.view.addresses
    .map((body) => {
      const buf = Buffer.from(body.buffer, body.byteOffset, body.length);
      const attributes = readAttributes(buf.subarray(IFADDR_SIZE));
      const [itsFamily, prefix, flags, scope] = buf as unknown as [number, number, number, number];
      return { family: itsFamily, prefix, flags, scope, index: buf.readUInt32LE(4), attributes };
    })
    .filter((address) => address.family === family);
}
