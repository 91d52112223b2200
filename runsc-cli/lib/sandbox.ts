// SPDX-License-Identifier: Apache-2.0

/**
 * The library: runs a command in a sandbox from a Node program. It starts the command line tool, so the sandbox's processes
 * are not the caller's, and the caller's event loop keeps turning.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

export interface SandboxMount {
  /** Absolute host path. */
  readonly source: string;
  /** Absolute path in the sandbox. */
  readonly destination: string;
  readonly readonly?: boolean;
}

export interface SandboxOptions {
  /** The program and its arguments. */
  readonly args: readonly string[];
  /** Host directory that is the root (default "/"), seen read-only under a writable in-memory layer. */
  readonly root?: string;
  readonly mounts?: readonly SandboxMount[];
  /** The whole environment (default: the caller's). */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory in the sandbox (default "/"). */
  readonly cwd?: string;
  readonly limits?: { readonly memoryBytes?: number };
  readonly uid?: number;
  readonly gid?: number;
  /** What the program reads from standard input (default: nothing). */
  readonly stdin?: string | Uint8Array;
  /** Kills the sandbox after this time. */
  readonly timeoutMs?: number;
}

export interface SandboxResult {
  /** The program's exit status; null when a signal ended it. */
  readonly exitCode: number | null;
  /** The signal's number; null when it exited. */
  readonly signal: number | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly timedOut: boolean;
}

/** The tool beside this file. */
const TOOL = join(__dirname, 'runsc-ts.cjs');
const SIGNAL_BASE = 128;
const SIGKILL = 9;

export class Sandbox {
  /** Runs a program to its end. Rejects when the tool cannot be started. */
  static run(options: SandboxOptions): Promise<SandboxResult> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['--single-threaded', '--v8-pool-size=0', TOOL, ...commandLine(options)], {
        env: options.env === undefined ? process.env : { ...options.env },
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      let timedOut = false;
      const timer =
        options.timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              timedOut = true;
              child.kill('SIGKILL');
            }, options.timeoutMs);
      child.stdout.on('data', (data: Buffer) => out.push(data));
      child.stderr.on('data', (data: Buffer) => err.push(data));
      child.stdin.on('error', () => {});
      child.stdin.end(options.stdin ?? '');
      child.on('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      child.on('close', (code) => {
        clearTimeout(timer);
        const status = code ?? SIGNAL_BASE + SIGKILL;
        const signal = status > SIGNAL_BASE ? status - SIGNAL_BASE : null;
        resolve({ exitCode: signal === null ? status : null, signal, stdout: Buffer.concat(out), stderr: Buffer.concat(err), timedOut });
      });
    });
  }
}

function commandLine(options: SandboxOptions): string[] {
  const args = ['do', '--cwd', options.cwd ?? '/'];
  if (options.root !== undefined) args.push('--root', options.root);
  for (const mount of options.mounts ?? []) args.push('--volume', `${mount.source}:${mount.destination}${mount.readonly === true ? ':ro' : ''}`);
  if (options.limits?.memoryBytes !== undefined) args.push('--memory-limit', String(options.limits.memoryBytes));
  if (options.uid !== undefined) args.push('--uid', String(options.uid));
  if (options.gid !== undefined) args.push('--gid', String(options.gid));
  return [...args, '--', ...options.args];
}
