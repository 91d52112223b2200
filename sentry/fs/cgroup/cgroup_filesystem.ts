// SPDX-License-Identifier: Apache-2.0

/**
 * cgroup2 as a container sees it: one directory, its own cgroup, with its limits and what it uses. Nothing can be set or made in it:
 * limits are the host's business.
 *
 * Linux: kernel/cgroup/cgroup.c, mm/memcontrol.c, kernel/sched/core.c (cpu_*), kernel/cgroup/pids.c, kernel/cgroup/cpuset.c
 */
import type { HostInfo } from '../../../platform/platform.ts';
import type { ContainerLimits, GuestContainer } from '../../kernel/guest_container.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task.ts';
import { groupUsage } from '../../kernel/process/usage.ts';
import type { ThreadGroup } from '../../kernel/process/thread_group.ts';
import { addUsage, newUsage, type Usage } from '../../kernel/process/thread_group.ts';
import type { IoContext } from '../../vfs/context.ts';
import { Filesystem, type FilesystemType, type StatFs } from '../../vfs/filesystem.ts';
import { GeneratedFileInode, StaticDirInode } from '../../vfs/pseudo_file.ts';

const CGROUP2_SUPER_MAGIC = 0x63677270;

class CgroupFilesystem extends Filesystem {
  override readonly typeName = 'cgroup2';
  override readonly root: StaticDirInode;
  readonly magic = CGROUP2_SUPER_MAGIC;

  constructor(kernel: Kernel, container: GuestContainer) {
    super();
    this.source = 'cgroup';
    this.root = new StaticDirInode(this, 0o555, (root) => {
      for (const [name, text] of files(kernel, container)) {
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

function files(kernel: Kernel, container: GuestContainer): File[] {
  const { limits } = container;
  return [...coreFiles(kernel, container), ...memoryFiles(kernel, container), ...cpuFiles(kernel, container), ...pidsFiles(container, limits), ...emptyFiles()];
}

function liveTasks(kernel: Kernel, container: GuestContainer): Task[] {
  return [...kernel.tasks.values()].filter((t) => t.isLive && t.threadGroup.container === container);
}

function liveGroups(kernel: Kernel, container: GuestContainer): ThreadGroup[] {
  return [...new Set(liveTasks(kernel, container).map((t) => t.threadGroup))];
}

const lines = (numbers: number[]): string => numbers.filter((n) => n > 0).sort((a, b) => a - b).join('\n');

function coreFiles(kernel: Kernel, container: GuestContainer): File[] {
  const { pid } = container.namespaces;
  return [
    ['cgroup.controllers', () => 'cpuset cpu io memory pids'],
    ['cgroup.subtree_control', () => ''],
    ['cgroup.type', () => 'domain'],
    ['cgroup.events', () => `populated 1\nfrozen ${container.isFrozen ? 1 : 0}`],
    ['cgroup.freeze', () => (container.isFrozen ? '1' : '0')],
    ['cgroup.max.depth', () => 'max'],
    ['cgroup.max.descendants', () => 'max'],
    ['cgroup.stat', () => 'nr_descendants 0\nnr_dying_descendants 0'],
    ['cgroup.procs', () => lines(liveGroups(kernel, container).map((group) => group.pidIn(pid)))],
    ['cgroup.threads', () => lines(liveTasks(kernel, container).map((t) => t.tidIn(pid)))],
  ];
}

const orMax = (value: number | null): string => (value === null ? 'max' : String(value));

function memoryFiles(kernel: Kernel, container: GuestContainer): File[] {
  const { limits } = container;
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
    ['memory.stat', () => `anon ${current()}\nfile 0\nkernel_stack ${container.liveTasks * 16384}\nshmem 0\ninactive_anon 0\nactive_anon ${current()}\ninactive_file 0\nactive_file 0\nunevictable 0`],
  ];
}

/** What the sandbox's applications use, as /proc/meminfo has it. */
function used(info: HostInfo): number {
  return Math.max(0, info.memoryTotal - info.memoryAvailable());
}

function cpuFiles(kernel: Kernel, container: GuestContainer): File[] {
  const { limits } = container;
  const all = `0${kernel.host.info.cpuCount > 1 ? `-${kernel.host.info.cpuCount - 1}` : ''}`;
  return [
    ['cpu.max', () => `${orMax(limits.cpuQuota)} ${limits.cpuPeriod}`],
    ['cpu.weight', () => String(limits.cpuWeight)],
    ['cpu.stat', () => cpuStat(kernel, container)],
    ['cpuset.cpus', () => limits.cpus],
    ['cpuset.cpus.effective', () => limits.cpus || all],
    ['cpuset.mems', () => limits.mems],
    ['cpuset.mems.effective', () => limits.mems || '0'],
  ];
}

function cpuStat(kernel: Kernel, container: GuestContainer): string {
  const usage: Usage = newUsage();
  for (const group of liveGroups(kernel, container)) addUsage(usage, groupUsage(group));
  const [user, system] = [Math.floor(usage.userNs / 1000), Math.floor(usage.systemNs / 1000)];
  return `usage_usec ${user + system}\nuser_usec ${user}\nsystem_usec ${system}\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0`;
}

function pidsFiles(container: GuestContainer, limits: ContainerLimits): File[] {
  return [
    ['pids.current', () => String(container.liveTasks)],
    ['pids.max', () => orMax(limits.pids)],
    ['pids.events', () => 'max 0'],
  ];
}

function emptyFiles(): File[] {
  return ['io.stat', 'io.max'].map((name) => [name, () => ''] as const);
}

/** The type: the mounter's container, over its limits as they are at each look. */
export function cgroupType(kernel: Kernel): FilesystemType {
  return { name: 'cgroup2', isUserMountable: true, owner: () => null, isNodev: true, mount: (ctx) => new CgroupFilesystem(kernel, containerOf(ctx) ?? kernel.container) };
}

/** Whose context it is: a task's, or the runtime's while it makes a container. */
function containerOf(ctx: IoContext): GuestContainer | undefined {
  return (ctx as Partial<Task>).threadGroup?.container ?? (ctx as { container?: GuestContainer }).container;
}
