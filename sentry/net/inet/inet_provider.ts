// SPDX-License-Identifier: Apache-2.0

/**
 * InetProvider: where AF_INET and AF_INET6 sockets come from: the sandbox's own loopback, or the host. And the lines of
 * /proc/net/tcp and its siblings, which look the same for both.
 *
 * Linux: net/ipv4/tcp_ipv4.c (tcp4_seq_show), net/ipv4/udp.c (udp4_seq_show)
 */
import { AF_INET, type AF_INET6, IPPROTO_TCP } from '../../../platform/abi/linux/socket.ts';
import type { NetworkView } from '../../../platform/platform.ts';
import type { SocketFamily } from '../socket.ts';

export interface InetProvider {
  /** Interfaces, addresses and routes that netlink and SIOCGIF* show. */
  readonly view: NetworkView;
  family(family: number): SocketFamily;
  /** /proc/net/tcp and tcp6 */
  tcpText(family: typeof AF_INET | typeof AF_INET6): string;
  /** /proc/net/udp and udp6 */
  udpText(family: typeof AF_INET | typeof AF_INET6): string;
}

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const HEAD6 =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const TCP4_WIDTH = 149;

export function tcpHead(family: number): string {
  return family === AF_INET ? `${HEAD.padEnd(TCP4_WIDTH)}\n` : `${HEAD6}\n`;
}
export function udpHead(family: number): string {
  return ` ${family === AF_INET ? HEAD : HEAD6} ref pointer drops\n`;
}

const hex = (value: number, width: number): string => value.toString(16).toUpperCase().padStart(width, '0');

/** One socket's line. */
export function socketLine(
  family: number,
  protocol: number,
  slot: number,
  addresses: string,
  state: number,
  waiting: number,
  uid: number,
  ino: number,
  drops: number,
): string {
  const middle = `${addresses} ${hex(state, 2)} 00000000:${hex(waiting, 8)} 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${ino}`;
  if (protocol !== IPPROTO_TCP) return `${String(slot).padStart(5)}: ${middle} 2 0000000000000000 ${drops}\n`;
  const row = `${String(slot).padStart(4)}: ${middle} 1 0000000000000000 100 0 0 10 0`;
  return `${row.padEnd(family === AF_INET ? TCP4_WIDTH : 0)}\n`;
}
