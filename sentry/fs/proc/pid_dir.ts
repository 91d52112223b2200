// SPDX-License-Identifier: Apache-2.0

/**
 * The tables of /proc/pid and /proc/pid/task/tid.
 *
 * Linux: fs/proc/base.c (tgid_base_stuff, tid_base_stuff)
 */
import { EACCES, EINVAL, ENOENT, EPERM, ESRCH, type Errno } from '../../../platform/abi/linux/errno.ts';
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '../../../platform/abi/linux/capability.ts';
import { DT_DIR, DT_REG } from '../../../platform/abi/linux/stat.ts';
import { type IdKind, idMapText, writeIdMap, writeSetgroups } from '../../auth/id_map.ts';
import type { Task } from '../../kernel/task.ts';
import { statmText } from '../../mm/usage.ts';
import type { IoContext } from '../../vfs/context.ts';
import { dPath } from '../../vfs/d_path.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import { mountinfoText, mountstatsText, mountsText } from '../../vfs/mount_text.ts';
import { mountsFile } from './mounts_file.ts';
import type { DirEntry, PseudoInode } from '../../vfs/pseudo_file.ts';
import type { ProcFilesystem } from './proc_filesystem.ts';
import { HIDEPID_INVISIBLE, HIDEPID_NO_ACCESS, HIDEPID_OFF } from './proc_options.ts';
import { ProcDirInode } from './proc_dir.ts';
import {
  bind,
  directory,
  file,
  guarded,
  integerWriter,
  link,
  type PidEntry,
  PidTableDirInode,
  pidTable,
} from './pid_entry.ts';
import { FdDirInode, FdinfoDirInode } from './pid_fd.ts';
import { offsetsText, writeOffsets } from '../../kernel/time_namespace.ts';
import { MapFilesDirInode } from './pid_map_files.ts';
import { maps } from './pid_maps.ts';
import { cmdline, environ, MemInode } from './pid_memory.ts';
import { PagemapInode } from './pid_pagemap.ts';
import { timersText } from './pid_timers.ts';
import { IoCounters } from '../../kernel/process/io_counters.ts';
import { nsTable } from './pid_ns.ts';
import { limitsText, schedstatText, schedText, statText, statusFileText } from './pid_stat.ts';
import { liveMm, TaskScope } from './task_scope.ts';

const OOM_SCORE_ADJ_MAX = 1000;
const MAX_COMM = 15;

function setOomScoreAdj(t: Task, ctx: IoContext, value: number): number {
  const group = t.threadGroup;
  if (value < group.oomScoreAdj && !ctx.creds.hasCap(CAP_SYS_RESOURCE)) return EACCES;
  group.oomScoreAdj = value;
  return 0;
}

function setComm(t: Task, ctx: IoContext, text: ByteString): number {
  if ((ctx as Task).threadGroup !== t.threadGroup) return EINVAL;
  t.comm = (text.split('\0', 1)[0] as string).slice(0, MAX_COMM);
  t.thread?.setName(t.comm);
  return 0;
}

/** Counters of a process with all its threads, or of one thread. */
function ioText(t: Task, scope: TaskScope): string {
  if (scope.isThread) return t.io.text();
  const sum = new IoCounters();
  sum.add(t.threadGroup.deadIo);
  for (const task of t.threadGroup.tasks) sum.add(task.io);
  return sum.text();
}

/** kstrtouint() with base 0. */
function parseUnsigned(text: ByteString): number | null {
  const trimmed = text.trim();
  const value = /^0[0-7]*$/.test(trimmed)
    ? Number.parseInt(trimmed, 8)
    : /^(0x[0-9a-f]{1,8}|[1-9]\d{0,9})$/i.test(trimmed)
      ? Number(trimmed)
      : null;
  return value !== null && value <= 0xffffffff ? value : null;
}

/** oom_score: as Linux, the share of memory in thousandths of 1000 + adj, never negative. */
function oomScore(t: Task): string {
  const resident = liveMm(t)?.virtualSize ?? 0;
  const points = Math.floor((resident / t.kernel.host.info.memoryTotal) * 1000) + t.threadGroup.oomScoreAdj;
  return `${Math.max(0, Math.floor(((1000 + points) * 2) / 3))}\n`;
}

/** "running", or number, six arguments, stack pointer and program counter. */
function syscallText(t: Task): string {
  if (t.thread === null || !t.thread.isStopped || t.syscallNr < 0) return 'running\n';
  const { registers } = t.thread;
  const hex = (reg: number): string => `0x${registers.u64(reg).toString(16)}`;
  return `${t.syscallNr} ${[14, 13, 12, 7, 9, 8].map(hex).join(' ')} ${hex(19)} ${hex(16)}\n`;
}

