// SPDX-License-Identifier: Apache-2.0

/**
 * One internet socket as /proc/net and sock_diag show it.
 *
 * Linux: include/uapi/linux/inet_diag.h, net/ipv4/tcp_ipv4.c (tcp4_seq_show)
 */
import type { Endpoint } from './inet_address.ts';

export interface SocketRow {
  readonly family: number;
  /** IPPROTO_*; of raw sockets the protocol they carry. */
  readonly protocol: number;
  readonly kind: 'stream' | 'datagram' | 'raw' | 'ping' | 'lite';
  /** TCP_ESTABLISHED... */
  readonly state: number;
  readonly local: Endpoint;
  readonly remote: Endpoint | null;
  /** Bytes to be read, or connections to be accepted; bytes not sent yet, or the backlog. */
  readonly receiveQueue: number;
  readonly sendQueue: number;
  readonly uid: number;
  /** 0: no socket any more. */
  readonly ino: number;
  readonly drops: number;
  readonly isV6Only: boolean;
  /** What a closed connection has left, in 1/100 s. */
  readonly ticksLeft: number;
  /** struct tcp_info, made when asked for. */
  readonly info: (() => Uint8Array) | null;
  /** SO_RCVBUF and SO_SNDBUF. */
  readonly buffers: readonly [receive: number, send: number];
}
