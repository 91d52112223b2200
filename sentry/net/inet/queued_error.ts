// SPDX-License-Identifier: Apache-2.0

/**
 * Errors about packets that were sent, as IP_RECVERR has them queued for MSG_ERRQUEUE.
 *
 * Linux: include/uapi/linux/errqueue.h (struct sock_extended_err), net/ipv4/ip_sockglue.c, net/ipv6/datagram.c
 */
import {
  AF_INET,
  AF_INET6,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
} from '../../../platform/abi/linux/socket.ts';
import type { ControlMessage } from '../socket.ts';
import { type Endpoint, encodeEndpoint } from './inet_address.ts';

export const SO_EE_ORIGIN_LOCAL = 1;
export const SO_EE_ORIGIN_ICMP = 2;
export const SO_EE_ORIGIN_ICMP6 = 3;
const EE_SIZE = 16;

export interface QueuedError {
  /** Positive. */
  readonly errno: number;
  readonly origin: number;
  /** ICMP type and code. */
  readonly type: number;
  readonly code: number;
  /** What ICMP quoted of the packet, or the packet. */
  readonly data: Uint8Array;
  /** Where the packet was to go. */
  readonly destination: Endpoint;
  /** Who said so; null: this host itself. */
  readonly offender: Endpoint | null;
  /** ee_info: the MTU of "message too long". */
  readonly info?: number;
}

/** The control message of a socket of `family`: struct sock_extended_err and the offender's address. */
export function errorMessage(failure: QueuedError, family: number): ControlMessage {
  const head = Buffer.alloc(EE_SIZE);
  head.writeUInt32LE(failure.errno, 0);
  head[4] = failure.origin;
  head[5] = failure.type;
  head[6] = failure.code;
  head.writeUInt32LE(failure.info ?? 0, 8);
  const { offender } = failure;
  const address =
    offender === null
      ? Buffer.alloc(family === AF_INET ? 16 : 28)
      : encodeEndpoint({ ...offender, port: 0 }, family === AF_INET ? AF_INET : AF_INET6);
  const data = Buffer.concat([head, address]);
  return family === AF_INET
    ? { level: IPPROTO_IP, type: IP_RECVERR, data }
    : { level: IPPROTO_IPV6, type: IPV6_RECVERR, data };
}
