// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/net/dev, route, if_inet6: the network's view as text.
 *
 * Linux: net/core/net-procfs.c (dev_seq_show), net/ipv4/fib_trie.c (fib_route_seq_show), net/ipv6/addrconf.c (if6_seq_show)
 */
import { AF_INET, AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import { readAttributes } from './netlink_message.ts';
import {
  addressesOf,
  IFA_ADDRESS,
  interfaces,
  network,
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_GATEWAY,
  RTA_OIF,
  RTA_PRIORITY,
  RTMSG_SIZE,
  RTN_UNICAST,
} from './network_view.ts';

const DEV_HEAD =
  'Inter-|   Receive                                                |  Transmit\n' +
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';
const DEV_COUNTERS =
  '       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0';
const ROUTE_HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
const ROUTE_WIDTH = 127;
const RTF_UP = 1;
const RTF_GATEWAY = 2;
const RTF_HOST = 4;
const RTF_LOCAL = 0x80000000;

const hex = (value: number, width: number): string => (value >>> 0).toString(16).padStart(width, '0');

function nameOf(index: number): string {
  return interfaces().find((link) => link.index === index)?.name ?? '*';
}

function devText(): string {
  return (
    DEV_HEAD +
    interfaces()
      .map((link) => `${link.name.padStart(6)}:${DEV_COUNTERS}\n`)
      .join('')
  );
}

function routeText(): string {
  const lines = network.view.routes
    .filter((body) => body[0] === AF_INET && body[4] === RT_TABLE_MAIN && body[7] === RTN_UNICAST)
    .map((body) => {
      const attributes = readAttributes(Buffer.from(body.buffer, body.byteOffset, body.length).subarray(RTMSG_SIZE));
      const word = (type: number): number => attributes.get(type)?.readUInt32LE(0) ?? 0;
      const prefix = body[1] as number;
      const mask = Buffer.alloc(4);
      mask.writeUInt32BE(prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0, 0);
      const flags = RTF_UP | (attributes.has(RTA_GATEWAY) ? RTF_GATEWAY : 0) | (prefix === 32 ? RTF_HOST : 0);
      const upper = (value: number): string => hex(value, 8).toUpperCase();
      const row = `${nameOf(word(RTA_OIF))}\t${upper(word(RTA_DST))}\t${upper(word(RTA_GATEWAY))}\t${hex(flags, 4).toUpperCase()}\t0\t0\t${word(RTA_PRIORITY)}\t${upper(mask.readUInt32LE(0))}\t0\t0\t0`;
      return `${row.padEnd(ROUTE_WIDTH)}\n`;
    });
  return `${ROUTE_HEAD.padEnd(ROUTE_WIDTH)}\n${lines.join('')}`;
}

/** The scope of struct ifaddrmsg as /proc shows it (IPV6_ADDR_SCOPE_MASK). */
function scopeBits(scope: number): number {
  return scope === 254 ? 0x10 : scope === 253 ? 0x20 : scope === 200 ? 0x40 : 0;
}

function inet6Text(): string {
  return addressesOf(AF_INET6)
    .map((address) => {
      const bytes = (address.attributes.get(IFA_ADDRESS) ?? Buffer.alloc(16)).toString('hex');
      const { index, prefix, scope, flags } = address;
      return `${bytes} ${hex(index, 2)} ${hex(prefix, 2)} ${hex(scopeBits(scope), 2)} ${hex(flags, 2)} ${nameOf(index).padStart(8)}\n`;
    })
    .join('');
}

function ipv6RouteText(): string {
  const none = '0'.repeat(32);
  return network.view.routes
    .filter((body) => body[0] === AF_INET6)
    .map((body) => {
      const attributes = readAttributes(Buffer.from(body.buffer, body.byteOffset, body.length).subarray(RTMSG_SIZE));
      const word = (type: number): number => attributes.get(type)?.readUInt32LE(0) ?? 0;
      const bytes = (type: number): string => attributes.get(type)?.toString('hex') ?? none;
      const isLocal = body[7] !== RTN_UNICAST;
      const flags = RTF_UP | (attributes.has(RTA_GATEWAY) ? RTF_GATEWAY : 0) | (isLocal ? RTF_LOCAL : 0);
      const prefix = hex(body[1] as number, 2);
      return `${bytes(RTA_DST)} ${prefix} ${none} 00 ${bytes(RTA_GATEWAY)} ${hex(word(RTA_PRIORITY), 8)} 00000001 00000000 ${hex(flags, 8)} ${nameOf(word(RTA_OIF)).padStart(8)}\n`;
    })
    .join('');
}

/** Names under /proc/net, and their texts. */
export const viewTexts: ReadonlyMap<string, () => string> = new Map([
  ['dev', devText],
  ['route', routeText],
  ['if_inet6', inet6Text],
  ['ipv6_route', ipv6RouteText],
]);
