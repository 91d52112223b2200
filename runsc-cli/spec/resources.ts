// SPDX-License-Identifier: Apache-2.0

/**
 * linux.resources: what is applied to a container's cgroup. Also what `update --resources` reads.
 */
import type { LimitChanges } from '../../sentry/control/messages/commands.ts';
import type { Field } from './checker.ts';

export interface WeightDevice {
  /** "major:minor" */
  readonly device: string;
  readonly weight: number | null;
  readonly leafWeight: number | null;
}

export interface Throttle {
  readonly kind: 'rbps' | 'wbps' | 'riops' | 'wiops';
  readonly device: string;
  readonly rate: number;
}

export interface Resources {
  /** Bytes; -1: no limit. */
  readonly memory?: number;
  readonly memoryReservation?: number;
  /** Memory and swap together. */
  readonly memorySwap?: number;
  readonly swappiness?: number;
  readonly oomKillDisable?: boolean;
  readonly cpuShares?: number;
  readonly cpuQuota?: number;
  readonly cpuPeriod?: number;
  readonly cpus?: string;
  readonly mems?: string;
  readonly kernelTcpMemory?: number;
  readonly cpuBurst?: number;
  readonly cpuIdle?: number;
  readonly rtRuntime?: number;
  readonly rtPeriod?: number;
  /** -1: no limit. */
  readonly pids?: number;
  readonly blkioWeight?: number;
  readonly blkioLeafWeight?: number;
  readonly weightDevices?: readonly WeightDevice[];
  readonly throttles?: readonly Throttle[];
  /** By page size ("2MB"). */
  readonly hugepages?: readonly (readonly [size: string, limit: number])[];
  readonly classId?: number;
  readonly priorities?: readonly (readonly [name: string, priority: number])[];
  readonly rdma?: readonly { readonly device: string; readonly handles: number | null; readonly objects: number | null }[];
  /** Files of cgroup v2 as they are. */
  readonly unified?: Readonly<Record<string, string>>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

type NumberName = { [K in keyof Resources]-?: NonNullable<Resources[K]> extends number ? K : never }[keyof Resources];

function deviceOf(item: Field): string {
  return `${item.get('major').integer(0, 0xffffffff)}:${item.get('minor').integer(0, 0xffffffff)}`;
}

function blockIo(field: Field, out: Mutable<Resources>, number: (name: NumberName, at: Field) => void): void {
  number('blkioWeight', field.get('weight'));
  number('blkioLeafWeight', field.get('leafWeight'));
  const weight = (at: Field): number | null => (at.isPresent ? at.integer(0, 10000) : null);
  const weights = field.get('weightDevice').items().map((item) => ({ device: deviceOf(item), weight: weight(item.get('weight')), leafWeight: weight(item.get('leafWeight')) }));
  if (weights.length > 0) out.weightDevices = weights;
  const kinds = { throttleReadBpsDevice: 'rbps', throttleWriteBpsDevice: 'wbps', throttleReadIOPSDevice: 'riops', throttleWriteIOPSDevice: 'wiops' } as const;
  const throttles = Object.entries(kinds).flatMap(([name, kind]) => field.get(name).items().map((item) => ({ kind, device: deviceOf(item), rate: item.get('rate').integer(0, 2 ** 64) })));
  if (throttles.length > 0) out.throttles = throttles;
}

function rareControllers(field: Field, out: Mutable<Resources>): void {
  const hugepages = field.get('hugepageLimits').items().map((item) => {
    const size = item.get('pageSize').string();
    if (!/^[1-9][0-9]*[KMG]B$/.test(size)) item.get('pageSize').fail(`invalid page size "${item.get('pageSize').shown()}"`);
    return [size, item.get('limit').integer(0, 2 ** 64)] as const;
  });
  if (hugepages.length > 0) out.hugepages = hugepages;
  const network = field.get('network');
  if (network.get('classID').isPresent) out.classId = network.get('classID').integer(0, 0xffffffff);
  const priorities = network.get('priorities').items().map((item) => [item.get('name').string(), item.get('priority').integer(0, 0xffffffff)] as const);
  if (priorities.length > 0) out.priorities = priorities;
  const rdma = field.get('rdma');
  const limit = (at: Field): number | null => (at.isPresent ? at.integer(0, 0xffffffff) : null);
  if (rdma.isPresent) out.rdma = Object.keys(rdma.object()).map((device) => ({ device, handles: limit(rdma.get(device).get('hcaHandles')), objects: limit(rdma.get(device).get('hcaObjects')) }));
}

/** What the container's own view of its limits becomes. */
export function limitChanges(r: Resources): LimitChanges {
  const out: Mutable<LimitChanges> = {};
  const limit = (value: number): number | null => (value < 0 ? null : value);
  if (r.memory !== undefined && r.memory !== 0) out.memory = limit(r.memory);
  if (r.memoryReservation !== undefined) out.memoryLow = Math.max(0, r.memoryReservation);
  if (r.memorySwap !== undefined && r.memorySwap !== 0) out.swap = r.memorySwap < 0 ? null : Math.max(0, r.memorySwap - Math.max(0, r.memory ?? 0));
  if (r.cpuQuota !== undefined && r.cpuQuota !== 0) out.cpuQuota = limit(r.cpuQuota);
  if (r.cpuPeriod !== undefined && r.cpuPeriod !== 0) out.cpuPeriod = r.cpuPeriod;
  if (r.cpuShares !== undefined && r.cpuShares !== 0) out.cpuWeight = cpuWeight(r.cpuShares);
  if (r.pids !== undefined && r.pids !== 0) out.pids = r.pids < 0 || r.pids > MAX_TASKS ? null : r.pids;
  if (r.cpus !== undefined && r.cpus !== '') out.cpus = r.cpus;
  if (r.mems !== undefined && r.mems !== '') out.mems = r.mems;
  return out;
}

const MAX_TASKS = 0x7fffffff;

/** cgroup v1's shares as v2's weight. */
export function cpuWeight(shares: number): number {
  return 1 + Math.floor(((Math.min(Math.max(shares, 2), 262144) - 2) * 9999) / 262142);
}

/** Throws RunscError. */
export function translateResources(field: Field): Resources {
  const out: Mutable<Resources> = {};
  const number = (name: NumberName, at: Field): void => {
    // 2^63-1 and what is near it means no limit; a double does not hold it exactly.
    if (at.isPresent) out[name] = at.integer(-(2 ** 63), 2 ** 64) >= 2 ** 62 ? -1 : at.integer(-(2 ** 63), 2 ** 64);
  };
  const memory = field.get('memory');
  number('memory', memory.get('limit'));
  number('memoryReservation', memory.get('reservation'));
  number('memorySwap', memory.get('swap'));
  number('swappiness', memory.get('swappiness'));
  if (memory.get('disableOOMKiller').isPresent) out.oomKillDisable = memory.get('disableOOMKiller').optionalBoolean(false);
  const cpu = field.get('cpu');
  number('cpuShares', cpu.get('shares'));
  number('cpuQuota', cpu.get('quota'));
  number('cpuPeriod', cpu.get('period'));
  if (cpu.get('cpus').isPresent) out.cpus = cpu.get('cpus').string();
  if (cpu.get('mems').isPresent) out.mems = cpu.get('mems').string();
  number('kernelTcpMemory', memory.get('kernelTCP'));
  number('cpuBurst', cpu.get('burst'));
  number('cpuIdle', cpu.get('idle'));
  number('rtRuntime', cpu.get('realtimeRuntime'));
  number('rtPeriod', cpu.get('realtimePeriod'));
  number('pids', field.get('pids').get('limit'));
  blockIo(field.get('blockIO'), out, number);
  rareControllers(field, out);
  const unified = field.get('unified');
  if (unified.isPresent) out.unified = Object.fromEntries(Object.keys(unified.object()).map((key) => [key, unified.get(key).string()]));
  return out;
}
