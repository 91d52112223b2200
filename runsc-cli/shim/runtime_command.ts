// SPDX-License-Identifier: Apache-2.0

/**
 * Runs the runtime's command line for what forks a sandbox or may take long: the shim itself never loads the kernel, and goes on serving.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { endProcess } from '../container/destroy.ts';
import { identify, type ProcessIdentity } from '../container/process_identity.ts';
import { RunscError } from '../errors.ts';
import { NODE_FLAGS } from '../sandbox/node_flags.ts';
import { type ShimOptions, stateRoot } from './options.ts';
import type { Reaper } from './reaper.ts';

export interface CommandContext {
  readonly bundle: string;
  readonly namespace: string;
  readonly options: ShimOptions;
  readonly debug: boolean;
}

export interface CommandStdio {
  readonly stdio: readonly (number | 'ignore')[];
  /** Given on standard input. */
  readonly input?: string;
}

const QUIET: CommandStdio = { stdio: ['ignore', 'ignore', 'ignore'] };
let sequence = 0;

/** Runs one command to its end. Throws RunscError with what it logged. */
export async function runRuntime(reaper: Reaper, context: CommandContext, args: readonly string[], { stdio, input }: CommandStdio = QUIET): Promise<void> {
  const { bundle, options, namespace } = context;
  const log = join(bundle, `log-${++sequence}.json`);
  const global = ['--root', stateRoot(options, namespace), '--log', log, '--log-format', 'json', ...(options.systemdCgroup ? ['--systemd-cgroup'] : []), ...options.flags];
  const [command, ...before] = runtimeProgram(options);
  const { NODE_OPTIONS: _o, NODE_EXTRA_CA_CERTS: _c, NOTIFY_SOCKET: _n, ...env } = process.env;
  const child = spawn(command as string, [...before, ...global, ...args], { cwd: bundle, env, stdio: input === undefined ? [...stdio] : ['pipe', stdio[1] ?? 'ignore', stdio[2] ?? 'ignore'] });
  const isCreating = args[0] === 'create';
  if (isCreating && child.pid !== undefined) noteCommand(bundle, child.pid);
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  try {
    const status = await ended(reaper, child);
    if (status === '') return;
    throw new RunscError(lastError(log) ?? `runtime ${args[0]}: ${status}`);
  } finally {
    rmSync(log, { force: true });
    if (isCreating) rmSync(join(bundle, 'creating.json'), { force: true });
  }
}

/** The program and its first arguments. */
function runtimeProgram(options: ShimOptions): string[] {
  if (options.binaryName !== '') return [options.binaryName];
  return [process.execPath, ...NODE_FLAGS, join(dirname(realpathSync(process.argv[1] ?? '')), 'runsc-ts.cjs')];
}

/** '' or how it failed. */
export function ended(reaper: Reaper, child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    const { pid } = child;
    if (pid !== undefined) reaper.leaveToNode(pid);
    child.on('error', (error) => {
      if (pid === undefined) resolve(error.message);
    });
    child.on('exit', (code, signal) => {
      if (pid !== undefined) reaper.nodeReaped(pid);
      resolve(code === 0 ? '' : signal === null ? `exit status ${code}` : `signal: ${signal}`);
    });
  });
}

/** The last message of level error in a log of JSON lines. */
function lastError(log: string): string | null {
  try {
    let last: string | null = null;
    for (const line of readFileSync(log, 'utf8').split('\n')) {
      const entry = line === '' ? {} : (JSON.parse(line) as { level?: string; msg?: string });
      if (entry.level === 'error') last = entry.msg ?? '';
    }
    return last;
  } catch {
    return null;
  }
}

// `create` outlives a shim that is killed; `delete` must end it first.

function noteCommand(bundle: string, pid: number): void {
  writeFileSync(join(bundle, 'creating.json'), JSON.stringify(identify(pid)), { mode: 0o600 });
}

/** Ends a `create` that a dead shim left. */
export function endCreation(bundle: string): void {
  try {
    endProcess(JSON.parse(readFileSync(join(bundle, 'creating.json'), 'utf8')) as ProcessIdentity);
  } catch {
    // There was none.
  }
}
