// SPDX-License-Identifier: Apache-2.0

/**
 * Control messages about a datagram: where it was sent to, when it came.
 *
 * Linux: net/ipv4/ip_sockglue.c (ip_cmsg_recv_pktinfo), net/ipv6/datagram.c, net/socket.c (__sock_recv_timestamp)
 */
import {
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SOL_SOCKET,
} from '../../../platform/abi/linux/socket.ts';
import { AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { ControlMessage } from '../socket.ts';
import { firstAddressOf } from '../netlink/network_view.ts';
import { broadcastAddresses, type Endpoint, encodeEndpoint, isMulticast } from './inet_address.ts';

const pair = new Float64Array(2);

export function int32(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

/** CLOCK_REALTIME. */
export function realtime(ctx: IoContext): readonly [seconds: number, nanoseconds: number] {
  (ctx as Task).kernel.clock.realtime(pair);
  return [pair[0] as number, pair[1] as number];
}

/** SO_TIMESTAMP or SO_TIMESTAMPNS, when the socket has it on. */
export function stampMessages(
  flags: ReadonlyMap<number, number>,
  [seconds, nanoseconds]: readonly [number, number],
): ControlMessage[] {
  const isFine = (flags.get(SO_TIMESTAMPNS) ?? 0) !== 0;
  if (!isFine && (flags.get(SO_TIMESTAMP) ?? 0) === 0) return [];
  const data = Buffer.alloc(16);
  data.writeUInt32LE(seconds % 4294967296, 0);
  data.writeUInt32LE(Math.floor(seconds / 4294967296), 4);
  data.writeUInt32LE(isFine ? nanoseconds : Math.floor(nanoseconds / 1000), 8);
  return [{ level: SOL_SOCKET, type: isFine ? SO_TIMESTAMPNS : SO_TIMESTAMP, data }];
}

/** struct in_pktinfo: interface, local address, destination address. */
export function packetInfo4(to: Endpoint, index: number): ControlMessage {
  const data = Buffer.alloc(12);
  data.writeInt32LE(index, 0);
  const isMany = isMulticast(to) || broadcastAddresses.has(to.ip);
  data.writeUInt32BE(isMany ? (firstAddressOf(index) ?? to.ip) : to.ip, 4);
  data.writeUInt32BE(to.ip, 8);
  return { level: IPPROTO_IP, type: IP_PKTINFO, data };
}

/** struct in6_pktinfo: destination address, interface. */
export function packetInfo6(to: Endpoint, index: number): ControlMessage {
  const data = Buffer.alloc(20);
  data.set(encodeEndpoint(to, AF_INET6).subarray(8, 24), 0);
  data.writeUInt32LE(index, 16);
  return { level: IPPROTO_IPV6, type: IPV6_PKTINFO, data };
}
