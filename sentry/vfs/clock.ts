// SPDX-License-Identifier: Apache-2.0

/**
 * The wall clock file times come from.
 *
 * Linux:      fs/inode.c (current_time)
 * Invariants: `now` is one reused object: read it right after readNow().
 */
import type { HostClock } from '../../platform/platform.ts';

export const now = { sec: 0, nsec: 0 };

let source: Pick<HostClock, 'realtime'> | null = null;
const out = new Float64Array(2);

/** Says where file times come from (once, by VirtualFilesystem). */
export function setFileClock(clock: Pick<HostClock, 'realtime'>): void {
  source = clock;
}

/** Makes `now` current. */
export function readNow(): typeof now {
  if (source !== null) {
    source.realtime(out);
    now.sec = out[0] as number;
    now.nsec = out[1] as number;
  }
  return now;
}
