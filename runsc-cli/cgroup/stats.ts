// SPDX-License-Identifier: Apache-2.0

/**
 * What a container uses, read from its cgroups, in the shape of runc's events.
 */
import { join } from 'node:path';
import { readText } from './cgroup.ts';
import { directoryOf, hierarchies } from './hierarchies.ts';

/** The `data` of a stats event. */
export function cgroupStats(cgroupsPath: string): Record<string, unknown> {
  const all = hierarchies();
  const v2 = all.find((h) => h.version === 2);
  if (v2 !== undefined) return statsV2(directoryOf(v2, cgroupsPath));
  const at = (controller: string): string => {
    const found = all.find((h) => h.controllers.includes(controller));
    return found === undefined ? '' : directoryOf(found, cgroupsPath);
  };
  return statsV1(at);
}

function number(directory: string, file: string): number {
  const text = directory === '' ? null : readText(join(directory, file));
  const value = text === null ? 0 : Number(text.trim());
  return Number.isFinite(value) ? value : 0;
}

/** "name value" lines. */
function fields(directory: string, file: string): Record<string, number> {
  const out: Record<string, number> = {};
  for (const line of (directory === '' ? '' : (readText(join(directory, file)) ?? '')).split('\n')) {
    const [name, value] = line.split(' ');
    if (name !== undefined && value !== undefined) out[name] = Number(value);
  }
  return out;
}

function statsV1(at: (controller: string) => string): Record<string, unknown> {
  const cpu = fields(at('cpu'), 'cpu.stat');
  const account = at('cpuacct');
  const memory = at('memory');
  const raw = fields(memory, 'memory.stat');
  const entry = (prefix: string): Record<string, number> => ({
    limit: number(memory, `memory.${prefix}limit_in_bytes`),
    usage: number(memory, `memory.${prefix}usage_in_bytes`),
    max: number(memory, `memory.${prefix}max_usage_in_bytes`),
    failcnt: number(memory, `memory.${prefix}failcnt`),
  });
  const percpu = (account === '' ? '' : (readText(join(account, 'cpuacct.usage_percpu')) ?? '')).trim().split(' ').filter((s) => s !== '').map(Number);
  return {
    cpu: {
      usage: { total: number(account, 'cpuacct.usage'), percpu, percpu_kernel: [], percpu_user: [], kernel: number(account, 'cpuacct.usage_sys'), user: number(account, 'cpuacct.usage_user') },
      throttling: { periods: cpu['nr_periods'] ?? 0, throttledPeriods: cpu['nr_throttled'] ?? 0, throttledTime: cpu['throttled_time'] ?? 0 },
    },
    cpuset: {},
    memory: { cache: raw['cache'] ?? 0, usage: entry(''), swap: entry('memsw.'), kernel: entry('kmem.'), kernelTCP: entry('kmem.tcp.'), raw },
    pids: pids(at('pids')),
    blkio: {},
    hugetlb: {},
    intel_rdt: {},
    network_interfaces: [],
  };
}

function pids(directory: string): Record<string, number> {
  const limit = number(directory, 'pids.max');
  return { current: number(directory, 'pids.current'), ...(limit > 0 ? { limit } : {}) };
}

function statsV2(directory: string): Record<string, unknown> {
  const cpu = fields(directory, 'cpu.stat');
  const raw = fields(directory, 'memory.stat');
  return {
    cpu: {
      usage: { total: (cpu['usage_usec'] ?? 0) * 1000, percpu: [], percpu_kernel: [], percpu_user: [], kernel: (cpu['system_usec'] ?? 0) * 1000, user: (cpu['user_usec'] ?? 0) * 1000 },
      throttling: { periods: cpu['nr_periods'] ?? 0, throttledPeriods: cpu['nr_throttled'] ?? 0, throttledTime: (cpu['throttled_usec'] ?? 0) * 1000 },
    },
    cpuset: {},
    memory: {
      cache: raw['file'] ?? 0,
      usage: { limit: number(directory, 'memory.max'), usage: number(directory, 'memory.current'), max: number(directory, 'memory.peak'), failcnt: fields(directory, 'memory.events')['max'] ?? 0 },
      swap: { limit: number(directory, 'memory.swap.max'), usage: number(directory, 'memory.swap.current'), max: 0, failcnt: 0 },
      kernel: {},
      kernelTCP: {},
      raw,
    },
    pids: pids(directory),
    blkio: {},
    hugetlb: {},
    intel_rdt: {},
    network_interfaces: [],
  };
}

/** How often the kernel killed something in the cgroup for want of memory. */
export function oomKills(cgroupsPath: string): number {
  for (const h of hierarchies()) {
    if (h.version === 2) return fields(directoryOf(h, cgroupsPath), 'memory.events')['oom_kill'] ?? 0;
    if (h.controllers.includes('memory')) return fields(directoryOf(h, cgroupsPath), 'memory.oom_control')['oom_kill'] ?? 0;
  }
  return 0;
}
