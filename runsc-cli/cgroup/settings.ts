// SPDX-License-Identifier: Apache-2.0

/**
 * Limits as files of the cgroup filesystem: which file of which controller gets which text.
 *
 * Linux: Documentation/admin-guide/cgroup-v1/, cgroup-v2.rst
 * Differs: pids.max leaves room for the sandbox's own processes: the limit that the container sees is kept by the Sentry itself. The
 *          device controller is not used: the Sentry opens no devices, the container's are its own (device_access.ts).
 */
import { RunscError } from '../errors.ts';
import { cpuWeight, type Resources } from '../spec/resources.ts';

/** One file; `names` in order of preference: the first that exists is written. `isOptional`: a host without it is no error. */
export interface Setting {
  readonly controller: string;
  readonly names: readonly string[];
  readonly value: string;
  readonly isOptional?: boolean;
}

const OWN_PIDS = 8;

function pidsValue(limit: number): string {
  return limit < 0 ? 'max' : String(limit + OWN_PIDS);
}

type Add = (controller: string, name: string | readonly string[], value: number | string | undefined, isOptional?: boolean) => void;

function collector(): { out: Setting[]; add: Add } {
  const out: Setting[] = [];
  const add: Add = (controller, name, value, isOptional = false) => {
    if (value !== undefined && value !== '') out.push({ controller, names: typeof name === 'string' ? [name] : name, value: String(value), isOptional });
  };
  return { out, add };
}

/** Zero means: as it is. */
const unlessZero = (value: number | undefined): number | undefined => (value === 0 ? undefined : value);

/** Throws RunscError. */
export function settingsV1(r: Resources): Setting[] {
  if (r.unified !== undefined && Object.keys(r.unified).length > 0) throw new RunscError('invalid configuration: cannot use unified on cgroup v1');
  const { out, add } = collector();
  // The kernel refuses a memory limit above the one for memory and swap, and the other way round: whichever way they move, one order works.
  add('memory', 'memory.memsw.limit_in_bytes', unlessZero(r.memorySwap), true);
  add('memory', 'memory.limit_in_bytes', unlessZero(r.memory));
  add('memory', 'memory.memsw.limit_in_bytes', unlessZero(r.memorySwap), true);
  add('memory', 'memory.soft_limit_in_bytes', unlessZero(r.memoryReservation));
  add('memory', 'memory.kmem.tcp.limit_in_bytes', unlessZero(r.kernelTcpMemory), true);
  add('memory', 'memory.swappiness', r.swappiness);
  if (r.oomKillDisable === true) add('memory', 'memory.oom_control', 1);
  cpuV1(r, add);
  if (unlessZero(r.pids) !== undefined) add('pids', 'pids.max', pidsValue(r.pids as number));
  blockIoV1(r, add);
  for (const [size, limit] of r.hugepages ?? []) add('hugetlb', `hugetlb.${size}.limit_in_bytes`, limit);
  add('net_cls', 'net_cls.classid', unlessZero(r.classId));
  for (const [name, priority] of r.priorities ?? []) add('net_prio', 'net_prio.ifpriomap', `${name} ${priority}`);
  rdma(r, add);
  return out;
}

function cpuV1(r: Resources, add: Add): void {
  add('cpu', 'cpu.rt_period_us', unlessZero(r.rtPeriod));
  add('cpu', 'cpu.rt_runtime_us', unlessZero(r.rtRuntime));
  add('cpu', 'cpu.idle', r.cpuIdle);
  add('cpu', 'cpu.shares', unlessZero(r.cpuShares));
  add('cpu', 'cpu.cfs_period_us', unlessZero(r.cpuPeriod));
  add('cpu', 'cpu.cfs_quota_us', unlessZero(r.cpuQuota));
  add('cpu', 'cpu.cfs_burst_us', r.cpuBurst);
  add('cpuset', 'cpuset.cpus', r.cpus);
  add('cpuset', 'cpuset.mems', r.mems);
}

