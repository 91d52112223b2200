// SPDX-License-Identifier: Apache-2.0

/**
 * What the front (tools/front.sh), a shell script, needs for `start` and `delete` of a container that asks for nothing special: FIFOs to its
 * Sentry, and a file of facts in lines that a shell can read.
 *
 * Invariants: the file is there only when the container was created, and has no hooks, no unit and no service manager to be told, so that the
 *             front need not know of those.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mknodat } from '../../platform/ffi/files.ts';
import { close, hostBytes, open } from '../../platform/ffi/lifecycle.ts';
import { errnoWords, RunscError } from '../errors.ts';
import { bootId, type ProcessIdentity } from './process_identity.ts';
import type { ContainerRecord } from './state.ts';

const AT_FDCWD = -100;
const S_IFIFO = 0o010000;
const O_RDWR_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;

export interface StartFifos {
  readonly startRequests: number;
  readonly startAnswers: number;
}

/** Makes and opens the FIFOs in a state directory. Throws RunscError. */
export function makeStartFifos(directory: string): StartFifos {
  return { startRequests: fifo(join(directory, 'start.request')), startAnswers: fifo(join(directory, 'start.answer')) };
}

/** Both are the Sentry's alone: as long as this process had them, nobody would read an end of file. */
export function closeStartFifos({ startRequests, startAnswers }: StartFifos): void {
  close(startRequests);
  close(startAnswers);
}

function fifo(path: string): number {
  const made = mknodat(AT_FDCWD, hostBytes(path), S_IFIFO | 0o600, 0);
  const fd = made < 0 ? made : open(path, O_RDWR_NONBLOCK_CLOEXEC);
  if (fd < 0) throw new RunscError(`${path}: ${errnoWords(fd)}`);
  return fd;
}

/** Writes the file `plain`: boot, Sentry and Gofer, and a line for each cgroup. Without it the front leaves everything to Node. */
export function writePlain(directory: string, record: ContainerRecord): void {
  const { hooks, sentry, gofer, cgroups } = record;
  const isPlain = !record.hasNotifySocket && record.systemdUnit === '' && (['startContainer', 'poststart', 'poststop'] as const).every((kind) => hooks[kind] === undefined);
  if (!isPlain || cgroups.some((path) => path.includes('\n'))) return;
  const pid = (process: ProcessIdentity | null): string => String(process?.pid ?? 0);
  const path = join(directory, 'plain');
  writeFileSync(`${path}.new`, [`${bootId()} ${pid(sentry)} ${pid(gofer)}`, ...[...cgroups].sort((a, b) => b.length - a.length), ''].join('\n'), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
