// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/net's tables of internet sockets: tcp, udp, raw, icmp (and their twins of IPv6), sockstat.
 *
 * Linux: net/ipv4/tcp_ipv4.c (tcp4_seq_show), net/ipv4/udp.c (udp4_seq_show), net/ipv4/raw.c, net/ipv4/ping.c, net/ipv4/proc.c
 */
import { AF_INET, AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import { anyEndpoint, procText } from './inet_address.ts';
import { igmpText } from './multicast.ts';
import { inetProvider } from './inet_provider.ts';
import type { SocketRow } from './socket_row.ts';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const HEAD6 =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const TCP4_WIDTH = 149;
const UDP4_WIDTH = 127;
const TCP_LISTEN = 10;
const TCP_TIME_WAIT = 6;
const TCP_CLOSE = 7;
const TW_TIMER = 3;

const hex = (value: number, width: number): string => value.toString(16).toUpperCase().padStart(width, '0');

type Kind = SocketRow['kind'];

function addresses(row: SocketRow): string {
  return `${procText(row.local, row.family)} ${procText(row.remote ?? anyEndpoint(row.family), row.family)}`;
}

function streamLine(row: SocketRow, slot: number): string {
  const uid = String(row.uid).padStart(5);
  const receive = hex(row.receiveQueue, 8);
  const sent = hex(row.state === TCP_LISTEN ? 0 : row.sendQueue, 8);
  const head = `${String(slot).padStart(4)}: ${addresses(row)} ${hex(row.state, 2)} ${sent}:${receive}`;
  const line =
    row.ino === 0
      ? `${head} 0${TW_TIMER}:${hex(row.ticksLeft, 8)} 00000000 ${uid}        0 0 3 0000000000000000`
      : `${head} 00:00000000 00000000 ${uid}        0 ${row.ino} 1 0000000000000000 100 0 0 10 0`;
  return `${line.padEnd(row.family === AF_INET ? TCP4_WIDTH : 0)}\n`;
}

function datagramLine(row: SocketRow, slot: number, width: number): string {
  const uid = String(row.uid).padStart(5);
  const queues = `${hex(row.sendQueue, 8)}:${hex(row.receiveQueue, 8)}`;
  const line = `${String(slot).padStart(width)}: ${addresses(row)} ${hex(row.state, 2)} ${queues} 00:00000000 00000000 ${uid}        0 ${row.ino} 2 0000000000000000 ${row.drops}`;
  return `${row.family === AF_INET && width === 5 ? line.padEnd(UDP4_WIDTH) : line}\n`;
}

function* of(kind: Kind, family: number): Iterable<SocketRow> {
  for (const row of inetProvider.rows()) if (row.kind === kind && row.family === family) yield row;
}

function tcpText(family: number): string {
  let text = family === AF_INET ? `${HEAD.padEnd(TCP4_WIDTH)}\n` : `${HEAD6}\n`;
  const rows = [...of('stream', family)].filter((row) => row.state !== TCP_CLOSE);
  const listening = rows.filter((row) => row.state === TCP_LISTEN);
  let slot = 0;
  for (const row of [...listening, ...rows.filter((one) => one.state !== TCP_LISTEN)]) text += streamLine(row, slot++);
  return text;
}

function datagramText(kind: Kind, family: number): string {
  const isPadded = family === AF_INET && kind !== 'raw';
  const head = `${kind === 'raw' ? '' : ' '}${family === AF_INET ? HEAD : HEAD6} ref pointer drops`;
  let text = `${isPadded ? head.padEnd(UDP4_WIDTH) : head}\n`;
  let slot = 0;
  for (const row of of(kind, family))
    text += datagramLine(row, kind === 'raw' ? row.protocol : slot++, kind === 'raw' ? 4 : 5);
  return text;
}

function countOf(kind: Kind, family: number, which: (row: SocketRow) => boolean = () => true): number {
  return [...of(kind, family)].filter(which).length;
}

function sockstatText(): string {
  const isAlive = (row: SocketRow): boolean => row.ino !== 0;
  const all = [...inetProvider.rows()].filter(isAlive).length;
  const alive = countOf('stream', AF_INET, isAlive);
  const both = alive + countOf('stream', AF_INET6, isAlive);
  const waits = (row: SocketRow): boolean => row.state === TCP_TIME_WAIT;
  const waiting = countOf('stream', AF_INET, waits) + countOf('stream', AF_INET6, waits);
  return (
    `sockets: used ${all}\nTCP: inuse ${alive} orphan 0 tw ${waiting} alloc ${both} mem 0\n` +
    `UDP: inuse ${countOf('datagram', AF_INET)} mem 0\nUDPLITE: inuse 0\nRAW: inuse ${countOf('raw', AF_INET)}\nFRAG: inuse 0 memory 0\n`
  );
}

function sockstat6Text(): string {
  const alive = countOf('stream', AF_INET6, (row) => row.ino !== 0);
  return `TCP6: inuse ${alive}\nUDP6: inuse ${countOf('datagram', AF_INET6)}\nUDPLITE6: inuse 0\nRAW6: inuse ${countOf('raw', AF_INET6)}\nFRAG6: inuse 0 memory 0\n`;
}

/** Names under /proc/net, and their texts. */
export const socketTables: ReadonlyMap<string, () => string> = new Map([
  ['tcp', () => tcpText(AF_INET)],
  ['tcp6', () => tcpText(AF_INET6)],
  ['udp', () => datagramText('datagram', AF_INET)],
  ['udp6', () => datagramText('datagram', AF_INET6)],
  ['udplite', () => datagramText('lite', AF_INET)],
  ['udplite6', () => datagramText('lite', AF_INET6)],
  ['raw', () => datagramText('raw', AF_INET)],
  ['raw6', () => datagramText('raw', AF_INET6)],
  ['icmp', () => datagramText('ping', AF_INET)],
  ['icmp6', () => datagramText('ping', AF_INET6)],
  ['igmp', igmpText],
  ['sockstat', sockstatText],
  ['sockstat6', sockstat6Text],
]);