function blockIoV1(r: Resources, add: Add): void {
  add('blkio', ['blkio.bfq.weight', 'blkio.weight'], unlessZero(r.blkioWeight));
  add('blkio', 'blkio.leaf_weight', unlessZero(r.blkioLeafWeight), true);
  for (const { device, weight, leafWeight } of r.weightDevices ?? []) {
    if (weight !== null) add('blkio', ['blkio.bfq.weight_device', 'blkio.weight_device'], `${device} ${weight}`);
    if (leafWeight !== null) add('blkio', 'blkio.leaf_weight_device', `${device} ${leafWeight}`, true);
  }
  const files = { rbps: 'read_bps', wbps: 'write_bps', riops: 'read_iops', wiops: 'write_iops' };
  for (const { kind, device, rate } of r.throttles ?? []) add('blkio', `blkio.throttle.${files[kind]}_device`, `${device} ${rate}`);
}

function rdma(r: Resources, add: Add): void {
  for (const { device, handles, objects } of r.rdma ?? []) add('rdma', 'rdma.max', `${device} hca_handle=${handles ?? 'max'} hca_object=${objects ?? 'max'}`);
}

/** Throws RunscError. */
export function settingsV2(r: Resources): Setting[] {
  const { out, add } = collector();
  const bytes = (value: number | undefined): string | undefined => (value === undefined || value === 0 ? undefined : value < 0 ? 'max' : String(value));
  add('memory', 'memory.max', bytes(r.memory));
  add('memory', 'memory.low', bytes(r.memoryReservation));
  add('memory', 'memory.swap.max', swapAlone(r), true);
  cpuV2(r, add);
  if (r.pids !== undefined && r.pids !== 0) add('pids', 'pids.max', pidsValue(r.pids));
  blockIoV2(r, add);
  for (const [size, limit] of r.hugepages ?? []) add('hugetlb', `hugetlb.${size}.max`, limit);
  rdma(r, add);
  for (const [file, value] of Object.entries(r.unified ?? {})) {
    if (!/^[a-z0-9_]+\.[A-Za-z0-9_.]+$/.test(file)) throw new RunscError(`unified resource "${file.slice(0, 100)}" must be a file name (no slashes)`);
    for (const line of value.split('\n')) add(file.split('.')[0] as string, file, line);
  }
  return out;
}

/** cgroup v1 limits memory and swap together, v2 swap alone. Throws RunscError. */
function swapAlone({ memory, memorySwap }: Resources): string | undefined {
  if (memorySwap === undefined || memorySwap === 0) return undefined;
  if (memorySwap < 0) return 'max';
  if (memory === undefined || memory <= 0) throw new RunscError('unable to set swap limit without memory limit');
  if (memorySwap < memory) throw new RunscError('memory+swap limit should be >= memory limit');
  return String(memorySwap - memory);
}

const DEFAULT_PERIOD = 100000;

function cpuV2(r: Resources, add: Add): void {
  add('cpu', 'cpu.idle', r.cpuIdle);
  if (r.cpuShares !== undefined && r.cpuShares !== 0) add('cpu', 'cpu.weight', cpuWeight(r.cpuShares));
  if (unlessZero(r.cpuQuota) !== undefined || unlessZero(r.cpuPeriod) !== undefined) {
    const quota = unlessZero(r.cpuQuota) ?? -1;
    add('cpu', 'cpu.max', `${quota < 0 ? 'max' : quota} ${unlessZero(r.cpuPeriod) ?? DEFAULT_PERIOD}`);
  }
  add('cpu', 'cpu.max.burst', r.cpuBurst);
  add('cpuset', 'cpuset.cpus', r.cpus);
  add('cpuset', 'cpuset.mems', r.mems);
}

function blockIoV2(r: Resources, add: Add): void {
  const weight = unlessZero(r.blkioWeight);
  // Without the bfq scheduler there is io.weight, on another scale: [10, 1000] becomes [1, 10000].
  if (weight !== undefined) add('io', 'io.bfq.weight', weight, true);
  if (weight !== undefined) add('io', 'io.weight', `default ${1 + Math.floor(((weight - 10) * 9999) / 990)}`, true);
  for (const device of r.weightDevices ?? []) if (device.weight !== null) add('io', 'io.bfq.weight', `${device.device} ${device.weight}`, true);
  for (const { kind, device, rate } of r.throttles ?? []) add('io', 'io.max', `${device} ${kind}=${rate === 0 ? 'max' : rate}`);
}
