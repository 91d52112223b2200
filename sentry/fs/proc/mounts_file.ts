// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/mounts and mountinfo: text that can be polled for changes of the mount namespace.
 *
 * Linux: fs/proc_namespace.c (mounts_poll)
 */
import { EINVAL, ESRCH, type Errno } from '../../../platform/abi/linux/errno.ts';
import { EPOLLERR, EPOLLIN, EPOLLPRI, EPOLLRDNORM } from '../../../platform/abi/linux/poll.ts';
import { DT_REG } from '../../../platform/abi/linux/stat.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { MountNamespace, Path } from '../../vfs/mount.ts';
import { GeneratedFile, GeneratedFileInode } from '../../vfs/pseudo_file.ts';
import type { WaitQueue } from '../../wait/wait_queue.ts';
import { bind, type PidEntry } from './pid_entry.ts';
import type { TaskScope } from './task_scope.ts';

class MountsFile extends GeneratedFile {
  override readonly waitQueue: WaitQueue;
  private readonly namespace: MountNamespace;
  private seen: number;

  constructor(ctx: IoContext, path: Path, inode: GeneratedFileInode, flags: number, namespace: MountNamespace) {
    super(ctx, path, inode, flags);
    this.namespace = namespace;
    this.waitQueue = namespace.changed;
    this.seen = namespace.changes;
  }
  override get canPoll(): boolean {
    return true;
  }
  /** A change is told once. */
  override poll(): number {
    const { changes } = this.namespace;
    const isNew = changes !== this.seen;
    this.seen = changes;
    return EPOLLIN | EPOLLRDNORM | (isNew ? EPOLLPRI | EPOLLERR : 0);
  }
}

class MountsInode extends GeneratedFileInode {
  private readonly scope: TaskScope;

  constructor(scope: TaskScope, text: (t: Task) => string) {
    super(scope.fs, () => (!scope.isCurrent() ? ESRCH : scope.task.isLive ? text(scope.task) : EINVAL));
    this.scope = scope;
  }
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    if (!this.scope.isCurrent()) return ESRCH;
    const { task } = this.scope;
    return task.isLive ? new MountsFile(ctx, path, this, flags, task.mountNs) : EINVAL;
  }
}

/** The entry `name` showing text(task). */
export function mountsFile(name: string, text: (t: Task) => string): PidEntry {
  return { name, dtype: DT_REG, make: (scope) => bind(scope, new MountsInode(scope, text)) };
}
