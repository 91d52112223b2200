// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts run [OPTIONS] ID`: runs an OCI bundle in the foreground.
 */
import { resolve } from 'node:path';
import { ContainerState } from '../container/state.ts';
import { EXIT_ERROR, UsageError } from '../errors.ts';
import { runForeground } from '../sandbox/run_foreground.ts';
import { loadConfig } from '../spec/load.ts';
import { translateConfig } from '../spec/translate.ts';
import { describeOptions, type Option, parseInterspersed } from './arguments.ts';
import { checkContainerId } from './values.ts';
import type { Verb, VerbContext } from './verbs.ts';

const OPTIONS: readonly Option[] = [
  { name: 'bundle', short: 'b', kind: 'value', placeholder: 'DIR', help: 'directory with config.json (default: the working directory)' },
  { name: 'no-pivot', kind: 'flag', help: 'accepted', isIgnored: true },
  { name: 'no-new-keyring', kind: 'flag', help: 'accepted', isIgnored: true },
  { name: 'help', short: 'h', kind: 'flag', help: 'print help' },
];

function usage(): string {
  return `Usage: runsc-ts run [OPTIONS] ID\n\nRuns the bundle's process in a new container and waits for it.\n\n${describeOptions(OPTIONS)}\n`;
}

function run(args: readonly string[], context: VerbContext): number {
  const parsed = parseInterspersed(args, OPTIONS);
  if (parsed.flag('help')) {
    process.stdout.write(usage());
    return 0;
  }
  if (parsed.rest.length !== 1) throw new UsageError('"run" requires exactly 1 argument(s)');
  const id = checkContainerId(parsed.rest[0] as string);
  const bundle = resolve(parsed.value('bundle') ?? '.');
  const warnings: string[] = [];
  const { flags, log } = context;
  const config = translateConfig(
    loadConfig(bundle),
    { id, bundle, overlay: flags.overlay ?? false, network: flags.network, platform: flags.platform, debug: flags.debug, strace: flags.strace },
    warnings,
  );
  for (const warning of warnings) log.debug('warn', warning);
  const state = ContainerState.create(flags.root, { id, bundle, rootfs: config.trees[0]?.source ?? '', annotations: {} });
  try {
    return runForeground(config, context, (pid) => state.setRunning(pid));
  } finally {
    state.remove();
  }
}

export const runVerb: Verb = { name: 'run', summary: 'run an OCI bundle in the foreground', failureStatus: EXIT_ERROR, startsSandbox: true, usage, run };
