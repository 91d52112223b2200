// SPDX-License-Identifier: Apache-2.0

/**
 * What a container uses, read from its cgroups, as the metrics that containerd's clients expect of the host's cgroup version.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { directoryOf, type Hierarchy, hierarchies } from '../../cgroup/hierarchies.ts';
import { Container } from '../../container/state.ts';
import { MEMORY_V1, MEMORY_V2, METRICS_V1_URL, METRICS_V2_URL, MetricsV1, MetricsV2 } from '../protocol/metrics_messages.ts';
import { FAILED_PRECONDITION, StatusError } from '../ttrpc/status.ts';
import type { TaskContainer } from './container.ts';

/** "No limit", as the kernel's v1 files and containerd's clients write it in v2. */
const UNLIMITED = 2 ** 64;

/** Metrics as an Any. Throws StatusError. */
export function taskStats(container: TaskContainer): { typeUrl: string; value: Uint8Array } {
  const path = Container.find(container.root, container.id)?.record.cgroupsPath ?? '';
  if (path === '') throw new StatusError(FAILED_PRECONDITION, 'the container has no cgroup of its own');
  const all = hierarchies();
  const v2 = all.find((h) => h.version === 2);
  return v2 === undefined ? { typeUrl: METRICS_V1_URL, value: metricsV1(all, path) } : { typeUrl: METRICS_V2_URL, value: metricsV2(directoryOf(v2, path)) };
}

function text(directory: string, file: string): string {
  try {
    return directory === '' ? '' : readFileSync(join(directory, file), 'latin1');
  } catch {
    return '';
  }
}

/** One number; "max" is 2^64. */
function number(directory: string, file: string): number {
  const value = text(directory, file).trim();
  return value === 'max' ? UNLIMITED : /^\d+$/.test(value) ? Number(value) : 0;
}

/** "name value" lines. */
function fields(directory: string, file: string): Record<string, number> {
  return Object.fromEntries(text(directory, file).split('\n').map((line) => line.split(' ')).filter((words) => words.length === 2).map(([name, value]) => [name, Number(value)]));
}

/** Those of `names` that are there. */
function picked(from: Record<string, number>, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.filter((name) => Number.isFinite(from[name])).map((name) => [name, from[name] as number]));
}

function pidsOf(directory: string): { current: number; limit: number } {
  const limit = number(directory, 'pids.max');
  return { current: number(directory, 'pids.current'), limit: limit === UNLIMITED ? 0 : limit };
}

function metricsV1(all: readonly Hierarchy[], path: string): Uint8Array {
  const at = (controller: string): string => {
    const found = all.find((h) => h.controllers.includes(controller));
    return found === undefined ? '' : directoryOf(found, path);
  };
  const [cpu, account, memory, blkio] = [at('cpu'), at('cpuacct'), at('memory'), at('blkio')] as const;
  const throttling = fields(cpu, 'cpu.stat');
  const oom = fields(memory, 'memory.oom_control');
  const entry = (prefix: string) => ({
    limit: number(memory, `memory.${prefix}limit_in_bytes`), usage: number(memory, `memory.${prefix}usage_in_bytes`),
    max: number(memory, `memory.${prefix}max_usage_in_bytes`), failcnt: number(memory, `memory.${prefix}failcnt`),
  });
  return MetricsV1.encode({
    pids: pidsOf(at('pids')),
    cpu: {
      usage: {
        total: number(account, 'cpuacct.usage'), kernel: number(account, 'cpuacct.usage_sys'), user: number(account, 'cpuacct.usage_user'),
        perCpu: text(account, 'cpuacct.usage_percpu').trim().split(' ').filter((word) => word !== '').map(Number),
      },
      throttling: { periods: throttling['nr_periods'] ?? 0, throttledPeriods: throttling['nr_throttled'] ?? 0, throttledTime: throttling['throttled_time'] ?? 0 },
    },
    memory: { ...picked(fields(memory, 'memory.stat'), MEMORY_V1), usage: entry(''), swap: entry('memsw.'), kernel: entry('kmem.'), kernelTcp: entry('kmem.tcp.') },
    blkio: { ioServiceBytesRecursive: blkioEntries(blkio, 'blkio.throttle.io_service_bytes'), ioServicedRecursive: blkioEntries(blkio, 'blkio.throttle.io_serviced') },
    memoryOomControl: { oomKillDisable: oom['oom_kill_disable'] ?? 0, underOom: oom['under_oom'] ?? 0, oomKill: oom['oom_kill'] ?? 0 },
  });
}

/** "8:0 Read 4096" lines. */
function blkioEntries(directory: string, file: string): { op: string; major: number; minor: number; value: number }[] {
  const lines = (text(directory, `${file}_recursive`) || text(directory, file)).matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm);
  return [...lines].map(([, major, minor, op, value]) => ({ op: op as string, major: Number(major), minor: Number(minor), value: Number(value) }));
}

function metricsV2(directory: string): Uint8Array {
  const cpu = fields(directory, 'cpu.stat');
  const events = fields(directory, 'memory.events');
  const usage = [...text(directory, 'io.stat').matchAll(/^(\d+):(\d+) (.*)$/gm)].map(([, major, minor, rest]) => {
    const of = (name: string): number => Number(new RegExp(`\\b${name}=(\\d+)`).exec(rest as string)?.[1] ?? 0);
    return { major: Number(major), minor: Number(minor), rbytes: of('rbytes'), wbytes: of('wbytes'), rios: of('rios'), wios: of('wios') };
  });
  return MetricsV2.encode({
    pids: pidsOf(directory),
    cpu: {
      usageUsec: cpu['usage_usec'] ?? 0, userUsec: cpu['user_usec'] ?? 0, systemUsec: cpu['system_usec'] ?? 0, nrPeriods: cpu['nr_periods'] ?? 0,
      nrThrottled: cpu['nr_throttled'] ?? 0, throttledUsec: cpu['throttled_usec'] ?? 0,
    },
    memory: {
      ...picked(fields(directory, 'memory.stat'), MEMORY_V2), usage: number(directory, 'memory.current'), usageLimit: number(directory, 'memory.max'),
      swapUsage: number(directory, 'memory.swap.current'), swapLimit: number(directory, 'memory.swap.max'), maxUsage: number(directory, 'memory.peak'),
    },
    io: { usage },
    memoryEvents: { low: events['low'] ?? 0, high: events['high'] ?? 0, max: events['max'] ?? 0, oom: events['oom'] ?? 0, oomKill: events['oom_kill'] ?? 0 },
  });
}
