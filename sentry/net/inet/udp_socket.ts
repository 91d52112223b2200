// SPDX-License-Identifier: Apache-2.0

/**
 * UdpSocket: UDP between sockets of the same sandbox.
 *
 * Linux: net/ipv4/udp.c; udp(7)
 */
import {
  EACCES,
  ECONNREFUSED,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
  type Errno,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  IP_MULTICAST_ALL,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_MULTICAST_ALL,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_LOOP,
  MSG_MORE,
  MSG_OOB,
  MSG_PROBE,
  SO_BROADCAST,
  SOCK_DGRAM,
} from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { OutgoingMessage } from '../socket.ts';
import { realtime } from './ancillary.ts';
import type { FilterPacket } from '../filter/filter_program.ts';
import { runSocketFilter } from '../filter/filter_program.ts';
import { type Datagram, DatagramSocket, SEND_SHUTDOWN } from './datagram_socket.ts';
import { filterView, UDP_HEADER, udpSegment } from './frame.ts';
import {
  anyEndpoint,
  decodeEndpoint,
  destination,
  type Endpoint,
  familyOf,
  isAny,
  isLoopback,
  isMulticast,
  sameHost,
  sourceFor,
} from './inet_address.ts';
import { isJoined, routedInterface } from './multicast.ts';
import { countPacket, netCounters } from '../../kernel/net_counters.ts';
import { PortTable } from './port_table.ts';
import { refusedControl } from './sent_control.ts';
import { PendingDatagram, segments, segmentSize, UDP_CORK, UDP_SEGMENT } from './udp_cork.ts';
import { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6 } from './queued_error.ts';
import { interfaceOfAddress } from '../netlink/network_view.ts';
import type { Link } from '../netlink/view_bodies.ts';
import type { VirtualNetwork } from '../netlink/virtual_network.ts';
import { withNetwork } from '../net_namespace.ts';
import { endpointFrom, listenersOn, pathTo, routeTo } from '../link/path.ts';
import { sendDirect, sendPacket } from '../link/packets.ts';
import { passAlong, taps } from '../link/taps.ts';
import { answerUnreachable, checksum, type Packet, pseudoSum } from './icmp.ts';

export const udpPorts = new PortTable();
/** Ports of UDP-Lite are its own. */
export const udpLitePorts = new PortTable();

const DATAGRAM_MAX = 65507;
const LO_INDEX = 1;
/** Bytes of headers, for counting. */
const IP_AND_UDP = 28;
const NO_STAMP = [0, 0] as const;
/** As much of a datagram's data as ICMP quotes. */
const QUOTED_MAX = 520;
const QUOTED6_MAX = 1184;
/** Told to raw sockets when a datagram found nobody; set by the family. */
export const unreachableHook: {
  notify: (ctx: IoContext, network: VirtualNetwork, data: Uint8Array, from: Endpoint, to: Endpoint) => void;
} = {
  notify: () => {},
};

export class UdpSocket extends DatagramSocket {
  /** The address was chosen by connect, not bind: disconnecting gives it up. */
  private isBoundByConnect = false;
  /** What MSG_MORE and UDP_CORK hold back. */
  private pending: PendingDatagram | null = null;

  constructor(ctx: IoContext, family: number, protocol: number = IPPROTO_UDP) {
    super(ctx, family, SOCK_DGRAM, protocol, protocol === IPPROTO_UDP ? udpPorts : udpLitePorts);
  }

  protected override get headerSize(): number {
    return UDP_HEADER;
  }
  protected override filterView({ data, from, to, ttl, tos, interface: index }: Datagram): FilterPacket {
    const payload = udpSegment(from, to, data);
    return filterView({ isV6: to.isV6, protocol: IPPROTO_UDP, from, to, ttl, tos, payload }, index, 'transport');
  }

