// SPDX-License-Identifier: Apache-2.0

/**
 * The files directly under /proc that are about the whole system, each a function of kernel state.
 *
 * Linux: fs/proc/{stat,meminfo,loadavg,uptime,version,devices,filesystems,interrupts,softirqs}.c, mm/vmstat.c
 */
import { keysText, keyUsersText } from '../../kernel/keys/key_text.ts';
import { partitionsText } from '../../kernel/block_devices.ts';
import type { Errno } from '../../../platform/abi/linux/errno.ts';
import { locksText } from './locks_text.ts';
import { procTexts } from '../../kernel/proc_texts.ts';
import { addUsage, newUsage, type Usage } from '../../kernel/process/thread_group.ts';
import { groupUsage } from '../../kernel/process/usage.ts';
import { TASK_KERNEL, TASK_USER, type Task } from '../../kernel/task.ts';
import { LINUX_BANNER } from '../../kernel/version.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import { type AcceptContent, GeneratedFileInode, StaticDirInode, SymlinkInode } from '../../vfs/pseudo_file.ts';
import { LoadAverage } from './load_average.ts';
import type { ProcFilesystem } from './proc_filesystem.ts';

const NS_PER_TICK = 10_000_000;

/** CPU time of everything that ever ran in the sandbox and was accounted. */
function totalUsage(kernel: Kernel): Usage {
  const total = newUsage();
  for (const task of kernel.tasks.values()) {
    if (!task.isLeader) continue;
    addUsage(total, groupUsage(task.threadGroup));
    addUsage(total, task.threadGroup.childUsage);
  }
  return total;
}

/** Tasks that run or could. */
export function runningTasks(kernel: Kernel): number {
  let n = 0;
  for (const task of kernel.tasks.values()) if (task.state === TASK_KERNEL || task.state === TASK_USER) n++;
  return n;
}

function blockedTasks(kernel: Kernel): number {
  let n = 0;
  for (const task of kernel.tasks.values()) if (task.stateChar === 'D') n++;
  return n;
}

/** Ticks of [user, system, idle] since boot over all processors. */
function cpuTicks(kernel: Kernel): [number, number, number] {
  const usage = totalUsage(kernel);
  const user = Math.floor(usage.userNs / NS_PER_TICK);
  const system = Math.floor(usage.systemNs / NS_PER_TICK);
  const all = Math.floor((kernel.host.clock.boottimeNs() * kernel.host.info.cpuCount) / NS_PER_TICK);
  return [user, system, Math.max(0, all - user - system)];
}

/** What the reader's time namespace adds to CLOCK_BOOTTIME, in ns. */
function bootShift(ctx: IoContext): number {
  return (ctx as Partial<Task>).timeNs?.boottimeNs ?? 0;
}

function statText(kernel: Kernel, shiftNs: number): string {
  const cpus = kernel.host.info.cpuCount;
  const [user, system, idle] = cpuTicks(kernel);
  const usage = totalUsage(kernel);
  const share = (n: number, cpu: number): number => Math.floor(n / cpus) + (cpu < n % cpus ? 1 : 0);
  let text = `cpu  ${user} 0 ${system} ${idle} 0 0 0 0 0 0\n`;
  for (let cpu = 0; cpu < cpus; cpu++)
    text += `cpu${cpu} ${share(user, cpu)} 0 ${share(system, cpu)} ${share(idle, cpu)} 0 0 0 0 0 0\n`;
  return (
    `${text}intr 0\nctxt ${usage.voluntarySwitches + usage.involuntarySwitches}\nbtime ${bootTime(kernel, shiftNs)}\nprocesses ${kernel.totalForks}\n` +
    `procs_running ${Math.max(1, runningTasks(kernel))}\nprocs_blocked ${blockedTasks(kernel)}\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n`
  );
}

/** CLOCK_REALTIME seconds at which CLOCK_BOOTTIME was zero. */
function bootTime(kernel: Kernel, shiftNs: number): number {
  return kernel.clock.realtimeSeconds() - Math.floor((kernel.host.clock.boottimeNs() + shiftNs) / 1e9);
}

/** Idle time shown so far: accounting the time of running tasks late must not turn it back. */
const shownIdle = new WeakMap<Kernel, number>();

function uptimeText(kernel: Kernel, shiftNs: number): string {
  const idle = Math.max(cpuTicks(kernel)[2], shownIdle.get(kernel) ?? 0);
  shownIdle.set(kernel, idle);
  const cents = (n: number): string => `${Math.floor(n / 100)}.${String(n % 100).padStart(2, '0')}`;
  return `${cents(Math.floor((kernel.host.clock.boottimeNs() + shiftNs) / NS_PER_TICK))} ${cents(idle)}\n`;
}

