// SPDX-License-Identifier: Apache-2.0

/**
 * struct sockaddr_ll.
 *
 * Linux: include/uapi/linux/if_packet.h; packet(7)
 */
import { AF_PACKET } from '../../../platform/abi/linux/socket.ts';

/** sizeof(struct sockaddr_ll) and of what comes before the address in it. */
export const SOCKADDR_LL = 20;
export const SLL_HEAD = 12;

export interface LinkAddress {
  /** In host order. */
  readonly protocol: number;
  readonly index: number;
  readonly hardware: number;
  /** PACKET_HOST... */
  readonly type: number;
  readonly address: Uint8Array;
}

/** The struct; `size` is at least SLL_HEAD and the address. */
export function encodeLinkAddress({ protocol, index, hardware, type, address }: LinkAddress, size: number): Buffer {
  const bytes = Buffer.alloc(Math.max(size, SLL_HEAD + address.length));
  bytes.writeUInt16LE(AF_PACKET, 0);
  bytes.writeUInt16BE(protocol, 2);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt16LE(hardware, 8);
  bytes[10] = type;
  bytes[11] = address.length;
  bytes.set(address, SLL_HEAD);
  return bytes;
}

/** Null: shorter than the struct. */
export function decodeLinkAddress(bytes: Uint8Array): (LinkAddress & { family: number; length: number }) | null {
  if (bytes.length < SOCKADDR_LL) return null;
  const buf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = buf[11] as number;
  return {
    family: buf.readUInt16LE(0),
    protocol: buf.readUInt16BE(2),
    index: buf.readInt32LE(4),
    hardware: buf.readUInt16LE(8),
    type: buf[10] as number,
    length,
    address: buf.subarray(SLL_HEAD, SLL_HEAD + length),
  };
}
