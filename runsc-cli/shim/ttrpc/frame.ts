// SPDX-License-Identifier: Apache-2.0

/**
 * ttrpc's frames: length, stream, type, flags, payload. Source: ttrpc's PROTOCOL.md.
 *
 * Invariants: the peer may send anything, in pieces of any size: no more than one frame of MAX_PAYLOAD bytes is kept, and a larger one is
 *             skipped and reported, not stored.
 */

export const MAX_PAYLOAD = 4 * 1024 * 1024;
export const TYPE_REQUEST = 1;
export const TYPE_RESPONSE = 2;
const HEADER = 10;

export interface Frame {
  readonly stream: number;
  readonly type: number;
  readonly flags: number;
  /** Null: it was larger than MAX_PAYLOAD. */
  readonly payload: Buffer | null;
}

export class FrameReader {
  private readonly header = Buffer.alloc(HEADER);
  private headerFilled = 0;
  private chunks: Buffer[] = [];
  private missing = 0;
  private isSkipping = false;

  /** Takes the next bytes of a connection. Returns the frames that they complete. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (rest.length > 0) {
      if (this.headerFilled < HEADER) rest = this.takeHeader(rest);
      if (this.headerFilled < HEADER) break; // and rest is empty
      const take = Math.min(this.missing, rest.length);
      // A copy: a small piece must not keep a whole read buffer alive.
      if (!this.isSkipping && take > 0) this.chunks.push(Buffer.from(rest.subarray(0, take)));
      this.missing -= take;
      rest = rest.subarray(take);
      if (this.missing === 0) frames.push(this.finish());
      else if (this.chunks.length > 1024) this.chunks = [Buffer.concat(this.chunks)];
    }
    return frames;
  }

  private takeHeader(rest: Buffer): Buffer {
    const n = rest.copy(this.header, this.headerFilled, 0, Math.min(rest.length, HEADER - this.headerFilled));
    this.headerFilled += n;
    if (this.headerFilled === HEADER) {
      this.missing = this.header.readUInt32BE(0);
      this.isSkipping = this.missing > MAX_PAYLOAD;
    }
    return rest.subarray(n);
  }

  private finish(): Frame {
    const payload = this.isSkipping ? null : this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks);
    this.chunks = [];
    this.headerFilled = 0;
    return { stream: this.header.readUInt32BE(4), type: this.header[8] as number, flags: this.header[9] as number, payload };
  }
}

/** One frame's bytes. */
export function encodeFrame(stream: number, type: number, payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(HEADER + payload.length);
  frame.writeUInt32BE(payload.length, 0);
  frame.writeUInt32BE(stream, 4);
  frame[8] = type;
  frame.set(payload, HEADER);
  return frame;
}