function idMap(kind: IdKind): PidEntry {
  return file(
    `${kind}_map`,
    0o644,
    (t, ctx) => idMapText(t.creds.userNs, kind, ctx.creds.userNs),
    (t, ctx, text, opener) => writeIdMap(t.creds.userNs, kind, text, opener, ctx.creds),
  );
}

/** Attributes of security modules: there is none. */
const attrTable = pidTable(
  ['current', 'prev', 'exec', 'fscreate', 'keycreate', 'sockcreate'].map((name) =>
    name === 'prev'
      ? file(name, 0o444, () => EINVAL)
      : file(
          name,
          0o666,
          () => EINVAL,
          () => EINVAL,
        ),
  ),
);

const pagemap: PidEntry = { name: 'pagemap', dtype: DT_REG, make: (scope) => bind(scope, new PagemapInode(scope)) };
const mem: PidEntry = { name: 'mem', dtype: DT_REG, make: (scope) => bind(scope, new MemInode(scope)) };

/** What processes and threads have alike. */
const sharedEntries: readonly PidEntry[] = [
  directory('fd', (scope) => new FdDirInode(scope)),
  directory('fdinfo', (scope) => new FdinfoDirInode(scope)),
  directory('ns', (scope) => new PidTableDirInode(scope, nsTable, 0o511)),
  { name: 'net', dtype: DT_DIR, make: (scope) => (scope.fs as unknown as { netDir: Inode }).netDir },
  guarded('environ', 0o400, environ, 'memory'),
  guarded('auxv', 0o400, (t) => liveMm(t)?.auxv ?? '', 'memory'),
  file('status', 0o444, statusFileText),
  guarded('personality', 0o400, (t) => `${t.personality.toString(16).padStart(8, '0')}\n`),
  file('limits', 0o444, limitsText),
  file('sched', 0o644, schedText, () => 0),
  file('comm', 0o644, (t) => `${t.comm}\n`, setComm),
  guarded('syscall', 0o400, syscallText),
  file('cmdline', 0o444, cmdline),
  file('stat', 0o444, statText),
  file('statm', 0o444, (t) => {
    const mm = liveMm(t);
    return mm === null ? '0 0 0 0 0 0 0\n' : statmText(mm);
  }),
  maps,
  file('numa_maps', 0o444, () => ''),
  mem,
  pagemap,
  link(
    'cwd',
    (t, ctx) => (t.isLive ? dPath(ctx.rootDir, t.cwd) : ENOENT),
    (t) => (t.isLive ? t.cwd : ENOENT),
  ),
  link(
    'root',
    (t, ctx) => (t.isLive ? dPath(ctx.rootDir, t.rootDir) : ENOENT),
    (t) => (t.isLive ? t.rootDir : ENOENT),
  ),
  link(
    'exe',
    (t, ctx) => {
      const exe = liveMm(t)?.executable;
      return exe ? dPath(ctx.rootDir, exe.path) : ENOENT;
    },
    (t) => liveMm(t)?.executable?.path ?? ENOENT,
  ),
  mountsFile('mounts', (t) => mountsText(t.rootDir)),
  mountsFile('mountinfo', (t) => mountinfoText(t.rootDir)),
  guarded('smaps', 0o444, (t, ctx) => liveMm(t)?.smapsText(ctx.rootDir) ?? ''),
  guarded('smaps_rollup', 0o444, (t, ctx) => liveMm(t)?.smapsText(ctx.rootDir, true) ?? ''),
  directory('attr', (scope) => new PidTableDirInode(scope, attrTable)),
  file('wchan', 0o444, () => '0'),
  guarded('stack', 0o400, () => ''),
  file('schedstat', 0o444, schedstatText),
  file('cpuset', 0o444, () => '/\n'),
  file('cgroup', 0o444, () => '0::/\n'),
  file('oom_score', 0o444, oomScore),
  file(
    'oom_adj',
    0o644,
    (t) => `${Math.trunc((t.threadGroup.oomScoreAdj * 17) / OOM_SCORE_ADJ_MAX)}\n`,
    integerWriter(-17, 15, (t, ctx, value) =>
      setOomScoreAdj(t, ctx, value === 15 ? OOM_SCORE_ADJ_MAX : Math.trunc((value * OOM_SCORE_ADJ_MAX) / 17)),
    ),
  ),
  file(
    'oom_score_adj',
    0o644,
    (t) => `${t.threadGroup.oomScoreAdj}\n`,
    integerWriter(-OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MAX, setOomScoreAdj),
  ),
  file(
    'loginuid',
    0o644,
    () => '4294967295',
    () => EPERM,
  ),
  file('sessionid', 0o444, () => '4294967295'),
  guarded(
    'io',
    0o400,
    (t, _ctx, scope) => ioText(t, scope),
  ),
  idMap('uid'),
  idMap('gid'),
  idMap('projid'),
  file(
    'setgroups',
    0o644,
    (t) => (t.creds.userNs.allowsSetgroups ? 'allow\n' : 'deny\n'),
    (t, _ctx, text, opener) =>
      opener.hasCapIn(t.creds.userNs, CAP_SYS_ADMIN) ? writeSetgroups(t.creds.userNs, text) : EPERM,
  ),
];

