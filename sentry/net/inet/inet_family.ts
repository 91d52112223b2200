// SPDX-License-Identifier: Apache-2.0

/**
 * AF_INET and AF_INET6 with a loopback interface only (--network=none), and their /proc/net texts.
 *
 * Linux: net/ipv4/af_inet.c (inet_create), net/ipv4/tcp_ipv4.c (tcp4_seq_show)
 */
import { EACCES, EINVAL, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../../../platform/abi/linux/errno.ts';
import { CAP_NET_RAW } from '../../../platform/abi/linux/capability.ts';
import {
  AF_INET,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from '../../../platform/abi/linux/socket.ts';
import type { SocketFamily } from '../socket.ts';
import { anyEndpoint, procText } from './inet_address.ts';
import type { InetSocket, PortTable } from './inet_socket.ts';
import { type InetProvider, socketLine, tcpHead, udpHead } from './inet_provider.ts';
import { loopbackView } from '../netlink/network_view.ts';
import { TcpSocket, tcpPorts } from './tcp_socket.ts';
import { UdpSocket, udpPorts } from './udp_socket.ts';

const IPPROTO_MAX = 263;
const UDP_CONNECTED = 1;
const UDP_UNCONNECTED = 7;

function loopbackFamily(family: number): SocketFamily {
  return {
    create: (t, type, protocol) => {
      if (protocol < 0 || protocol >= IPPROTO_MAX) return EINVAL;
      switch (type) {
        case SOCK_STREAM:
          return protocol === 0 || protocol === IPPROTO_TCP ? new TcpSocket(t, family) : EPROTONOSUPPORT;
        case SOCK_DGRAM:
          if (protocol === (family === AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6)) return EACCES;
          return protocol === 0 || protocol === IPPROTO_UDP ? new UdpSocket(t, family) : EPROTONOSUPPORT;
        case SOCK_RAW:
          return t.creds.hasCap(CAP_NET_RAW) ? EPROTONOSUPPORT : EPERM;
        default:
          return ESOCKTNOSUPPORT;
      }
    },
  };
}

function text(
  ports: PortTable,
  family: number,
  protocol: number,
  state: (socket: InetSocket) => readonly [state: number, waiting: number, drops: number],
): string {
  let lines = '';
  let slot = 0;
  for (const socket of ports) {
    if (socket.family !== family) continue;
    const addresses = `${procText(socket.local, family)} ${procText(socket.remote ?? anyEndpoint(family), family)}`;
    const [now, waiting, drops] = state(socket);
    const { ownerUid, inode } = socket;
    lines += socketLine(family, protocol, slot++, addresses, now, waiting, ownerUid, inode.ino, drops);
  }
  return lines;
}

function tcpColumns(socket: InetSocket): readonly [number, number, number] {
  const tcp = socket as TcpSocket;
  return [tcp.stateNumber, tcp.isListening ? tcp.pending.length : tcp.queued, 0];
}
function udpColumns(socket: InetSocket): readonly [number, number, number] {
  const udp = socket as UdpSocket;
  return [udp.remote === null ? UDP_UNCONNECTED : UDP_CONNECTED, udp.charged, udp.drops];
}

export const loopbackProvider: InetProvider = {
  view: loopbackView(),
  family: loopbackFamily,
  tcpText: (family) => tcpHead(family) + text(tcpPorts, family, IPPROTO_TCP, tcpColumns),
  udpText: (family) => udpHead(family) + text(udpPorts, family, IPPROTO_UDP, udpColumns),
};
