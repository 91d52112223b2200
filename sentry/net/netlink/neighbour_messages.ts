// SPDX-License-Identifier: Apache-2.0

/**
 * RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH: the neighbour tables as rtnetlink tells and changes them, and /proc/net/arp.
 *
 * Linux: net/core/neighbour.c (neigh_add, neigh_fill_info), net/ipv4/arp.c (arp_seq_show); rtnetlink(7)
 */
import { EINVAL, ENODEV, ENOENT, isErrno } from '../../../platform/abi/linux/errno.ts';
import { AF_INET, AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import { decodeEndpoint, type Endpoint, encodeEndpoint } from '../inet/inet_address.ts';
import type { Neighbour } from '../link/neighbours.ts';
import { BodyWriter, readAttributes } from './netlink_message.ts';
import * as view from './network_view.ts';
import { VirtualNetwork } from './virtual_network.ts';

const NDA_DST = 1;
const NDA_LLADDR = 2;
const NUD_INCOMPLETE = 1;
const NUD_REACHABLE = 2;
const NUD_PERMANENT = 0x80;
const RTN_UNICAST = 1;
const NDMSG_SIZE = 12;
const MAC_SIZE = 6;
const ARP_HEAD = 'IP address       HW type     Flags       HW address            Mask     Device\n';

function endpointOf(family: number, bytes: Buffer): Endpoint | null {
  const address = Buffer.alloc(28);
  address.writeUInt16LE(family, 0);
  bytes.copy(address, family === AF_INET ? 4 : 8);
  const endpoint = decodeEndpoint(address, family);
  return isErrno(endpoint) ? null : endpoint;
}

/** Errors: EINVAL, ENODEV, ENOENT. */
export function changeNeighbour(network: VirtualNetwork, isNew: boolean, body: Buffer): number {
  if (body.length < NDMSG_SIZE) return EINVAL;
  const family = body[0] as number;
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  const attributes = readAttributes(body.subarray(NDMSG_SIZE));
  const destination = attributes.get(NDA_DST);
  const index = body.readInt32LE(4);
  if (size === 0 || destination === undefined || destination.length < size) return EINVAL;
  if (network.link(index, null) === null) return index === 0 ? EINVAL : ENODEV;
  const endpoint = endpointOf(family, destination);
  if (endpoint === null) return EINVAL;
  if (!isNew) return network.neighbours.forget(index, endpoint) ? 0 : ENOENT;
  const mac = attributes.get(NDA_LLADDR);
  if (mac === undefined || mac.length < MAC_SIZE) return EINVAL;
  const isPermanent = (body.readUInt16LE(8) & NUD_PERMANENT) !== 0;
  network.neighbours.learn(index, endpoint, mac.subarray(0, MAC_SIZE), isPermanent);
  return 0;
}

function bytesOf(address: Endpoint): Uint8Array {
  return address.isV6
    ? encodeEndpoint(address, AF_INET6).subarray(8, 24)
    : encodeEndpoint(address, AF_INET).subarray(4, 8);
}
function bodyOf(one: Neighbour): Buffer {
  const info = Buffer.alloc(NDMSG_SIZE);
  info[0] = one.address.isV6 ? AF_INET6 : AF_INET;
  info.writeInt32LE(one.index, 4);
  info.writeUInt16LE(one.isPermanent ? NUD_PERMANENT : one.mac === null ? NUD_INCOMPLETE : NUD_REACHABLE, 8);
  info[11] = RTN_UNICAST;
  const writer = new BodyWriter().raw(info).attribute(NDA_DST, Buffer.from(bytesOf(one.address)));
  return (one.mac === null ? writer : writer.attribute(NDA_LLADDR, one.mac)).body();
}

/** What a dump of `family` (0: both) gives. */
export function neighbourBodies(family: number): Buffer[] {
  const now = view.network.view;
  if (!(now instanceof VirtualNetwork)) return [];
  return [...now.neighbours.all].map(bodyOf).filter((body) => family === 0 || body[0] === family);
}

/** Text of /proc/net/arp. */
export function arpText(): string {
  const now = view.network.view;
  if (!(now instanceof VirtualNetwork)) return ARP_HEAD;
  let text = ARP_HEAD;
  for (const { address, mac, index, isPermanent } of now.neighbours.all) {
    if (address.isV6) continue;
    const ip = [...bytesOf(address)].join('.').padEnd(16);
    const flags = mac === null ? '0x0' : isPermanent ? '0x6' : '0x2';
    const hardware = (mac ?? Buffer.alloc(MAC_SIZE)).toString('hex').replace(/..(?=.)/g, '$&:');
    const device = now.link(index, null)?.name ?? '';
    text += `${ip} 0x1         ${flags}         ${hardware}     *        ${device}\n`;
  }
  return text;
}
