// SPDX-License-Identifier: Apache-2.0

/**
 * Task: one application thread as the kernel sees it (Linux's task_struct).
 *
 * Linux:      include/linux/sched.h
 * Invariants: a live task has exactly one PlatformThread; a zombie has none. Fields shared with other tasks (mm, fdTable,
 *             fsContext, sighand in ThreadGroup) are reference counted by their users.
 */
import type { PlatformThread, UserMemory } from '../../platform/platform.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { MemoryManager } from '../mm/memory_manager.ts';
import type { IoContext } from '../vfs/context.ts';
import type { Path } from '../vfs/mount.ts';
import type { FdTable } from './fd_table.ts';
import type { FsContext } from './fs_context.ts';
import type { Kernel } from './kernel.ts';
import type { ThreadGroup } from './process/thread_group.ts';

export class Task implements IoContext {
  readonly kernel: Kernel;
  /** Thread id in the initial pid namespace (gettid). */
  readonly tid: number;
  threadGroup: ThreadGroup;
  thread: PlatformThread | null;
  mm: MemoryManager;
  fdTable: FdTable;
  fsContext: FsContext;
  creds: Credentials;
  /** Name as in /proc/pid/comm: byte string, at most 15. */
  comm = '';

  constructor(kernel: Kernel, tid: number, group: ThreadGroup, thread: PlatformThread, mm: MemoryManager, fdTable: FdTable, fsContext: FsContext, creds: Credentials) {
    this.kernel = kernel;
    this.tid = tid;
    this.threadGroup = group;
    this.thread = thread;
    this.mm = mm;
    this.fdTable = fdTable;
    this.fsContext = fsContext;
    this.creds = creds;
  }

  get memory(): UserMemory {
    return this.mm.memory;
  }
  get rootDir(): Path {
    return this.fsContext.root;
  }
  get cwd(): Path {
    return this.fsContext.cwd;
  }
  get umask(): number {
    return this.fsContext.umask;
  }
  get fileSizeLimit(): number {
    return this.threadGroup.rlimits.soft(1);
  }
  get lockOwnerPid(): number {
    return this.threadGroup.pid;
  }
  raiseSignal(_signo: number): void {}
}
