// SPDX-License-Identifier: Apache-2.0

/**
 * Temporary directories that do not outlive their owner: its name tells which process that is, so that what a killed one left is found and
 * removed by the next; removeAtSignals() is for programs that are ended by ^C.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

const made = new Set<string>();
const swept = new Set<string>();

/** When a process began, in ticks since the machine did; null: there is none of that id. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

const short = (value: number): string => value.toString(36);
const ownerName = (pid: number, start: string | null): string => `${short(pid)}.${short(Number(start))}`;

/** Makes a directory PREFIX-OWNER-RANDOM. `beforeRemoval` is called with each stale one that the first call of a prefix finds. */
export function makeTemporary(prefix: string, beforeRemoval: (directory: string) => void = () => undefined): string {
  if (!swept.has(prefix)) sweep(prefix, beforeRemoval);
  const directory = mkdtempSync(join(tmpdir(), `${prefix}-${ownerName(process.pid, startOf(process.pid))}-`));
  made.add(directory);
  return directory;
}

/** Removes one that makeTemporary() made. */
export function removeTemporary(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  made.delete(directory);
}

/** Removes those of `prefix` whose owner is gone. */
export function sweep(prefix: string, beforeRemoval: (directory: string) => void): void {
  swept.add(prefix);
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(`${prefix}-`) ? /^([0-9a-z]+)\.([0-9a-z]+)-/.exec(name.slice(prefix.length + 1)) : null;
    if (owner === null) continue;
    const pid = Number.parseInt(owner[1] as string, 36);
    if (ownerName(pid, startOf(pid)) === `${owner[1]}.${owner[2]}`) continue;
    const directory = join(tmpdir(), name);
    beforeRemoval(directory);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** ^C and the like: what makeTemporary() made is removed, then `last` is called, and the process ends as by that signal. */
export function removeAtSignals(last: () => void = () => undefined): void {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      for (const directory of made) removeTemporary(directory);
      last();
      process.exit(128 + constants.signals[name]);
    });
  }
}
