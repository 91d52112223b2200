// SPDX-License-Identifier: Apache-2.0

/** InetProvider: where AF_INET and AF_INET6 sockets come from: the sandbox's own network, or the host. */
import type { NetworkView } from '../../../platform/platform.ts';
import type { SocketFamily } from '../socket.ts';
import type { SocketRow } from './socket_row.ts';

export interface InetProvider {
  /** Interfaces, addresses and routes that netlink and SIOCGIF* show. */
  readonly view: NetworkView;
  family(family: number): SocketFamily;
  /** Every socket, for /proc/net and sock_diag. */
  rows(): Iterable<SocketRow>;
}

/** The sandbox's provider; set by the composition root. */
export const inetProvider: { rows: () => Iterable<SocketRow> } = { rows: () => [] };
