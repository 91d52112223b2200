// SPDX-License-Identifier: Apache-2.0

/**
 * NETLINK_SOCK_DIAG: which sockets there are, as ss(8) asks.
 *
 * Linux:      net/core/sock_diag.c, net/ipv4/inet_diag.c, net/unix/diag.c, net/netlink/diag.c; sock_diag(7)
 * Differs:    filters in the form of bytecode are not run: every socket that fits the request's states is told, as ss expects
 *             of kernels without inet_diag modules it filters by itself.
 */
import { EINVAL, ENOENT, EOPNOTSUPP } from '../../../platform/abi/linux/errno.ts';
import {
  AF_INET,
  AF_INET6,
  AF_MAX,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  IPPROTO_RAW,
  IPPROTO_TCP,
  IPPROTO_UDP,
  NLM_F_DUMP,
} from '../../../platform/abi/linux/socket.ts';
import { anyEndpoint, type Endpoint, encodeEndpoint } from '../inet/inet_address.ts';
import { inetProvider } from '../inet/inet_provider.ts';
import type { SocketRow } from '../inet/socket_row.ts';
import { unixSockets } from '../unix/unix_socket.ts';
import { unixBody } from '../unix/unix_diag.ts';
import { packetsOf } from './netlink_dump.ts';
import { BodyWriter, type MessageHeader, messageOf } from './netlink_message.ts';

export const SOCK_DIAG_BY_FAMILY = 20;
const TCPDIAG_GETSOCK = 18;
const INET_REQUEST = 56;
const INET_REQUEST_OLD = 56;
const UNIX_REQUEST = 24;
const INET_DIAG_MEMINFO = 1;
const INET_DIAG_INFO = 2;
const INET_DIAG_SKMEMINFO = 7;
const INET_DIAG_SHUTDOWN = 8;
const INET_DIAG_SKV6ONLY = 11;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const TW_TIMER = 3;
/** Where in struct inet_diag_req_v2 things are. */
const STATES = 4;
const SPORT = 8;
const DPORT = 10;

function writeAddress(out: Buffer, at: number, endpoint: Endpoint, family: number): void {
  const bytes = encodeEndpoint(endpoint, family);
  if (family === AF_INET) out.set(bytes.subarray(4, 8), at);
  else out.set(bytes.subarray(8, 24), at);
}

/** struct inet_diag_msg and the attributes `ext` asks for. */
function inetBody(row: SocketRow, ext: number): Buffer {
  const { family, local, remote } = row;
  const message = Buffer.alloc(72);
  message[0] = family;
  message[1] = row.state;
  message[2] = row.ticksLeft > 0 ? TW_TIMER : 0;
  message.writeUInt16BE(local.port, 4);
  message.writeUInt16BE(remote?.port ?? 0, 6);
  writeAddress(message, 8, local, family);
  writeAddress(message, 24, remote ?? anyEndpoint(family), family);
  message.writeUInt32LE(row.ino >>> 0, 44);
  message.writeUInt32LE(row.ticksLeft * 10, 52);
  message.writeUInt32LE(row.receiveQueue, 56);
  message.writeUInt32LE(row.sendQueue, 60);
  message.writeUInt32LE(row.uid, 64);
  message.writeUInt32LE(row.ino >>> 0, 68);
  const writer = new BodyWriter().raw(message);
  const wants = (what: number): boolean => (ext & (1 << (what - 1))) !== 0;
  const [receiveBuffer, sendBuffer] = row.buffers;
  writer.u8(INET_DIAG_SHUTDOWN, 0);
  if (family === AF_INET6) writer.u8(INET_DIAG_SKV6ONLY, row.isV6Only ? 1 : 0);
  if (wants(INET_DIAG_MEMINFO)) writer.attribute(INET_DIAG_MEMINFO, words([row.receiveQueue, 0, 0, 0]));
  if (wants(INET_DIAG_SKMEMINFO))
    writer.attribute(
      INET_DIAG_SKMEMINFO,
      words([row.receiveQueue, receiveBuffer, 0, sendBuffer, 0, 0, 0, 0, row.drops]),
    );
  if (wants(INET_DIAG_INFO) && row.info !== null) writer.attribute(INET_DIAG_INFO, Buffer.from(row.info()));
  return writer.body();
}
const words = (values: readonly number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);

