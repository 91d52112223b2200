// SPDX-License-Identifier: Apache-2.0

/**
 * The command line's edge: global flags, the verb, one line per error, the exit status.
 */
import { type GlobalFlags, parseGlobalFlags } from './cmd/global_flags.ts';
import { mainUsage } from './cmd/manual.ts';
import { type Verb, VERBS } from './cmd/verbs.ts';
import { RuntimeLog } from './console/log.ts';
import { EXIT_ERROR, EXIT_UNKNOWN_COMMAND, messageOf, RunscError, shorten } from './errors.ts';
import { runInternal } from './boot/internal.ts';
import { writeCodeCache } from './boot/code_cache.ts';
import { type PartLoader, setPartLoader } from './boot/parts.ts';
import { ensureForkable } from './sandbox/reexec.ts';
import { exitNow } from '../platform/ffi/lifecycle.ts';
import { mark } from './sandbox/timing.ts';
import { VERSION_TEXT } from './version.ts';

export { setCodeCacheMaker } from './boot/code_cache.ts';

/** Runs one command and ends the process with its status. */
export function main(args: readonly string[], loader: PartLoader): void {
  setPartLoader(loader);
  const status = run(args);
  writeCodeCache();
  // Not process.exit: no event loop work is pending, and taking V8 apart costs milliseconds.
  exitNow(status);
}

function run(args: readonly string[]): number {
  mark('bundle loaded');
  let log: RuntimeLog | null = null;
  let verb: Verb | null = null;
  try {
    const internal = runInternal(args);
    if (internal !== null) return internal;
    const { flags, parsed } = parseGlobalFlags(args);
    const [name, ...rest] = parsed.rest;
    if (parsed.flag('version')) return print(VERSION_TEXT);
    if (name === undefined || parsed.flag('help')) return print(mainUsage(VERBS));
    verb = VERBS.find((v) => v.name === name) ?? null;
    log = new RuntimeLog(flags, flags.debug || flags.strace);
    if (verb === null) throw new RunscError(`No help topic for '${shorten(name)}': unknown command, see runsc-ts help`, EXIT_UNKNOWN_COMMAND);
    if (verb.startsSandbox) ensureForkable(args);
    return verb.run(rest, { flags, log });
  } catch (error) {
    if (!(error instanceof RunscError) && process.env['RUNSC_TS_TRACE'] === '1') console.error(error);
    const message = messageOf(error);
    (log ?? new RuntimeLog({ log: null, logFormat: 'text', debug: false, debugLog: null }, false)).error(message);
    return error instanceof RunscError && error.exitStatus !== null ? error.exitStatus : (verb?.failureStatus ?? EXIT_ERROR);
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

export type { GlobalFlags };
