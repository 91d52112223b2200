// SPDX-License-Identifier: Apache-2.0

/**
 * cgroup2 as a container sees it: one directory, its own cgroup, with its limits and what it uses. Nothing can be set or made in it:
 * limits are the host's business.
 *
 * Linux: kernel/cgroup/cgroup.c, mm/memcontrol.c, kernel/sched/core.c (cpu_*), kernel/cgroup/pids.c, kernel/cgroup/cpuset.c
 */
import type { HostInfo } from '../../../platform/platform.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { groupUsage } from '../../kernel/process/usage.ts';
import type { ThreadGroup } from '../../kernel/process/thread_group.ts';
import { addUsage, newUsage, type Usage } from '../../kernel/process/thread_group.ts';
import { Filesystem, type FilesystemType, type StatFs } from '../../vfs/filesystem.ts';
import { GeneratedFileInode, StaticDirInode } from '../../vfs/pseudo_file.ts';

const CGROUP2_SUPER_MAGIC = 0x63677270;

/** What the container may use; null: as much as there is. Changed while it runs by `update`. */
export interface ContainerLimits {
  /** Bytes. */
  memory: number | null;
  memoryLow: number;
  /** Bytes of swap alone. */
  swap: number | null;
  /** Microseconds a period. */
  cpuQuota: number | null;
  cpuPeriod: number;
  cpuWeight: number;
  pids: number | null;
  /** As in cpuset.cpus; '': all. */
  cpus: string;
  mems: string;
}

class CgroupFilesystem extends Filesystem {
  override readonly typeName = 'cgroup2';
  override readonly root: StaticDirInode;
  readonly magic = CGROUP2_SUPER_MAGIC;

  constructor(kernel: Kernel, limits: ContainerLimits) {
    super();
    this.source = 'cgroup';
    this.root = new StaticDirInode(this, 0o555, (root) => {
      for (const [name, text] of files(kernel, limits)) {
        root.add(name, new GeneratedFileInode(this, () => `${text()}\n`.replace(/^\n$/, ''), null, name === 'cgroup.kill' ? 0o200 : 0o444));
      }
    });
    this.root.ino = 1;
  }
  override statfs(out: StatFs): number {
    out.type = CGROUP2_SUPER_MAGIC;
    out.bsize = 4096;
    out.namelen = 255;
    return 0;
  }
}

type File = readonly [name: string, text: () => string];

function files(kernel: Kernel, limits: ContainerLimits): File[] {
  return [...coreFiles(kernel), ...memoryFiles(kernel, limits), ...cpuFiles(kernel, limits), ...pidsFiles(kernel, limits), ...emptyFiles()];
}

function liveGroups(kernel: Kernel): ThreadGroup[] {
  const groups = new Set<ThreadGroup>();
  for (const task of kernel.tasks.values()) if (task.isLive) groups.add(task.threadGroup);
  return [...groups];
}

function coreFiles(kernel: Kernel): File[] {
  return [
    ['cgroup.controllers', () => 'cpuset cpu io memory pids'],
    ['cgroup.subtree_control', () => ''],
    ['cgroup.type', () => 'domain'],
    ['cgroup.events', () => `populated 1\nfrozen ${kernel.frozen ? 1 : 0}`],
    ['cgroup.freeze', () => (kernel.frozen ? '1' : '0')],
    ['cgroup.max.depth', () => 'max'],
    ['cgroup.max.descendants', () => 'max'],
    ['cgroup.stat', () => 'nr_descendants 0\nnr_dying_descendants 0'],
    ['cgroup.procs', () => liveGroups(kernel).map((group) => group.pid).sort((a, b) => a - b).join('\n')],
    ['cgroup.threads', () => [...kernel.tasks.values()].filter((t) => t.isLive).map((t) => t.tid).sort((a, b) => a - b).join('\n')],
  ];
}

const orMax = (value: number | null): string => (value === null ? 'max' : String(value));

function memoryFiles(kernel: Kernel, limits: ContainerLimits): File[] {
  const current = (): number => used(kernel.host.info);
  let peak = 0;
  return [
    ['memory.current', () => String(current())],
    ['memory.peak', () => String((peak = Math.max(peak, current())))],
    ['memory.max', () => orMax(limits.memory)],
    ['memory.high', () => 'max'],
    ['memory.low', () => String(limits.memoryLow)],
    ['memory.min', () => '0'],
    ['memory.oom.group', () => '0'],
    ['memory.swap.current', () => '0'],
    ['memory.swap.max', () => orMax(limits.swap)],
    ['memory.events', () => 'low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0'],
    ['memory.stat', () => `anon ${current()}\nfile 0\nkernel_stack ${kernel.liveTasks * 16384}\nshmem 0\ninactive_anon 0\nactive_anon ${current()}\ninactive_file 0\nactive_file 0\nunevictable 0`],
  ];
}

/** What the sandbox's applications use, as /proc/meminfo has it. */
function used(info: HostInfo): number {
  return Math.max(0, info.memoryTotal - info.memoryAvailable());
}

function cpuFiles(kernel: Kernel, limits: ContainerLimits): File[] {
  const all = `0${kernel.host.info.cpuCount > 1 ? `-${kernel.host.info.cpuCount - 1}` : ''}`;
  return [
    ['cpu.max', () => `${orMax(limits.cpuQuota)} ${limits.cpuPeriod}`],
    ['cpu.weight', () => String(limits.cpuWeight)],
    ['cpu.stat', () => cpuStat(kernel)],
    ['cpuset.cpus', () => limits.cpus],
    ['cpuset.cpus.effective', () => limits.cpus || all],
    ['cpuset.mems', () => limits.mems],
    ['cpuset.mems.effective', () => limits.mems || '0'],
  ];
}

function cpuStat(kernel: Kernel): string {
  const usage: Usage = newUsage();
  for (const group of liveGroups(kernel)) addUsage(usage, groupUsage(group));
  const [user, system] = [Math.floor(usage.userNs / 1000), Math.floor(usage.systemNs / 1000)];
  return `usage_usec ${user + system}\nuser_usec ${user}\nsystem_usec ${system}\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0`;
}

function pidsFiles(kernel: Kernel, limits: ContainerLimits): File[] {
  return [
    ['pids.current', () => String(kernel.liveTasks)],
    ['pids.max', () => orMax(limits.pids)],
    ['pids.events', () => 'max 0'],
  ];
}

function emptyFiles(): File[] {
  return ['io.stat', 'io.max'].map((name) => [name, () => ''] as const);
}

/** The type, over the limits as they are at each look. */
export function cgroupType(kernel: Kernel, limits: ContainerLimits): FilesystemType {
  return { name: 'cgroup2', isUserMountable: true, owner: () => null, isNodev: true, mount: () => new CgroupFilesystem(kernel, limits) };
}