function meminfoText(kernel: Kernel): string {
  const { info } = kernel.host;
  const total = Math.floor(info.memoryTotal / 1024);
  const available = Math.min(total, Math.floor(info.memoryAvailable() / 1024));
  const used = total - available;
  const rows: [string, number][] = [
    ['MemTotal', total],
    ['MemFree', available],
    ['MemAvailable', available],
    ['Buffers', 0],
    ['Cached', 0],
    ['SwapCached', 0],
    ['Active', used],
    ['Inactive', 0],
    ['Active(anon)', used],
    ['Inactive(anon)', 0],
    ['Active(file)', 0],
    ['Inactive(file)', 0],
    ['Unevictable', 0],
    ['Mlocked', 0],
    ['SwapTotal', 0],
    ['SwapFree', 0],
    ['Zswap', 0],
    ['Zswapped', 0],
    ['Dirty', 0],
    ['Writeback', 0],
    ['AnonPages', used],
    ['Mapped', 0],
    ['Shmem', 0],
    ['KReclaimable', 0],
    ['Slab', 0],
    ['SReclaimable', 0],
    ['SUnreclaim', 0],
    ['KernelStack', kernel.liveTasks * 16],
    ['PageTables', 0],
    ['SecPageTables', 0],
    ['NFS_Unstable', 0],
    ['Bounce', 0],
    ['WritebackTmp', 0],
    ['CommitLimit', Math.floor(total / 2)],
    ['Committed_AS', used],
    ['VmallocTotal', 34359738367],
    ['VmallocUsed', 0],
    ['VmallocChunk', 0],
    ['Percpu', 0],
    ['AnonHugePages', 0],
    ['ShmemHugePages', 0],
    ['ShmemPmdMapped', 0],
    ['FileHugePages', 0],
    ['FilePmdMapped', 0],
  ];
  const line = ([name, kb]: [string, number]): string => `${`${name}:`.padEnd(16)}${String(kb).padStart(8)} kB\n`;
  const counts = ['HugePages_Total', 'HugePages_Free', 'HugePages_Rsvd', 'HugePages_Surp']
    .map((name) => `${name}:       0\n`)
    .join('');
  return `${rows.map(line).join('')}${counts}Hugepagesize:       2048 kB\nHugetlb:               0 kB\nDirectMap4k:  ${String(total).padStart(10)} kB\n`;
}

/** The host's text, cut to the processors the sandbox may use. */
function cpuinfoText(kernel: Kernel): string {
  const blocks = kernel.host.info.cpuinfo.trimEnd().split('\n\n').slice(0, kernel.host.info.cpuCount);
  return `${blocks.map((block, cpu) => block.replace(/^processor\s*:.*$/m, `processor\t: ${cpu}`)).join('\n\n')}\n\n`;
}

function devicesText(kernel: Kernel): string {
  const text = (list: [number, string][]): string =>
    list.map(([major, name]) => `${String(major).padStart(3)} ${name}\n`).join('');
  const { devices } = kernel.vfs;
  return `Character devices:\n${text(devices.list())}\nBlock devices:\n${text(devices.listBlocks())}`;
}

function softirqsText(kernel: Kernel): string {
  const cpus = Array.from({ length: kernel.host.info.cpuCount }, (_, cpu) => cpu);
  const names = ['HI', 'TIMER', 'NET_TX', 'NET_RX', 'BLOCK', 'IRQ_POLL', 'TASKLET', 'SCHED', 'HRTIMER', 'RCU'];
  const head = `                    ${cpus.map((cpu) => `CPU${cpu}`.padEnd(11)).join('')}\n`;
  return (
    head + names.map((name) => `${`${name}:`.padStart(12)}${cpus.map(() => ' '.repeat(10) + '0').join('')}\n`).join('')
  );
}

function vmstatText(kernel: Kernel): string {
  const free = Math.floor(kernel.host.info.memoryAvailable() / 4096);
  const usage = totalUsage(kernel);
  const used = Math.max(0, Math.floor(kernel.host.info.memoryTotal / 4096) - free);
  const rows: [string, number][] = [
    ['nr_free_pages', free],
    ['nr_inactive_anon', 0],
    ['nr_active_anon', used],
    ['nr_inactive_file', 0],
    ['nr_active_file', 0],
    ['nr_unevictable', 0],
    ['nr_mlock', 0],
    ['nr_anon_pages', used],
    ['nr_mapped', 0],
    ['nr_file_pages', 0],
    ['nr_dirty', 0],
    ['nr_writeback', 0],
    ['nr_shmem', 0],
    ['nr_slab_reclaimable', 0],
    ['nr_slab_unreclaimable', 0],
    ['nr_kernel_stack', kernel.liveTasks * 16],
    ['nr_page_table_pages', 0],
    ['pgpgin', 0],
    ['pgpgout', 0],
    ['pswpin', 0],
    ['pswpout', 0],
    ['pgfault', usage.minorFaults],
    ['pgmajfault', usage.majorFaults],
    ['oom_kill', 0],
  ];
  return rows.map(([name, n]) => `${name} ${n}\n`).join('');
}

