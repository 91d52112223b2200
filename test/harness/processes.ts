// SPDX-License-Identifier: Apache-2.0

/** Looks at the host's processes for the harness: descendants, where one stands, and what a finished run left behind. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

interface ProcessEntry {
  pid: number;
  ppid: number;
  state: string;
  session: number;
  startTicks: number;
  comm: string;
}

/** Returns every process of the host, from /proc/pid/stat. */
export function listProcesses(): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readProc(`/proc/${name}/stat`);
    const close = stat.lastIndexOf(')');
    if (close < 0) continue;
    const fields = stat.slice(close + 2).split(' ');
    entries.push({
      pid: Number(name),
      ppid: Number(fields[1]),
      state: fields[0] as string,
      session: Number(fields[3]),
      startTicks: Number(fields[19]),
      comm: stat.slice(stat.indexOf('(') + 1, close),
    });
  }
  return entries;
}

/** Returns the pids of all descendants of `pid`, parents first. */
export function descendantsOf(pid: number): number[] {
  const all = listProcesses();
  const result: number[] = [];
  for (let queue = [pid]; queue.length > 0; ) {
    const children = all.filter((entry) => queue.includes(entry.ppid)).map((entry) => entry.pid);
    result.push(...children);
    queue = children;
  }
  return result;
}

/** Returns one line that says where a process stands. */
export function describeProcess(pid: number): string {
  const command = readProc(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim().slice(0, 120);
  const comm = readProc(`/proc/${pid}/comm`).trim();
  const state = /State:\s*(\S+)/.exec(readProc(`/proc/${pid}/status`))?.[1] ?? '?';
  const wchan = readProc(`/proc/${pid}/wchan`);
  const call = readProc(`/proc/${pid}/syscall`).trim().split(' ')[0];
  return `  pid ${pid} (${comm}) state ${state} in ${wchan} syscall ${call} ${command}`;
}

/** Kills a process group and the given pids, stubs and Sentry included. */
export function killAll(group: number, pids: number[]): void {
  for (const target of [-group, ...pids]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // Already gone.
    }
  }
}

export interface LeakSnapshot {
  startTicks: number;
  mounts: Set<string>;
}

/** Remembers what exists before a run, for leaksSince(). */
export function leakSnapshot(): LeakSnapshot {
  const uptime = Number(readProc('/proc/uptime').split(' ')[0]);
  return { startTicks: Math.floor(uptime * 100), mounts: new Set(mountLines()) };
}

/**
 * Finds what a run left behind. `marker` is a string the run had in its arguments (forked Sentry and Gofer keep them);
 * stubs have neither arguments nor environment left and are told by being orphans that run Node's executable.
 * Returns one line for each process or mount.
 */
export function leaksSince(before: LeakSnapshot, marker: string): string[] {
  const leaks: string[] = [];
  for (const entry of listProcesses()) {
    if (entry.startTicks < before.startTicks || entry.state === 'Z') continue;
    const environment = readProc(`/proc/${entry.pid}/environ`);
    const orphanStub = entry.ppid === 1 && environment === '' && executableOf(entry.pid) === process.execPath;
    const argv = readProc(`/proc/${entry.pid}/cmdline`);
    if (argv.includes(marker) || orphanStub) leaks.push(`process left: ${describeProcess(entry.pid)}`);
  }
  for (const line of mountLines()) if (!before.mounts.has(line) && line.includes('runsc')) leaks.push(`mount left: ${line}`);
  return leaks;
}

/** Waits until leaksSince() is empty, or for `ms`. Returns what is still there. */
export async function leaksAfter(before: LeakSnapshot, marker: string, ms = 3000): Promise<string[]> {
  for (const end = performance.now() + ms; ; ) {
    const leaks = leaksSince(before, marker);
    if (leaks.length === 0 || performance.now() > end) return leaks;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function mountLines(): string[] {
  return readProc('/proc/self/mountinfo').trimEnd().split('\n');
}

function executableOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return '';
  }
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
