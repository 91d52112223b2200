// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts help [VERB]` and `runsc-ts help syscalls [-o table|json|markdown]`: the latter prints the system call table's rows.
 */
import { loadPart } from '../boot/parts.ts';
import { EXIT_ERROR, RunscError, shorten, UsageError } from '../errors.ts';
import { type Option, parseInterspersed } from './arguments.ts';
import { mainUsage, manual } from './manual.ts';
import { type Verb, VERBS } from './verbs.ts';

const SUMMARY = 'describe a command, or the supported system calls';
const OPTIONS: readonly Option[] = [
  { name: 'o', kind: 'value', placeholder: 'table|json|markdown', help: 'help syscalls: output format (default table)' },
  { name: 'help', short: 'h', kind: 'flag', help: 'print help' },
];

function usage(): string {
  return manual({ name: 'help', summary: SUMMARY, usage: ['[COMMAND]', 'syscalls [-o table|json|markdown]'], text: '', options: OPTIONS });
}

function run(args: readonly string[]): number {
  const parsed = parseInterspersed(args, OPTIONS);
  const topic = parsed.rest[0];
  if (topic === 'syscalls') return show(loadPart('sentry').supportTable(formatOf(parsed.value('o') ?? 'table')));
  if (topic === undefined) return show(mainUsage(VERBS));
  const verb = VERBS.find((v) => v.name === topic);
  if (verb === undefined) throw new RunscError(`No help topic for '${shorten(topic)}'`, 3);
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

export const helpVerb: Verb = { name: 'help', summary: SUMMARY, failureStatus: EXIT_ERROR, startsSandbox: false, usage, run };