const SYSVIPC_HEADERS: readonly (readonly [string, string])[] = [
  [
    'shm',
    '       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n',
  ],
  [
    'msg',
    '       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n',
  ],
  ['sem', '       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n'],
];

const PRESSURE = 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n';

/** Name and inode of everything in /proc's root but processes, self and sys. */
export function makeGlobalEntries(fs: ProcFilesystem): [ByteString, Inode][] {
  const { kernel } = fs;
  const out: [ByteString, Inode][] = [];
  const add = (
    name: ByteString,
    read: (ctx: IoContext) => ByteString | Errno,
    mode = 0o444,
    write: AcceptContent | null = null,
  ): void => {
    out.push([name, new GeneratedFileInode(fs, read, write, mode)]);
  };
  const dir = (name: ByteString, files: readonly (readonly [string, (ctx: IoContext) => string])[]): void => {
    const made = new StaticDirInode(fs);
    for (const [file, read] of files) made.add(file, new GeneratedFileInode(fs, read));
    out.push([name, made]);
  };
  const load = new LoadAverage(kernel);
  add(
    'buddyinfo',
    () => 'Node 0, zone   Normal      0      0      0      0      0      0      0      0      0      0      0 \n',
  );
  add('cgroups', () => '#subsys_name\thierarchy\tnum_cgroups\tenabled\n');
  add('cmdline', () => 'BOOT_IMAGE=/runsc-ts\n');
  add('consoles', () => '');
  add('cpuinfo', () => cpuinfoText(kernel));
  add('crypto', () => '');
  add('devices', () => devicesText(kernel));
  add('diskstats', () => '');
  add('execdomains', () => '0-0\tLinux           \t[kernel]\n');
  add('fb', () => '');
  add('filesystems', () => kernel.vfs.filesystemsText());
  add(
    'interrupts',
    () =>
      `           ${Array.from({ length: kernel.host.info.cpuCount }, (_, cpu) => `CPU${cpu}`.padEnd(11)).join('')}\n`,
  );
  add('iomem', () => '');
  add('ioports', () => '');
  add('kallsyms', () => '');
  add('key-users', (ctx) => keyUsersText(ctx as Task));
  add('keys', (ctx) => keysText(ctx as Task));
  add('kmsg', () => '', 0o400);
  add(
    'loadavg',
    (ctx) => `${load.text()} ${runningTasks(kernel)}/${kernel.liveTasks} ${((ctx as Partial<Task>).pidNs ?? fs.pidNs).lastPid}\n`,
  );
  add('locks', (ctx) => locksText(ctx as Task));
  add('meminfo', () => meminfoText(kernel));
  add('misc', () => '');
  add('modules', () => '');
  out.push(['mounts', new SymlinkInode(fs, 'self/mounts')]);
  out.push(['net', new SymlinkInode(fs, 'self/net')]);
  add('partitions', () => partitionsText());
  add('slabinfo', () => 'slabinfo - version: 2.1\n', 0o400);
  add('softirqs', () => softirqsText(kernel));
  add('stat', (ctx) => statText(kernel, bootShift(ctx)));
  add('swaps', () => 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n');
  add('uptime', (ctx) => uptimeText(kernel, bootShift(ctx)));
  add('version', () => `${LINUX_BANNER}\n`);
  add('vmstat', () => vmstatText(kernel));
  add(
    'zoneinfo',
    () =>
      `Node 0, zone   Normal\n  pages free     ${Math.floor(kernel.host.info.memoryAvailable() / 4096)}\n        managed  ${Math.floor(kernel.host.info.memoryTotal / 4096)}\n`,
  );
  dir(
    'pressure',
    ['cpu', 'io', 'memory'].map((name) => [name, () => PRESSURE] as const),
  );
  dir(
    'sysvipc',
    SYSVIPC_HEADERS.map(
      ([name, header]) =>
        [name, (ctx: IoContext) => procTexts.get(`sysvipc/${name}`)?.(ctx as Task) ?? header] as const,
    ),
  );
  dir('tty', [
    [
      'drivers',
      () =>
        '/dev/tty             /dev/tty        5       0 system:/dev/tty\n/dev/ptmx            /dev/ptmx       5       2 system\npty_slave            /dev/pts      136 0-1048575 pty:slave\n',
    ],
  ]);
  return out;
}
