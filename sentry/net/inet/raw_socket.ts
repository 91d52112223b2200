// SPDX-License-Identifier: Apache-2.0

/**
 * RawSocket: SOCK_RAW on the loopback network, for CAP_NET_RAW.
 *
 * Linux: net/ipv4/raw.c, net/ipv6/raw.c; raw(7)
 */
import {
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOTCONN,
  ENOPROTOOPT,
  EOPNOTSUPP,
  type Errno,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  IP_HDRINCL,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_RAW,
  IPV6_CHECKSUM,
  MSG_OOB,
  MSG_PROBE,
  SOCK_RAW,
  SOL_RAW,
} from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { OutgoingMessage } from '../socket.ts';
import { int32 } from './ancillary.ts';
import type { FilterPacket } from '../filter/filter_program.ts';
import { type Datagram, DatagramSocket } from './datagram_socket.ts';
import { filterView } from './frame.ts';
import { CAP_NET_ADMIN } from '../../../platform/abi/linux/capability.ts';
import { getPacketTables, setPacketTables } from './packet_tables.ts';
import { refusedControl } from './sent_control.ts';
import { sendPacket } from '../link/packets.ts';
import { IPV4_HEADER, type Packet, rawSockets, type RawReceiver, sealAt, withIpv4Header } from './icmp.ts';
import {
  anyEndpoint,
  decodeEndpoint,
  destination,
  type Endpoint,
  encodeEndpoint,
  familyOf,
  IN6_MIN,
  IN_SIZE,
  isAny,
  isLocal,
  sameHost,
  sourceFor,
} from './inet_address.ts';
import { PortTable } from './port_table.ts';

const ICMP_FILTER = 1;
const ICMP6_FILTER = 1;
const IPV6_HDRINCL = 36;
const ICMP6_FILTER_SIZE = 32;
/** Raw sockets have no ports; this one is never searched. */
const NO_PORTS = new PortTable();

/** An option of ip(7) that may be read as one byte. */
function shortInt(value: number, length: number): Uint8Array {
  return length > 0 && length < 4 ? Uint8Array.of(value) : int32(value);
}

/** Where packets to hosts beyond this one go. */
export interface RawWayOut {
  send(packet: Packet): number;
  close(): void;
}

export class RawSocket extends DatagramSocket implements RawReceiver {
  /** Types that are not shown: one bit each. */
  private filter: Uint8Array;
  private includesHeader: boolean;
  private checksumAt: number;
  /** Set by a provider whose network goes further than this host. */
  wayOut: RawWayOut | null = null;

