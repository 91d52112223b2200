// SPDX-License-Identifier: Apache-2.0

/**
 * HostClock through the vDSO.
 */
import { clockNs, clockTime } from '../ffi/time.ts';
import type { HostClock } from '../platform.ts';

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_PROCESS_CPUTIME_ID = 2;
const CLOCK_BOOTTIME = 7;

/** The clocks of HostServices. */
export function createHostClock(): HostClock {
  return {
    monotonicNs: () => clockNs(CLOCK_MONOTONIC),
    boottimeNs: () => clockNs(CLOCK_BOOTTIME),
    realtime: (out) => clockTime(CLOCK_REALTIME, out),
    read: clockTime,
    processCpuNs: () => clockNs(CLOCK_PROCESS_CPUTIME_ID),
  };
}