  override connect(_ctx: IoContext, address: Uint8Array): number {
    if (familyOf(address) === AF_UNSPEC && address.length >= 2) {
      this.remote = null;
      if (this.isBoundByConnect) this.local = { ...anyEndpoint(this.family), port: this.local.port };
      return 0;
    }
    const isFour = this.family === AF_INET6 && familyOf(address) === AF_INET;
    if (isFour && this.isV6Only) return EAFNOSUPPORT;
    const wanted = decodeEndpoint(address, isFour ? AF_INET : this.family);
    if (isErrno(wanted)) return wanted;
    const to = destination(wanted);
    const refused = this.cannotSend(to);
    if (refused !== 0) return refused;
    const bound = this.autobind();
    if (bound < 0) return bound;
    if (isAny(this.local)) {
      this.local = this.sourceOf(to);
      this.isBoundByConnect = true;
    }
    this.remote = to;
    return 0;
  }
  /** Why `to` cannot be sent to; 0: it can. */
  private cannotSend(to: Endpoint): number {
    if (isMulticast(to)) {
      const out = this.outInterface(to);
      return out === null || (to.isV6 && out === LO_INDEX) ? ENETUNREACH : 0;
    }
    if (this.isBroadcast(to)) {
      const hasNoWay = to.ip === 0xffffffff && this.routed(to) === null;
      if (!this.flag(SO_BROADCAST)) return hasNoWay ? ENETUNREACH : EACCES;
      return hasNoWay && isAny(this.local) ? ENETUNREACH : 0;
    }
    return this.cannotReach(to);
  }
  /** The interface packets to a group leave by: told by option, by the bound address, by the route. */
  private outInterface(to: Endpoint): number | null {
    const { index, address } = this.multicastOut;
    if (this.boundIndex !== 0) return this.boundIndex;
    if (index !== 0) return index;
    if (address !== 0) return this.ofAddress(address);
    if (!this.local.isV6 && !isAny(this.local)) return this.ofAddress(this.local.ip);
    if (to.isV6 && isLoopback(this.local)) return LO_INDEX;
    return this.routed(to);
  }
  private ofAddress(ip: number): number | null {
    return withNetwork(this.net, () => interfaceOfAddress(ip));
  }
  private routed(to: Endpoint): number | null {
    if (!isMulticast(to) && to.ip !== 0xffffffff) {
      const route = routeTo(this.network, to, this.boundIndex);
      return typeof route === 'number' ? null : route.oif;
    }
    return this.boundIndex !== 0 ? this.boundIndex : withNetwork(this.net, () => routedInterface(to));
  }
  private sourceOf(to: Endpoint): Endpoint {
    const { port } = this.local;
    if (!isMulticast(to) && to.ip !== 0xffffffff) return this.sourceTo(to, port);
    const { address } = this.multicastOut;
    if (!to.isV6 && address !== 0) return { isV6: false, ip: address, port };
    const own = this.network.addressesOn(this.outInterface(to) ?? LO_INDEX, to.isV6 ? AF_INET6 : AF_INET)[0];
    return own === undefined
      ? sourceFor({ ...anyEndpoint(0), isV6: to.isV6 } as Endpoint, port)
      : endpointFrom(own.ip, port);
  }

