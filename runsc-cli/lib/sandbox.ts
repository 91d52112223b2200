// SPDX-License-Identifier: Apache-2.0

/**
 * The library: runs a command in a sandbox from a Node program. It starts the command line tool, so the sandbox's processes
 * are not the caller's, and the caller's event loop keeps turning.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { Packr } from 'msgpackr/pack';
import { exportVolume, importVolume, type MemfsVolume } from '../../sentry/control/messages/volume_snapshot.ts';
import { NODE_FLAGS } from '../sandbox/node_flags.ts';

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
  /** memfs volumes by the path they are mounted at; what the program leaves in them is there when run() resolves. */
  readonly memfs?: Readonly<Record<string, object>>;
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
/** The descriptor that volumes travel on. */
const VOLUMES_FD = 3;
const packr = new Packr({ useRecords: false, moreTypes: false });
const SIGNAL_BASE = 128;
const SIGKILL = 9;

export class Sandbox {
  /** Runs a program to its end. Rejects when the tool cannot be started. */
  static run(options: SandboxOptions): Promise<SandboxResult> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [...NODE_FLAGS, TOOL, ...commandLine(options)], {
        env: options.env === undefined ? process.env : { ...options.env },
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      });
      const { memfs } = options;
      const returned = exchangeVolumes(child.stdio[3] as Duplex, memfs ?? {});
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
        if (memfs !== undefined) takeVolumes(memfs, Buffer.concat(returned));
        resolve({ exitCode: signal === null ? status : null, signal, stdout: Buffer.concat(out), stderr: Buffer.concat(err), timedOut });
      });
    });
  }
}

/** Sends the volumes; collects what comes back. */
function exchangeVolumes(channel: Duplex, volumes: Readonly<Record<string, object>>): Buffer[] {
  const chunks: Buffer[] = [];
  channel.on('error', () => {});
  channel.on('data', (data: Buffer) => chunks.push(data));
  const snapshots = Object.entries(volumes).map(([path, volume]) => [path, exportVolume(volume as MemfsVolume)]);
  channel.end(packr.pack(Object.fromEntries(snapshots)));
  return chunks;
}

/** Puts what the sandbox left into the caller's volumes. A sandbox that was killed left nothing: they stay as they were. */
function takeVolumes(volumes: Readonly<Record<string, object>>, bytes: Buffer): void {
  if (bytes.length === 0) return;
  let received: unknown;
  try {
    received = packr.unpack(bytes);
  } catch {
    return;
  }
  if (typeof received !== 'object' || received === null) return;
  for (const [path, snapshot] of Object.entries(received)) {
    const volume = Object.hasOwn(volumes, path) ? volumes[path] : undefined;
    if (volume !== undefined) importVolume(volume as MemfsVolume, snapshot);
  }
}

function commandLine(options: SandboxOptions): string[] {
  const args = ['do', '--cwd', options.cwd ?? '/'];
  if (options.root !== undefined) args.push('--root', options.root);
  for (const mount of options.mounts ?? []) args.push('--volume', `${mount.source}:${mount.destination}${mount.readonly === true ? ':ro' : ''}`);
  const memfs = Object.keys(options.memfs ?? {});
  if (memfs.length > 0) args.push('--volumes-fd', String(VOLUMES_FD));
  for (const path of memfs) args.push('--memfs', `${path}:${path}`);
  if (options.limits?.memoryBytes !== undefined) args.push('--memory-limit', String(options.limits.memoryBytes));
  if (options.uid !== undefined) args.push('--uid', String(options.uid));
  if (options.gid !== undefined) args.push('--gid', String(options.gid));
  return [...args, '--', ...options.args];
}
