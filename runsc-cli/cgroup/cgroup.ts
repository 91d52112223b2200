// SPDX-License-Identifier: Apache-2.0

/**
 * A container's cgroups: made, limited, joined, read and removed through the cgroup filesystem.
 *
 * Invariants: only directories that were made here are removed. A controller that the host does not have is an error only when
 *             a limit asks for it.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { kill, poll } from '../../platform/ffi/lifecycle.ts';
import { RunscError, systemReason } from '../errors.ts';
import { cpuWeight, type Resources } from '../spec/resources.ts';
import { directoryOf, type Hierarchy, hierarchies } from './hierarchies.ts';

const SIGKILL = 9;
const REMOVE_MS = 5000;

/** Makes the cgroups of a container and sets its limits. Returns the directories made. Throws RunscError; nothing is left then. */
export function makeCgroups(cgroupsPath: string, resources: Resources): string[] {
  const made: string[] = [];
  try {
    for (const hierarchy of hierarchies()) {
      const directory = directoryOf(hierarchy, cgroupsPath);
      const isNew = !existsSync(directory);
      makePath(hierarchy, directory);
      if (isNew) made.push(directory);
    }
    applyResources(directoriesOf(cgroupsPath), resources);
  } catch (error) {
    removeCgroups(made);
    throw error;
  }
  return made;
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
  if (existsSync(directory)) return;
  const parent = dirname(directory);
  if (parent.length >= hierarchy.mountPoint.length) makePath(hierarchy, parent);
  try {
    if (hierarchy.version === 2) enableControllers(parent);
    mkdirSync(directory, 0o755);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw new RunscError(`cgroup ${directory}: ${systemReason(error)}`);
  }
  if (hierarchy.controllers.includes('cpuset')) inheritCpuset(parent, directory);
}

/** A new cpuset is empty, and nobody can enter it. */
function inheritCpuset(parent: string, directory: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    try {
      writeFileSync(join(directory, file), readFileSync(join(parent, file)));
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

/** Sets limits. Throws RunscError. */
export function limitCgroups(cgroupsPath: string, resources: Resources): void {
  applyResources(directoriesOf(cgroupsPath), resources);
}

function applyResources(placed: readonly Placed[], resources: Resources): void {
  const isV2 = placed.some(({ hierarchy }) => hierarchy.version === 2);
  for (const [controller, file, value] of isV2 ? filesV2(resources) : filesV1(resources)) {
    const at = isV2 ? placed[0] : placed.find(({ hierarchy }) => hierarchy.controllers.includes(controller));
    if (at === undefined) throw new RunscError(`${file}: the host has no ${controller} cgroup controller`);
    try {
      writeFileSync(join(at.directory, file), value);
    } catch (error) {
      // Swap accounting is off on many hosts: the memory limit alone holds then.
      if (file.includes('memsw') || file.includes('swap')) continue;
      throw new RunscError(`cgroup ${join(at.directory, file)}: writing ${value}: ${systemReason(error)}`);
    }
  }
}

type Setting = readonly [controller: string, file: string, value: string];

function filesV1(r: Resources): Setting[] {
  const out: Setting[] = [];
  const set = (controller: string, file: string, value: number | string | undefined): void => {
    if (value !== undefined && value !== '') out.push([controller, `${controller}.${file}`, String(value)]);
  };
  const unset = (value: number | undefined): number | undefined => (value === 0 ? undefined : value);
  // The kernel refuses a memory limit above the one for memory and swap, and the other way round: whichever way they move, one order works.
  set('memory', 'memsw.limit_in_bytes', unset(r.memorySwap));
  set('memory', 'limit_in_bytes', unset(r.memory));
  set('memory', 'memsw.limit_in_bytes', unset(r.memorySwap));
  set('memory', 'soft_limit_in_bytes', unset(r.memoryReservation));
  set('memory', 'swappiness', r.swappiness);
  if (r.oomKillDisable === true) out.push(['memory', 'memory.oom_control', '1']);
  set('cpu', 'shares', unset(r.cpuShares));
  set('cpu', 'cfs_period_us', unset(r.cpuPeriod));
  set('cpu', 'cfs_quota_us', unset(r.cpuQuota));
  set('cpuset', 'cpus', r.cpus);
  set('cpuset', 'mems', r.mems);
  if (unset(r.pids) !== undefined) set('pids', 'max', pidsValue(r.pids as number));
  set('blkio', 'weight', unset(r.blkioWeight));
  return out;
}

/** The Sentry's own helpers count too: the limit that the container sees is kept by the Sentry itself. */
const OWN_PIDS = 8;

function pidsValue(limit: number): string {
  return limit < 0 ? 'max' : String(limit + OWN_PIDS);
}

function filesV2(r: Resources): Setting[] {
  const out: Setting[] = [];
  const bytes = (value: number): string => (value < 0 ? 'max' : String(value));
  if (r.memory !== undefined && r.memory !== 0) out.push(['memory', 'memory.max', bytes(r.memory)]);
  if (r.memoryReservation !== undefined && r.memoryReservation !== 0) out.push(['memory', 'memory.low', bytes(r.memoryReservation)]);
  if (r.memorySwap !== undefined && r.memorySwap !== 0) out.push(['memory', 'memory.swap.max', r.memorySwap < 0 ? 'max' : String(Math.max(0, r.memorySwap - Math.max(0, r.memory ?? 0)))]);
  if (r.cpuShares !== undefined && r.cpuShares !== 0) out.push(['cpu', 'cpu.weight', String(cpuWeight(r.cpuShares))]);
  if (r.cpuQuota !== undefined || r.cpuPeriod !== undefined) {
    const quota = r.cpuQuota ?? -1;
    if (quota !== 0) out.push(['cpu', 'cpu.max', `${quota < 0 ? 'max' : quota} ${r.cpuPeriod ?? 100000}`]);
  }
  if (r.cpus !== undefined && r.cpus !== '') out.push(['cpuset', 'cpuset.cpus', r.cpus]);
  if (r.mems !== undefined && r.mems !== '') out.push(['cpuset', 'cpuset.mems', r.mems]);
  if (r.pids !== undefined && r.pids !== 0) out.push(['pids', 'pids.max', pidsValue(r.pids)]);
  if (r.blkioWeight !== undefined && r.blkioWeight !== 0) out.push(['io', 'io.bfq.weight', String(r.blkioWeight)]);
  for (const [file, value] of Object.entries(r.unified ?? {})) if (/^[a-z0-9_.]+$/i.test(file)) out.push(['unified', file, value]);
  return out;
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
