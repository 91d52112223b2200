// SPDX-License-Identifier: Apache-2.0

/**
 * Packets of the loopback network that are no one's stream or datagram: what raw and ping sockets send and get, and the
 * network's own answers to echo requests.
 *
 * Linux: net/ipv4/icmp.c (icmp_rcv, icmp_echo), net/ipv4/ping.c (ping_rcv), net/ipv4/raw.c (raw_v4_input), net/ipv6/icmp.c
 */
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../../platform/abi/linux/socket.ts';
import { countPacket, netCounters } from '../../kernel/net_counters.ts';
import type { IoContext } from '../../vfs/context.ts';
import { sourceAddress } from '../link/path.ts';
import { sendPacket } from '../link/packets.ts';
import { taps } from '../link/taps.ts';
import type { Link } from '../netlink/view_bodies.ts';
import type { VirtualNetwork } from '../netlink/virtual_network.ts';
import { realtime } from './ancillary.ts';
import type { Datagram, DatagramSocket } from './datagram_socket.ts';
import { AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import { type Endpoint, encodeEndpoint, isMulticast } from './inet_address.ts';
import { ipBytes, udpSegment } from './frame.ts';
import { PortTable } from './port_table.ts';

const ICMP_ECHOREPLY = 0;
const ICMP_DEST_UNREACH = 3;
export const ICMP_ECHO = 8;
export const ICMPV6_ECHO_REQUEST = 128;
const ICMPV6_ECHO_REPLY = 129;
export const ICMP_HEADER = 8;
export const IPV4_HEADER = 20;
const NO_STAMP = [0, 0] as const;
const IPPROTO_UDP = 17;
const QUOTED_MAX = 548;

/** An IP packet: addresses without ports, and what follows the header. */
export interface Packet {
  readonly isV6: boolean;
  readonly protocol: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly ttl: number;
  readonly tos: number;
  readonly payload: Buffer;
}

/** A raw socket's view of a packet: does it want it, and how are the bytes shown. */
export interface RawReceiver extends DatagramSocket {
  wantsPacket(packet: Packet): boolean;
}

export const rawSockets = new Set<RawReceiver>();
/** Identifiers of ping sockets, as their ports. */
export const pingPorts = new PortTable();
export const pingPorts6 = new PortTable();

/** The internet checksum of `bytes`, on top of `sum`. */
export function checksum(bytes: Uint8Array, sum = 0): number {
  let total = sum;
  for (let i = 0; i + 1 < bytes.length; i += 2) total += (bytes[i] as number) * 256 + (bytes[i + 1] as number);
  if (bytes.length % 2 === 1) total += (bytes[bytes.length - 1] as number) * 256;
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 65536);
  return ~total & 0xffff;
}

/** Sum of the pseudo header that ICMPv6, UDP and TCP are checked with. */
export function pseudoSum(packet: Pick<Packet, 'from' | 'to' | 'protocol' | 'isV6'>, length: number): number {
  if (!packet.isV6) {
    const short = Buffer.alloc(12);
    short.writeUInt32BE(packet.from.ip, 0);
    short.writeUInt32BE(packet.to.ip, 4);
    short.writeUInt16BE(packet.protocol, 8);
    short.writeUInt16BE(length, 10);
    return ~checksum(short) & 0xffff;
  }
  const bytes = Buffer.alloc(40);
  bytes.set(encodeEndpoint(packet.from, AF_INET6).subarray(8, 24), 0);
  bytes.set(encodeEndpoint(packet.to, AF_INET6).subarray(8, 24), 16);
  bytes.writeUInt32BE(length, 32);
  bytes.writeUInt32BE(packet.protocol, 36);
  return ~checksum(bytes) & 0xffff;
}

/** Writes the checksum of an ICMP or ICMPv6 message into it. */
export function sealIcmp(packet: Pick<Packet, 'from' | 'to' | 'protocol' | 'isV6' | 'payload'>): void {
  const { payload } = packet;
  payload.writeUInt16BE(0, 2);
  payload.writeUInt16BE(checksum(payload, packet.isV6 ? pseudoSum(packet, payload.length) : 0), 2);
}
/** Writes the checksum of an IPv6 packet's payload into it at `at`. */
export function sealAt(packet: Packet, at: number): void {
  packet.payload.writeUInt16BE(0, at);
  packet.payload.writeUInt16BE(checksum(packet.payload, pseudoSum(packet, packet.payload.length)), at);
}
function isIntact(packet: Packet): boolean {
  return checksum(packet.payload, packet.isV6 ? pseudoSum(packet, packet.payload.length) : 0) === 0;
}

let identification = 1;

