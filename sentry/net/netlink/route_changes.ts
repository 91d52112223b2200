// SPDX-License-Identifier: Apache-2.0

/**
 * RTM_NEW*, RTM_DEL* and RTM_SET*: changes of the sandbox's own network, for CAP_NET_ADMIN.
 *
 * Linux: net/core/rtnetlink.c (rtnl_newlink, do_setlink), net/ipv4/devinet.c (inet_rtm_newaddr), net/ipv4/fib_frontend.c
 */
import {
  EADDRNOTAVAIL,
  EEXIST,
  EINVAL,
  ENODEV,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import { AF_INET, AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import { type MessageHeader, readAttributes } from './netlink_message.ts';
import * as view from './network_view.ts';
import type { IoContext } from '../../vfs/context.ts';
import { delLink, newLink, textOf, wordOf } from './link_changes.ts';
import { changeNeighbour } from './neighbour_messages.ts';
import { newNetworkId } from './network_ids.ts';
import { type Address, masked, type Route } from './view_bodies.ts';
import { VirtualNetwork } from './virtual_network.ts';

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_SETLINK = 19;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const NLM_F_REPLACE = 0x100;
const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const RTM_NEWNSID = 88;

/** struct ifaddrmsg and its attributes. Errors: EINVAL, ENODEV, EAFNOSUPPORT. */
function parseAddress(network: VirtualNetwork, body: Buffer): Address | Errno {
  const [ofFamily] = body as unknown as [number];
  if (ofFamily !== AF_INET && ofFamily !== AF_INET6) return EOPNOTSUPP;
  if (body.length < view.IFADDR_SIZE) return EINVAL;
  const [family, prefix, , scope] = body as unknown as [number, number, number, number];
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (size === 0) return EOPNOTSUPP;
  const attributes = readAttributes(body.subarray(view.IFADDR_SIZE));
  const peer = attributes.get(view.IFA_ADDRESS);
  const ip = attributes.get(view.IFA_LOCAL) ?? peer;
  if (ip === undefined || ip.length < size || prefix > size * 8 || (peer !== undefined && peer.length < size))
    return EINVAL;
  const link = network.link(body.readUInt32LE(4), null);
  if (link === null) return ENODEV;
  const broadcast = attributes.get(view.IFA_BROADCAST);
  return {
    family,
    ip: Buffer.from(ip.subarray(0, size)),
    peer: Buffer.from((peer ?? ip).subarray(0, size)),
    prefix,
    index: link.index,
    scope,
    label: family === AF_INET ? (textOf(attributes, view.IFA_LABEL) ?? link.name) : '',
    broadcast:
      broadcast !== undefined && broadcast.length >= 4 && family === AF_INET
        ? Buffer.from(broadcast.subarray(0, 4))
        : null,
  };
}

function newAddress(network: VirtualNetwork, header: MessageHeader, body: Buffer): number {
  const address = parseAddress(network, body);
  if (isErrno(address)) return address;
  const known = network.findAddress(address.family, address.ip, address.prefix, address.index);
  if (known !== null) return (header.flags & NLM_F_REPLACE) !== 0 ? 0 : EEXIST;
  return network.addAddress(address);
}
function delAddress(network: VirtualNetwork, body: Buffer): number {
  const address = parseAddress(network, body);
  if (isErrno(address)) return address;
  const found = network.findAddress(address.family, address.ip, address.prefix, address.index);
  return found === null ? EADDRNOTAVAIL : network.removeAddress(found);
}

/** struct rtmsg and its attributes. Errors: EINVAL, EOPNOTSUPP. */
function parseRoute(body: Buffer): Route | Errno {
  const [ofFamily] = body as unknown as [number];
  if (ofFamily !== AF_INET && ofFamily !== AF_INET6) return EOPNOTSUPP;
  if (body.length < view.RTMSG_SIZE) return EINVAL;
  const [family, prefix, , , table, protocol, scope, type] = body as unknown as number[] &
    [number, number, number, number, number, number, number, number];
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (size === 0) return EOPNOTSUPP;
  const attributes = readAttributes(body.subarray(view.RTMSG_SIZE));
  const bytes = (name: number): Buffer | null | Errno => {
    const value = attributes.get(name);
    if (value === undefined) return null;
    return value.length < size ? EINVAL : Buffer.from(value.subarray(0, size));
  };
  const [destination, gateway, prefSource] = [bytes(view.RTA_DST), bytes(view.RTA_GATEWAY), bytes(view.RTA_PREFSRC)];
  if (isErrno(destination) || isErrno(gateway) || isErrno(prefSource) || prefix > size * 8) return EINVAL;
  const target = destination ?? Buffer.alloc(size);
  if (!masked(target, prefix).equals(target)) return EINVAL;
  const priority = wordOf(attributes, view.RTA_PRIORITY) ?? (family === AF_INET6 ? 1024 : 0);
  return {
    family,
    destination: target,
    prefix,
    table: wordOf(attributes, view.RTA_TABLE) ?? (table === 0 ? view.RT_TABLE_MAIN : table),
    type: type === 0 ? view.RTN_UNICAST : type,
    scope: family === AF_INET ? scope : 0,
    protocol,
    oif: wordOf(attributes, view.RTA_OIF) ?? 0,
    gateway,
    priority,
    prefSource,
  };
}

/** Does what a request for change asks. Errors: EPERM (no capability, or the host's network), those of each. */
export function changeNetwork(ctx: IoContext, mayChange: boolean, header: MessageHeader, body: Buffer): number {
  const now = view.network.view;
  if (!mayChange || !(now instanceof VirtualNetwork)) return EPERM;
  switch (header.type) {
    case RTM_NEWLINK:
    case RTM_SETLINK:
      return newLink(ctx, now, header, body);
    case RTM_DELLINK:
      return delLink(now, body);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return changeNeighbour(now, header.type === RTM_NEWNEIGH, body);
    case RTM_NEWNSID:
      return newNetworkId(ctx, now, body);
    case RTM_NEWADDR:
      return newAddress(now, header, body);
    case RTM_DELADDR:
      return delAddress(now, body);
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const route = parseRoute(body);
      if (isErrno(route)) return route;
      return header.type === RTM_NEWROUTE
        ? now.addRoute(route, (header.flags & NLM_F_REPLACE) !== 0)
        : now.removeRoute(route);
    }
    default:
      return EOPNOTSUPP;
  }
}
