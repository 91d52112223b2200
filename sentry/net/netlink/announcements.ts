// SPDX-License-Identifier: Apache-2.0

/**
 * What netlink sockets are told without having asked: changes of the network by group, and kobject uevents of its interfaces.
 *
 * Linux: net/core/rtnetlink.c (rtnl_notify), lib/kobject_uevent.c
 */
import { AF_INET, NETLINK_KOBJECT_UEVENT, NETLINK_ROUTE } from '../../../platform/abi/linux/socket.ts';
import { messageOf } from './netlink_message.ts';
import { parseLink } from './network_view.ts';
import type { Change } from './virtual_network.ts';

const RTM_NEWLINK = 16;
const RTM_NEWADDR = 20;
const RTM_NEWROUTE = 24;
const RTNLGRP_LINK = 1;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV4_ROUTE = 7;
const RTNLGRP_IPV6_IFADDR = 9;
const RTNLGRP_IPV6_ROUTE = 11;
const KERNEL_EVENTS = 1;

/** Sends a packet to the members of a group of a protocol. */
type Send = (protocol: number, group: number, packet: Buffer) => void;

/** Interfaces an 'add' was sent for, by namespace and index. */
const known = new Set<string>();
let uevents = 0;

function groupOf(kind: Change, family: number): readonly [type: number, group: number] {
  if (kind === 'link') return [RTM_NEWLINK, RTNLGRP_LINK];
  if (kind === 'address') return [RTM_NEWADDR, family === AF_INET ? RTNLGRP_IPV4_IFADDR : RTNLGRP_IPV6_IFADDR];
  return [RTM_NEWROUTE, family === AF_INET ? RTNLGRP_IPV4_ROUTE : RTNLGRP_IPV6_ROUTE];
}

function uevent(send: Send, action: string, name: string, index: number): void {
  const path = `/devices/virtual/net/${name}`;
  const text = `${action}@${path}\0ACTION=${action}\0DEVPATH=${path}\0SUBSYSTEM=net\0INTERFACE=${name}\0IFINDEX=${index}\0SEQNUM=${++uevents}\0`;
  send(NETLINK_KOBJECT_UEVENT, KERNEL_EVENTS, Buffer.from(text, 'latin1'));
}

/** Tells of one change. */
export function announce(
  send: Send,
  tag: number,
  kind: Change,
  isGone: boolean,
  body: Uint8Array,
  family: number,
): void {
  const [type, group] = groupOf(kind, family);
  send(NETLINK_ROUTE, group, messageOf(isGone ? type + 1 : type, 0, 0, 0, body));
  if (kind !== 'link') return;
  const { index, name } = parseLink(body);
  const key = `${tag}/${index}`;
  if (isGone) {
    known.delete(key);
    uevent(send, 'remove', name, index);
  } else if (!known.has(key) && index !== 1) {
    known.add(key);
    uevent(send, 'add', name, index);
  }
}
