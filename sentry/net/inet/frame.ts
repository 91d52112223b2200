// SPDX-License-Identifier: Apache-2.0

/**
 * The bytes of packets that nobody else needs as bytes: for filters, packet sockets and tun devices.
 *
 * Linux: include/uapi/linux/if_ether.h, ip.h, ipv6.h, udp.h
 */
import { AF_INET6, IPPROTO_UDP } from '../../../platform/abi/linux/socket.ts';
import type { FilterPacket } from '../filter/filter_program.ts';
import { checksum, type Packet, pseudoSum, withIpv4Header } from './icmp.ts';
import { type Endpoint, encodeEndpoint } from './inet_address.ts';

export const ETH_HLEN = 14;
export const ETH_P_IP = 0x0800;
export const ETH_P_IPV6 = 0x86dd;
export const IPV6_HEADER = 40;
export const UDP_HEADER = 8;
export const PACKET_HOST = 0;
const ARPHRD_LOOPBACK = 772;
const NO_ADDRESS = Buffer.alloc(6);

/** The packet with its header of either version. */
export function ipBytes(packet: Packet): Buffer {
  if (!packet.isV6) return withIpv4Header(packet);
  const bytes = Buffer.alloc(IPV6_HEADER + packet.payload.length);
  bytes.writeUInt32BE(((6 << 28) | (packet.tos << 20)) >>> 0, 0);
  bytes.writeUInt16BE(packet.payload.length, 4);
  bytes[6] = packet.protocol;
  bytes[7] = packet.ttl;
  bytes.set(encodeEndpoint(packet.from, AF_INET6).subarray(8, 24), 8);
  bytes.set(encodeEndpoint(packet.to, AF_INET6).subarray(8, 24), 24);
  packet.payload.copy(bytes, IPV6_HEADER);
  return bytes;
}

/** A UDP header and its data. */
export function udpSegment(from: Endpoint, to: Endpoint, data: Uint8Array, protocol: number = IPPROTO_UDP): Buffer {
  const bytes = Buffer.alloc(UDP_HEADER + data.length);
  bytes.writeUInt16BE(from.port, 0);
  bytes.writeUInt16BE(to.port, 2);
  bytes.writeUInt16BE(bytes.length, 4);
  bytes.set(data, UDP_HEADER);
  const sum = checksum(bytes, pseudoSum({ isV6: to.isV6, from, to, protocol }, bytes.length));
  bytes.writeUInt16BE(sum === 0 ? 0xffff : sum, 6);
  return bytes;
}

/** An Ethernet frame around `payload`. */
export function ethernetFrame(payload: Uint8Array, protocol: number, to: Uint8Array, from: Uint8Array): Buffer {
  const frame = Buffer.alloc(ETH_HLEN + payload.length);
  frame.set(to, 0);
  frame.set(from, 6);
  frame.writeUInt16BE(protocol, 12);
  frame.set(payload, ETH_HLEN);
  return frame;
}

/** A packet as the filter of a socket sees it that begins with the network's header, or with what follows it. */
export function filterView(packet: Packet, index: number, begins: 'network' | 'transport'): FilterPacket {
  const protocol = packet.isV6 ? ETH_P_IPV6 : ETH_P_IP;
  const ip = ipBytes(packet);
  const header = ip.length - packet.payload.length;
  return {
    bytes: ethernetFrame(ip, protocol, NO_ADDRESS, NO_ADDRESS),
    start: begins === 'network' ? ETH_HLEN : ETH_HLEN + header,
    network: ETH_HLEN,
    link: 0,
    protocol,
    type: PACKET_HOST,
    interface: index,
    hardware: ARPHRD_LOOPBACK,
    payload: (begins === 'network' ? header : 0) + UDP_HEADER,
  };
}
