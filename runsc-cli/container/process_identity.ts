// SPDX-License-Identifier: Apache-2.0

/**
 * Which process a number in a state file means: the pid with its start time, so that a number used again, also after a reboot, is
 * not taken for a container.
 */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/pid/stat, with the boot it belongs to. */
  readonly start: string;
}

let boot: string | null = null;

export function bootId(): string {
  try {
    boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
  } catch {
    boot = '';
  }
  return boot;
}

/** [state, start] of a process; null: there is none. */
function statOf(pid: number): [string, string] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return [fields[0] as string, `${fields[19]}@${bootId()}`];
  } catch {
    return null;
  }
}

/** What to write down of a running process. */
export function identify(pid: number): ProcessIdentity {
  return { pid, start: statOf(pid)?.[1] ?? '' };
}

/** Was it written down before the machine was started? Then nothing of that time is left, and its paths may be others' by now. */
export function isFromEarlierBoot(process: ProcessIdentity | null): boolean {
  return process !== null && process.start !== '' && !process.start.endsWith(`@${bootId()}`);
}

/** Does it still run? A zombie does not. */
export function isAlive(process: ProcessIdentity | null): boolean {
  if (process === null || process.pid <= 0) return false;
  const stat = statOf(process.pid);
  return stat !== null && stat[1] === process.start && stat[0] !== 'Z' && stat[0] !== 'X';
}
