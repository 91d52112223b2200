// SPDX-License-Identifier: Apache-2.0

/**
 * Options of TCP sockets that are more than a number: TCP_INFO, TCP_CONGESTION and those that say what is not supported.
 *
 * Linux: net/ipv4/tcp.c (do_tcp_getsockopt, tcp_get_info)
 */
import { EINVAL, ENOENT, type Errno } from '../../../platform/abi/linux/errno.ts';
import { IPPROTO_TCP, TCP_CONGESTION, TCP_INFO } from '../../../platform/abi/linux/socket.ts';
import type { TcpSocket } from './tcp_socket.ts';

const TCP_INFO_SIZE = 232;
const NAME_MAX = 16;
/** Algorithms there are; which one a connection has makes no difference here. */
const CONGESTION_CONTROLS: ReadonlySet<string> = new Set(['reno', 'cubic']);
/** struct tcp_info: tcpi_rto, tcpi_snd_mss, tcpi_rcv_mss, tcpi_rtt, tcpi_snd_cwnd. */
const FIELDS: readonly (readonly [at: number, value: number])[] = [
  [8, 204000],
  [16, 32768],
  [20, 536],
  [68, 100],
  [80, 10],
];

/** The start of struct tcp_info that this network has something to say about. */
export function tcpInfo(socket: TcpSocket): Buffer {
  const info = Buffer.alloc(TCP_INFO_SIZE);
  info[0] = socket.stateNumber;
  for (const [at, value] of FIELDS) info.writeUInt32LE(value, at);
  return info;
}

/** The value of such an option; undefined: it is not one of them. */
export function tcpOption(socket: TcpSocket, level: number, name: number): Uint8Array | Errno | undefined {
  if (level !== IPPROTO_TCP) return undefined;
  if (name === TCP_CONGESTION) return Buffer.from(socket.congestion.padEnd(NAME_MAX, '\0'), 'latin1');
  return name === TCP_INFO ? tcpInfo(socket) : undefined;
}

/** Sets such an option. Returns 0, errno, or undefined: it is not one of them. Errors: ENOENT (no such algorithm). */
export function setTcpOption(socket: TcpSocket, level: number, name: number, value: Uint8Array): number | undefined {
  if (level !== IPPROTO_TCP || name !== TCP_CONGESTION) return undefined;
  if (value.length < 1) return EINVAL;
  const wanted = Buffer.from(value.subarray(0, NAME_MAX - 1))
    .toString('latin1')
    .split('\0', 1)[0] as string;
  if (!CONGESTION_CONTROLS.has(wanted)) return ENOENT;
  socket.congestion = wanted;
  return 0;
}
