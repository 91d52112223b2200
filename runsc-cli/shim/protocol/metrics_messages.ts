// SPDX-License-Identifier: Apache-2.0

/**
 * What a container uses, as containerd's clients read it. Source: containerd/cgroups, cgroup1/stats and cgroup2/stats metrics.proto.
 */
import { message } from './message.ts';

const PidsStat = message('PidsStat', { current: [1, 'uint64'], limit: [2, 'uint64'] });

// cgroup v1

const CpuUsage = message('CpuUsage', { total: [1, 'uint64'], kernel: [2, 'uint64'], user: [3, 'uint64'], perCpu: [4, 'repeated', 'uint64'] });
const Throttle = message('Throttle', { periods: [1, 'uint64'], throttledPeriods: [2, 'uint64'], throttledTime: [3, 'uint64'] });
const CpuStat = message('CpuStat', { usage: [1, CpuUsage], throttling: [2, Throttle] });
const MemoryEntry = message('MemoryEntry', { limit: [1, 'uint64'], usage: [2, 'uint64'], max: [3, 'uint64'], failcnt: [4, 'uint64'] });
const MemoryOomControl = message('MemoryOomControl', { oomKillDisable: [1, 'uint64'], underOom: [2, 'uint64'], oomKill: [3, 'uint64'] });

/** memory.stat's names in v1, in the order of their field numbers from 1. */
export const MEMORY_V1 = [
  'cache', 'rss', 'rss_huge', 'mapped_file', 'dirty', 'writeback', 'pgpgin', 'pgpgout', 'pgfault', 'pgmajfault', 'inactive_anon', 'active_anon', 'inactive_file',
  'active_file', 'unevictable', 'hierarchical_memory_limit', 'hierarchical_memsw_limit', 'total_cache', 'total_rss', 'total_rss_huge', 'total_mapped_file', 'total_dirty',
  'total_writeback', 'total_pgpgin', 'total_pgpgout', 'total_pgfault', 'total_pgmajfault', 'total_inactive_anon', 'total_active_anon', 'total_inactive_file',
  'total_active_file', 'total_unevictable',
] as const;

/** memory.stat's names in v2, in the order of their field numbers from 1. */
export const MEMORY_V2 = [
  'anon', 'file', 'kernel_stack', 'slab', 'sock', 'shmem', 'file_mapped', 'file_dirty', 'file_writeback', 'anon_thp', 'inactive_anon', 'active_anon', 'inactive_file',
  'active_file', 'unevictable', 'slab_reclaimable', 'slab_unreclaimable', 'pgfault', 'pgmajfault', 'workingset_refault', 'workingset_activate', 'workingset_nodereclaim',
  'pgrefill', 'pgscan', 'pgsteal', 'pgactivate', 'pgdeactivate', 'pglazyfree', 'pglazyfreed', 'thp_fault_alloc', 'thp_collapse_alloc',
] as const;

function numbered<const N extends readonly string[]>(names: N): Record<N[number], readonly [number, 'uint64']> {
  return Object.fromEntries(names.map((name, i) => [name, [i + 1, 'uint64'] as const])) as unknown as Record<N[number], readonly [number, 'uint64']>;
}

const MemoryStat = message('MemoryStat', { ...numbered(MEMORY_V1), usage: [33, MemoryEntry], swap: [34, MemoryEntry], kernel: [35, MemoryEntry], kernelTcp: [36, MemoryEntry] });
const BlkIoEntry = message('BlkIoEntry', { op: [1, 'string'], device: [2, 'string'], major: [3, 'uint64'], minor: [4, 'uint64'], value: [5, 'uint64'] });
const BlkIoStat = message('BlkIoStat', { ioServiceBytesRecursive: [1, 'repeated', BlkIoEntry], ioServicedRecursive: [2, 'repeated', BlkIoEntry] });

export const METRICS_V1_URL = 'io.containerd.cgroups.v1.Metrics';
export const MetricsV1 = message('MetricsV1', { pids: [2, PidsStat], cpu: [3, CpuStat], memory: [4, MemoryStat], blkio: [5, BlkIoStat], memoryOomControl: [9, MemoryOomControl] });

// cgroup v2

const CpuStat2 = message('CpuStat2', {
  usageUsec: [1, 'uint64'], userUsec: [2, 'uint64'], systemUsec: [3, 'uint64'], nrPeriods: [4, 'uint64'], nrThrottled: [5, 'uint64'], throttledUsec: [6, 'uint64'],
});
const MemoryStat2 = message('MemoryStat2', {
  ...numbered(MEMORY_V2), usage: [32, 'uint64'], usageLimit: [33, 'uint64'], swapUsage: [34, 'uint64'], swapLimit: [35, 'uint64'], maxUsage: [36, 'uint64'],
});
const MemoryEvents = message('MemoryEvents', { low: [1, 'uint64'], high: [2, 'uint64'], max: [3, 'uint64'], oom: [4, 'uint64'], oomKill: [5, 'uint64'] });
const IoEntry = message('IoEntry', { major: [1, 'uint64'], minor: [2, 'uint64'], rbytes: [3, 'uint64'], wbytes: [4, 'uint64'], rios: [5, 'uint64'], wios: [6, 'uint64'] });
const IoStat = message('IoStat', { usage: [1, 'repeated', IoEntry] });

export const METRICS_V2_URL = 'io.containerd.cgroups.v2.Metrics';
export const MetricsV2 = message('MetricsV2', { pids: [1, PidsStat], cpu: [2, CpuStat2], memory: [4, MemoryStat2], io: [6, IoStat], memoryEvents: [8, MemoryEvents] });