  constructor(ctx: IoContext, family: number, protocol: number) {
    super(ctx, family, SOCK_RAW, protocol, NO_PORTS);
    this.filter = new Uint8Array(family === AF_INET6 ? ICMP6_FILTER_SIZE : 4);
    this.checksumAt = this.isV6 && protocol === IPPROTO_ICMPV6 ? 2 : -1;
    this.includesHeader = protocol === IPPROTO_RAW;
    this.local = anyEndpoint(family, protocol);
    rawSockets.add(this);
  }
  private get isV6(): boolean {
    return this.family === AF_INET6;
  }
  protected override release(): void {
    rawSockets.delete(this);
    this.wayOut?.close();
    super.release();
  }
  protected override filterView({ data, from, to, ttl, tos, interface: index }: Datagram): FilterPacket {
    const size = this.isV6 ? 0 : ((data[0] as number) & 15) * 4;
    const payload = Buffer.from(data.subarray(size));
    const packet = { isV6: this.isV6, protocol: this.protocol, from, to, ttl, tos, payload };
    return filterView(packet, index, this.isV6 ? 'transport' : 'network');
  }
  wantsPacket(packet: Packet): boolean {
    if (packet.isV6 !== this.isV6 || packet.protocol !== this.protocol) return false;
    if (!isAny(this.local) && !sameHost(this.local, packet.to)) return false;
    if (this.remote !== null && !sameHost(this.remote, packet.from)) return false;
    const isIcmp = packet.protocol === (this.isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    return !isIcmp || !this.isFiltered(packet.payload[0] ?? 0);
  }
  private isFiltered(type: number): boolean {
    if (!this.isV6 && type >= 32) return false;
    return (((this.filter[type >> 3] ?? 0) >> (type & 7)) & 1) !== 0;
  }
  protected override sourceAddress(from: Endpoint): Uint8Array {
    return encodeEndpoint({ ...from, port: 0 }, this.family);
  }

  override bind(_ctx: IoContext, address: Uint8Array): number {
    if (this.remote !== null) return EINVAL;
    // IPv4 does not look at the family here.
    const isFour = !this.isV6 && address.length >= IN_SIZE;
    const local = decodeEndpoint(isFour ? Uint8Array.of(AF_INET, 0, ...address.subarray(2)) : address, this.family);
    if (isErrno(local)) return local;
    if (local.isV6 !== this.isV6) return EINVAL;
    const refused = this.cannotBind(local);
    if (refused !== 0) return refused;
    this.local = { ...local, port: this.protocol };
    return 0;
  }
  override localAddress(): Uint8Array {
    return encodeEndpoint(this.isV6 ? { ...this.local, port: 0 } : this.local, this.family);
  }
  override connect(_ctx: IoContext, address: Uint8Array): number {
    if (familyOf(address) === AF_UNSPEC && address.length >= 2) {
      this.remote = null;
      this.local = anyEndpoint(this.family, this.protocol);
      return 0;
    }
    if (address.length === 0) return EINVAL;
    const to = this.target(address);
    if (isErrno(to)) return to;
    const refused = this.wayOut !== null ? 0 : this.cannotReach(to);
    if (refused !== 0) return refused;
    if (isAny(this.local) && this.wayOut === null) this.local = this.sourceTo(to, this.protocol);
    else if (isAny(this.local) && this.isLocal(to)) this.local = sourceFor(to, this.protocol);
    this.remote = to;
    return 0;
  }
  override peerAddress(): Uint8Array | Errno {
    return this.remote !== null && this.remote.port === 0 ? ENOTCONN : super.peerAddress();
  }
  override shutdown(how: number): number {
    this.shutdownMask |= how + 1;
    this.waitQueue.wake();
    return this.remote === null ? ENOTCONN : 0;
  }
  private target(address: Uint8Array | null): Endpoint | Errno {
    if (address === null || address.length === 0) return this.remote ?? EDESTADDRREQ;
    if (address.length < (this.family === AF_INET6 ? IN6_MIN : IN_SIZE)) return EINVAL;
    const isOld = !this.isV6 && familyOf(address) === AF_UNSPEC;
    if (familyOf(address) !== this.family && !isOld) return EAFNOSUPPORT;
    const wanted = decodeEndpoint(isOld ? Uint8Array.of(AF_INET, 0, ...address.subarray(2)) : address, this.family);
    return isErrno(wanted) ? wanted : destination(wanted);
  }
  override sendRefusal(_ctx: IoContext, message: OutgoingMessage): number {
    const to = this.target(message.address);
    return isErrno(to) ? to : 0;
  }
  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    const { io } = message;
    const length = io.remaining;
    if (length > 65535) return EMSGSIZE;
    if ((message.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    const to = this.target(message.address);
    if (isErrno(to)) return to;
    const unknown = refusedControl(this.family, message.control);
    if (unknown !== 0) return unknown;
    const leaves = this.wayOut !== null && !isLocal(to);
    const refused = leaves ? 0 : to.isV6 === this.isV6 ? this.cannotReach(to) : ENETUNREACH;
    if (refused !== 0) return refused;
    const payload = Buffer.allocUnsafe(length);
    if (length > 0 && io.take(payload, 0, length) < length) return EFAULT;
    if ((message.flags & MSG_PROBE) !== 0) return length;
    const packet = this.includesHeader ? this.parsed(payload, to) : this.made(payload, to, message.control);
    if (typeof packet === 'number') return packet;
    if (leaves && this.wayOut !== null) {
      const sent = this.wayOut.send(packet);
      return sent < 0 ? sent : length;
    }
    const sent = sendPacket(ctx, this.network, packet, this.boundIndex);
    return sent < 0 ? sent : length;
  }
  /** A packet from beyond this host. */
  arrive(packet: Packet): void {
    if (!this.wantsPacket({ ...packet, to: this.local })) return;
    const { from, to, ttl, tos } = packet;
    const data = packet.isV6 ? packet.payload : withIpv4Header(packet);
    this.deliver({ data, from, to, ttl, tos, interface: 0, stamp: [0, 0] });
  }
  private made(payload: Buffer, to: Endpoint, control: OutgoingMessage['control']): Packet {
    const from = isAny(this.local) ? this.sourceTo(to, 0) : { ...this.local, port: 0 };
    const packet = { isV6: this.isV6, protocol: this.protocol, from, to, ...this.markings(control), payload };
    if (this.isV6 && this.checksumAt >= 0 && this.checksumAt + 2 <= payload.length) sealAt(packet, this.checksumAt);
    return packet;
  }
  /** IP_HDRINCL: the message begins with the header. Errors: EINVAL. */
  private parsed(bytes: Buffer, to: Endpoint): Packet | number {
    if (this.isV6) return EINVAL;
    if (bytes.length < IPV4_HEADER) return EINVAL;
    const size = ((bytes[0] as number) & 15) * 4;
    if (size < IPV4_HEADER || size > bytes.length) return EINVAL;
    const ip = bytes.readUInt32BE(12);
    const from = ip === 0 ? this.sourceTo(to, 0) : { isV6: false, ip, port: 0 };
    const [tos, ttl, protocol] = [bytes[1] as number, bytes[8] as number, bytes[9] as number];
    return { isV6: false, protocol, from, to, ttl, tos, payload: bytes.subarray(size) };
  }

  /** SOL_RAW and SOL_ICMPV6, which only some of these sockets have. Errors: EOPNOTSUPP, ENOPROTOOPT; 0: it is another level. */
  private refusedLevel(level: number, name: number): number {
    if (!this.isV6 && level === SOL_RAW)
      return name === ICMP_FILTER && this.protocol !== IPPROTO_ICMP ? EOPNOTSUPP : ENOPROTOOPT;
    if (this.isV6 && level === IPPROTO_ICMPV6) return this.protocol === IPPROTO_ICMPV6 ? ENOPROTOOPT : EOPNOTSUPP;
    return 0;
  }
  private isChecksum(level: number, name: number): boolean {
    return this.isV6 && (level === SOL_RAW || level === IPPROTO_IPV6) && name === IPV6_CHECKSUM;
  }
  private isHeader(level: number, name: number): boolean {
    return this.isV6
      ? (level === SOL_RAW || level === IPPROTO_IPV6) && name === IPV6_HDRINCL
      : level === IPPROTO_IP && name === IP_HDRINCL;
  }
  override getOption(
    ctx: IoContext,
    level: number,
    name: number,
    length: number,
    valueAddr: number,
  ): Uint8Array | Errno {
    if (level === (this.isV6 ? IPPROTO_IPV6 : IPPROTO_IP) && this.wayOut === null) {
      const mayAsk = this.mayAdminister(ctx, CAP_NET_ADMIN);
      const tables = getPacketTables(ctx, mayAsk, this.isV6, name, length, valueAddr);
      if (tables !== undefined) return tables;
    }
    if (this.hasFilter(level, name)) return Uint8Array.from(this.filter);
    const refused = this.refusedLevel(level, name);
    if (refused !== 0) return refused as Errno;
    if (this.isHeader(level, name)) return shortInt(this.includesHeader ? 1 : 0, this.isV6 ? 4 : length);
    if (this.isChecksum(level, name)) return int32(this.checksumAt);
    if (this.isV6 && level === SOL_RAW) return ENOPROTOOPT;
    return super.getOption(ctx, level, name, length, valueAddr);
  }
  override setOption(ctx: IoContext, level: number, name: number, value: Uint8Array): number {
    if (this.hasFilter(level, name)) {
      this.filter.set(value.subarray(0, this.filter.length));
      return 0;
    }
    const refused = this.refusedLevel(level, name);
    if (refused !== 0) return refused;
    if (level === (this.isV6 ? IPPROTO_IPV6 : IPPROTO_IP)) {
      const tables = setPacketTables(this.mayAdminister(ctx, CAP_NET_ADMIN), name);
      if (tables !== undefined) return tables;
    }
    if (this.isHeader(level, name)) {
      if (this.isV6 && value.length < 4) return EINVAL;
      this.includesHeader = value.subarray(0, 4).some((byte) => byte !== 0);
      return 0;
    }
    if (this.isChecksum(level, name)) return this.setChecksum(level, value);
    if (this.isV6 && level === SOL_RAW) return value.length < 4 ? EINVAL : ENOPROTOOPT;
    return super.setOption(ctx, level, name, value);
  }
  /** IPV6_CHECKSUM: where the kernel puts the checksum of what is sent; -1: nowhere. */
  private setChecksum(level: number, value: Uint8Array): number {
    if (value.length < 4) return EINVAL;
    if (this.protocol === IPPROTO_ICMPV6 && level === IPPROTO_IPV6) return EINVAL;
    const at = Buffer.from(value.buffer, value.byteOffset, value.length).readInt32LE(0);
    if (at > 0 && at % 2 === 1) return EINVAL;
    this.checksumAt = at < 0 ? -1 : at;
    return 0;
  }
  private hasFilter(level: number, name: number): boolean {
    if (this.isV6) return level === IPPROTO_ICMPV6 && name === ICMP6_FILTER && this.protocol === IPPROTO_ICMPV6;
    return level === SOL_RAW && name === ICMP_FILTER && this.protocol === IPPROTO_ICMP;
  }
}
