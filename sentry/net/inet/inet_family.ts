// SPDX-License-Identifier: Apache-2.0

/**
 * AF_INET and AF_INET6 with a loopback interface only (--network=none), and their /proc/net texts.
 *
 * Linux: net/ipv4/af_inet.c (inet_create), net/ipv4/tcp_ipv4.c (tcp4_seq_show)
 */
import { EACCES, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../../../platform/abi/linux/errno.ts';
import { CAP_NET_RAW } from '../../../platform/abi/linux/capability.ts';
import {
  AF_INET,
  type AF_INET6,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from '../../../platform/abi/linux/socket.ts';
import type { SocketFamily } from '../socket.ts';
import { anyEndpoint, procText } from './inet_address.ts';
import type { InetSocket, PortTable } from './inet_socket.ts';
import { TcpSocket, tcpPorts } from './tcp_socket.ts';
import { UdpSocket, udpPorts } from './udp_socket.ts';

export function loopbackFamily(family: number): SocketFamily {
  return {
    create: (t, type, protocol) => {
      switch (type) {
        case SOCK_STREAM:
          return protocol === 0 || protocol === IPPROTO_TCP ? new TcpSocket(t, family) : EPROTONOSUPPORT;
        case SOCK_DGRAM:
          if (protocol === IPPROTO_ICMP) return EACCES;
          return protocol === 0 || protocol === IPPROTO_UDP ? new UdpSocket(t, family) : EPROTONOSUPPORT;
        case SOCK_RAW:
          return t.creds.hasCap(CAP_NET_RAW) ? EPROTONOSUPPORT : EPERM;
        default:
          return ESOCKTNOSUPPORT;
      }
    },
  };
}

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const HEAD6 =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

function table(
  ports: PortTable,
  family: number,
  line: (socket: InetSocket, slot: number, addresses: string) => string,
): string {
  let text = '';
  let slot = 0;
  for (const socket of ports) {
    if (socket.family !== family) continue;
    text += line(
      socket,
      slot++,
      `${procText(socket.local, family)} ${procText(socket.remote ?? anyEndpoint(family), family)}`,
    );
  }
  return text;
}

const hex8 = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');

/** /proc/net/tcp and tcp6 */
export function tcpText(family: typeof AF_INET | typeof AF_INET6): string {
  const width = family === AF_INET ? 149 : 0;
  const lines = table(tcpPorts, family, (socket, slot, addresses) => {
    const tcp = socket as TcpSocket;
    const state = tcp.stateNumber.toString(16).toUpperCase().padStart(2, '0');
    const waiting = tcp.isListening ? tcp.pending.length : tcp.queued;
    const uid = String(socket.ownerUid).padStart(5);
    const row = `${String(slot).padStart(4)}: ${addresses} ${state} 00000000:${hex8(waiting)} 00:00000000 00000000 ${uid}        0 ${socket.inode.ino} 1 0000000000000000 100 0 0 10 0`;
    return `${row.padEnd(width)}\n`;
  });
  return `${(family === AF_INET ? HEAD : HEAD6).padEnd(width)}\n${lines}`;
}

/** /proc/net/udp and udp6 */
export function udpText(family: typeof AF_INET | typeof AF_INET6): string {
  const lines = table(udpPorts, family, (socket, slot, addresses) => {
    const udp = socket as UdpSocket;
    const state = socket.remote === null ? '07' : '01';
    const uid = String(socket.ownerUid).padStart(5);
    return `${String(slot).padStart(5)}: ${addresses} ${state} 00000000:${hex8(udp.charged)} 00:00000000 00000000 ${uid}        0 ${socket.inode.ino} 2 0000000000000000 ${udp.drops}\n`;
  });
  return ` ${family === AF_INET ? HEAD : HEAD6} ref pointer drops\n${lines}`;
}
