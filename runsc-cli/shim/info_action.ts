// SPDX-License-Identifier: Apache-2.0

/**
 * `-info`: what containerd 2 wants to know about the runtime before it uses it.
 */
import { readFileSync, writeSync } from 'node:fs';
import { VERSION } from '../version.ts';
import { RuntimeInfo } from './protocol/option_messages.ts';
import { Any } from './protocol/well_known.ts';

export const RUNTIME_NAME = 'io.containerd.runsc-ts.v1';

/** Returns the exit status. */
export function infoAction(): number {
  let options: ReturnType<typeof Any.decode> | null = null;
  try {
    const input = readFileSync(0);
    if (input.length > 0) options = Any.decode(input);
  } catch {
    // Then there are none.
  }
  writeSync(1, RuntimeInfo.encode({ name: RUNTIME_NAME, version: { version: VERSION, revision: '' }, options }));
  return 0;
}
