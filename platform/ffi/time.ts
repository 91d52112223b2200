// SPDX-License-Identifier: Apache-2.0

/**
 * Clocks, read through glibc so that the vDSO answers.
 */
import { allocateNative, libcFunction } from './native.ts';

type ClockGettime = (clock: number, addr: number) => number;
let clockGettimeFn: ClockGettime | null = null;
const spec = allocateNative(16);

function clockGettime(clock: number): void {
  if (clockGettimeFn === null) clockGettimeFn = libcFunction<ClockGettime>('clock_gettime', 'int', ['int', 'int64']);
  if (clockGettimeFn(clock, spec.addr) !== 0) spec.bytes.fill(0);
}

/** A clock in ns as a Number (exact to 2^53 ns = 104 days, then to 2 ns). 0 when the clock does not exist. */
export function clockNs(clock: number): number {
  clockGettime(clock);
  return ((spec.u32[0] as number) + (spec.u32[1] as number) * 4294967296) * 1e9 + (spec.u32[2] as number);
}

/** A clock as seconds and nanoseconds in out[0], out[1]. */
export function clockTime(clock: number, out: Float64Array): void {
  clockGettime(clock);
  out[0] = (spec.u32[0] as number) + (spec.i32[1] as number) * 4294967296;
  out[1] = spec.u32[2] as number;
}
