// SPDX-License-Identifier: Apache-2.0

/**
 * Where start-up time goes: with RUNSC_TS_TIMING=1 each mark prints the milliseconds since the process was started.
 */
import { write } from '../../platform/ffi/lifecycle.ts';

const isOn = process.env['RUNSC_TS_TIMING'] === '1';

/** Prints a mark; nothing when timing is off. */
export function mark(what: string): void {
  if (isOn) write(2, Buffer.from(`${performance.now().toFixed(1).padStart(7)} ms  ${what}\n`));
}
