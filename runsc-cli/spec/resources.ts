// SPDX-License-Identifier: Apache-2.0

/**
 * linux.resources: what is applied to a container's cgroup. Also what `update --resources` reads.
 */
import type { LimitChanges } from '../../sentry/control/messages/commands.ts';
import type { Field } from './checker.ts';

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
  /** -1: no limit. */
  readonly pids?: number;
  readonly blkioWeight?: number;
  /** Files of cgroup v2 as they are. */
  readonly unified?: Readonly<Record<string, string>>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

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
  const number = (name: 'memory' | 'memoryReservation' | 'memorySwap' | 'swappiness' | 'cpuShares' | 'cpuQuota' | 'cpuPeriod' | 'pids' | 'blkioWeight', at: Field): void => {
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
  number('pids', field.get('pids').get('limit'));
  number('blkioWeight', field.get('blockIO').get('weight'));
  const unified = field.get('unified');
  if (unified.isPresent) out.unified = Object.fromEntries(Object.keys(unified.object()).map((key) => [key, unified.get(key).string()]));
  return out;
}
