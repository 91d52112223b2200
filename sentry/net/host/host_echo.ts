// SPDX-License-Identifier: Apache-2.0

/**
 * HostEcho: echo requests of a guest's raw ICMP socket that leave the sandbox with --network=host. The Sentry may make no raw socket, so
 * they go through a ping socket of the host's, which takes echo requests only; what comes back is shown as a raw socket shows it.
 *
 * Linux:      net/ipv4/ping.c
 * Invariants: the descriptor is watched until close(); one per raw socket. Requests leave with an identifier that the host chose (another sandbox
 *             in this network namespace may use the guest's: both count pids from 1), and replies are shown with the guest's last one.
 */
import { EACCES, EPERM } from '../../../platform/abi/linux/errno.ts';
import {
  AF_INET6,
  IP_TTL,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_UNICAST_HOPS,
  SOCK_DGRAM,
} from '../../../platform/abi/linux/socket.ts';
import type { HostListener, HostReceived } from '../../../platform/platform.ts';
import { decodeEndpoint, encodeEndpoint } from '../inet/inet_address.ts';
import { ICMP_ECHO, ICMP_HEADER, ICMPV6_ECHO_REQUEST, type Packet, sealIcmp } from '../inet/icmp.ts';
import { int32 } from '../inet/ancillary.ts';
import type { RawSocket, RawWayOut } from '../inet/raw_socket.ts';
import type { HostSocketServices } from './host_socket.ts';

const EPOLLIN = 1;
const EPOLLET = 0x80000000;
const PACKET_MAX = 65536;
/** Replies taken at once, so that others have their turn. */
const BURST = 64;
/** What a reply's hop limit is shown as: ping sockets tell it only with control messages. */
const TTL_SHOWN = 64;

const received: HostReceived = {
  address: new Uint8Array(128),
  addressLength: 0,
  control: new Uint8Array(0),
  controlLength: 0,
  flags: 0,
};

export class HostEcho implements HostListener, RawWayOut {
  private readonly services: HostSocketServices;
  private readonly socket: RawSocket;
  private readonly family: number;
  private fd = -1;
  private ttl = TTL_SHOWN;
  private identifier = 0;

  constructor(services: HostSocketServices, socket: RawSocket) {
    this.services = services;
    this.socket = socket;
    this.family = socket.family;
  }
  private open(): number {
    const { sockets, platform } = this.services;
    const isV6 = this.family === AF_INET6;
    const fd = sockets.open(this.family, SOCK_DGRAM, isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    if (fd < 0) return fd === EACCES ? EPERM : fd;
    this.fd = fd;
    return platform.watch(fd, (EPOLLIN | EPOLLET) >>> 0, this);
  }
  /** Sends an echo request. Errors: EPERM (anything else, or the host allows no ping sockets). */
  send(packet: Packet): number {
    const { payload, isV6 } = packet;
    const isEcho = payload.length >= ICMP_HEADER && payload[0] === (isV6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO);
    if (!isEcho || payload[1] !== 0) return EPERM;
    const opened = this.fd >= 0 ? 0 : this.open();
    if (opened < 0) return opened;
    this.identifier = payload.readUInt16BE(4);
    const { sockets } = this.services;
    if (packet.ttl !== this.ttl) {
      this.ttl = packet.ttl;
      sockets.setOption(
        this.fd,
        isV6 ? IPPROTO_IPV6 : IPPROTO_IP,
        isV6 ? IPV6_UNICAST_HOPS : IP_TTL,
        int32(packet.ttl),
      );
    }
    return sockets.send(this.fd, payload, payload.length, encodeEndpoint(packet.to, this.family), null, 0);
  }
  onHostEvent(): void {
    const isV6 = this.family === AF_INET6;
    for (let i = 0; i < BURST; i++) {
      const bytes = Buffer.allocUnsafe(PACKET_MAX);
      const n = this.services.sockets.receive(this.fd, bytes, PACKET_MAX, 0, received);
      if (n < ICMP_HEADER) return;
      const from = decodeEndpoint(received.address.subarray(0, received.addressLength), this.family);
      if (typeof from === 'number') continue;
      const protocol = isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
      const payload = Buffer.from(bytes.subarray(0, n));
      payload.writeUInt16BE(this.identifier, 4);
      const packet = { isV6, protocol, from, to: this.socket.local, ttl: TTL_SHOWN, tos: 0, payload };
      sealIcmp(packet);
      this.socket.arrive(packet);
    }
  }
  close(): void {
    if (this.fd < 0) return;
    this.services.platform.unwatch(this.fd);
    this.services.files.close(this.fd);
    this.fd = -1;
  }
}
