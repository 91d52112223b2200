// SPDX-License-Identifier: Apache-2.0

/**
 * AF_INET and AF_INET6 with a network inside the sandbox only (--network=none).
 *
 * Linux: net/ipv4/af_inet.c (inet_create)
 */
import { EINVAL, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../../../platform/abi/linux/errno.ts';
import { CAP_NET_RAW } from '../../../platform/abi/linux/capability.ts';
import {
  AF_INET,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from '../../../platform/abi/linux/socket.ts';
import type { SocketFamily } from '../socket.ts';
import { currentNet } from '../net_namespace.ts';
import { virtualNetwork } from '../netlink/virtual_network.ts';
import type { DatagramSocket } from './datagram_socket.ts';
import { delivery } from '../link/packets.ts';
import { pingPorts, pingPorts6, rawSockets, receivePacket, tellUnreachable } from './icmp.ts';
import type { InetSocket } from './inet_socket.ts';
import type { InetProvider } from './inet_provider.ts';
import { makePingSocket } from './ping_socket.ts';
import { RawSocket } from './raw_socket.ts';
import type { SocketRow } from './socket_row.ts';
import { tcpInfo } from './tcp_options.ts';
import { closedConnections, TcpSocket, tcpPorts } from './tcp_socket.ts';
import type { ClosedConnection } from './time_wait.ts';
import { receiveUdp, udpLitePorts, UdpSocket, udpPorts, unreachableHook } from './udp_socket.ts';

const IPPROTO_MAX = 263;
const UDP_CONNECTED = 1;
const UDP_UNCONNECTED = 7;

unreachableHook.notify = tellUnreachable;
delivery.local = (ctx, link, packet) => {
  receivePacket(ctx, link, packet);
  if (packet.protocol === IPPROTO_UDP || packet.protocol === IPPROTO_UDPLITE) receiveUdp(ctx, link, packet);
};

function loopbackFamily(family: number): SocketFamily {
  return {
    create: (t, type, protocol) => {
      if (protocol < 0 || protocol >= IPPROTO_MAX) return EINVAL;
      switch (type) {
        case SOCK_STREAM:
          return protocol === 0 || protocol === IPPROTO_TCP ? new TcpSocket(t, family) : EPROTONOSUPPORT;
        case SOCK_DGRAM:
          if (protocol === (family === AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6)) return makePingSocket(t, family);
          if (protocol === IPPROTO_UDPLITE) return new UdpSocket(t, family, protocol);
          return protocol === 0 || protocol === IPPROTO_UDP ? new UdpSocket(t, family) : EPROTONOSUPPORT;
        case SOCK_RAW:
          if (protocol === 0) return EPROTONOSUPPORT;
          return t.creds.hasCapIn(t.netNs.userNs ?? t.kernel.userNs, CAP_NET_RAW)
            ? new RawSocket(t, family, protocol)
            : EPERM;
        default:
          return ESOCKTNOSUPPORT;
      }
    },
  };
}

function common(
  socket: InetSocket,
): Pick<SocketRow, 'family' | 'protocol' | 'local' | 'remote' | 'uid' | 'ino' | 'isV6Only' | 'ticksLeft' | 'buffers'> {
  const { family, protocol, local, remote, ownerUid, inode, isV6Only, options } = socket;
  const buffers = [options.receiveBuffer, options.sendBuffer] as const;
  return { family, protocol, local, remote, uid: ownerUid, ino: inode.ino, isV6Only, ticksLeft: 0, buffers };
}

function tcpRow(socket: TcpSocket): SocketRow {
  const isListening = socket.isListening;
  return {
    ...common(socket),
    kind: 'stream',
    state: socket.stateNumber,
    receiveQueue: isListening ? socket.pending.length : socket.queued + (socket.sawEnd && !socket.hasReadEnd ? 1 : 0),
    sendQueue: isListening ? socket.backlog : 0,
    drops: 0,
    info: () => tcpInfo(socket),
  };
}

function closedRow(entry: ClosedConnection): SocketRow {
  const { family, local, remote, stateNumber, ticksLeft, isV6Only } = entry;
  const nothing = { receiveQueue: 0, sendQueue: 0, uid: 0, ino: 0, drops: 0, info: null, buffers: [0, 0] as const };
  return {
    ...nothing,
    family,
    protocol: IPPROTO_TCP,
    kind: 'stream',
    state: stateNumber,
    local,
    remote,
    isV6Only,
    ticksLeft,
  };
}

function datagramRow(socket: DatagramSocket, kind: SocketRow['kind']): SocketRow {
  const state = socket.remote === null ? UDP_UNCONNECTED : UDP_CONNECTED;
  return {
    ...common(socket),
    kind,
    state,
    receiveQueue: socket.charged,
    sendQueue: 0,
    drops: socket.drops,
    info: null,
  };
}

function* rows(): Iterable<SocketRow> {
  closedConnections.expire();
  const tag = currentNet.net?.tag ?? 0;
  for (const holder of tcpPorts) {
    if (holder.netTag !== tag) continue;
    if (holder.isClosed) yield closedRow(holder as ClosedConnection);
    else if ((holder as TcpSocket).isShown) yield tcpRow(holder as TcpSocket);
  }
  for (const holder of udpLitePorts) if (holder.netTag === tag) yield datagramRow(holder as UdpSocket, 'lite');
  for (const holder of udpPorts) if (holder.netTag === tag) yield datagramRow(holder as UdpSocket, 'datagram');
  for (const table of [pingPorts, pingPorts6])
    for (const holder of table) if (holder.netTag === tag) yield datagramRow(holder as UdpSocket, 'ping');
  for (const socket of rawSockets) if (socket.netTag === tag) yield datagramRow(socket, 'raw');
}

export const loopbackProvider: InetProvider = { view: virtualNetwork, family: loopbackFamily, rows };
