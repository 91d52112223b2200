// SPDX-License-Identifier: Apache-2.0

/**
 * Starts this program again with the V8 flags that forking needs, when it was started without them (node dist/runsc-ts.cjs).
 */
import { execve, fcntl } from '../../platform/ffi/lifecycle.ts';
import { hasForkFlags } from '../../platform/ffi/forkable.ts';
import { NODE_FLAGS } from './node_flags.ts';

const F_SETFD = 2;
const GUARD = 'RUNSC_TS_REEXEC';

/** Does not return when the process had to be replaced. */
export function ensureForkable(args: readonly string[]): void {
  if (hasForkFlags() || process.env[GUARD] === '1' || process.env['RUNSC_TS_START'] === 'boot') return;
  const script = process.argv[1];
  if (script === undefined || !script.endsWith('.cjs')) return;
  // The launcher's first line does the same to this variable: see there.
  const { NODE_EXTRA_CA_CERTS = '', ...rest } = process.env;
  const env = Object.entries({ ...rest, '@': NODE_EXTRA_CA_CERTS, [GUARD]: '1' }).map(([name, value]) => `${name}=${value ?? ''}`);
  // Node has marked its standard descriptors close-on-exec.
  for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, 0);
  execve(process.execPath, [process.execPath, ...NODE_FLAGS, script, ...args], env);
}