/** The packet with its IPv4 header, as a raw socket is shown it. */
export function withIpv4Header(packet: Packet): Buffer {
  const bytes = Buffer.alloc(IPV4_HEADER + packet.payload.length);
  bytes[0] = 0x45;
  bytes[1] = packet.tos;
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(identification++ & 0xffff, 4);
  bytes[8] = packet.ttl;
  bytes[9] = packet.protocol;
  bytes.writeUInt32BE(packet.from.ip, 12);
  bytes.writeUInt32BE(packet.to.ip, 16);
  bytes.writeUInt16BE(checksum(bytes.subarray(0, IPV4_HEADER)), 10);
  packet.payload.copy(bytes, IPV4_HEADER);
  return bytes;
}

function toDatagram(ctx: IoContext, link: Link, packet: Packet, data: Uint8Array, wantsStamp: boolean): Datagram {
  const { from, to, ttl, tos } = packet;
  return { data, from, to, ttl, tos, interface: link.index, stamp: wantsStamp ? realtime(ctx) : NO_STAMP };
}

/** Hands a packet to the raw sockets that want it. */
function deliverRaw(ctx: IoContext, link: Link, packet: Packet): void {
  if (rawSockets.size === 0) return;
  const { tag } = link.network;
  for (const socket of [...rawSockets]) {
    if (socket.netTag !== tag || !socket.wantsPacket(packet) || !socket.hears(link.index)) continue;
    const data = packet.isV6 ? Buffer.from(packet.payload) : withIpv4Header(packet);
    socket.deliver(toDatagram(ctx, link, packet, data, socket.wantsStamp));
  }
}

/** A packet reaches a host: raw sockets see it, echo requests are answered, answers go to the ping socket that asked. */
export function receivePacket(ctx: IoContext, link: Link, packet: Packet): void {
  countPacket();
  deliverRaw(ctx, link, packet);
  const isIcmp = packet.protocol === (packet.isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  if (!isIcmp || packet.payload.length < ICMP_HEADER || !isIntact(packet)) return;
  const type = packet.payload[0] as number;
  if (!packet.isV6) countIcmp(type);
  if (type === (packet.isV6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO)) answerEcho(ctx, link, packet);
  else if (type === (packet.isV6 ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY)) deliverReply(ctx, link, packet);
}

function countIcmp(type: number): void {
  const { Icmp } = netCounters;
  Icmp.InMsgs++;
  Icmp.OutMsgs++;
  if (type === ICMP_ECHO) Icmp.InEchos++;
  else if (type === ICMP_ECHOREPLY) {
    Icmp.InEchoReps++;
    Icmp.OutEchoReps++;
  } else if (type === ICMP_DEST_UNREACH) {
    Icmp.InDestUnreachs++;
    Icmp.OutDestUnreachs++;
  }
}

function answerEcho(ctx: IoContext, link: Link, request: Packet): void {
  const payload = Buffer.from(request.payload);
  payload[0] = request.isV6 ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY;
  // What was sent to many is answered by one.
  const isToMany = isMulticast(request.to) || link.network.isBroadcast(request.to);
  const from = isToMany ? sourceAddress(link.network, request.from) : request.to;
  if (from === null) return;
  const reply = { ...request, from, to: request.from, ttl: 64, payload };
  sealIcmp(reply);
  sendPacket(ctx, link.network, reply);
}

function deliverReply(ctx: IoContext, link: Link, packet: Packet): void {
  const table = packet.isV6 ? pingPorts6 : pingPorts;
  for (const socket of table.at(packet.payload.readUInt16BE(4), link.network.tag) as ReadonlySet<RawReceiver>) {
    if (!socket.wantsPacket(packet)) continue;
    socket.deliver(toDatagram(ctx, link, packet, Buffer.from(packet.payload), socket.wantsStamp));
    return;
  }
}

const ICMPV6_DEST_UNREACH = 1;
const ICMPV6_PORT_UNREACH = 4;

/** A UDP datagram found nobody on a host of `network`: raw sockets and taps see the ICMP message that says so. */
export function tellUnreachable(
  ctx: IoContext,
  network: VirtualNetwork,
  data: Uint8Array,
  from: Endpoint,
  to: Endpoint,
): void {
  if ((rawSockets.size === 0 || from.isV6) && taps.size === 0) return;
  const payload = udpSegment(from, to, data);
  answerUnreachable(ctx, network, { isV6: from.isV6, protocol: IPPROTO_UDP, from, to, ttl: 64, tos: 0, payload });
}

/** Sends "port unreachable" to where a packet came from. */
export function answerUnreachable(ctx: IoContext, network: VirtualNetwork, original: Packet): void {
  const { isV6, from, to } = original;
  const head = isV6 ? [ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH] : [ICMP_DEST_UNREACH, 3];
  const payload = Buffer.concat([Buffer.from([...head, 0, 0, 0, 0, 0, 0]), ipBytes(original).subarray(0, QUOTED_MAX)]);
  const protocol = isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  const packet = { isV6, protocol, from: to, to: from, ttl: 64, tos: isV6 ? 0 : 0xc0, payload };
  sealIcmp(packet);
  sendPacket(ctx, network, packet);
}
