// SPDX-License-Identifier: Apache-2.0

/**
 * Packets from bytes a program made: everything in them is checked.
 *
 * Linux: net/ipv4/ip_input.c (ip_rcv_core), net/ipv6/ip6_input.c (ip6_rcv_core)
 */
import { checksum, IPV4_HEADER, type Packet } from '../inet/icmp.ts';
import { IPV6_HEADER } from '../inet/frame.ts';
import { endpointFrom } from './path.ts';

/** IPv4's MF flag and fragment offset. */
const FRAGMENT = 0x3fff;

/** Null: not a whole, intact packet. */
export function decodeIp(bytes: Buffer, isV6: boolean): Packet | null {
  return isV6 ? decodeSix(bytes) : decodeFour(bytes);
}

function decodeFour(bytes: Buffer): Packet | null {
  if (bytes.length < IPV4_HEADER || (bytes[0] as number) >> 4 !== 4) return null;
  const size = ((bytes[0] as number) & 15) * 4;
  const total = bytes.readUInt16BE(2);
  if (size < IPV4_HEADER || total < size || total > bytes.length) return null;
  if (checksum(bytes.subarray(0, size)) !== 0 || (bytes.readUInt16BE(6) & FRAGMENT) !== 0) return null;
  return {
    isV6: false,
    protocol: bytes[9] as number,
    from: endpointFrom(bytes.subarray(12, 16)),
    to: endpointFrom(bytes.subarray(16, 20)),
    ttl: bytes[8] as number,
    tos: bytes[1] as number,
    payload: Buffer.from(bytes.subarray(size, total)),
  };
}

function decodeSix(bytes: Buffer): Packet | null {
  if (bytes.length < IPV6_HEADER || (bytes[0] as number) >> 4 !== 6) return null;
  const length = bytes.readUInt16BE(4);
  if (IPV6_HEADER + length > bytes.length) return null;
  return {
    isV6: true,
    protocol: bytes[6] as number,
    from: endpointFrom(bytes.subarray(8, 24)),
    to: endpointFrom(bytes.subarray(24, 40)),
    ttl: bytes[7] as number,
    tos: (bytes.readUInt16BE(0) >> 4) & 255,
    payload: Buffer.from(bytes.subarray(IPV6_HEADER, IPV6_HEADER + length)),
  };
}
