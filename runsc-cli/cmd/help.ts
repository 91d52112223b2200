// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts help [VERB]` and `runsc-ts help syscalls [-o table|json|markdown]`: the latter prints the system call table's rows.
 */
import { loadPart } from '../boot/parts.ts';
import { EXIT_ERROR, RunscError, UsageError } from '../errors.ts';
import { describeOptions, type Option, parseInterspersed } from './arguments.ts';
import { GLOBAL_OPTIONS } from './global_flags.ts';
import { type Verb, VERBS } from './verbs.ts';

const OPTIONS: readonly Option[] = [
  { name: 'o', kind: 'value', placeholder: 'table|json|markdown', help: 'help syscalls: output format (default table)' },
  { name: 'help', short: 'h', kind: 'flag', help: 'print help' },
];

function usage(): string {
  return `Usage: runsc-ts help [COMMAND]\n       runsc-ts help syscalls [-o table|json|markdown]\n\n${describeOptions(OPTIONS)}\n`;
}

function run(args: readonly string[]): number {
  const parsed = parseInterspersed(args, OPTIONS);
  const topic = parsed.rest[0];
  if (topic === 'syscalls') return show(loadPart('sentry').supportTable(formatOf(parsed.value('o') ?? 'table')));
  if (topic === undefined) {
    const verbs = VERBS.map((v) => `  ${v.name.padEnd(10)} ${v.summary}`).join('\n');
    return show(`Usage: runsc-ts [FLAGS] COMMAND [ARGS]\n\nCommands:\n${verbs}\n\nFlags:\n${describeOptions(GLOBAL_OPTIONS)}\n`);
  }
  const verb = VERBS.find((v) => v.name === topic);
  if (verb === undefined) throw new RunscError(`No help topic for '${topic}'`, 3);
  return show(verb.usage());
}

function formatOf(name: string): 'table' | 'json' | 'markdown' {
  if (name === 'table' || name === 'json' || name === 'markdown') return name;
  throw new UsageError(`invalid value "${name}" for -o: must be table, json or markdown`);
}

function show(text: string): number {
  process.stdout.write(text);
  return 0;
}

export const helpVerb: Verb = { name: 'help', summary: 'describe a command, or the supported system calls', failureStatus: EXIT_ERROR, startsSandbox: false, usage, run };
