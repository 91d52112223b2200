// SPDX-License-Identifier: Apache-2.0

/**
 * TCP segments as bytes. Connections here hand bytes to each other without segments; who looks at packets (a socket's filter) is
 * shown the ones Linux would have sent.
 *
 * Linux: include/uapi/linux/tcp.h, net/ipv4/tcp_output.c
 */
import { IPPROTO_TCP } from '../../../platform/abi/linux/socket.ts';
import { runSocketFilter } from '../filter/filter_program.ts';
import { filterView } from './frame.ts';
import { checksum, pseudoSum } from './icmp.ts';
import type { Endpoint } from './inet_address.ts';
import type { TcpSocket } from './tcp_socket.ts';

export const TCP_HEADER = 20;
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
const WINDOW = 65535;
const LO_INDEX = 1;

export interface SegmentHead {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledges: number;
}

/** A segment: header (without options) and data. */
export function tcpSegment({ from, to, flags, sequence, acknowledges }: SegmentHead, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(TCP_HEADER + data.length);
  bytes.writeUInt16BE(from.port, 0);
  bytes.writeUInt16BE(to.port, 2);
  bytes.writeUInt32BE(sequence >>> 0, 4);
  bytes.writeUInt32BE((flags & ACK) !== 0 ? acknowledges >>> 0 : 0, 8);
  bytes[12] = (TCP_HEADER / 4) << 4;
  bytes[13] = flags;
  bytes.writeUInt16BE(WINDOW, 14);
  bytes.set(data, TCP_HEADER);
  bytes.writeUInt16BE(checksum(bytes, pseudoSum({ isV6: to.isV6, from, to, protocol: IPPROTO_TCP }, bytes.length)), 16);
  return bytes;
}

/** Does the filter of `receiver` let a segment of `sender` through: its data, or without any its SYN? */
export function segmentPasses(receiver: TcpSocket, sender: TcpSocket, data: Uint8Array): boolean {
  const { filter } = receiver.options;
  if (filter === null) return true;
  const from = sender.local;
  const to = sender.remote ?? receiver.local;
  const flags = data.length === 0 ? SYN : PSH | ACK;
  const payload = tcpSegment({ from, to, flags, sequence: 1, acknowledges: 1 }, data);
  const packet = { isV6: to.isV6, protocol: IPPROTO_TCP, from, to, ttl: 64, tos: 0, payload };
  return runSocketFilter(filter.program, filterView(packet, LO_INDEX, 'transport')) !== 0;
}
