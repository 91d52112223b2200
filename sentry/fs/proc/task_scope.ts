// SPDX-License-Identifier: Apache-2.0

/**
 * TaskScope: what ties an inode under /proc/pid to its task: whether it is still true, who owns it, who may look inside.
 *
 * Linux: fs/proc/base.c (pid_revalidate, task_dump_owner), kernel/ptrace.c (ptrace_may_access)
 */
import { EACCES } from '../../../platform/abi/linux/errno.ts';
import { S_IFDIR, S_IFMT } from '../../../platform/abi/linux/stat.ts';
import { mayPtraceAccess } from '../../kernel/process/ptrace_access.ts';
import type { PidNamespace } from '../../kernel/process/pid_namespace.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { MemoryManager } from '../../mm/memory_manager.ts';

/** What ProcFilesystem asks of an inode (kept in inode.attachment) before a cached entry is used. */
export interface ProcScope {
  /** Is the cached entry still true? */
  isCurrent(): boolean;
  /** Brings owner and mode up to date. */
  own(inode: Inode): void;
}

export class TaskScope implements ProcScope {
  readonly fs: Filesystem;
  readonly task: Task;
  /** The namespace whose numbers this /proc shows. */
  readonly pidNs: PidNamespace;
  /** True below task/: numbers are the thread's own, not the process's. */
  readonly isThread: boolean;

  constructor(fs: Filesystem, task: Task, pidNs: PidNamespace, isThread: boolean) {
    this.fs = fs;
    this.task = task;
    this.pidNs = pidNs;
    this.isThread = isThread;
  }

  isCurrent(): boolean {
    return this.pidNs.tasks.get(this.task.tidIn(this.pidNs)) === this.task;
  }

  own(inode: Inode): void {
    const { creds } = this.task;
    const isOwn = (inode.mode & S_IFMT) === S_IFDIR && (inode.mode & 0o777) === 0o555;
    const isDumpable = isOwn || liveMm(this.task)?.dumpable === 1;
    inode.uid = isDumpable ? creds.euid : 0;
    inode.gid = isDumpable ? creds.egid : 0;
  }
}

/** The task's memory map, or null when it has exited. */
export function liveMm(t: Task): MemoryManager | null {
  return t.isLive && t.mm.userCount > 0 ? t.mm : null;
}

/** ptrace_may_access() with PTRACE_MODE_FSCREDS. Returns 0 or EACCES. */
export function mayAccess(ctx: IoContext, target: Task): number {
  return mayPtraceAccess(ctx as Task, target, true) ? 0 : EACCES;
}
