// SPDX-License-Identifier: Apache-2.0

/**
 * The provider of AF_INET and AF_INET6 with the host's network (--network=host): families, and the sockets there are.
 *
 * Linux: net/ipv4/af_inet.c (inet_create)
 */
import {
  EACCES,
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
  AF_INET6,
  FIONREAD,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_V6ONLY,
  SIOCOUTQ,
  SO_RCVBUF,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_INFO,
} from '../../../platform/abi/linux/socket.ts';
import type { HostFiles, HostNetwork, Platform } from '../../../platform/platform.ts';
import { anyEndpoint, decodeEndpoint, type Endpoint } from '../inet/inet_address.ts';
import type { InetProvider } from '../inet/inet_provider.ts';
import { mayPing } from '../inet/ping_socket.ts';
import type { SocketRow } from '../inet/socket_row.ts';
import type { SocketFamily } from '../socket.ts';
import type { Task } from '../../kernel/task.ts';
import { RawSocket } from '../inet/raw_socket.ts';
import { CAP_NET_RAW } from '../../../platform/abi/linux/capability.ts';
import { HostEcho } from './host_echo.ts';
import { HostSocket, type HostSocketServices } from './host_socket.ts';

const TCP_CLOSE = 7;
const TCP_LISTEN = 10;
const UDP_CONNECTED = 1;
const UDP_UNCONNECTED = 7;
const TCP_INFO_MAX = 256;
/** Offsets in struct tcp_info. */
const TCPI_UNACKED = 24;
const TCPI_SACKED = 28;
const IPPROTO_MAX = 263;

/** The protocol of a socket the host may be asked for. Errors: EINVAL, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EACCES (net.ipv4.ping_group_range). */
function allowedProtocol(t: Task, family: number, type: number, protocol: number): number {
  if (protocol < 0 || protocol >= IPPROTO_MAX) return EINVAL;
  const icmp = family === AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
  switch (type) {
    case SOCK_STREAM:
      return protocol === 0 || protocol === IPPROTO_TCP ? IPPROTO_TCP : EPROTONOSUPPORT;
    case SOCK_DGRAM:
      if (protocol === icmp) return mayPing(t) ? icmp : EACCES;
      return protocol === 0 || protocol === IPPROTO_UDP ? IPPROTO_UDP : EPROTONOSUPPORT;
    default:
      return ESOCKTNOSUPPORT;
  }
}

/** Raw ICMP for CAP_NET_RAW: within the sandbox's own loopback, and echo requests beyond it. Errors: EPERM for the rest. */
function rawSocket(t: Task, services: HostSocketServices, family: number, protocol: number): RawSocket | Errno {
  if (protocol < 0 || protocol >= IPPROTO_MAX) return EINVAL;
  if (protocol === 0) return EPROTONOSUPPORT;
  const isIcmp = protocol === (family === AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
  if (!isIcmp || !t.creds.hasCap(CAP_NET_RAW)) return EPERM;
  const socket = new RawSocket(t, family, protocol);
  socket.wayOut = new HostEcho(services, socket);
  return socket;
}

function hostFamily(services: HostSocketServices, family: number): SocketFamily {
  return {
    create: (t, type, protocol) => {
      if (type === SOCK_RAW) return rawSocket(t, services, family, protocol);
      const allowed = allowedProtocol(t, family, type, protocol);
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

function endpoint(address: Uint8Array | Errno, family: number): Endpoint | null {
  const decoded = isErrno(address) ? address : decodeEndpoint(address, family);
  return isErrno(decoded) ? null : decoded;
}

/** An integer option of the host's socket; 0 when it has none. */
function word(socket: HostSocket, level: number, name: number): number {
  const value = socket.getOption(null as never, level, name, 4);
  return isErrno(value) || value.length < 4 ? 0 : Buffer.from(value).readInt32LE(0);
}

function rowOf(socket: HostSocket): SocketRow {
  const { family, protocol, type } = socket;
  const local = endpoint(socket.localAddress(), family) ?? anyEndpoint(family);
  const remote = endpoint(socket.peerAddress(), family);
  const isStream = type === SOCK_STREAM;
  const info = isStream ? socket.getOption(null as never, IPPROTO_TCP, TCP_INFO, TCP_INFO_MAX) : null;
  const state =
    info === null
      ? remote === null
        ? UDP_UNCONNECTED
        : UDP_CONNECTED
      : isErrno(info)
        ? TCP_CLOSE
        : (info[0] as number);
  // A listener's tcpi_unacked and tcpi_sacked are the connections waiting and the backlog.
  const [waiting, limit] =
    info !== null && !isErrno(info) && state === TCP_LISTEN
      ? [Buffer.from(info).readUInt32LE(TCPI_UNACKED), Buffer.from(info).readUInt32LE(TCPI_SACKED)]
      : [socket.queuedBytes(FIONREAD), socket.queuedBytes(SIOCOUTQ)];
  return {
    family,
    protocol,
    kind: isStream ? 'stream' : protocol === IPPROTO_UDP ? 'datagram' : 'ping',
    state,
    local,
    remote,
    receiveQueue: waiting,
    sendQueue: limit,
    uid: socket.ownerUid,
    ino: socket.inode.ino,
    drops: 0,
    isV6Only: family === AF_INET6 && word(socket, IPPROTO_IPV6, IPV6_V6ONLY) !== 0,
    ticksLeft: 0,
    info: info === null || isErrno(info) ? null : () => info,
    buffers: [word(socket, SOL_SOCKET, SO_RCVBUF), word(socket, SOL_SOCKET, SO_SNDBUF)],
  };
}

export function hostProvider(
  network: HostNetwork,
  files: HostFiles,
  platform: Pick<Platform, 'watch' | 'unwatch'>,
): InetProvider {
  const open = new Set<HostSocket>();
  const services: HostSocketServices = { sockets: network.sockets, files, platform, open };
  return {
    view: network.view,
    family: (family) => hostFamily(services, family),
    *rows() {
      for (const socket of open) {
        const row = rowOf(socket);
        const isUnbound = row.kind === 'stream' ? row.state === TCP_CLOSE : row.local.port === 0;
        if (!isUnbound) yield row;
      }
    },
  };
}
