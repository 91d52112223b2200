// SPDX-License-Identifier: Apache-2.0

/**
 * procfs: the instance, its root directory and the type for mount(2).
 *
 * Linux:      fs/proc/root.c, fs/proc/base.c (proc_pid_lookup, proc_pid_readdir), fs/proc/self.c
 * Invariants: one instance shows one pid namespace. Entries of processes are asked at each walk step whether they are still
 *             true (inode.attachment, a ProcScope); nothing negative is cached.
 */
import { ENOENT, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { DT_DIR, modeToDtype } from '../../../platform/abi/linux/stat.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { PidNamespace } from '../../kernel/process/pid_namespace.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Dentry } from '../../vfs/dentry.ts';
import { Filesystem, type FilesystemType, type StatFs } from '../../vfs/filesystem.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import { type DirEntry, type StaticDirInode, SymlinkInode } from '../../vfs/pseudo_file.ts';
import { HIDEPID_INVISIBLE, ProcOptions } from './proc_options.ts';
import { ProcDirInode } from './proc_dir.ts';
import { makeGlobalEntries } from './global_files.ts';
import { makeNetDir } from './net_dir.ts';
import { makePidDir } from './pid_dir.ts';
import { makeSysDir } from './sys_dir.ts';
import { type ProcScope, TaskScope } from './task_scope.ts';

const PROC_SUPER_MAGIC = 0x9fa0;

export class ProcFilesystem extends Filesystem {
  override readonly typeName = 'proc';
  override readonly root: ProcRootInode;
  override readonly cacheNegative = false;
  override readonly needsRevalidate = true;
  override readonly refusesNewNames = true;
  readonly magic = PROC_SUPER_MAGIC;
  readonly kernel: Kernel;
  readonly pidNs: PidNamespace;
  private net: StaticDirInode | null = null;
  readonly options: ProcOptions;

  constructor(kernel: Kernel, pidNs: PidNamespace, options = new ProcOptions()) {
    super();
    this.source = 'proc';
    this.kernel = kernel;
    this.pidNs = pidNs;
    this.options = options;
    this.root = new ProcRootInode(this);
  }

  /** /proc/pid/net of every process: there is one network namespace. */
  get netDir(): StaticDirInode {
    this.net ??= makeNetDir(this);
    return this.net;
  }

  override revalidate(ctx: IoContext, dentry: Dentry): boolean {
    const { inode } = dentry;
    if (inode === null) return false;
    const scope = inode.attachment as ProcScope | null;
    if (scope === null) return true;
    if (!scope.isCurrent() || (scope instanceof TaskScope && !this.shows(ctx, scope.task))) return false;
    scope.own(inode);
    return true;
  }
  /** Can the caller find the process's directory? */
  shows(ctx: IoContext, task: Task): boolean {
    const { options } = this;
    return options.hidepid < HIDEPID_INVISIBLE || options.allows(ctx as Task, task, HIDEPID_INVISIBLE);
  }
  override statfs(out: StatFs): number {
    out.type = PROC_SUPER_MAGIC;
    out.bsize = 4096;
    out.namelen = 255;
    return 0;
  }
  override showOptions(): string {
    return this.options.text;
  }
}

class ProcRootInode extends ProcDirInode {
  private readonly table = new Map<ByteString, Inode>();
  private readonly proc: ProcFilesystem;

  constructor(fs: ProcFilesystem) {
    super(fs);
    this.proc = fs;
    this.ino = 1;
  }

  /** What is there whatever processes there are: many entries, made at the first look. */
  private get entries(): Map<ByteString, Inode> {
    const { table, proc } = this;
    if (table.size > 0) return table;
    table.set('self', new SymlinkInode(proc, (ctx) => this.self(ctx, 'process')));
    table.set('thread-self', new SymlinkInode(proc, (ctx) => this.self(ctx, 'thread')));
    if (proc.options.isPidOnly) return table;
    for (const [name, inode] of makeGlobalEntries(proc)) table.set(name, inode);
    table.set('sys', makeSysDir(proc));
    return table;
  }

  override lookup(ctx: IoContext, name: ByteString): Inode | Errno {
    const fixed = this.entries.get(name);
    if (fixed !== undefined) return fixed;
    const task = /^[1-9]\d{0,8}$/.test(name) ? this.proc.pidNs.tasks.get(Number(name)) : undefined;
    // Other threads' numbers can be looked up too, they are only not listed.
    if (task === undefined) return ENOENT;
    if (!this.proc.shows(ctx, task)) return ENOENT;
    return makePidDir(new TaskScope(this.fs, task, this.proc.pidNs, false));
  }

  override list(ctx: IoContext): readonly DirEntry[] {
    const out: DirEntry[] = [];
    for (const [name, inode] of this.entries) out.push({ name, ino: inode.ino, dtype: modeToDtype(inode.mode) });
    const pids: number[] = [];
    for (const [tid, task] of this.proc.pidNs.tasks) if (task.isLeader && this.proc.shows(ctx, task)) pids.push(tid);
    pids.sort((a, b) => a - b);
    for (const pid of pids) out.push({ name: String(pid), ino: 0x40000000 + pid, dtype: DT_DIR });
    return out;
  }
  override refreshAttributes(): number {
    let processes = 0;
    for (const task of this.proc.pidNs.tasks.values()) if (task.isLeader) processes++;
    this.nlink = 8 + processes;
    return 0;
  }

  private self(ctx: IoContext, what: 'process' | 'thread'): ByteString | Errno {
    const t = ctx as Task;
    const pid = t.threadGroup?.pidIn(this.proc.pidNs) ?? 0;
    if (pid === 0) return ENOENT;
    return what === 'process' ? String(pid) : `${pid}/task/${t.tidIn(this.proc.pidNs)}`;
  }
}

/** proc for mount(2): shows the mounting task's pid namespace. Options: proc_options.ts. */
export function procType(kernel: Kernel): FilesystemType {
  return {
    name: 'proc',
    isUserMountable: true,
    owner: (ctx) => (ctx as Task).pidNs.userNs,
    isNodev: true,
    mount: (ctx, _source, data) => {
      const options = ProcOptions.parse(data);
      return isErrno(options) ? options : new ProcFilesystem(kernel, (ctx as Task).pidNs ?? kernel.pidNs, options);
    },
  };
}
