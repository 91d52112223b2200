// SPDX-License-Identifier: Apache-2.0

/**
 * What NETLINK_ROUTE answers about the sandbox's network (network_view.ts): dumps, single interfaces, the route to an address.
 *
 * Linux: net/core/rtnetlink.c, net/ipv4/devinet.c, net/ipv4/route.c (inet_rtm_getroute), net/ipv6/addrconf.c; rtnetlink(7)
 */
import { EINVAL, ENETUNREACH, ENODEV, EOPNOTSUPP } from '../../../platform/abi/linux/errno.ts';
import { AF_INET, AF_INET6, NLM_F_DUMP } from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';
import { neighbourBodies } from './neighbour_messages.ts';
import { packetsOf } from './netlink_dump.ts';
import { networkId, networkIds } from './network_ids.ts';
import { AF_BRIDGE, portBody } from './view_bodies.ts';
import { VirtualNetwork } from './virtual_network.ts';
import { changeNetwork } from './route_changes.ts';
import { BodyWriter, type MessageHeader, messageOf, NLMSGHDR_SIZE, readAttributes } from './netlink_message.ts';
import {
  IFINFO_SIZE,
  IFLA_IFNAME,
  network,
  parseLink,
  RTA_DST,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_TABLE,
  RTMSG_SIZE,
} from './network_view.ts';

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
const RTM_NEWNSID = 88;
const RTM_GETNSID = 90;
const RTM_NEWRULE = 32;
const RTM_GETRULE = 34;
const RTM_GETQDISC = 38;
const RTM_MAX = 127;
const IFLA_ALT_IFNAME = 53;

const RTM_F_CLONED = 0x200;
const FRA_PRIORITY = 6;
const FRA_TABLE = 15;
const FR_ACT_TO_TBL = 1;

/** TCLASS, TFILTER, ACTION, NEIGHTBL, NETCONF, and later kinds there is nothing of here. */
const EMPTY_DUMPS: ReadonlySet<number> = new Set([42, 46, 50, 66, 82, 94, 102, 106]);

/** Message types come in groups of four: NEW, DEL, GET, SET. */
const isGet = (type: number): boolean => (type & 3) === 2;

/** The rules every Linux starts with: priority and table. */
function rules(family: number): Uint8Array[] {
  const lines: readonly (readonly [number, number])[] =
    family === AF_INET
      ? [
          [0, 255],
          [32766, 254],
          [32767, 253],
        ]
      : [
          [0, 255],
          [32766, 254],
        ];
  return lines.map(([priority, table]) => {
    const writer = new BodyWriter().raw(Buffer.from([family, 0, 0, 0, table, 2, 0, FR_ACT_TO_TBL, 0, 0, 0, 0]));
    writer.u32(FRA_TABLE, table);
    return (priority === 0 ? writer : writer.u32(FRA_PRIORITY, priority)).body();
  });
}

function bridgePorts(): Uint8Array[] {
  const now = network.view;
  return now instanceof VirtualNetwork ? now.interfaces.filter((link) => link.master !== null).map(portBody) : [];
}

/** The bodies a dump of `type` gives, with the type of their messages; null: no such dump. */
function dumped(type: number, family: number): readonly [type: number, bodies: readonly Uint8Array[]] | null {
  const ofFamily = (bodies: readonly Uint8Array[]): Uint8Array[] =>
    // Families without a handler of their own get everything.
    bodies.filter((body) => (family !== AF_INET && family !== AF_INET6) || body[0] === family);
  switch (type) {
    case RTM_GETLINK:
      return [RTM_NEWLINK, family === AF_BRIDGE ? bridgePorts() : network.view.links];
    case RTM_GETADDR:
      return [RTM_NEWADDR, ofFamily(network.view.addresses)];
    case RTM_GETROUTE:
      return [RTM_NEWROUTE, ofFamily(network.view.routes)];
    case RTM_GETRULE:
      return [RTM_NEWRULE, ofFamily([...rules(AF_INET), ...rules(AF_INET6)])];
    case RTM_GETNEIGH:
      return [RTM_NEWNEIGH, neighbourBodies(family)];
    case RTM_GETNSID:
      return [RTM_NEWNSID, network.view instanceof VirtualNetwork ? networkIds(network.view) : []];
    case RTM_GETQDISC:
      return [type, []];
    default:
      return EMPTY_DUMPS.has(type) ? [type, []] : null;
  }
}

/** A dump: packets of messages, and the end. Errors: EOPNOTSUPP. */
function dump(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  const found = dumped(header.type, body[0] ?? 0);
  if (found === null) return EOPNOTSUPP;
  const [type, bodies] = found;
  return packetsOf(type, bodies, header.sequence, port);
}

