// SPDX-License-Identifier: Apache-2.0

/**
 * Executes the start-up path without starting anything, so that V8's code cache holds its functions compiled.
 */
import { parseGlobalFlags } from '../cmd/global_flags.ts';
import { doConfig, DO_OPTIONS } from '../cmd/do.ts';
import { parseOptions } from '../cmd/arguments.ts';
import { goferFilter } from './gofer.ts';
import { sentryFilter } from './sentry_process.ts';

/** Called by the build. */
export function warmStart(): void {
  const { flags } = parseGlobalFlags(['--debug', 'do']);
  const config = doConfig(parseOptions(['--', 'true'], DO_OPTIONS), flags);
  try {
    goferFilter();
    sentryFilter(config);
  } catch {
    // libseccomp is not needed to build.
  }
}
