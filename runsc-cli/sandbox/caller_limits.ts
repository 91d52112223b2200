// SPDX-License-Identifier: Apache-2.0

/**
 * The caller's own resource limits, which a program started by `do` sees.
 */
import { getrlimit } from '../../platform/ffi/lifecycle.ts';
import type { ProcessConfig } from './config.ts';

const RLIM_NLIMITS = 16;

/** All limits of this process; call it before they are changed. */
export function callerLimits(): ProcessConfig['rlimits'] {
  const out: { resource: number; soft: number | null; hard: number | null }[] = [];
  for (let resource = 0; resource < RLIM_NLIMITS; resource++) {
    const limit = getrlimit(resource);
    if (typeof limit === 'number') continue;
    out.push({ resource, soft: finite(limit[0]), hard: finite(limit[1]) });
  }
  return out;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
