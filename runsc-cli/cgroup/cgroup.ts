// SPDX-License-Identifier: Apache-2.0

/**
 * A container's cgroups: made, limited, joined, read and removed through the cgroup filesystem.
 *
 * Invariants: only directories that were made here are removed. A controller that the host does not have is an error only when
 *             a limit asks for it.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { close, kill, open, poll, write } from '../../platform/ffi/lifecycle.ts';
import { RunscError, systemReason } from '../errors.ts';
import type { Resources } from '../spec/resources.ts';
import { directoryOf, type Hierarchy, hierarchies } from './hierarchies.ts';
import { type Setting, settingsV1, settingsV2 } from './settings.ts';

const SIGKILL = 9;
const REMOVE_MS = 5000;
const O_WRONLY_CLOEXEC = 1 | 0o2000000;

/**
 * Makes the cgroups of a container and sets its limits. Returns the directories made. `warn` is told of processes that are in them already,
 * `plan` of what will be made, before anything is: who is killed half way has written it down. Throws RunscError; nothing is left then.
 */
export function makeCgroups(cgroupsPath: string, resources: Resources, warn: (message: string) => void = () => {}, all: readonly Hierarchy[] = hierarchies(), plan: (directories: string[]) => void = () => {}): string[] {
  const made: string[] = [];
  plan(all.map((hierarchy) => directoryOf(hierarchy, cgroupsPath)).filter((directory) => !existsSync(directory)));
  try {
    for (const hierarchy of all) {
      const directory = directoryOf(hierarchy, cgroupsPath);
      const isNew = !existsSync(directory);
      if (!isNew) checkExisting(directory, warn);
      makePath(hierarchy, directory);
      if (isNew) made.push(directory);
    }
    applyResources(all.map((hierarchy) => ({ hierarchy, directory: directoryOf(hierarchy, cgroupsPath) })), resources);
  } catch (error) {
    removeCgroups(made);
    throw error;
  }
  return made;
}

/** A cgroup that is there already may be shared; one that is frozen would hold the sandbox for ever. Throws RunscError. */
function checkExisting(directory: string, warn: (message: string) => void): void {
  const frozen = readText(join(directory, 'freezer.state')) ?? readText(join(directory, 'cgroup.freeze')) ?? '';
  if (/^(FROZEN|FREEZING|1)$/.test(frozen.trim())) throw new RunscError("container's cgroup unexpectedly frozen");
  const count = (readText(join(directory, 'cgroup.procs')) ?? '').split('\n').filter((line) => line !== '').length;
  if (count > 0) warn(`container's cgroup is not empty: ${count} process(es) found`);
}

/** The directories of a path in all hierarchies, whether they exist or not. */
function directoriesOf(cgroupsPath: string): Placed[] {
  return hierarchies().map((hierarchy) => ({ hierarchy, directory: directoryOf(hierarchy, cgroupsPath) }));
}

interface Placed {
  readonly hierarchy: Hierarchy;
  readonly directory: string;
}

function makePath(hierarchy: Hierarchy, directory: string): void {
  if (existsSync(directory)) {
    if (hierarchy.controllers.includes('cpuset')) inheritCpuset(hierarchy, directory);
    return;
  }
  const parent = dirname(directory);
  if (parent.length >= hierarchy.mountPoint.length) makePath(hierarchy, parent);
  try {
    if (hierarchy.version === 2) enableControllers(parent);
    mkdirSync(directory, 0o755);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw new RunscError(`cgroup ${directory}: ${systemReason(error)}`);
  }
  if (hierarchy.controllers.includes('cpuset')) inheritCpuset(hierarchy, directory);
}

/** A new cpuset is empty, and nobody can enter it; one above it that somebody else has made may be so too. */
function inheritCpuset(hierarchy: Hierarchy, directory: string): void {
  const parent = dirname(directory);
  if (parent.length < hierarchy.mountPoint.length) return;
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    try {
      if (readFileSync(join(directory, file), 'latin1').trim() !== '') continue;
      inheritCpuset(hierarchy, parent);
      writeFileSync(join(directory, file), readFileSync(join(parent, file)), { flag: 'r+' });
    } catch {
      // Joining will say what is wrong.
    }
  }
}

function enableControllers(directory: string): void {
  for (const name of (readText(join(directory, 'cgroup.controllers')) ?? '').trim().split(' ')) {
    try {
      if (name !== '') writeFileSync(join(directory, 'cgroup.subtree_control'), `+${name}`);
    } catch {
      // Busy (processes in it) or not delegated: limits that need it will say so.
    }
  }
}

/** Hierarchies that hold back, or count against a container, what a process does while it loads its code. */
const LATE = ['memory', 'cpu'];

