// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts spec [OPTIONS] [-- ARGS...]`: writes a config.json to start from.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EXIT_ERROR, RunscError, systemReason } from '../errors.ts';
import { defaultSpec } from '../spec/default_spec.ts';
import { describeOptions, type Option, parseOptions } from './arguments.ts';
import type { Verb } from './verbs.ts';

const OPTIONS: readonly Option[] = [
  { name: 'bundle', short: 'b', kind: 'value', placeholder: 'DIR', help: 'directory to write config.json to (default: the working directory)' },
  { name: 'cwd', kind: 'value', placeholder: 'DIR', help: 'working directory of the process (default /)' },
  { name: 'rootless', kind: 'flag', help: 'accepted', isIgnored: true },
  { name: 'help', short: 'h', kind: 'flag', help: 'print help' },
];

function usage(): string {
  return `Usage: runsc-ts spec [OPTIONS] [-- ARGS...]\n\nWrites config.json for a process that runs ARGS (default sh).\n\n${describeOptions(OPTIONS)}\n`;
}

function run(args: readonly string[]): number {
  const parsed = parseOptions(args, OPTIONS);
  if (parsed.flag('help')) {
    process.stdout.write(usage());
    return 0;
  }
  const path = join(resolve(parsed.value('bundle') ?? '.'), 'config.json');
  if (existsSync(path)) throw new RunscError(`File ${path} exists. Remove it first`);
  const spec = defaultSpec(parsed.rest.length > 0 ? parsed.rest : ['sh'], parsed.value('cwd') ?? '/');
  try {
    writeFileSync(path, `${JSON.stringify(spec, null, 2)}\n`, { mode: 0o644 });
  } catch (error) {
    throw new RunscError(`${path}: ${systemReason(error)}`);
  }
  return 0;
}

export const specVerb: Verb = { name: 'spec', summary: 'write a config.json to start from', failureStatus: EXIT_ERROR, startsSandbox: false, usage, run };
