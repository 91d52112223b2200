// SPDX-License-Identifier: Apache-2.0

/**
 * Runs a program natively or in a sandbox, under a hard time limit, and says where it hung when it did.
 *
 * Invariants: a run never outlives its limit: the process group it started, and every descendant seen, is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants as osConstants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { descendantsOf, describeProcess, killAll } from './processes.ts';
import { repositoryRoot } from './repository.ts';
import { makeTemporary, removeTemporary } from './temporary.ts';

export interface RunOptions {
  cwd?: string;
  /** The whole environment; a small fixed one when absent, the same for native and sandboxed runs. */
  env?: Record<string, string>;
  /** Bytes for standard input; /dev/null when absent. */
  stdin?: string | Buffer;
  timeoutMs?: number;
}

export interface SandboxOptions extends RunOptions {
  /** `do --root`: what the sandbox sees as /. */
  root?: string;
  /** `do --volume`, each SRC:DST[:ro]. */
  volumes?: string[];
  /** Global flags, before the verb. */
  flags?: string[];
  /** More flags of `do`. */
  doFlags?: string[];
  /** Keep a --strace --debug-log and show its end when the run fails to finish. RUNSC_TEST_STRACE=1 does this always. */
  strace?: boolean;
}

export interface RunResult {
  /** As a shell reports it: 128 + signal when killed. */
  status: number;
  stdout: string;
  stderr: string;
  timedOut: boolean;
  /** Where the processes stood when time ran out, with the last lines of the debug log. */
  hang: string;
  /** The debug log of a run with `strace`. */
  trace: string;
  elapsedMs: number;
}

export const FIXED_ENV: Record<string, string> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
  LC_ALL: 'C',
  TERM: 'dumb',
  USER: 'root',
};

const MAX_OUTPUT = 64 << 20;

/** Runs `argv` on the host. Takes argv and options; returns the outcome. */
export function runNative(argv: string[], options: RunOptions = {}): Promise<RunResult> {
  return runProcess(argv, options);
}

/** The path of the built CLI. RUNSC_TS names another one. */
export function cliPath(): string {
  return process.env['RUNSC_TS'] ?? join(repositoryRoot(), 'dist', 'runsc-ts.cjs');
}

/** The command that starts the CLI: the file itself when it is executable, else through this Node. */
export function cliCommand(): string[] {
  const path = cliPath();
  try {
    accessSync(path, constants.X_OK);
    if (readFileSync(path).subarray(0, 2).toString() === '#!') return [path];
  } catch {
    // Not executable, or not built: Node says which.
  }
  return [process.execPath, path];
}

/** Runs the CLI itself with `args`. Takes its arguments and options; returns the outcome. */
export function runCli(args: string[], options: RunOptions = {}): Promise<RunResult> {
  return runProcess([...cliCommand(), ...args], options);
}

/** Runs `argv` with `runsc-ts do`. Takes argv and options; returns the outcome. */
export async function runInSandbox(argv: string[], options: SandboxOptions = {}): Promise<RunResult> {
  const scratch = makeTemporary('runsc-test');
  const log = join(scratch, 'debug.log');
  const strace = options.strace === true || process.env['RUNSC_TEST_STRACE'] === '1';
  const args = [...(options.flags ?? [])];
  if (strace) args.push('--debug', '--strace', `--debug-log=${log}`);
  args.push('do', ...(options.doFlags ?? []));
  if (options.root !== undefined) args.push(`--root=${options.root}`);
  for (const volume of options.volumes ?? []) args.push(`--volume=${volume}`);
  if (options.cwd !== undefined) args.push(`--cwd=${options.cwd}`);
  args.push('--', ...argv);
  try {
    const { cwd: _cwd, ...rest } = options;
    const result = await runProcess([...cliCommand(), ...args], rest);
    if (strace) {
      result.trace = readOr(log, '');
      if (result.timedOut) result.hang += `\nend of the debug log:\n${lastLines(result.trace, 30)}`;
    }
    return result;
  } finally {
    removeTemporary(scratch);
  }
}

const running = new Set<ChildProcess>();

/** Kills what is being run: for a program that is ended itself. */
export function endRunning(): void {
  for (const child of running) if (child.pid !== undefined) killAll(child.pid, [child.pid, ...descendantsOf(child.pid)]);
}

async function runProcess(argv: string[], options: RunOptions): Promise<RunResult> {
  const started = performance.now();
  const timeoutMs = options.timeoutMs ?? 20_000;
  const input = stdinDescriptor(options.stdin);
  let child: ChildProcess;
  try {
    child = spawn(argv[0] as string, argv.slice(1), {
      cwd: options.cwd,
      env: options.env ?? FIXED_ENV,
      detached: true,
      stdio: [input, 'pipe', 'pipe'],
    });
  } finally {
    if (typeof input === 'number') closeSync(input);
  }
  running.add(child);
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  let hang = '';
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    hang = stopRun(child);
  }, timeoutMs);
  const outcome = await outcomeOf(child);
  running.delete(child);
  clearTimeout(timer);
  return {
    status: timedOut ? 124 : outcome,
    stdout: stdout(),
    stderr: stderr(),
    timedOut,
    hang: timedOut ? `no end after ${timeoutMs} ms: ${argv.join(' ')}\n${hang}` : '',
    trace: '',
    elapsedMs: performance.now() - started,
  };
}

/** Kills everything the run started. Returns where each process stood. */
function stopRun(child: ChildProcess): string {
  if (child.pid === undefined) return '';
  const pids = [child.pid, ...descendantsOf(child.pid)];
  const where = pids.map(describeProcess).join('\n');
  killAll(child.pid, pids);
  // A descendant that left the group may hold the pipes open: stop reading them.
  setTimeout(() => {
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, 500).unref();
  return where;
}

function stdinDescriptor(stdin: string | Buffer | undefined): number | 'ignore' {
  if (stdin === undefined) return 'ignore';
  const directory = mkdtempSync(join(tmpdir(), 'runsc-stdin-'));
  try {
    const path = join(directory, 'stdin');
    writeFileSync(path, stdin);
    return openSync(path, 'r');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (size < MAX_OUTPUT) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('latin1');
}

function outcomeOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.on('error', () => resolve(127));
    child.on('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : osConstants.signals[signal])));
  });
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return otherwise;
  }
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
