// SPDX-License-Identifier: Apache-2.0

/** Cgroups of both versions against a tree of plain files: what is written where, what is refused, what is removed. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Field } from '../spec/checker.ts';
import { type Resources, translateResources } from '../spec/resources.ts';
import { makeCgroups } from './cgroup.ts';
import { directoryOf, type Hierarchy } from './hierarchies.ts';
import { settingsV1, settingsV2 } from './settings.ts';

const MIB = 1 << 20;
const resources = (value: unknown): Resources => translateResources(new Field(value, 'linux.resources'));
const texts = (settings: ReturnType<typeof settingsV1>): string[] => settings.map(({ names, value }) => `${names[0]} ${value}`);

const EVERYTHING = resources({
  memory: { limit: 64 * MIB, swap: 128 * MIB, reservation: 32 * MIB, swappiness: 10, disableOOMKiller: true, kernelTCP: MIB },
  cpu: { shares: 1024, quota: 20000, period: 50000, burst: 1000, cpus: '0-1', mems: '0', realtimePeriod: 1000000, realtimeRuntime: 950000, idle: 0 },
  pids: { limit: 10 },
  blockIO: { weight: 500, leafWeight: 300, weightDevice: [{ major: 8, minor: 0, weight: 200 }], throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }], throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 7 }] },
  hugepageLimits: [{ pageSize: '2MB', limit: 4 * MIB }],
  network: { classID: 0x100001, priorities: [{ name: 'eth0', priority: 5 }] },
  rdma: { mlx5_1: { hcaHandles: 3 } },
});

describe('settings', () => {
  it('v1: every field has its file', () => {
    expect(texts(settingsV1(EVERYTHING))).toEqual([
      'memory.memsw.limit_in_bytes 134217728', 'memory.limit_in_bytes 67108864', 'memory.memsw.limit_in_bytes 134217728', 'memory.soft_limit_in_bytes 33554432', 'memory.kmem.tcp.limit_in_bytes 1048576', 'memory.swappiness 10',
      'memory.oom_control 1', 'cpu.rt_period_us 1000000', 'cpu.rt_runtime_us 950000', 'cpu.idle 0', 'cpu.shares 1024', 'cpu.cfs_period_us 50000', 'cpu.cfs_quota_us 20000', 'cpu.cfs_burst_us 1000', 'cpuset.cpus 0-1', 'cpuset.mems 0',
      'pids.max 18', 'blkio.bfq.weight 500', 'blkio.leaf_weight 300', 'blkio.bfq.weight_device 8:0 200', 'blkio.throttle.read_bps_device 8:0 1000', 'blkio.throttle.write_iops_device 8:16 7', 'hugetlb.2MB.limit_in_bytes 4194304',
      'net_cls.classid 1048577', 'net_prio.ifpriomap eth0 5', 'rdma.max mlx5_1 hca_handle=3 hca_object=max',
    ]);
  });
  it('v2: every field that it has', () => {
    expect(texts(settingsV2(EVERYTHING))).toEqual([
      'memory.max 67108864', 'memory.low 33554432', 'memory.swap.max 67108864', 'cpu.idle 0', 'cpu.weight 39', 'cpu.max 20000 50000', 'cpu.max.burst 1000', 'cpuset.cpus 0-1', 'cpuset.mems 0', 'pids.max 18', 'io.bfq.weight 500',
      'io.weight default 4950', 'io.bfq.weight 8:0 200', 'io.max 8:0 rbps=1000', 'io.max 8:16 wiops=7', 'hugetlb.2MB.max 4194304', 'rdma.max mlx5_1 hca_handle=3 hca_object=max',
    ]);
  });
  it('v2: no limit, and what is not said', () => {
    expect(texts(settingsV2(resources({ memory: { limit: -1, swap: -1 }, cpu: { quota: -1 }, pids: { limit: -1 } })))).toEqual(['memory.max max', 'memory.swap.max max', 'cpu.max max 100000', 'pids.max max']);
    expect(settingsV2(resources({}))).toEqual([]);
    expect(texts(settingsV2(resources({ memory: { limit: 2 ** 63 - 4096 } })))).toEqual(['memory.max max']);
  });
  it('v2: unified files as they are, line by line, and no paths', () => {
    expect(texts(settingsV2(resources({ unified: { 'memory.high': '1000', 'io.max': '8:0 rbps=1\n8:16 wbps=2' } })))).toEqual(['memory.high 1000', 'io.max 8:0 rbps=1', 'io.max 8:16 wbps=2']);
    expect(() => settingsV2(resources({ unified: { '../../x': '1' } }))).toThrow(/must be a file name/);
    expect(() => settingsV1(resources({ unified: { 'memory.high': '1' } }))).toThrow(/cannot use unified on cgroup v1/);
  });
  it('v2: swap that makes no sense is refused', () => {
    expect(() => settingsV2(resources({ memory: { swap: 100 } }))).toThrow(/unable to set swap limit without memory limit/);
    expect(() => settingsV2(resources({ memory: { limit: 100, swap: 50 } }))).toThrow(/should be >= memory limit/);
  });
});

describe('makeCgroups()', () => {
  let root = '';
  let all: Hierarchy[] = [];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'cgroup-test-'));
    all = [{ version: 2, controllers: [], mountPoint: root }];
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** A plain file does not appear by itself in a new directory: what the kernel would have there is made before. */
  function existing(path: string, files: Record<string, string>): string {
    mkdirSync(join(root, path), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, path, name), text);
    return join(root, path);
  }

  it('v2: enables the controllers of the way down and writes the limits', () => {
    writeFileSync(join(root, 'cgroup.controllers'), 'cpu memory\n');
    writeFileSync(join(root, 'cgroup.subtree_control'), '');
    const leaf = existing('a/b', { 'memory.max': '', 'pids.max': '' });
    expect(makeCgroups('/a/b', resources({ memory: { limit: MIB }, pids: { limit: 5 } }), () => {}, all)).toEqual([]);
    expect(readFileSync(join(leaf, 'memory.max'), 'latin1')).toBe('1048576');
    expect(readFileSync(join(leaf, 'pids.max'), 'latin1')).toBe('13');
    expect(makeCgroups('/new', resources({}), () => {}, all)).toEqual([join(root, 'new')]);
    expect(readFileSync(join(root, 'cgroup.subtree_control'), 'latin1')).toBe('+memory');
  });
  it('a limit that cannot be written is an error, and what was made goes', () => {
    expect(() => makeCgroups('/x', resources({ memory: { limit: MIB } }), () => {}, all)).toThrow(/memory\.max: writing 1048576: no such file or directory/);
    expect(existsSync(join(root, 'x'))).toBe(false);
  });
  it('processes in it are worth a warning, a frozen one is refused', () => {
    const warnings: string[] = [];
    existing('used', { 'cgroup.procs': '1\n2\n', 'cgroup.freeze': '0\n' });
    makeCgroups('/used', resources({}), (message) => warnings.push(message), all);
    expect(warnings).toEqual(["container's cgroup is not empty: 2 process(es) found"]);
    existing('frozen', { 'cgroup.freeze': '1\n' });
    expect(() => makeCgroups('/frozen', resources({}), () => {}, all)).toThrow("container's cgroup unexpectedly frozen");
  });
  it('v1: an empty cpuset takes its parent\'s', () => {
    all = [{ version: 1, controllers: ['cpuset'], mountPoint: root }];
    existing('', { 'cpuset.cpus': '0-3\n', 'cpuset.mems': '0\n' });
    existing('pod', { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' });
    const leaf = existing('pod/c', { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' });
    makeCgroups('/pod/c', resources({}), () => {}, all);
    expect(readFileSync(join(leaf, 'cpuset.cpus'), 'latin1')).toBe('0-3\n');
    expect(readFileSync(join(root, 'pod/cpuset.mems'), 'latin1')).toBe('0\n');
  });
  it('paths: absolute, of systemd, out of the hierarchy', () => {
    const [hierarchy] = all as [Hierarchy];
    expect(directoryOf(hierarchy, '/a/../../b')).toBe(join(root, 'b'));
    expect(directoryOf(hierarchy, '../../x').startsWith(root)).toBe(true);
    expect(directoryOf(hierarchy, 'machine.slice:crio:abc')).toBe(join(root, 'machine.slice/crio-abc.scope'));
    expect(directoryOf(hierarchy, 'kubepods-besteffort-podX.slice:cri:abc')).toBe(join(root, 'kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podX.slice/cri-abc.scope'));
    expect(directoryOf(hierarchy, ':runc:abc')).toBe(join(root, 'system.slice/runc-abc.scope'));
    expect(directoryOf(hierarchy, '-.slice::abc')).toBe(join(root, 'abc.scope'));
  });
});
