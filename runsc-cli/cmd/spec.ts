// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts spec [OPTIONS] [-- ARGS...]`: writes a config.json to start from.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { hierarchies } from '../cgroup/hierarchies.ts';
import { EXIT_ERROR, RunscError, systemReason, UsageError } from '../errors.ts';
import { defaultSpec } from '../spec/default_spec.ts';
import { type Option, parseOptions } from './arguments.ts';
import { manual } from './manual.ts';
import type { Verb } from './verbs.ts';

const SUMMARY = 'write a config.json to start from';
const OPTIONS: readonly Option[] = [
  { name: 'bundle', short: 'b', kind: 'value', placeholder: 'DIR', help: 'directory to write config.json to (default: the working directory)' },
  { name: 'cwd', kind: 'value', placeholder: 'DIR', help: 'working directory of the process (default /)' },
  { name: 'rootless', kind: 'flag', help: 'for a container of an ordinary user' },
  { name: 'help', short: 'h', kind: 'flag', help: 'print help' },
];

function usage(): string {
  return manual({
    name: 'spec', summary: SUMMARY, usage: ['[OPTIONS] [-- ARGS...]'],
    text: 'Writes config.json for a process that runs ARGS (default: sh, on a terminal) in the directory rootfs beside it. It is a starter: edit it.',
    options: OPTIONS,
    more: [['EXAMPLE', 'mkdir -p hello/rootfs && cd hello\ndocker export $(docker create hello-world) | tar -C rootfs -x\nrunsc-ts spec -- /hello\nrunsc-ts run hello']],
  });
}

function run(args: readonly string[]): number {
  const parsed = parseOptions(args, OPTIONS);
  if (parsed.flag('help')) {
    process.stdout.write(usage());
    return 0;
  }
  if (parsed.rest.length > 0 && !args.includes('--')) {
    process.stdout.write(`Incorrect Usage.\n\n${usage()}`);
    throw new UsageError('"spec" requires exactly 0 argument(s)');
  }
  const path = join(resolve(parsed.value('bundle') ?? '.'), 'config.json');
  if (existsSync(path)) throw new RunscError(`File ${path} exists. Remove it first`);
  const spec = defaultSpec({
    args: parsed.rest.length > 0 ? parsed.rest : ['sh'],
    cwd: parsed.value('cwd') ?? '/',
    terminal: parsed.rest.length === 0,
    hasCgroupNamespace: hierarchies().some((hierarchy) => hierarchy.version === 2),
    rootless: parsed.flag('rootless') ? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 } : null,
  });
  try {
    writeFileSync(path, `${JSON.stringify(spec, null, 2)}\n`, { mode: 0o644 });
  } catch (error) {
    throw new RunscError(`${path}: ${systemReason(error)}`);
  }
  return 0;
}

export const specVerb: Verb = { name: 'spec', summary: SUMMARY, failureStatus: EXIT_ERROR, startsSandbox: false, usage, run };
