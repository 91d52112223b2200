// SPDX-License-Identifier: Apache-2.0

/**
 * What a handler gives back: an errno, or results with at most one descriptor to donate.
 */
import type { WireValue } from '../protocol/codec.ts';

/** Results of a handler, reused for every request. */
export class Reply {
  readonly values: WireValue[] = [];
  /** Descriptor to send with the reply, closed afterwards; -1: none. */
  passFd = -1;

  reset(): void {
    this.values.length = 0;
    this.passFd = -1;
  }

  push(value: WireValue): void {
    this.values.push(value);
  }
}
