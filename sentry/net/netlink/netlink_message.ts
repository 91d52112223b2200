// SPDX-License-Identifier: Apache-2.0

/**
 * Netlink messages and their attributes, written into one growing buffer.
 *
 * Linux: include/uapi/linux/netlink.h, rtnetlink.h; netlink(7)
 */

/** sizeof(struct nlmsghdr). */
export const NLMSGHDR_SIZE = 16;
const ALIGN = 4;

export interface MessageHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
}

const aligned = (n: number): number => Math.ceil(n / ALIGN) * ALIGN;

/** Puts the body of a message together: a family header and attributes. */
export class BodyWriter {
  private readonly parts: Buffer[] = [];

  /** Adds bytes of the family header or payload. */
  raw(bytes: Buffer): this {
    this.parts.push(Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]));
    return this;
  }
  attribute(type: number, value: Buffer): this {
    const bytes = Buffer.alloc(aligned(4 + value.length));
    bytes.writeUInt16LE(4 + value.length, 0);
    bytes.writeUInt16LE(type, 2);
    bytes.set(value, 4);
    this.parts.push(bytes);
    return this;
  }
  text(type: number, value: string): this {
    return this.attribute(type, Buffer.from(`${value}\0`, 'latin1'));
  }
  u32(type: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0, 0);
    return this.attribute(type, bytes);
  }
  u8(type: number, value: number): this {
    return this.attribute(type, Buffer.of(value));
  }
  body(): Buffer {
    return Buffer.concat(this.parts);
  }
}

/** A whole message: header and body. */
export function messageOf(type: number, flags: number, sequence: number, port: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(NLMSGHDR_SIZE);
  head.writeUInt32LE(NLMSGHDR_SIZE + body.length, 0);
  head.writeUInt16LE(type, 4);
  head.writeUInt16LE(flags, 6);
  head.writeUInt32LE(sequence, 8);
  head.writeUInt32LE(port, 12);
  return Buffer.concat([head, body], aligned(NLMSGHDR_SIZE + body.length));
}

/** Reads the header at `at`; null when what follows is no whole message. */
export function readHeader(bytes: Buffer, at: number): MessageHeader | null {
  if (bytes.length - at < NLMSGHDR_SIZE) return null;
  const length = bytes.readUInt32LE(at);
  if (length < NLMSGHDR_SIZE || length > bytes.length - at) return null;
  return {
    length,
    type: bytes.readUInt16LE(at + 4),
    flags: bytes.readUInt16LE(at + 6),
    sequence: bytes.readUInt32LE(at + 8),
  };
}

/** Attributes in `bytes`, by type. */
export function readAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || length > bytes.length - at) break;
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return found;
}
