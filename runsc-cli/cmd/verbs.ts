// SPDX-License-Identifier: Apache-2.0

/**
 * The verbs, as a table: adding one is adding a file beside this one and a line here.
 */
import type { RuntimeLog } from '../console/log.ts';
import { createVerb, startVerb } from './create.ts';
import { doVerb } from './do.ts';
import { featuresVerb } from './features.ts';
import { flagsVerb } from './flags.ts';
import { execVerb } from './exec.ts';
import type { GlobalFlags } from './global_flags.ts';
import { helpVerb } from './help.ts';
import { checkpointVerb, deleteVerb, killVerb, pauseVerb, restoreVerb, resumeVerb, stateVerb, waitVerb } from './lifecycle.ts';
import { installVerb, uninstallVerb } from './install.ts';
import { listVerb, psVerb } from './list.ts';
import { eventsVerb, updateVerb } from './resources.ts';
import { runVerb } from './run.ts';
import { specVerb } from './spec.ts';

export interface VerbContext {
  readonly flags: GlobalFlags;
  readonly log: RuntimeLog;
}

export interface Verb {
  readonly name: string;
  readonly summary: string;
  /** Exit status of an error that does not bring its own. */
  readonly failureStatus: number;
  /** True: the process must be forkable (it is started again with the right flags when it is not). */
  readonly startsSandbox: boolean;
  /** Text for `help VERB`. */
  usage(): string;
  /** Returns the exit status; throws RunscError. */
  run(args: readonly string[], context: VerbContext): number;
}

export const VERBS: readonly Verb[] = [
  doVerb, runVerb, createVerb, startVerb, stateVerb, killVerb, deleteVerb, listVerb, psVerb, execVerb, pauseVerb, resumeVerb, waitVerb,
  eventsVerb, updateVerb, featuresVerb, installVerb, uninstallVerb, checkpointVerb, restoreVerb, specVerb, helpVerb, flagsVerb,
];
