// SPDX-License-Identifier: Apache-2.0

/**
 * Addresses of the loopback network: struct sockaddr_in and sockaddr_in6 to and from one form.
 *
 * Linux:      include/uapi/linux/in.h, in6.h; net/ipv4/af_inet.c, net/ipv6/af_inet6.c (bind checks)
 * Invariants: an IPv4-mapped IPv6 address is held as IPv4. What is not local goes nowhere.
 */
import { EAFNOSUPPORT, EINVAL, type Errno } from '../../../platform/abi/linux/errno.ts';
import { AF_INET, AF_INET6, AF_UNSPEC } from '../../../platform/abi/linux/socket.ts';

export const IN_SIZE = 16;
export const IN6_SIZE = 28;
/** Shortest sockaddr_in6 taken (without the scope id). */
export const IN6_MIN = 24;
const LOOPBACK_V4 = 0x7f000001;

/** IPv4 as a number; IPv6 as ANY, LOOPBACK, or anything else, whose bytes are kept. */
export interface Endpoint {
  readonly isV6: boolean;
  readonly ip: number;
  readonly port: number;
  /** The 16 bytes of an IPv6 address that is neither ANY nor LOOPBACK. */
  readonly foreign?: Uint8Array;
}

const V6_ANY = 0;
const V6_LOOPBACK = 1;
const V6_FOREIGN = 2;

export function familyOf(address: Uint8Array): number {
  return address.length < 2 ? AF_UNSPEC : (address[0] as number) + (address[1] as number) * 256;
}

/** Decodes an address given to a socket of `family`. Errors: EINVAL (short), EAFNOSUPPORT. */
export function decodeEndpoint(address: Uint8Array, family: number): Endpoint | Errno {
  const buf = Buffer.from(address.buffer, address.byteOffset, address.length);
  if (family === AF_INET) {
    if (buf.length < IN_SIZE) return EINVAL;
    if (familyOf(address) !== AF_INET) return EAFNOSUPPORT;
    return { isV6: false, ip: buf.readUInt32BE(4), port: buf.readUInt16BE(2) };
  }
  if (buf.length < IN6_MIN) return EINVAL;
  if (familyOf(address) !== AF_INET6) return EAFNOSUPPORT;
  const port = buf.readUInt16BE(2);
  const bytes = buf.subarray(8, 24);
  if (bytes.readUInt32BE(0) === 0 && bytes.readUInt32BE(4) === 0) {
    if (bytes.readUInt32BE(8) === 0xffff) return { isV6: false, ip: bytes.readUInt32BE(12), port };
    if (bytes.readUInt32BE(8) === 0 && bytes.readUInt32BE(12) <= 1)
      return { isV6: true, ip: bytes.readUInt32BE(12), port };
  }
  return { isV6: true, ip: V6_FOREIGN, port, foreign: Uint8Array.from(bytes) };
}

/** The sockaddr a socket of `family` shows for an endpoint. */
export function encodeEndpoint(endpoint: Endpoint, family: number): Uint8Array {
  if (family === AF_INET) {
    const buf = Buffer.alloc(IN_SIZE);
    buf.writeUInt16LE(AF_INET, 0);
    buf.writeUInt16BE(endpoint.port, 2);
    buf.writeUInt32BE(endpoint.ip, 4);
    return buf;
  }
  const buf = Buffer.alloc(IN6_SIZE);
  buf.writeUInt16LE(AF_INET6, 0);
  buf.writeUInt16BE(endpoint.port, 2);
  if (endpoint.foreign !== undefined) buf.set(endpoint.foreign, 8);
  else if (endpoint.isV6) buf[23] = endpoint.ip;
  else {
    buf.writeUInt16BE(0xffff, 18);
    buf.writeUInt32BE(endpoint.ip, 20);
  }
  return buf;
}

export function anyEndpoint(family: number, port = 0): Endpoint {
  return { isV6: family === AF_INET6, ip: 0, port };
}

/** 0.0.0.0 or :: */
export function isAny(endpoint: Endpoint): boolean {
  return endpoint.ip === V6_ANY;
}

/** Addresses given to interfaces beside 127.0.0.0/8 and ::1, by hostKey; filled by the virtual network. */
export const ownAddresses = new Set<string>();
/** Broadcast addresses of the interfaces' networks. */
export const broadcastAddresses = new Set<number>([0x7fffffff, 0xffffffff]);

/** An address of this host, or no particular one. */
export function isLocal(endpoint: Endpoint): boolean {
  if (isAny(endpoint) || isLoopback(endpoint)) return true;
  return ownAddresses.size > 0 && ownAddresses.has(hostKey(endpoint));
}

/** Where a packet to `endpoint` goes: no particular address means this host. */
export function destination(endpoint: Endpoint): Endpoint {
  if (!isAny(endpoint)) return endpoint;
  return { ...endpoint, ip: endpoint.isV6 ? V6_LOOPBACK : LOOPBACK_V4 };
}

/** The source address for packets to `to`: an own address talks to itself. */
export function sourceFor(to: Endpoint, port: number): Endpoint {
  if (!isLoopback(to) && isLocal(to) && !isAny(to)) return { ...to, port };
  return { isV6: to.isV6, ip: to.isV6 ? V6_LOOPBACK : LOOPBACK_V4, port };
}

export function sameHost(a: Endpoint, b: Endpoint): boolean {
  if (a.isV6 !== b.isV6 || a.ip !== b.ip) return false;
  return a.foreign === undefined || (b.foreign !== undefined && a.foreign.every((byte, i) => byte === b.foreign?.[i]));
}

/** Text that is the same for the same address. */
export function hostKey(endpoint: Endpoint): string {
  if (!endpoint.isV6) return String(endpoint.ip);
  return endpoint.foreign === undefined ? `:${endpoint.ip}` : Buffer.from(endpoint.foreign).toString('hex');
}

/** A group of receivers: 224.0.0.0/4, ff00::/8. */
export function isMulticast(endpoint: Endpoint): boolean {
  return endpoint.isV6 ? endpoint.foreign?.[0] === 0xff : endpoint.ip >>> 28 === 14;
}

/** An address of the loopback interface's own networks. */
export function isLoopback(endpoint: Endpoint): boolean {
  return endpoint.isV6 ? endpoint.ip === V6_LOOPBACK : endpoint.ip >>> 24 === 127;
}

/** Address and port as /proc/net shows them. */
export function procText(endpoint: Endpoint, family: number): string {
  const buf = Buffer.from(encodeEndpoint(endpoint, family));
  const words = family === AF_INET ? [buf.readUInt32LE(4)] : [8, 12, 16, 20].map((at) => buf.readUInt32LE(at));
  const hex = words.map((word) => word.toString(16).toUpperCase().padStart(8, '0')).join('');
  return `${hex}:${endpoint.port.toString(16).toUpperCase().padStart(4, '0')}`;
}
