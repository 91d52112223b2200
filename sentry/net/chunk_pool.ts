// SPDX-License-Identifier: Apache-2.0

/**
 * Large buffers for bytes on their way between sockets, used again: fresh memory for every packet costs page faults, cold caches and
 * collections, several times what copying the bytes costs.
 *
 * Invariants: a chunk has one holder; its holder reads only what it wrote itself, because a used chunk is not cleared.
 */
/** Room for two of the largest packets of a Unix stream, so for a write of 64 KiB. */
export const CHUNK_SIZE = 73728;
const SMALL_CHUNK = 16384;
/** Smaller pieces are not worth a chunk. */
const CHUNK_FROM = 4096;
const POOL_MAX = 64;

const large: Uint8Array[] = [];
const small: Uint8Array[] = [];

/** A buffer of at least `length` bytes (at most CHUNK_SIZE of them), its contents undefined. */
export function takeChunk(length: number): Uint8Array {
  if (length < CHUNK_FROM) return Buffer.allocUnsafe(length);
  if (length <= SMALL_CHUNK) return small.pop() ?? Buffer.allocUnsafeSlow(SMALL_CHUNK);
  return large.pop() ?? Buffer.allocUnsafeSlow(Math.max(length, CHUNK_SIZE));
}

/** Gives back what takeChunk() gave, when nobody will look at it again. */
export function returnChunk(chunk: Uint8Array): void {
  if (chunk.length === CHUNK_SIZE && large.length < POOL_MAX) large.push(chunk);
  else if (chunk.length === SMALL_CHUNK && small.length < POOL_MAX) small.push(chunk);
}
