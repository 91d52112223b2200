// SPDX-License-Identifier: Apache-2.0

/**
 * The network as it can be asked about: interfaces, addresses and routes, in the form rtnetlink tells them.
 *
 * Linux: net/core/rtnetlink.c (rtnl_fill_ifinfo), net/ipv4/devinet.c (inet_fill_ifaddr), net/ipv4/fib_semantics.c (fib_dump_info);
 *        rtnetlink(7)
 */
import { AF_INET } from '../../../platform/abi/linux/socket.ts';
import type { NetworkView } from '../../../platform/platform.ts';
import { readAttributes } from './netlink_message.ts';

export const IFLA_ADDRESS = 1;
export const IFLA_BROADCAST = 2;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_TXQLEN = 13;
export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_LABEL = 3;
export const IFA_BROADCAST = 4;
export const RTA_DST = 1;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_PRIORITY = 6;
export const RTA_PREFSRC = 7;
export const RTA_TABLE = 15;

export const IFINFO_SIZE = 16;
export const IFADDR_SIZE = 8;
export const RTMSG_SIZE = 12;

const LO_INDEX = 1;
export const RT_SCOPE_HOST = 254;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RT_TABLE_MAIN = 254;

/** The sandbox's network; set by the composition root. */
export const network: { view: NetworkView } = { view: { links: [], addresses: [], routes: [] } };

/** One interface, as the ioctls need it. */
export interface Interface {
  readonly index: number;
  readonly name: string;
  readonly flags: number;
  /** ARPHRD_* */
  readonly type: number;
  readonly attributes: ReadonlyMap<number, Buffer>;
}

export function parseLink(body: Uint8Array): Interface {
  const buf = Buffer.from(body.buffer, body.byteOffset, body.length);
  const attributes = readAttributes(buf.subarray(IFINFO_SIZE));
  return {
    index: buf.readInt32LE(4),
    name: (attributes.get(IFLA_IFNAME)?.toString('latin1') ?? '').split('\0', 1)[0] as string,
    flags: buf.readUInt32LE(8),
    type: buf.readUInt16LE(2),
    attributes,
  };
}

export function interfaces(): Interface[] {
  return network.view.links.map(parseLink);
}

/** An interface address. */
export interface InterfaceAddress {
  readonly family: number;
  readonly prefix: number;
  readonly flags: number;
  readonly scope: number;
  readonly index: number;
  readonly attributes: ReadonlyMap<number, Buffer>;
}

export function addressesOf(family: number): InterfaceAddress[] {
  return network.view.addresses
    .map((body) => {
      const buf = Buffer.from(body.buffer, body.byteOffset, body.length);
      const attributes = readAttributes(buf.subarray(IFADDR_SIZE));
      const [itsFamily, prefix, flags, scope] = buf as unknown as [number, number, number, number];
      return { family: itsFamily, prefix, flags, scope, index: buf.readUInt32LE(4), attributes };
    })
    .filter((address) => address.family === family);
}

/** Index of the interface that has an IPv4 address; null: none has. */
export function interfaceOfAddress(ip: number): number | null {
  for (const { index, prefix, attributes } of addressesOf(AF_INET)) {
    const own = (attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS))?.readUInt32BE(0);
    if (own === undefined) continue;
    const isIn = index === LO_INDEX && prefix <= 32 && (own ^ ip) >>> (32 - prefix || 31) === 0;
    if (own === ip || isIn) return index;
  }
  return null;
}

/** The first IPv4 address of an interface. */
export function firstAddressOf(interface_: number): number | null {
  const found = addressesOf(AF_INET).find(({ index }) => index === interface_);
  return (found?.attributes.get(IFA_LOCAL) ?? found?.attributes.get(IFA_ADDRESS))?.readUInt32BE(0) ?? null;
}
