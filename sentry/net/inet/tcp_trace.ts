// SPDX-License-Identifier: Apache-2.0

/**
 * Shows taps the segments Linux would have sent for what two ends of a connection do: SYN, data, acknowledgements, FIN, RST.
 *
 * Linux: net/ipv4/tcp_output.c
 */
import { IPPROTO_TCP } from '../../../platform/abi/linux/socket.ts';
import { pathTo } from '../link/path.ts';
import { passAlong, taps } from '../link/taps.ts';
import type { Endpoint } from './inet_address.ts';
import { ACK, FIN, PSH, RST, SYN, tcpSegment } from './tcp_segment.ts';
import type { TcpSocket } from './tcp_socket.ts';

/** The largest segment that is shown as one. */
const SEGMENT_MAX = 32768;
const NOTHING = new Uint8Array(0);

/** How far one end is in its stream. */
export class SequenceNumbers {
  /** The number of its SYN. */
  readonly first = Math.floor(Math.random() * 0x100000000);
  /** What it has sent: SYN, bytes, FIN. */
  sent = 0;
  get next(): number {
    return this.first + this.sent;
  }
}

function show(from: TcpSocket, remote: Endpoint | null, flags: number, data: Uint8Array, acknowledges: number): void {
  if (remote === null) return;
  const path = pathTo(from.network, remote, from.boundIndex);
  if (typeof path === 'number') return;
  const { local, numbers } = from;
  const head = { from: local, to: remote, flags, sequence: numbers.next, acknowledges };
  const { isV6 } = remote;
  const about = { isV6, protocol: IPPROTO_TCP, from: local, to: remote, ttl: 64, tos: 0 };
  passAlong(path, data.length + 40, () => ({ ...about, payload: tcpSegment(head, data) }));
}

/** A connection was asked for; `isTaken`: and made, else refused. */
export function traceConnect(client: TcpSocket, server: TcpSocket | null): void {
  client.numbers.sent = 0;
  if (taps.size === 0) {
    client.numbers.sent = 1;
    if (server !== null) server.numbers.sent = 1;
    return;
  }
  show(client, client.remote, SYN, NOTHING, 0);
  client.numbers.sent = 1;
  if (server === null) return;
  show(server, server.remote, SYN | ACK, NOTHING, client.numbers.next);
  server.numbers.sent = 1;
  show(client, client.remote, ACK, NOTHING, server.numbers.next);
}
/** Nobody listens at `to`. */
export function traceRefusal(client: TcpSocket, to: Endpoint): void {
  traceConnect(client, null);
  if (taps.size === 0) return;
  const path = pathTo(client.network, client.local);
  if (typeof path === 'number') return;
  const { local, numbers } = client;
  const head = { from: to, to: local, flags: RST | ACK, sequence: 0, acknowledges: numbers.next };
  const about = { isV6: to.isV6, protocol: IPPROTO_TCP, from: to, to: local, ttl: 64, tos: 0 };
  passAlong(path, 40, () => ({ ...about, payload: tcpSegment(head, NOTHING) }));
}

/** `count` bytes went to the peer; `bytes` gives them when somebody looks. */
export function traceData(from: TcpSocket, peer: TcpSocket, count: number, bytes: () => Uint8Array): void {
  if (taps.size === 0) {
    from.numbers.sent += count;
    return;
  }
  const all = bytes();
  for (let at = 0; at < all.length; at += SEGMENT_MAX) {
    const part = all.subarray(at, at + SEGMENT_MAX);
    show(from, from.remote, PSH | ACK, part, peer.numbers.next);
    from.numbers.sent += part.length;
  }
  show(peer, peer.remote, ACK, NOTHING, from.numbers.next);
}

/** One end is done sending, or breaks the connection. */
export function traceEnd(from: TcpSocket, peer: TcpSocket, flag: typeof FIN | typeof RST): void {
  if (taps.size > 0) show(from, from.remote, flag | ACK, NOTHING, peer.numbers.next);
  from.numbers.sent++;
  if (taps.size > 0 && flag === FIN) show(peer, peer.remote, ACK, NOTHING, from.numbers.next);
}