  override shutdown(how: number): number {
    this.shutdownMask |= how + 1;
    this.waitQueue.wake();
    return this.remote === null ? ENOTCONN : 0;
  }

  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    const isOob = (message.flags & MSG_OOB) !== 0;
    if (isOob && this.family === AF_INET) return EOPNOTSUPP;
    if (message.io.remaining > 65535) return EMSGSIZE;
    const to = this.pending?.to ?? this.target(message.address);
    if (isErrno(to)) return to;
    if (isOob) return EOPNOTSUPP;
    const { io, control } = message;
    const length = io.remaining;
    if ((this.pending?.length ?? 0) + length > DATAGRAM_MAX) return EMSGSIZE;
    const unknown = refusedControl(this.family, control);
    if (unknown !== 0) return unknown;
    const refused = this.cannotSend(to);
    if (refused !== 0) return refused;
    if ((message.flags & MSG_PROBE) !== 0) return length;
    if (this.error !== 0) return -this.takeError();
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return EPIPE;
    const bound = this.autobind();
    if (bound < 0) return bound;
    const data = Buffer.allocUnsafe(length);
    if (length > 0 && io.take(data, 0, length) < length) return EFAULT;
    const isMore = (message.flags & MSG_MORE) !== 0 || this.intOption(IPPROTO_UDP, UDP_CORK) !== 0;
    if (isMore || this.pending !== null) return this.hold(ctx, data, to, control, isMore);
    return this.transmitAll(ctx, data, to, control);
  }
  override sendRefusal(_ctx: IoContext, message: OutgoingMessage): number {
    const to = this.pending?.to ?? this.target(message.address);
    return isErrno(to) ? to : 0;
  }
  /** Adds to the datagram that is being put together; sends it when this was the last part. */
  private hold(
    ctx: IoContext,
    data: Buffer,
    to: Endpoint,
    control: OutgoingMessage['control'],
    isMore: boolean,
  ): number {
    this.pending ??= new PendingDatagram(to, control);
    this.pending.add(data);
    if (isMore) return data.length;
    const result = this.uncork(ctx);
    return result < 0 ? result : data.length;
  }
  private uncork(ctx: IoContext): number {
    const { pending } = this;
    this.pending = null;
    return pending === null ? 0 : this.transmitAll(ctx, pending.whole(), pending.to, pending.control);
  }
  private transmitAll(ctx: IoContext, data: Uint8Array, to: Endpoint, control: OutgoingMessage['control']): number {
    const parts = segments(data, segmentSize(control, this.intOption(IPPROTO_UDP, UDP_SEGMENT)));
    if (typeof parts === 'number') return parts;
    for (const part of parts) this.transmit(ctx, part, to, control);
    return data.length;
  }
  override setOption(ctx: IoContext, level: number, name: number, value: Uint8Array): number {
    const result = super.setOption(ctx, level, name, value);
    const isUncorked = level === IPPROTO_UDP && name === UDP_CORK && this.intOption(IPPROTO_UDP, UDP_CORK) === 0;
    if (result === 0 && isUncorked) this.uncork(ctx);
    return result;
  }
  private transmit(ctx: IoContext, data: Uint8Array, to: Endpoint, control: OutgoingMessage['control']): void {
    netCounters.Udp.OutDatagrams++;
    countPacket();
    const from = spokenFor(control, this.local.port) ?? (isAny(this.local) ? this.sourceOf(to) : this.local);
    if (isMulticast(to) || this.isBroadcast(to)) {
      this.spread(ctx, data, from, to);
      return;
    }
    const path = pathTo(this.network, to, this.boundIndex);
    if (typeof path === 'number') return;
    const { ttl, tos } = this.markings(control);
    const made = (): Packet => this.packetOf(from, to, ttl, tos, data);
    if (path.kind === 'leaves') {
      sendPacket(ctx, this.network, made(), this.boundIndex);
      return;
    }
    passAlong(path, data.length + IP_AND_UDP, made);
    if (path.kind === 'lost' || ttl <= path.forwards) return;
    const { network, link } = path;
    const receiver = findReceiver(this.table, to, from, network.tag, data, link.index);
    if (receiver === null) {
      this.unreachable(ctx, network, data, from, to);
      return;
    }
    const stamp = receiver.wantsStamp ? realtime(ctx) : NO_STAMP;
    netCounters.Udp.InDatagrams++;
    receiver.deliver({ data, from, to, ttl: ttl - path.forwards, tos, interface: link.index, stamp });
  }
  private packetOf(from: Endpoint, to: Endpoint, ttl: number, tos: number, data: Uint8Array): Packet {
    return {
      isV6: to.isV6,
      protocol: this.protocol,
      from,
      to,
      ttl,
      tos,
      payload: udpSegment(from, to, data, this.protocol),
    };
  }
  /** Sends to every socket a group or broadcast address means. */
  private spread(ctx: IoContext, data: Uint8Array, from: Endpoint, to: Endpoint): void {
    const isGroup = isMulticast(to);
    const index = (isGroup ? this.outInterface(to) : this.routed(to)) ?? LO_INDEX;
    const { tos } = this.markings(null);
    const ttl = isGroup ? this.groupHops : this.markings(null).ttl;
    const { network } = this;
    const out = network.link(index, null);
    if (out !== null && taps.size > 0) this.showSpread(out, this.packetOf(from, to, ttl, tos, data));
    if (!isGroup || index === LO_INDEX || this.loopsBack)
      deliverToMany(ctx, this.table, network, index, { data, from, to, ttl, tos });
    if (out === null || out.isLoopback || ttl === 0) return;
    if (out.device !== null) sendDirect(ctx, out, this.packetOf(from, to, ttl, tos, data));
    for (const link of listenersOn(out)) {
      const isFor = isGroup || link.network.isBroadcast(to);
      if (isFor) deliverToMany(ctx, this.table, link.network, link.index, { data, from, to, ttl, tos });
    }
  }
  private showSpread(out: Link, packet: Packet): void {
    const hops = [{ link: out, direction: 'out' as const, to: null }];
    const heard = (out.isLoopback ? [out] : listenersOn(out)).map((link) => ({
      link,
      direction: 'in' as const,
      to: null,
    }));
    passAlong({ kind: 'lost', isUnresolved: false, hops: [...hops, ...heard], forwards: 0 }, 0, () => packet);
  }
  private get loopsBack(): boolean {
    const [level, name] =
      this.family === AF_INET ? [IPPROTO_IP, IP_MULTICAST_LOOP] : [IPPROTO_IPV6, IPV6_MULTICAST_LOOP];
    return this.intOption(level as number, name as number) !== 0;
  }
  private get groupHops(): number {
    const [level, name] =
      this.family === AF_INET ? [IPPROTO_IP, IP_MULTICAST_TTL] : [IPPROTO_IPV6, IPV6_MULTICAST_HOPS];
    return this.intOption(level as number, name as number);
  }
  takesFromMany(to: Endpoint, from: Endpoint, index: number): boolean {
    if (!isAny(this.local) && !sameHost(this.local, to)) return false;
    if (isAny(this.local) && this.local.isV6 !== to.isV6 && (to.isV6 || this.isV6Only)) return false;
    if (this.remote !== null && (!sameHost(this.remote, from) || this.remote.port !== from.port)) return false;
    if (!this.hears(index)) return false;
    if (!isMulticast(to)) return true;
    const [level, name] = to.isV6 ? [IPPROTO_IPV6, IPV6_MULTICAST_ALL] : [IPPROTO_IP, IP_MULTICAST_ALL];
    return this.memberships.lets(to, index, from, this.intOption(level as number, name as number) !== 0);
  }
  /** Nobody has the port: what ICMP's "port unreachable" does to the sender. */
  private unreachable(ctx: IoContext, network: VirtualNetwork, data: Uint8Array, from: Endpoint, to: Endpoint): void {
    netCounters.Udp.NoPorts++;
    unreachableHook.notify(ctx, network, data, from, to);
    const { remote } = this;
    // A connected socket hears only of its peer.
    const isMine = remote === null || (sameHost(remote, to) && remote.port === to.port);
    const sender = from.port === this.local.port && isMine ? this : null;
    sender?.reportError({
      errno: -ECONNREFUSED,
      origin: to.isV6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP,
      type: to.isV6 ? 1 : 3,
      code: to.isV6 ? 4 : 3,
      data: data.slice(0, to.isV6 ? QUOTED6_MAX : QUOTED_MAX),
      destination: to,
      offender: to,
    });
  }
  private target(address: Uint8Array | null): Endpoint | Errno {
    if (address === null) return this.remote ?? EDESTADDRREQ;
    const family = familyOf(address);
    if (this.family === AF_INET6 && address.length >= 2) {
      if (family === AF_UNSPEC) return this.remote ?? EDESTADDRREQ;
      if (family !== AF_INET && family !== AF_INET6) return EINVAL;
      if (family === AF_INET && this.isV6Only) return ENETUNREACH;
    }
    // An unspecified family is taken for AF_INET.
    const isOld = this.family === AF_INET && family === AF_UNSPEC && address.length >= 16;
    const wanted = decodeEndpoint(
      isOld ? Uint8Array.of(AF_INET, 0, ...address.subarray(2)) : address,
      this.sendFamily(address),
    );
    if (isErrno(wanted)) return wanted;
    return wanted.port === 0 ? EINVAL : destination(wanted);
  }
  /** A socket of AF_INET6 sends to AF_INET addresses too. */
  private sendFamily(address: Uint8Array): number {
    return this.family !== AF_INET && familyOf(address) === AF_INET && !this.isV6Only ? AF_INET : this.family;
  }
}

