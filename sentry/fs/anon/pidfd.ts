// SPDX-License-Identifier: Apache-2.0

/**
 * pidfd: a descriptor that names a process, whatever becomes of its number.
 *
 * Linux: fs/pidfs.c, kernel/fork.c (pidfd_fops); pidfd_open(2)
 */
import { EINVAL, ESPIPE } from '../../../platform/abi/linux/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import { EPOLLHUP, EPOLLIN } from '../../../platform/abi/linux/poll.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { PidNamespace } from '../../kernel/process/pid_namespace.ts';
import type { ThreadGroup } from '../../kernel/process/thread_group.ts';
import { TASK_DEAD, type Task } from '../../kernel/task.ts';
import { AnonFile } from './anon_file.ts';

/** pidfd_open(2): O_EXCL. */
export const PIDFD_THREAD = 0o200;

export class PidFile extends AnonFile {
  readonly threadGroup: ThreadGroup;
  /** PIDFD_THREAD: the one thread it stands for; null: the process. */
  readonly thread: Task | null;
  private readonly pidNs: PidNamespace;
  private readonly watcher = {
    notify: (): boolean => {
      this.waitQueue.wake(this.poll());
      return false;
    },
  };

  private readonly onExit = (): void => {
    this.waitQueue.wake(EPOLLIN | EPOLLHUP);
  };

  /** `flags`: O_NONBLOCK and PIDFD_THREAD (with `thread`) or 0; `pidNs`: whose numbers fdinfo shows. */
  constructor(group: ThreadGroup, pidNs: PidNamespace, flags: number, creds: Credentials, thread: Task | null = null) {
    super('[pidfd]', O_RDWR | (flags & (O_NONBLOCK | PIDFD_THREAD)), creds);
    this.threadGroup = group;
    this.thread = thread;
    thread?.exitHooks.add(this.onExit);
    this.pidNs = pidNs;
    group.exitQueue.add(this.watcher);
  }

  override seek(): number {
    return ESPIPE;
  }
  override read(): number {
    return EINVAL;
  }
  override write(): number {
    return EINVAL;
  }
  override poll(): number {
    const { threadGroup, thread } = this;
    if (thread !== null) return thread.isLive ? 0 : thread.state === TASK_DEAD ? EPOLLIN | EPOLLHUP : EPOLLIN;
    if (threadGroup.isReaped) return EPOLLIN | EPOLLHUP;
    return threadGroup.isZombie && !threadGroup.isZapping ? EPOLLIN : 0;
  }
  override fdinfo(): string {
    const { threadGroup, thread } = this;
    if (thread !== null && thread.state !== TASK_DEAD)
      return `Pid:\t${thread.tidIn(this.pidNs)}\nNSpid:\t${thread.pids.slice(this.pidNs.level).join('\t')}\n`;
    const pid = threadGroup.isReaped ? -1 : threadGroup.pidIn(this.pidNs);
    const inner = threadGroup.isReaped ? '-1' : threadGroup.pids.slice(this.pidNs.level).join('\t');
    return `Pid:\t${pid}\nNSpid:\t${inner}\n`;
  }
  protected override release(): void {
    this.thread?.exitHooks.delete(this.onExit);
    this.threadGroup.exitQueue.remove(this.watcher);
    super.release();
  }
}
