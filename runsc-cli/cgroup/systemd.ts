// SPDX-License-Identifier: Apache-2.0

/**
 * The systemd cgroup driver: systemd makes a container's cgroup, as a transient scope, and is told of its limits, so that it does not take
 * them back. Spoken through busctl(1), which is wherever systemd is.
 *
 * systemd: org.freedesktop.systemd1(5), systemd.resource-control(5)
 */
import type * as childProcess from 'node:child_process';
import { RunscError } from '../errors.ts';
import { cpuWeight, type Resources } from '../spec/resources.ts';
import { type SystemdPath, systemdPath } from './hierarchies.ts';

/** The bundle's own require: see hooks.ts. */
declare const require: (name: string) => unknown;

/** Runs a program. Returns '' or why it failed. */
export type Runner = (program: string, args: readonly string[]) => string;

const CALL_MS = 30_000;
const MANAGER = ['org.freedesktop.systemd1', '/org/freedesktop/systemd1', 'org.freedesktop.systemd1.Manager'];
const DEFAULT_PERIOD_US = 100_000;
const SECOND_US = 1_000_000;
const UNLIMITED = '18446744073709551615';

function run(program: string, args: readonly string[]): string {
  const { spawnSync } = require('node:child_process') as typeof childProcess;
  const result = spawnSync(program, args, { encoding: 'utf8', timeout: CALL_MS, killSignal: 'SIGKILL', stdio: ['ignore', 'ignore', 'pipe'] });
  if (result.error !== undefined) return (result.error as NodeJS.ErrnoException).code === 'ENOENT' ? `${program} is not installed` : result.error.message;
  return result.status === 0 ? '' : result.stderr.trim() || `${program} ended with status ${result.status}`;
}

/** linux.cgroupsPath for systemd. Throws RunscError. */
export function unitOf(cgroupsPath: string, id: string): SystemdPath {
  const path = systemdPath(cgroupsPath === '' ? `:runsc-ts:${id}` : cgroupsPath);
  if (path === null) throw new RunscError(`expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${cgroupsPath.slice(0, 200)}" instead`);
  return path;
}

/** A property as busctl's arguments: name, signature, value. */
type Property = readonly string[];

/** What systemd has properties for; the rest is written to the cgroup's files. */
export function properties(r: Resources, version: 1 | 2): Property[] {
  const out: Property[] = [];
  const add = (name: string, value: number | undefined): void => {
    if (value !== undefined && value !== 0) out.push([name, 't', value < 0 ? UNLIMITED : String(value)]);
  };
  add(version === 2 ? 'MemoryMax' : 'MemoryLimit', r.memory);
  if (version === 2) add('MemoryLow', r.memoryReservation);
  if (version === 2 && r.memorySwap !== undefined && r.memory !== undefined && r.memorySwap >= r.memory) out.push(['MemorySwapMax', 't', String(r.memorySwap - r.memory)]);
  if (version === 2) add('CPUWeight', r.cpuShares === undefined || r.cpuShares === 0 ? undefined : cpuWeight(r.cpuShares));
  else add('CPUShares', r.cpuShares);
  if (r.cpuQuota !== undefined && r.cpuQuota !== 0) {
    const period = r.cpuPeriod === undefined || r.cpuPeriod === 0 ? DEFAULT_PERIOD_US : r.cpuPeriod;
    // systemd thinks in whole per cents: rounded up, as runc does.
    out.push(['CPUQuotaPerSecUSec', 't', r.cpuQuota < 0 ? UNLIMITED : String(Math.ceil((r.cpuQuota * SECOND_US) / period / 10000) * 10000)]);
    if (version === 2 && r.cpuPeriod !== undefined && r.cpuPeriod !== 0) out.push(['CPUQuotaPeriodUSec', 't', String(r.cpuPeriod)]);
  }
  add('TasksMax', r.pids);
  if (version === 1) add('BlockIOWeight', r.blkioWeight);
  return out;
}

/** Makes a container's unit with its first process in it. Throws RunscError. */
export function startUnit(path: SystemdPath, pid: number, resources: Resources, { version, isUser, runner = run }: { version: 1 | 2; isUser: boolean; runner?: Runner }): void {
  const all: Property[] = [
    ['Description', 's', `runsc-ts container ${path.unit}`], ['Slice', 's', path.slice], ['DefaultDependencies', 'b', 'false'], ['CollectMode', 's', 'inactive-or-failed'],
    ...(path.unit.endsWith('.scope') ? [['Delegate', 'b', 'true'], ['PIDs', 'au', '1', String(pid)]] : []),
    ...['MemoryAccounting', 'CPUAccounting', version === 2 ? 'IOAccounting' : 'BlockIOAccounting', 'TasksAccounting'].map((name) => [name, 'b', 'true']),
    ...properties(resources, version),
  ];
  const why = call(runner, isUser, ['StartTransientUnit', 'ssa(sv)a(sa(sv))', path.unit, 'replace', String(all.length), ...all.flat(), '0']);
  if (why !== '') throw new RunscError(`unable to start unit "${path.unit}": ${why}`);
}

/** Tells systemd of changed limits. Throws RunscError. */
export function changeUnit(path: SystemdPath, resources: Resources, { version, isUser, runner = run }: { version: 1 | 2; isUser: boolean; runner?: Runner }): void {
  const all = properties(resources, version);
  if (all.length === 0) return;
  const why = call(runner, isUser, ['SetUnitProperties', 'sba(sv)', path.unit, 'true', String(all.length), ...all.flat()]);
  if (why !== '') throw new RunscError(`unable to set properties of unit "${path.unit}": ${why}`);
}

/** Removes a unit, and a failed one's memory. What is not there needs neither. */
export function stopUnit(unit: string, isUser: boolean, runner: Runner = run): void {
  call(runner, isUser, ['StopUnit', 'ss', unit, 'replace']);
  call(runner, isUser, ['ResetFailedUnit', 's', unit]);
}

function call(runner: Runner, isUser: boolean, [method = '', signature = '', ...args]: readonly string[]): string {
  return runner('busctl', [isUser ? '--user' : '--system', '--quiet', 'call', ...MANAGER, method, signature, ...args]);
}
