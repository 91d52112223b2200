// SPDX-License-Identifier: Apache-2.0

/**
 * ByteQueue: bytes of a stream on their way to the reader, in few large pieces however they were written.
 *
 * Linux:      net/ipv4/tcp_input.c (tcp_try_rmem_schedule), net/core/sock.c (sk_mem_schedule)
 * Invariants: a piece's bytes are [start, end); only the last one has room. When all sockets together hold too much
 *             (queue_budget.ts) each of these may only hold PRESSED_MAX.
 */
import { EFAULT } from '../../../platform/abi/linux/errno.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { CHUNK_SIZE, returnChunk, takeChunk } from '../chunk_pool.ts';
import { queueBudget } from '../queue_budget.ts';

const PIECE_MIN = 4096;
const PRESSED_MAX = 4096;

interface Piece {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
}

export class ByteQueue {
  private readonly pieces: Piece[] = [];
  length = 0;

  /** Bytes that may still be queued by a sender that may fill it up to `capacity`. */
  room(capacity: number): number {
    return Math.max(0, (queueBudget.isExhausted ? Math.min(capacity, PRESSED_MAX) : capacity) - this.length);
  }

  /** Moves up to `want` bytes in. What a bad address is in the middle of does not count. Returns how many, or EFAULT when none. */
  fill(io: IoSequence, want: number): number {
    let done = 0;
    while (done < want) {
      const piece = this.tail(want - done);
      const n = Math.min(want - done, piece.bytes.length - piece.end);
      const taken = io.take(piece.bytes, piece.end, n);
      if (taken < n) return done > 0 ? done : EFAULT;
      piece.end += taken;
      this.count(taken);
      done += taken;
    }
    return done;
  }
  private tail(want: number): Piece {
    const last = this.pieces.at(-1);
    if (last !== undefined && last.end < last.bytes.length) return last;
    const bytes = takeChunk(Math.min(CHUNK_SIZE, Math.max(PIECE_MIN, want)));
    const piece = { bytes, start: 0, end: 0 };
    this.pieces.push(piece);
    return piece;
  }

  /** Copies up to `limit` bytes that follow the first `skip` ones to `io` as far as there is room, leaving them. Returns how many, or errno. */
  copyTo(io: IoSequence, limit = Number.POSITIVE_INFINITY, skip = 0): number {
    let done = 0;
    let passed = 0;
    for (const piece of this.pieces) {
      const start = piece.start + Math.min(skip - passed, piece.end - piece.start);
      passed += start - piece.start;
      if (start === piece.end) continue;
      const want = Math.min(io.remaining, piece.end - start, limit - done);
      if (want === 0) break;
      const n = io.put(piece.bytes, start, want);
      if (n < want) return done > 0 ? done : EFAULT;
      done += n;
    }
    return done;
  }
  /** The byte queued last. */
  get last(): number {
    const piece = this.pieces.at(-1) as Piece;
    return piece.bytes[piece.end - 1] as number;
  }

  /** Takes `count` bytes from the front. */
  drop(count: number): void {
    this.count(-count);
    for (let left = count; left > 0; ) {
      const piece = this.pieces[0] as Piece;
      const n = Math.min(left, piece.end - piece.start);
      piece.start += n;
      left -= n;
      if (piece.start !== piece.end) return;
      this.pieces.shift();
      returnChunk(piece.bytes);
    }
  }
  /** A copy of everything queued. */
  peekAll(): Uint8Array {
    return Buffer.concat(this.pieces.map(({ bytes, start, end }) => bytes.subarray(start, end)));
  }
  /** A copy of the last `count` bytes queued. */
  tailBytes(count: number): Uint8Array {
    const bytes = Buffer.alloc(count);
    let at = count;
    for (let i = this.pieces.length - 1; i >= 0 && at > 0; i--) {
      const { bytes: piece, start, end } = this.pieces[i] as Piece;
      const n = Math.min(at, end - start);
      at -= n;
      bytes.set(piece.subarray(end - n, end), at);
    }
    return bytes;
  }
  /** Queues bytes that are nobody else's. */
  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.pieces.push({ bytes, start: 0, end: bytes.length });
    this.count(bytes.length);
  }
  clear(): void {
    this.count(-this.length);
    for (const piece of this.pieces) returnChunk(piece.bytes);
    this.pieces.length = 0;
  }
  private count(change: number): void {
    this.length += change;
    queueBudget.used += change;
  }
}