/** A datagram to a group or to everybody, as it comes in by an interface of `network`. */
function deliverToMany(
  ctx: IoContext,
  table: PortTable,
  network: VirtualNetwork,
  index: number,
  about: Pick<Datagram, 'data' | 'from' | 'to' | 'ttl' | 'tos'>,
): void {
  const { to, from } = about;
  if (isMulticast(to) && !isJoined(network.tag, index, to)) return;
  for (const socket of [...table.at(to.port, network.tag)] as UdpSocket[]) {
    if (!socket.takesFromMany(to, from, index)) continue;
    socket.deliver({ ...about, interface: index, stamp: socket.wantsStamp ? realtime(ctx) : NO_STAMP });
  }
}

function tableOf(protocol: number): PortTable {
  return protocol === IPPROTO_UDP ? udpPorts : udpLitePorts;
}

/** A UDP packet comes in as bytes (from a packet socket or a tun device). */
export function receiveUdp(ctx: IoContext, link: Link, packet: Packet): void {
  const { payload, ttl, tos } = packet;
  if (payload.length < UDP_HEADER) return;
  const length = payload.readUInt16BE(4);
  if (length < UDP_HEADER || length > payload.length) return;
  const isSummed = payload.readUInt16BE(6) !== 0;
  if (isSummed && checksum(payload.subarray(0, length), pseudoSum(packet, length)) !== 0) {
    netCounters.Udp.InErrors++;
    return;
  }
  const from = { ...packet.from, port: payload.readUInt16BE(0) };
  const to = { ...packet.to, port: payload.readUInt16BE(2) };
  const data = payload.subarray(UDP_HEADER, length);
  const { network } = link;
  if (isMulticast(to) || network.isBroadcast(to)) {
    deliverToMany(ctx, tableOf(packet.protocol), network, link.index, { data, from, to, ttl, tos });
    return;
  }
  const receiver = findReceiver(tableOf(packet.protocol), to, from, network.tag, data, link.index);
  if (receiver === null) {
    netCounters.Udp.NoPorts++;
    answerUnreachable(ctx, network, packet);
    return;
  }
  netCounters.Udp.InDatagrams++;
  receiver.deliver({
    data,
    from,
    to,
    ttl,
    tos,
    interface: link.index,
    stamp: receiver.wantsStamp ? realtime(ctx) : NO_STAMP,
  });
}

