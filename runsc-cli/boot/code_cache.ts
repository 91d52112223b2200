// SPDX-License-Identifier: Apache-2.0

/**
 * V8's code cache of a part of the program, written at build time by a process that has just done the part's work: the functions compiled by
 * then are in it, and need not be compiled at the next start.
 */
import { write } from '../../platform/ffi/lifecycle.ts';

/** An inherited descriptor that the cache goes to; only the build opens it. */
export const CACHE_FD = 9;

let make: (() => Uint8Array) | null = null;

/** Called by the launcher in the process that shall write this part's cache. */
export function setCodeCacheMaker(maker: () => Uint8Array): void {
  make = maker;
}

/** Writes the cache when this process was started to make it. */
export function writeCodeCache(): void {
  if (make !== null) write(CACHE_FD, make());
}
