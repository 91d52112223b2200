// SPDX-License-Identifier: Apache-2.0

/**
 * `events` and `update`: what a container uses, and what it may.
 */
import { readFileSync } from 'node:fs';
import { poll } from '../../platform/ffi/lifecycle.ts';
import { limitCgroups } from '../cgroup/cgroup.ts';
import { hierarchies } from '../cgroup/hierarchies.ts';
import { changeUnit, unitOf } from '../cgroup/systemd.ts';
import { cgroupStats, oomKills } from '../cgroup/stats.ts';
import { ask } from '../container/control_client.ts';
import { Container } from '../container/state.ts';
import { RunscError, shorten, systemReason, UsageError } from '../errors.ts';
import { parseConfig } from '../spec/load.ts';
import { limitChanges, type Resources, translateResources } from '../spec/resources.ts';
import type { Option, Parsed } from './arguments.ts';
import { containerVerb, idOf, print } from './container_verb.ts';

export const eventsVerb = containerVerb({
  name: 'events',
  summary: 'print what a container uses, and when it runs out of memory',
  operands: 'ID',
  text: 'Prints a JSON object a line: statistics every --interval, and each time the kernel kills something in it for want of memory.',
  options: [
    { name: 'stats', kind: 'flag', help: 'print the statistics once' },
    { name: 'interval', kind: 'value', placeholder: '5s', help: 'time between statistics (default 5s)' },
  ],
  min: 1,
  max: 1,
  run: (parsed, operands, { flags }) => {
    const id = idOf(operands);
    const intervalMs = milliseconds(parsed.value('interval') ?? '5s');
    const container = Container.load(flags.root, id);
    const isStopped = (): boolean => container.status === 'stopped';
    if (isStopped()) throw new RunscError(`container with id ${id} is not running`);
    const path = container.record.cgroupsPath;
    const stats = (): void => void print(`${JSON.stringify({ type: 'stats', id, data: path === '' ? {} : cgroupStats(path) })}\n`);
    if (parsed.flag('stats')) {
      stats();
      return 0;
    }
    let kills = path === '' ? 0 : oomKills(path);
    for (let next = Date.now() + intervalMs; !isStopped(); ) {
      poll([], Math.max(1, Math.min(200, next - Date.now())));
      const now = path === '' ? 0 : oomKills(path);
      if (now > kills) print(`${JSON.stringify({ type: 'oom', id })}\n`);
      kills = now;
      if (Date.now() < next || isStopped()) continue;
      stats();
      next += intervalMs;
    }
    return 0;
  },
});

/** A Go duration ("1m30s", "500ms"), or seconds. Throws UsageError. */
function milliseconds(text: string): number {
  const duration = /^\d+$/.test(text) ? `${text}s` : text;
  const units: Record<string, number> = { h: 3600e3, m: 60e3, s: 1e3, ms: 1, us: 1e-3, 'µs': 1e-3, ns: 1e-6 };
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)];
  const total = parts.reduce((sum, part) => sum + Number(part[1]) * (units[part[2] as string] as number), 0);
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== duration) throw new UsageError(`invalid value "${shorten(text)}" for -interval`);
  if (total <= 0) throw new UsageError('duration interval must be greater than 0');
  return Math.max(1, total);
}

const NUMBERS = [
  ['memory', 'memory', 'memory limit in bytes'],
  ['memory-reservation', 'memoryReservation', 'memory that is left alone as long as there is enough'],
  ['memory-swap', 'memorySwap', 'limit of memory and swap together; -1: none'],
  ['cpu-share', 'cpuShares', 'weight against other containers'],
  ['cpu-quota', 'cpuQuota', 'microseconds of processor time a period'],
  ['cpu-period', 'cpuPeriod', 'length of a period in microseconds'],
  ['cpu-burst', 'cpuBurst', 'microseconds that may be saved up for later'],
  ['cpu-idle', 'cpuIdle', '1: run only when nobody else wants to'],
  ['cpu-rt-period', 'rtPeriod', 'length of a real-time period in microseconds'],
  ['cpu-rt-runtime', 'rtRuntime', 'microseconds of real-time processor time a period'],
  ['pids-limit', 'pids', 'most processes'],
  ['blkio-weight', 'blkioWeight', 'weight of its block input and output'],
] as const;
const TEXTS = [['cpuset-cpus', 'cpus', 'processors it may use'], ['cpuset-mems', 'mems', 'memory nodes it may use']] as const;
const IGNORED = ['kernel-memory', 'kernel-memory-tcp', 'l3-cache-schema', 'mem-bw-schema'];

const UPDATE_OPTIONS: readonly Option[] = [
  { name: 'resources', short: 'r', kind: 'value', placeholder: 'FILE|-', help: 'limits as in config.json (linux.resources)' },
  ...[...NUMBERS, ...TEXTS].map(([name, , help]): Option => ({ name, kind: 'value', help })),
  ...IGNORED.map((name): Option => ({ name, kind: 'value', help: 'accepted', isIgnored: true })),
];

export const updateVerb = containerVerb({
  name: 'update',
  summary: 'change the limits of a container',
  operands: 'ID',
  text: 'Changes the limits of a container.',
  options: UPDATE_OPTIONS,
  min: 1,
  max: 1,
  run: (parsed, operands, { flags }) => {
    const container = Container.loadLocked(flags.root, idOf(operands));
    if (container.status === 'stopped') throw new RunscError('container not running');
    const resources = { ...fromFile(parsed.value('resources')), ...fromFlags(parsed) };
    const { cgroupsPath, systemdUnit } = container.record;
    if (systemdUnit !== '') changeUnit(unitOf(cgroupsPath, container.id), resources, { version: hierarchies()[0]?.version ?? 2, isUser: process.geteuid?.() !== 0 });
    if (cgroupsPath !== '') limitCgroups(cgroupsPath, resources);
    else if (Object.keys(resources).length > 0) throw new RunscError('the container has no cgroup of its own');
    ask(container.directory, { type: 'limits', changes: limitChanges(resources) });
    return 0;
  },
});

function fromFile(path: string | undefined): Resources {
  if (path === undefined) return {};
  try {
    return translateResources(parseConfig(readFileSync(path === '-' ? 0 : path, 'utf8'), path));
  } catch (error) {
    if (error instanceof RunscError) throw error;
    throw new RunscError(`${path}: ${systemReason(error)}`);
  }
}

function fromFlags(parsed: Parsed): Resources {
  const out: Record<string, number | string> = {};
  for (const [name, key] of NUMBERS) {
    const text = parsed.value(name);
    if (text === undefined) continue;
    const match = /^(-?\d{1,15})([kmgt]?)b?$/i.exec(text);
    if (match === null) throw new UsageError(`invalid value for ${name}: ${text}`);
    out[key] = Number(match[1]) * ({ '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }[(match[2] as string).toLowerCase()] as number);
  }
  for (const [name, key] of TEXTS) {
    const text = parsed.value(name);
    if (text !== undefined) out[key] = text;
  }
  return out as Resources;
}
