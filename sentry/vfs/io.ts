// SPDX-License-Identifier: Apache-2.0

/**
 * I/O sequences: where read(2)'s bytes go and write(2)'s bytes come from, application memory or a kernel buffer alike.
 *
 * Linux:      include/linux/uio.h (iov_iter); gVisor: usermem.IOSequence
 * Invariants: a sequence advances as bytes move; `remaining` is what is left. A file never sees an address.
 */
import type { UserMemory } from '../../platform/platform.ts';

export abstract class IoSequence {
  /** Bytes not yet moved. */
  remaining = 0;

  /**
   * Moves src[offset..offset+length] into the sequence (the read(2) direction), at most `remaining` bytes.
   * Returns bytes moved (may be short at a bad address), or EFAULT when none could be.
   */
  abstract put(src: Uint8Array, offset: number, length: number): number;

  /**
   * Moves up to `length` bytes out of the sequence into dst[offset..] (the write(2) direction).
   * Returns bytes moved (may be short at a bad address), or EFAULT when none could be.
   */
  abstract take(dst: Uint8Array, offset: number, length: number): number;

  /** Moves zero bytes into the sequence, as put() does. */
  abstract putZeros(length: number): number;

  /** Goes back over the last `length` bytes moved by take(), when a file accepted fewer than it took. */
  abstract rewind(length: number): void;
}

/** One contiguous piece of kernel memory as a sequence (sendfile, splice, execve, tests). */
export class BufferIo extends IoSequence {
  readonly buffer: Uint8Array;
  position = 0;

  constructor(buffer: Uint8Array, length: number = buffer.length) {
    super();
    this.buffer = buffer;
    this.remaining = length;
  }

  override put(src: Uint8Array, offset: number, length: number): number {
    const n = Math.min(length, this.remaining);
    this.buffer.set(src.subarray(offset, offset + n), this.position);
    this.position += n;
    this.remaining -= n;
    return n;
  }

  override take(dst: Uint8Array, offset: number, length: number): number {
    const n = Math.min(length, this.remaining);
    dst.set(this.buffer.subarray(this.position, this.position + n), offset);
    this.position += n;
    this.remaining -= n;
    return n;
  }

  override putZeros(length: number): number {
    const n = Math.min(length, this.remaining);
    this.buffer.fill(0, this.position, this.position + n);
    this.position += n;
    this.remaining -= n;
    return n;
  }

  override rewind(length: number): void {
    this.position -= length;
    this.remaining += length;
  }
}

/** One piece of application memory as a sequence: what read(2) and write(2) use. */
export class FlatUserIo extends IoSequence {
  private readonly memory: UserMemory;
  private addr: number;

  constructor(memory: UserMemory, addr: number, length: number) {
    super();
    this.memory = memory;
    this.addr = addr;
    this.remaining = length;
  }

  override put(src: Uint8Array, offset: number, length: number): number {
    const want = Math.min(length, this.remaining);
    return want === 0 ? 0 : this.advance(this.memory.copyOut(this.addr, src, offset, want));
  }
  override take(dst: Uint8Array, offset: number, length: number): number {
    const want = Math.min(length, this.remaining);
    return want === 0 ? 0 : this.advance(this.memory.copyIn(this.addr, dst, offset, want));
  }
  override putZeros(length: number): number {
    const want = Math.min(length, this.remaining);
    return want === 0 ? 0 : this.advance(this.memory.zero(this.addr, want));
  }
  override rewind(length: number): void {
    this.addr -= length;
    this.remaining += length;
  }

  private advance(moved: number): number {
    if (moved > 0) {
      this.addr += moved;
      this.remaining -= moved;
    }
    return moved;
  }
}

const PUT = 0;
const TAKE = 1;
const ZERO = 2;

/** Application memory as a sequence: any number of (address, length) pieces. */
export class UserIo extends IoSequence {
  private readonly memory: UserMemory;
  /** Flat pairs: addr0, len0, addr1, len1... */
  private readonly pieces: readonly number[];
  private index = 0;
  private within = 0;

  constructor(memory: UserMemory, pieces: readonly number[], total: number) {
    super();
    this.memory = memory;
    this.pieces = pieces;
    this.remaining = total;
  }

  override put(src: Uint8Array, offset: number, length: number): number {
    return this.move(PUT, src, offset, length);
  }

  override take(dst: Uint8Array, offset: number, length: number): number {
    return this.move(TAKE, dst, offset, length);
  }

  override putZeros(length: number): number {
    return this.move(ZERO, null, 0, length);
  }

  override rewind(length: number): void {
    this.remaining += length;
    let left = length;
    while (left > this.within) {
      left -= this.within;
      this.index -= 2;
      this.within = this.pieces[this.index + 1] as number;
    }
    this.within -= left;
  }

  private move(kind: number, buf: Uint8Array | null, offset: number, length: number): number {
    let done = 0;
    const want = Math.min(length, this.remaining);
    while (done < want) {
      const pieceLength = this.pieces[this.index + 1] as number;
      if (this.within >= pieceLength) {
        this.index += 2;
        this.within = 0;
        continue;
      }
      const n = Math.min(want - done, pieceLength - this.within);
      const moved = this.step(kind, (this.pieces[this.index] as number) + this.within, buf, offset + done, n);
      if (moved < 0) return done > 0 ? done : moved;
      done += moved;
      this.within += moved;
      this.remaining -= moved;
      if (moved < n) break;
    }
    return done;
  }

  private step(kind: number, addr: number, buf: Uint8Array | null, offset: number, length: number): number {
    if (kind === ZERO) return this.memory.zero(addr, length);
    return kind === PUT
      ? this.memory.copyOut(addr, buf as Uint8Array, offset, length)
      : this.memory.copyIn(addr, buf as Uint8Array, offset, length);
  }
}
