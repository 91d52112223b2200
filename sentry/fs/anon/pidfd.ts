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
import { AnonFile } from './anon_file.ts';

export class PidFile extends AnonFile {
  readonly threadGroup: ThreadGroup;
  private readonly pidNs: PidNamespace;
  private readonly watcher = {
    notify: (): boolean => {
      this.waitQueue.wake(this.poll());
      return false;
    },
  };

  /** `flags`: O_NONBLOCK or 0; `pidNs`: whose numbers fdinfo shows. */
  constructor(group: ThreadGroup, pidNs: PidNamespace, flags: number, creds: Credentials) {
    super('[pidfd]', O_RDWR | (flags & O_NONBLOCK), creds);
    this.threadGroup = group;
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
    const { threadGroup } = this;
    if (threadGroup.isReaped) return EPOLLIN | EPOLLHUP;
    return threadGroup.isZombie && !threadGroup.isZapping ? EPOLLIN : 0;
  }
  override fdinfo(): string {
    const { threadGroup } = this;
    const pid = threadGroup.isReaped ? -1 : threadGroup.pidIn(this.pidNs);
    const inner = threadGroup.isReaped ? '-1' : threadGroup.pids.slice(this.pidNs.level).join('\t');
    return `Pid:\t${pid}\nNSpid:\t${inner}\n`;
  }
  protected override release(): void {
    this.threadGroup.exitQueue.remove(this.watcher);
    super.release();
  }
}