const processEntries: readonly PidEntry[] = [
  ...sharedEntries,
  directory('task', (scope) => new TaskDirInode(scope)),
  directory('map_files', (scope) => new MapFilesDirInode(scope)),
  guarded('mountstats', 0o400, (t) => (t.isLive ? mountstatsText(t.rootDir) : EINVAL)),
  file(
    'autogroup',
    0o644,
    (t) => `/autogroup-${t.threadGroup.session.id} nice 0\n`,
    () => 0,
  ),
  file(
    'clear_refs',
    0o200,
    () => EINVAL,
    integerWriter(1, 5, () => 0),
  ),
  file(
    'coredump_filter',
    0o644,
    (t) => {
      const mm = liveMm(t);
      return mm === null ? '' : `${mm.coreFilter.toString(16).padStart(8, '0')}\n`;
    },
    (t, _ctx, text) => {
      const wanted = parseUnsigned(text);
      const mm = liveMm(t);
      if (wanted === null) return EINVAL;
      if (mm === null) return ESRCH;
      // MMF_DUMP_FILTER_MASK has nine bits.
      mm.coreFilter = wanted & 0x1ff;
      return 0;
    },
  ),
  file(
    'timens_offsets',
    0o644,
    (t) => offsetsText(t.childTimeNs),
    (t, _ctx, text, opener) => writeOffsets(t.kernel, t.childTimeNs, text, opener),
  ),
  file('timers', 0o444, timersText),
  file(
    'timerslack_ns',
    0o666,
    (t) => `${t.timerSlackNs}\n`,
    integerWriter(0, Number.MAX_SAFE_INTEGER, (t, _ctx, value) => {
      t.timerSlackNs = value === 0 ? t.defaultTimerSlackNs : value;
      return 0;
    }),
  ),
];

const threadEntries: readonly PidEntry[] = [
  ...sharedEntries,
  guarded('children', 0o444, (t, _ctx, scope) => {
    let text = '';
    if (t.isLeader) for (const child of t.threadGroup.children) text += `${child.pidIn(scope.pidNs)} `;
    return text;
  }),
];

const processTable = pidTable(processEntries);
const threadTable = pidTable(threadEntries);

/** /proc/pid/task: the threads. */
class TaskDirInode extends ProcDirInode {
  private readonly scope: TaskScope;

  constructor(scope: TaskScope) {
    super(scope.fs);
    this.scope = scope;
  }
  private members(): Task[] {
    const group = this.scope.task.threadGroup;
    const all = [...group.tasks];
    if (group.leader !== null && !group.tasks.has(group.leader) && !group.isReaped) all.unshift(group.leader);
    return all;
  }
  override lookup(_ctx: IoContext, name: ByteString): Inode | Errno {
    const { pidNs, fs, task } = this.scope;
    const found = /^[1-9]\d{0,8}$/.test(name) ? pidNs.tasks.get(Number(name)) : undefined;
    if (found === undefined || found.threadGroup !== task.threadGroup) return ENOENT;
    return makePidDir(new TaskScope(fs, found, pidNs, true));
  }
  override list(_ctx: IoContext): readonly DirEntry[] {
    return this.members().map((t) => {
      const tid = t.tidIn(this.scope.pidNs);
      return { name: String(tid), ino: this.ino * 65536 + tid, dtype: DT_DIR };
    });
  }
  override refreshAttributes(): number {
    this.nlink = 2 + this.members().length;
    return 0;
  }
}

/** The process whose /proc/pid `inode` is; null: not such a directory (task/tid is none). */
export function processOfDirectory(inode: Inode | null): Task | null {
  return inode instanceof PidTableDirInode && inode.isOf(processTable) ? inode.task : null;
}

/** /proc/pid, which the mount option hidepid may close or hide. */
class ProcessDirInode extends PidTableDirInode {
  constructor(scope: TaskScope) {
    super(scope, processTable);
  }
  override checkPermission(ctx: IoContext, mask: number): number | null {
    const { options } = this.fs as ProcFilesystem;
    if (options.hidepid === HIDEPID_OFF || options.allows(ctx as Task, this.task, HIDEPID_NO_ACCESS))
      return super.checkPermission(ctx, mask);
    return options.hidepid === HIDEPID_INVISIBLE ? ENOENT : EPERM;
  }
}

/** The directory of a process (or, under task/, of a thread). */
export function makePidDir(scope: TaskScope): PseudoInode {
  if (!scope.isThread) return bind(scope, new ProcessDirInode(scope));
  return bind(scope, new PidTableDirInode(scope, threadTable));
}
