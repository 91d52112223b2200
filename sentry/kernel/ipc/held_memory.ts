// SPDX-License-Identifier: Apache-2.0

/**
 * Messages that queues hold are the Sentry's own memory: one budget for all of them.
 */

const MAX_HELD = 64 * 1024 * 1024;
/** A share of bookkeeping for each message. */
const OVERHEAD = 128;
let held = 0;

/** True when a message of this size may be taken in. */
export function mayHold(size: number): boolean {
  return held + size + OVERHEAD <= MAX_HELD;
}
export function hold(size: number): void {
  held += size + OVERHEAD;
}
export function letGo(size: number): void {
  held -= size + OVERHEAD;
}