/** RTM_GETLINK of one interface, by index or name. Errors: EINVAL, ENODEV. */
function oneLink(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  if (header.length < NLMSGHDR_SIZE + IFINFO_SIZE) return EINVAL;
  const index = body.readInt32LE(4);
  const attributes = readAttributes(body.subarray(IFINFO_SIZE));
  const name = (attributes.get(IFLA_IFNAME) ?? attributes.get(IFLA_ALT_IFNAME))?.toString('latin1').split('\0', 1)[0];
  if (index === 0 && name === undefined) return EINVAL;
  for (const one of network.view.links) {
    const link = parseLink(one);
    if (index !== 0 ? link.index === index : link.name === name)
      return [messageOf(RTM_NEWLINK, 0, header.sequence, port, one)];
  }
  return ENODEV;
}

function isIn(destination: Buffer, network_: Buffer, prefix: number): boolean {
  for (let bit = 0; bit < prefix; bit += 8) {
    const mask = prefix - bit >= 8 ? 0xff : (0xff << (8 - (prefix - bit))) & 0xff;
    if ((((destination[bit >> 3] as number) ^ (network_[bit >> 3] as number)) & mask) !== 0) return false;
  }
  return true;
}

/** RTM_GETROUTE to one address: the longest prefix that holds it, local table first among equals. Errors: EINVAL, ENETUNREACH. */
function oneRoute(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  const family = body[0] as number;
  if (family !== AF_INET && family !== AF_INET6) return EOPNOTSUPP;
  if (header.length < NLMSGHDR_SIZE + RTMSG_SIZE) return EINVAL;
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (size === 0) return EOPNOTSUPP;
  const wanted = readAttributes(body.subarray(RTMSG_SIZE)).get(RTA_DST);
  if (wanted === undefined || wanted.length < size) return EINVAL;
  let best: Buffer | null = null;
  for (const one of network.view.routes) {
    if (one[0] !== family) continue;
    const route = Buffer.from(one.buffer, one.byteOffset, one.length);
    const prefix = route[1] as number;
    const destination = readAttributes(route.subarray(RTMSG_SIZE)).get(RTA_DST) ?? Buffer.alloc(size);
    if (destination.length < size || prefix > size * 8 || !isIn(wanted, destination, prefix)) continue;
    if (
      best === null ||
      prefix > (best[1] as number) ||
      (prefix === best[1] && (route[4] as number) > (best[4] as number))
    )
      best = route;
  }
  return best === null ? ENETUNREACH : [messageOf(RTM_NEWROUTE, 0, header.sequence, port, routeAnswer(best, wanted))];
}

/** The found route as the answer tells it: to that one address, from the local table's point of view when it is a local one. */
function routeAnswer(route: Buffer, wanted: Buffer): Buffer {
  const info = Buffer.from(route.subarray(0, RTMSG_SIZE));
  info[1] = wanted.length * 8;
  info.writeUInt32LE(RTM_F_CLONED, 8);
  const attributes = readAttributes(route.subarray(RTMSG_SIZE));
  const writer = new BodyWriter().raw(info).attribute(RTA_DST, wanted);
  for (const kept of [RTA_TABLE, RTA_OIF, 5, RTA_PREFSRC]) {
    const value = attributes.get(kept);
    if (value !== undefined) writer.attribute(kept, value);
  }
  return writer.body();
}

function oneNetworkId(ctx: IoContext, header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  if (!(network.view instanceof VirtualNetwork)) return EOPNOTSUPP;
  const found = networkId(ctx, network.view, body);
  return typeof found === 'number' ? found : [messageOf(RTM_NEWNSID, 0, header.sequence, port, found)];
}

/** The packets that answer one request, or errno. `body`: what follows the header; mayChange: has CAP_NET_ADMIN. */
export function answerRoute(
  ctx: IoContext,
  header: MessageHeader,
  body: Buffer,
  port: number,
  mayChange: boolean,
): Buffer[] | number {
  if (header.type < RTM_NEWLINK || header.type > RTM_MAX) return EOPNOTSUPP;
  if (body.length < 1) return 0 as number;
  if (!isGet(header.type)) return changeNetwork(ctx, mayChange, header, body);
  if ((header.flags & NLM_F_DUMP) !== 0) return dump(header, body, port);
  if (header.type === RTM_GETLINK) return oneLink(header, body, port);
  if (header.type === RTM_GETNSID) return oneNetworkId(ctx, header, body, port);
  if (header.type === RTM_GETNEIGH) return EINVAL;
  return header.type === RTM_GETROUTE ? oneRoute(header, body, port) : EOPNOTSUPP;
}
