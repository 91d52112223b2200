// SPDX-License-Identifier: Apache-2.0

/**
 * What `ps` needs of the host: names of users, and ps(1) itself when it is given options of its own.
 */
import type * as childProcess from 'node:child_process';
import { readFileSync } from 'node:fs';
import { RunscError } from '../errors.ts';

/** The bundle's own require: see container/hooks.ts. */
declare const require: (name: string) => unknown;

let users: Map<string, string> | null = null;

/** As ps(1) shows a user: the host's name for the id. */
export function userName(uid: number): string {
  users ??= new Map(passwd().map((fields) => [fields[2] ?? '', fields[0] ?? '']));
  return users.get(String(uid)) ?? String(uid);
}

function passwd(): string[][] {
  try {
    return readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  } catch {
    return [];
  }
}

/** The host's ps(1) with its own options, without the lines of others. Throws RunscError. */
export function hostPs(options: readonly string[], pids: readonly number[]): string {
  const { spawnSync } = require('node:child_process') as typeof childProcess;
  const result = spawnSync('ps', options, { encoding: 'utf8', timeout: 10_000, maxBuffer: 1 << 24 });
  if (result.status !== 0) throw new RunscError(`ps: ${result.error?.message ?? result.stderr.trim()}`);
  const [header = '', ...lines] = result.stdout.split('\n');
  const column = header.trim().split(/\s+/).indexOf('PID');
  if (column < 0) throw new RunscError("couldn't find PID field in ps output");
  const own = lines.filter((line) => pids.includes(Number(line.trim().split(/\s+/)[column])));
  return `${[header, ...own].join('\n')}\n`;
}