/** Puts a process into the cgroups. Throws RunscError. */
export function joinCgroups(cgroupsPath: string, pid: number): void {
  for (const { directory } of directoriesOf(cgroupsPath)) {
    try {
      writeFileSync(join(directory, 'cgroup.procs'), String(pid));
    } catch (error) {
      throw new RunscError(`cgroup ${directory}: ${systemReason(error)}`);
    }
  }
}

/** An open `tasks` file of a v1 cgroup, and whether it holds back what a process does while it loads its code. */
export interface Entrance {
  readonly fd: number;
  readonly isLate: boolean;
}

/**
 * Opens the ways by which a process of one thread puts itself into v1 cgroups. That takes microseconds, where moving another process takes a grace
 * period of the host's (4 to 20 ms: the lock that is taken must be waited for by every processor). Empty: there are none, joinCgroups() it is.
 */
export function openEntrances(cgroupsPath: string): Entrance[] {
  const placed = directoriesOf(cgroupsPath);
  if (placed.some(({ hierarchy }) => hierarchy.version === 2)) return [];
  const entrances = placed.map(({ hierarchy, directory }) => ({ fd: open(join(directory, 'tasks'), O_WRONLY_CLOEXEC), isLate: LATE.some((controller) => hierarchy.controllers.includes(controller)) }));
  if (entrances.every(({ fd }) => fd >= 0)) return entrances;
  closeEntrances(entrances);
  return [];
}

export function closeEntrances(entrances: readonly Entrance[]): void {
  for (const { fd } of entrances) if (fd >= 0) close(fd);
}

/** Puts this process, which must have one thread only, into the cgroups. False: not into all of them. */
export function enterCgroups(entrances: readonly Entrance[], which: 'early' | 'late'): boolean {
  const itself = Buffer.from('0');
  return entrances.length > 0 && entrances.every(({ fd, isLate }) => isLate !== (which === 'late') || write(fd, itself) > 0);
}

/** Sets limits. Throws RunscError. */
export function limitCgroups(cgroupsPath: string, resources: Resources): void {
  applyResources(directoriesOf(cgroupsPath), resources);
}

function applyResources(placed: readonly Placed[], resources: Resources): void {
  const isV2 = placed.some(({ hierarchy }) => hierarchy.version === 2);
  const settings = isV2 ? settingsV2(resources) : settingsV1(resources);
  for (const setting of settings) {
    const at = isV2 ? placed[0] : placed.find(({ hierarchy }) => hierarchy.controllers.includes(setting.controller));
    if (at === undefined) throw new RunscError(`${setting.names[0]}: the host has no ${setting.controller} cgroup controller`);
    if (!setting.names.includes('cpu.cfs_period_us') || !settings.some(({ names }) => names.includes('cpu.cfs_quota_us'))) writeSetting(at.directory, setting);
    else writePeriod(at.directory, setting, settings);
  }
}

/** A shorter period with the old quota may be more than the cgroup above has: then the quota goes first. */
function writePeriod(directory: string, period: Setting, settings: readonly Setting[]): void {
  try {
    writeSetting(directory, period);
  } catch {
    for (const quota of settings) if (quota.names.includes('cpu.cfs_quota_us')) writeSetting(directory, quota);
    writeSetting(directory, period);
  }
}

function writeSetting(directory: string, { names, value, isOptional }: Setting): void {
  const name = names.find((candidate) => existsSync(join(directory, candidate))) ?? (names.at(-1) as string);
  try {
    writeFileSync(join(directory, name), value, { flag: 'r+' });
  } catch (error) {
    // Swap accounting, for one, is off on many hosts: the memory limit alone holds then.
    if (isOptional === true) return;
    throw new RunscError(`cgroup ${join(directory, name)}: writing ${value}: ${systemReason(error)}`);
  }
}

/** Kills what is left in the cgroups and removes them. Returns the first that stays, or ''. */
export function removeCgroups(made: readonly string[]): string {
  const deadline = Date.now() + REMOVE_MS;
  let left = '';
  for (const directory of [...made].sort((a, b) => b.length - a.length)) {
    for (;;) {
      const why = removeOne(directory);
      if (why !== 'EBUSY') break;
      if (Date.now() > deadline) {
        left ||= directory;
        break;
      }
      for (const pid of (readText(join(directory, 'cgroup.procs')) ?? '').split('\n')) if (/^\d+$/.test(pid)) kill(Number(pid), SIGKILL);
      poll([], 10);
    }
  }
  return left;
}

/** '' or the error's name. Parents that others use by now stay (not empty, but no processes of ours). */
function removeOne(directory: string): string {
  try {
    rmdirSync(directory);
    return '';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'EBUSY' && hasChildren(directory)) return '';
    return code;
  }
}

function hasChildren(directory: string): boolean {
  try {
    return readdirSync(directory, { withFileTypes: true }).some((entry) => entry.isDirectory());
  } catch {
    return false;
  }
}

/** A file's text; null: there is none. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