/** The source address a message itself asks for (IP_PKTINFO). */
function spokenFor(control: OutgoingMessage['control'], port: number): Endpoint | null {
  for (const { level, type, data } of control ?? []) {
    if (level !== IPPROTO_IP || type !== IP_PKTINFO || data.length < 12) continue;
    const ip = Buffer.from(data).readUInt32BE(4);
    if (ip !== 0) return { isV6: false, ip, port };
  }
  return null;
}

/** Picks one of several sockets that share a port: as their program says, else the same for all that comes from one sender. */
function chosenFor(from: Endpoint, to: Endpoint, sharing: readonly UdpSocket[], data: Uint8Array): UdpSocket {
  const filter = sharing.find((socket) => socket.reuseportFilter !== null)?.reuseportFilter ?? null;
  if (filter !== null) {
    const payload = udpSegment(from, to, data);
    const seen = filterView(
      { isV6: to.isV6, protocol: IPPROTO_UDP, from, to, ttl: 64, tos: 0, payload },
      1,
      'transport',
    );
    const chosen = sharing[runSocketFilter(filter.program, { ...seen, start: seen.start + UDP_HEADER })];
    if (chosen !== undefined) return chosen;
  }
  const hash = (Math.imul(from.ip ^ (from.port * 0x9e3779b1), 0x85ebca6b) >>> 8) % sharing.length;
  return sharing[hash] as UdpSocket;
}

/** The socket a datagram from `from` to `to` belongs to: connected before bound, exact before wildcard; of equals the newest, or shared out. */
export function findReceiver(
  table: PortTable,
  to: Endpoint,
  from: Endpoint,
  tag: number,
  data: Uint8Array,
  index: number,
): UdpSocket | null {
  let best: UdpSocket | null = null;
  let bestScore = 0;
  let sharing: UdpSocket[] = [];
  for (const socket of table.at(to.port, tag) as ReadonlySet<UdpSocket>) {
    let score = 0;
    if (sameHost(socket.local, to)) score = 3;
    else if (isAny(socket.local) && socket.local.isV6 === to.isV6) score = 2;
    else if (isAny(socket.local) && socket.local.isV6 && !socket.isV6Only) score = 1;
    if (score === 0 || !socket.hears(index)) continue;
    if (socket.boundIndex !== 0) score += 8;
    if (socket.remote !== null) {
      if (!sameHost(socket.remote, from) || socket.remote.port !== from.port) continue;
      score += 4;
    }
    if (score < bestScore) continue;
    if (score > bestScore) sharing = [];
    if (socket.sharesPort && socket.remote === null) sharing.push(socket);
    best = socket;
    bestScore = score;
  }
  return sharing.length > 1 ? chosenFor(from, to, sharing, data) : best;
}
