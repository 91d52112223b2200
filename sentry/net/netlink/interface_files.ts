// SPDX-License-Identifier: Apache-2.0

/**
 * What /sys/class/net says of an interface: texts made from the link messages the sandbox's network consists of.
 *
 * Linux: net/core/net-sysfs.c
 */
import { IFLA_ADDRESS, IFLA_BROADCAST, IFLA_MTU, IFLA_TXQLEN, type Interface, interfaces } from './network_view.ts';

const IFLA_LINK = 5;
const IFLA_OPERSTATE = 16;
const IFLA_LINKMODE = 17;
const IFLA_STATS64 = 23;
const IFLA_CARRIER = 33;
const IFF_UP = 1;
/** All but IFF_RUNNING and what came after 16 bits: what the driver says now is not shown here. */
const STATIC_FLAGS = 0xffff & ~0x40;

/** IF_OPER_* */
const OPERSTATES = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'];

/** Fields of struct rtnl_link_stats64, in order. */
const STATISTICS = [
  'rx_packets',
  'tx_packets',
  'rx_bytes',
  'tx_bytes',
  'rx_errors',
  'tx_errors',
  'rx_dropped',
  'tx_dropped',
  'multicast',
  'collisions',
  'rx_length_errors',
  'rx_over_errors',
  'rx_crc_errors',
  'rx_frame_errors',
  'rx_fifo_errors',
  'rx_missed_errors',
  'tx_aborted_errors',
  'tx_carrier_errors',
  'tx_fifo_errors',
  'tx_heartbeat_errors',
  'tx_window_errors',
  'rx_compressed',
  'tx_compressed',
  'rx_nohandler',
];

/** Every interface by name, with its files. */
export function allInterfaceFiles(): [string, [string, string][]][] {
  return interfaces().map((link) => [link.name, interfaceFiles(link)]);
}

/** File names below the interface's directory, with their texts. */
function interfaceFiles(link: Interface): [string, string][] {
  const u32 = (attribute: number, otherwise: number): number => {
    const value = link.attributes.get(attribute);
    return value === undefined || value.length < 4 ? otherwise : value.readUInt32LE(0);
  };
  const u8 = (attribute: number): number => link.attributes.get(attribute)?.[0] ?? 0;
  const colons = (attribute: number): string =>
    (link.attributes.get(attribute) ?? Buffer.alloc(0)).toString('hex').replace(/..(?=.)/g, '$&:');
  const stats = link.attributes.get(IFLA_STATS64);
  const statistic = (i: number): string =>
    stats !== undefined && stats.length >= i * 8 + 8 ? stats.readBigUInt64LE(i * 8).toString() : '0';
  return [
    ['addr_len', String(link.attributes.get(IFLA_ADDRESS)?.length ?? 0)],
    ['address', colons(IFLA_ADDRESS)],
    ['broadcast', colons(IFLA_BROADCAST)],
    ['carrier', String((link.flags & IFF_UP) !== 0 ? u8(IFLA_CARRIER) : 0)],
    ['dev_id', '0x0'],
    ['dev_port', '0'],
    ['dormant', '0'],
    ['flags', `0x${(link.flags & STATIC_FLAGS).toString(16)}`],
    ['ifalias', ''],
    ['ifindex', String(link.index)],
    ['iflink', String(u32(IFLA_LINK, link.index))],
    ['link_mode', String(u8(IFLA_LINKMODE))],
    ['mtu', String(u32(IFLA_MTU, 0))],
    ['operstate', OPERSTATES[u8(IFLA_OPERSTATE)] ?? 'unknown'],
    ['tx_queue_len', String(u32(IFLA_TXQLEN, 0))],
    ['type', String(link.type)],
    ['uevent', `INTERFACE=${link.name}\nIFINDEX=${link.index}`],
    ...STATISTICS.map((name, i): [string, string] => [`statistics/${name}`, statistic(i)]),
  ];
}
