// SPDX-License-Identifier: Apache-2.0

/**
 * Packets and frames on their way: sent by a host, received on an interface, answered (ARP), passed on.
 *
 * Linux:      net/ipv4/ip_output.c, net/ipv4/ip_input.c, net/ipv4/ip_forward.c, net/ipv4/arp.c (arp_process), net/core/dev.c
 * Invariants: nothing is fragmented or put together; frames go at most DEPTH_MAX interfaces far before they are lost.
 */
import type { Task } from '../../kernel/task.ts';
import { CallbackTimer } from '../../time/timer_heap.ts';
import type { IoContext } from '../../vfs/context.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6, ipBytes } from '../inet/frame.ts';
import type { Packet } from '../inet/icmp.ts';
import { type Endpoint, isLoopback, isMulticast } from '../inet/inet_address.ts';
import type { Link } from '../netlink/view_bodies.ts';
import type { VirtualNetwork } from '../netlink/virtual_network.ts';
import { arpRequest, arpReply, ETH_P_ARP, readArp } from './arp.ts';
import { decodeIp } from './decode_ip.ts';
import { isUp, listenersOn, pathTo, routeTo } from './path.ts';
import { etherType, type Frame, frameOf, pass, passAlong, type Tap } from './taps.ts';

/** What a host does with a packet that is for it; set by the family of internet sockets. */
export const delivery: { local: (ctx: IoContext, link: Link, packet: Packet) => void } = { local: () => {} };

const DEPTH_MAX = 16;
/** How long ARP waits for an answer, all tries together. */
const RESOLVE_NS = 3_000_000_000;
let depth = 0;

/** Sends a packet from a host. Returns 0 or errno. Errors: ENETUNREACH, EHOSTUNREACH... (no route). */
export function sendPacket(ctx: IoContext, from: VirtualNetwork, packet: Packet, bound = 0): number {
  const path = pathTo(from, packet.to, bound);
  if (typeof path === 'number') return path;
  passAlong(path, packet.payload.length + (packet.isV6 ? 40 : 20), () => packet);
  const ttl = packet.ttl - path.forwards;
  if (ttl <= 0 || depth >= DEPTH_MAX) return 0;
  depth++;
  if (path.kind === 'arrives') delivery.local(ctx, path.link, path.forwards === 0 ? packet : { ...packet, ttl });
  else if (path.kind === 'leaves') leave(ctx, path.link, path.nextHop, { ...packet, ttl });
  depth--;
  return 0;
}

/** A packet goes to the program behind a tun or tap interface, when need be after asking for the next hop's address. */
function leave(ctx: IoContext, link: Link, nextHop: Endpoint, packet: Packet): void {
  const bytes = ipBytes(packet);
  if (link.kind === 'tun') {
    transmitFrame(ctx, link, frameOf(bytes, packet.isV6, link, null));
    return;
  }
  resolve(ctx, link, nextHop, (mac) => {
    if (mac !== null) transmitFrame(ctx, link, frameOf(bytes, packet.isV6, link, { ...link, mac }));
  });
}

/** Sends a packet to everybody on an interface. */
export function sendDirect(ctx: IoContext, link: Link, packet: Packet): void {
  leave(ctx, link, packet.to, packet);
}

/** Finds a neighbour's address out, asking when it is not known. `then` gets null when nobody answers. */
export function resolve(ctx: IoContext, link: Link, address: Endpoint, then: (mac: Buffer | null) => void): void {
  const { network } = link;
  if (isMulticast(address) || network.isBroadcast(address)) {
    then(Buffer.alloc(6, 0xff));
    return;
  }
  if (!network.neighbours.whenKnown(link.index, address, then)) return;
  const request = arpRequest(link, address);
  if (request !== null) transmitFrame(ctx, link, { bytes: request, headerSize: ETH_HLEN, protocol: ETH_P_ARP });
  const { kernel } = ctx as Task;
  const timer = new CallbackTimer(() => network.neighbours.fail(link.index, address));
  kernel.timers.arm(timer, kernel.clock.monotonicNs() + RESOLVE_NS);
}

/** A frame is sent on an interface; `except` does not see it leave. */
export function transmitFrame(ctx: IoContext, link: Link, frame: Frame, except: Tap | null = null): void {
  if (depth >= DEPTH_MAX) return;
  depth++;
  pass(link, frame, 'out', except);
  if (link.isLoopback) receiveFrame(ctx, link, frame);
  else if (link.kind === 'tun' || link.kind === 'tap') {
    if (link.device === null) link.counters.txDropped++;
    else link.device.take(frame.bytes, frame.protocol);
  } else {
    const hearing = listenersOn(link);
    const to = Buffer.from(frame.bytes.buffer, frame.bytes.byteOffset, 6);
    const named = hearing.find((one) => one.mac.equals(to));
    for (const one of named === undefined ? hearing : [named]) receiveFrame(ctx, one, frame);
  }
  depth--;
}

/** A frame comes in by an interface. */
export function receiveFrame(ctx: IoContext, link: Link, sent: Frame): void {
  const frame = sent.headerSize === 0 ? sent : { ...sent, protocol: etherType(sent.bytes) };
  pass(link, frame, 'in');
  if (!isUp(link)) return;
  const isForUs = frame.headerSize === 0 || isAddressed(link, frame.bytes);
  if (!isForUs) return;
  const payload = Buffer.from(
    frame.bytes.buffer,
    frame.bytes.byteOffset + frame.headerSize,
    frame.bytes.length - frame.headerSize,
  );
  if (frame.protocol === ETH_P_ARP) receiveArp(ctx, link, payload);
  else if (frame.protocol === ETH_P_IP || frame.protocol === ETH_P_IPV6) {
    const packet = decodeIp(payload, frame.protocol === ETH_P_IPV6);
    if (packet !== null) receiveIp(ctx, link, packet);
  }
}
function isAddressed(link: Link, bytes: Uint8Array): boolean {
  return link.isLoopback || ((bytes[0] as number) & 1) !== 0 || link.mac.equals(bytes.subarray(0, 6));
}

function receiveArp(ctx: IoContext, link: Link, payload: Buffer): void {
  const arp = readArp(payload);
  if (arp === null) return;
  const { network } = link;
  const isOurs = network.hasAddress(arp.target);
  if (isOurs || network.neighbours.find(link.index, arp.sender) !== null)
    network.neighbours.learn(link.index, arp.sender, arp.senderMac);
  if (!arp.isRequest || !isOurs) return;
  transmitFrame(ctx, link, { bytes: arpReply(link, arp), headerSize: ETH_HLEN, protocol: ETH_P_ARP });
}

function receiveIp(ctx: IoContext, link: Link, packet: Packet): void {
  const { network } = link;
  // Such addresses never come in by an interface (martians).
  if (packet.isV6 ? isLoopback(packet.to) && !link.isLoopback : isLoopback(packet.to) || isLoopback(packet.from))
    return;
  if (network.hasAddress(packet.to) || network.isBroadcast(packet.to) || isMulticast(packet.to))
    delivery.local(ctx, link, packet);
  else if (network.forwardsPackets && packet.ttl > 1 && typeof routeTo(network, packet.to) !== 'number')
    sendPacket(ctx, network, { ...packet, ttl: packet.ttl - 1 });
}
