// SPDX-License-Identifier: Apache-2.0

/**
 * The provider of AF_INET and AF_INET6 with the host's network (--network=host): families and /proc/net texts.
 *
 * Linux: net/ipv4/af_inet.c (inet_create), net/ipv4/tcp_ipv4.c (tcp4_seq_show)
 */
import {
  EINVAL,
  ENFILE,
  EPERM,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
  type Errno,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import {
  AF_INET,
  type AF_INET6,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  TCP_INFO,
} from '../../../platform/abi/linux/socket.ts';
import type { HostFiles, HostNetwork, Platform } from '../../../platform/platform.ts';
import { anyEndpoint, decodeEndpoint, type Endpoint, procText } from '../inet/inet_address.ts';
import { type InetProvider, socketLine, tcpHead, udpHead } from '../inet/inet_provider.ts';
import type { SocketFamily } from '../socket.ts';
import { HostSocket, type HostSocketServices } from './host_socket.ts';

const TCP_CLOSE = 7;
const IPPROTO_MAX = 263;

/** The protocol of a socket the host may be asked for. Errors: EINVAL, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM (raw). */
function allowedProtocol(family: number, type: number, protocol: number): number {
  if (protocol < 0 || protocol >= IPPROTO_MAX) return EINVAL;
  const icmp = family === AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
  switch (type) {
    case SOCK_STREAM:
      return protocol === 0 || protocol === IPPROTO_TCP ? IPPROTO_TCP : EPROTONOSUPPORT;
    case SOCK_DGRAM:
      if (protocol === icmp) return icmp;
      return protocol === 0 || protocol === IPPROTO_UDP ? IPPROTO_UDP : EPROTONOSUPPORT;
    case SOCK_RAW:
      return EPERM;
    default:
      return ESOCKTNOSUPPORT;
  }
}

function hostFamily(services: HostSocketServices, family: number): SocketFamily {
  return {
    create: (t, type, protocol) => {
      const allowed = allowedProtocol(family, type, protocol);
      if (allowed < 0) return allowed as Errno;
      if (services.open.size >= services.sockets.maxSockets) return ENFILE;
      const fd = services.sockets.open(family, type, allowed);
      if (fd < 0) return fd as Errno;
      const socket = new HostSocket(t, services, family, type, allowed, fd);
      const watched = socket.begin();
      if (watched >= 0) return socket;
      socket.decRef();
      return watched as Errno;
    },
  };
}

function endpoint(address: Uint8Array | Errno, family: number): Endpoint {
  const decoded = isErrno(address) ? address : decodeEndpoint(address, family);
  return isErrno(decoded) ? anyEndpoint(family) : decoded;
}

function addresses(socket: HostSocket): string {
  const { family } = socket;
  const local = endpoint(socket.localAddress(), family);
  return `${procText(local, family)} ${procText(endpoint(socket.peerAddress(), family), family)}`;
}

/** The first byte of struct tcp_info. */
function tcpState(socket: HostSocket): number {
  const info = socket.getOption(null as never, IPPROTO_TCP, TCP_INFO, 1);
  return isErrno(info) ? TCP_CLOSE : (info[0] as number);
}

export function hostProvider(
  network: HostNetwork,
  files: HostFiles,
  platform: Pick<Platform, 'watch' | 'unwatch'>,
): InetProvider {
  const open = new Set<HostSocket>();
  const services: HostSocketServices = { sockets: network.sockets, files, platform, open };
  const text = (family: number, protocol: number, head: string, state: (socket: HostSocket) => number): string => {
    let lines = '';
    let slot = 0;
    for (const socket of open) {
      if (socket.family !== family || socket.protocol !== protocol) continue;
      const now = state(socket);
      const isUnbound = protocol === IPPROTO_TCP && now === TCP_CLOSE;
      if (!isUnbound)
        lines += socketLine(family, protocol, slot++, addresses(socket), now, 0, socket.ownerUid, socket.inode.ino, 0);
    }
    return head + lines;
  };
  return {
    view: network.view,
    family: (family) => hostFamily(services, family),
    tcpText: (family: typeof AF_INET | typeof AF_INET6) => text(family, IPPROTO_TCP, tcpHead(family), tcpState),
    udpText: (family) =>
      text(family, IPPROTO_UDP, udpHead(family), (socket) => (isErrno(socket.peerAddress()) ? 7 : 1)),
  };
}