function hasProtocol(row: SocketRow, protocol: number): boolean {
  switch (protocol) {
    case IPPROTO_TCP:
      return row.kind === 'stream';
    case IPPROTO_UDP:
      return row.kind === 'datagram';
    case IPPROTO_RAW:
      return row.kind === 'raw';
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return row.kind === 'ping';
    default:
      return false;
  }
}

function* inetRows(family: number, protocol: number, states: number): Iterable<SocketRow> {
  for (const row of inetProvider.rows())
    if (row.family === family && hasProtocol(row, protocol) && (states & (1 << row.state)) !== 0) yield row;
}

function inetDump(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  if (body.length < INET_REQUEST) return EINVAL;
  const [family, protocol, ext] = body as unknown as [number, number, number];
  const bodies: Buffer[] = [];
  const [sport, dport] = [body.readUInt16BE(SPORT), body.readUInt16BE(DPORT)];
  for (const row of inetRows(family, protocol, body.readUInt32LE(STATES))) {
    if (sport !== 0 && row.local.port !== sport) continue;
    if (dport !== 0 && row.remote?.port !== dport) continue;
    bodies.push(inetBody(row, ext));
  }
  return packetsOf(SOCK_DIAG_BY_FAMILY, bodies, header.sequence, port);
}

/** struct inet_diag_req of old programs: TCP only, both families. */
function oldDump(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  if (body.length < INET_REQUEST_OLD) return EINVAL;
  const states = body.readUInt32LE(48);
  const bodies = [AF_INET, AF_INET6]
    .flatMap((family) => [...inetRows(family, IPPROTO_TCP, states)])
    .map((row) => inetBody(row, body[3] as number));
  return packetsOf(TCPDIAG_GETSOCK, bodies, header.sequence, port);
}

/** One connection by its addresses. Errors: EINVAL, ENOENT. */
function inetOne(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  if (body.length < INET_REQUEST) return EINVAL;
  const [family, protocol, ext] = body as unknown as [number, number, number];
  for (const row of inetRows(family, protocol, 0xffffffff | 0)) {
    const one = inetBody(row, ext);
    const isSame = one.subarray(4, 4 + 36).equals(body.subarray(SPORT, SPORT + 36));
    if (isSame) return [messageOf(SOCK_DIAG_BY_FAMILY, 0, header.sequence, port, one)];
  }
  return ENOENT;
}

function unixDump(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  if (body.length < UNIX_REQUEST) return EINVAL;
  const states = body.readUInt32LE(4);
  const show = body.readUInt32LE(12);
  const bodies = [...unixSockets]
    .filter((socket) => (states & (1 << socket.stateNumber)) !== 0)
    .map((socket) => unixBody(socket, show));
  return packetsOf(SOCK_DIAG_BY_FAMILY, bodies, header.sequence, port);
}

/** One Unix socket by its inode. Errors: EINVAL, ENOENT. */
function unixOne(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  if (body.length < UNIX_REQUEST) return EINVAL;
  const ino = body.readUInt32LE(8);
  if (ino === 0) return EINVAL;
  for (const socket of unixSockets) {
    if (socket.inode.ino === ino)
      return [messageOf(SOCK_DIAG_BY_FAMILY, 0, header.sequence, port, unixBody(socket, body.readUInt32LE(12)))];
  }
  return ENOENT;
}

/** The packets that answer one request, or errno. */
export function answerDiag(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  const isDump = (header.flags & NLM_F_DUMP) !== 0;
  if (header.type === TCPDIAG_GETSOCK) return isDump ? oldDump(header, body, port) : EOPNOTSUPP;
  if (header.type !== SOCK_DIAG_BY_FAMILY) return EINVAL;
  if (body.length < 2 || (body[0] as number) >= AF_MAX) return EINVAL;
  switch (body[0]) {
    case AF_INET:
    case AF_INET6:
      return isDump ? inetDump(header, body, port) : inetOne(header, body, port);
    case AF_UNIX:
      return isDump ? unixDump(header, body, port) : unixOne(header, body, port);
    case AF_NETLINK:
    case AF_PACKET:
      return isDump ? packetsOf(SOCK_DIAG_BY_FAMILY, [], header.sequence, port) : EOPNOTSUPP;
    default:
      return ENOENT;
  }
}
