// SPDX-License-Identifier: Apache-2.0

/**
 * ARP messages: questions and answers about who has an IPv4 address.
 *
 * Linux: net/ipv4/arp.c (arp_create, arp_process), include/uapi/linux/if_arp.h; RFC 826
 */
import { AF_INET } from '../../../platform/abi/linux/socket.ts';
import { ethernetFrame } from '../inet/frame.ts';
import type { Endpoint } from '../inet/inet_address.ts';
import type { Link } from '../netlink/view_bodies.ts';
import { masked } from '../netlink/view_bodies.ts';
import { addressBytes, endpointFrom } from './path.ts';

export const ETH_P_ARP = 0x0806;
const ARP_SIZE = 28;
const ARPHRD_ETHER = 1;
const ETH_P_IP = 0x0800;
const REQUEST = 1;
const REPLY = 2;
const EVERYBODY = Buffer.alloc(6, 0xff);

export interface Arp {
  readonly isRequest: boolean;
  readonly sender: Endpoint;
  readonly senderMac: Buffer;
  readonly target: Endpoint;
}

function message(operation: number, fromMac: Buffer, from: Uint8Array, toMac: Uint8Array, to: Uint8Array): Buffer {
  const bytes = Buffer.alloc(ARP_SIZE);
  bytes.writeUInt16BE(ARPHRD_ETHER, 0);
  bytes.writeUInt16BE(ETH_P_IP, 2);
  bytes[4] = 6;
  bytes[5] = 4;
  bytes.writeUInt16BE(operation, 6);
  bytes.set(fromMac, 8);
  bytes.set(from, 14);
  bytes.set(toMac, 18);
  bytes.set(to, 24);
  return bytes;
}

/** The frame that asks everybody on a link who has an address; null: there is no such question (IPv6, or no address to ask from). */
export function arpRequest(link: Link, address: Endpoint): Buffer | null {
  if (address.isV6) return null;
  const to = addressBytes(address);
  const own = link.network.addressesOn(link.index, AF_INET);
  const from = own.find((one) => masked(to, one.prefix).equals(masked(one.ip, one.prefix))) ?? own[0];
  if (from === undefined) return null;
  return ethernetFrame(message(REQUEST, link.mac, from.ip, Buffer.alloc(6), to), ETH_P_ARP, EVERYBODY, link.mac);
}
/** The frame that answers. */
export function arpReply(link: Link, asked: Arp): Buffer {
  const body = message(REPLY, link.mac, addressBytes(asked.target), asked.senderMac, addressBytes(asked.sender));
  return ethernetFrame(body, ETH_P_ARP, asked.senderMac, link.mac);
}

/** Reads a message; null: not one about IPv4 on Ethernet. */
export function readArp(bytes: Buffer): Arp | null {
  if (bytes.length < ARP_SIZE || bytes.readUInt16BE(2) !== ETH_P_IP || bytes[4] !== 6 || bytes[5] !== 4) return null;
  const operation = bytes.readUInt16BE(6);
  if (operation !== REQUEST && operation !== REPLY) return null;
  return {
    isRequest: operation === REQUEST,
    senderMac: Buffer.from(bytes.subarray(8, 14)),
    sender: endpointFrom(bytes.subarray(14, 18)),
    target: endpointFrom(bytes.subarray(24, 28)),
  };
}
