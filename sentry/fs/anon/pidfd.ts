// SPDX-License-Identifier: Apache-2.0

/**
 * pidfd: a descriptor that names a process, whatever becomes of its number.
 *
 * Linux: fs/pidfs.c, kernel/fork.c (pidfd_fops); pidfd_open(2)
 */
import { EFAULT, EINVAL, ENOTTY, EPERM, ESPIPE, ESRCH } from '../../../platform/abi/linux/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import { EPOLLHUP, EPOLLIN } from '../../../platform/abi/linux/poll.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { mayPtraceAccess } from '../../kernel/process/ptrace_access.ts';
import type { PidNamespace } from '../../kernel/process/pid_namespace.ts';
import type { ThreadGroup } from '../../kernel/process/thread_group.ts';
import { TASK_DEAD, type Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { AnonFile } from './anon_file.ts';

/** _IO(0xff, 1): the first of the namespaces, in this order; _IOWR(0xff, 11, struct pidfd_info). */
const PIDFD_GET_NAMESPACE = 0xff01;
const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'pid_for_children', 'time', 'time_for_children', 'user', 'uts'];
const PIDFD_GET_INFO = 0xff0b;
const PIDFD_INFO_PID = 1;
const PIDFD_INFO_CREDS = 2;
const PIDFD_INFO_CGROUPID = 4;
const PIDFD_INFO_EXIT = 8;
const PIDFD_INFO_COREDUMP = 16;
const PIDFD_COREDUMP_SKIP = 2;
const PIDFD_COREDUMP_USER = 4;
/** sizeof(struct pidfd_info) at first, and with what it says of core dumps. */
const INFO_SIZE = 64;
const COREDUMP_SIZE = 72;
const info = new Uint8Array(COREDUMP_SIZE);
const infoView = new DataView(info.buffer);

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
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    const t = ctx as Task;
    const request = cmd % 65536;
    if (request === PIDFD_GET_INFO && cmd >>> 30 === 3) return this.info(t, (cmd >>> 16) & 0x3fff, arg);
    const entry = NAMESPACES[request - PIDFD_GET_NAMESPACE];
    if (entry === undefined || cmd !== request) return ENOTTY;
    if (arg !== 0) return EINVAL;
    const target = this.thread ?? this.threadGroup.representative;
    if (target === null || !target.isLive) return ESRCH;
    return mayPtraceAccess(t, target) ? t.kernel.openNamespaceOf(t, target, entry) : EPERM;
  }

  /** PIDFD_GET_INFO: who the process is, and once it has been waited for, how it ended. */
  private info(t: Task, size: number, addr: number): number {
    if (size < INFO_SIZE) return ENOTTY;
    if (t.memory.copyIn(addr, info, 0, 8) !== 8) return EFAULT;
    const wanted = infoView.getUint32(0, true);
    info.fill(0);
    const { threadGroup } = this;
    const target = this.thread ?? threadGroup.leader;
    const isGone = this.thread === null ? threadGroup.isReaped : this.thread.state === TASK_DEAD;
    if (isGone && (wanted & PIDFD_INFO_EXIT) === 0) return ESRCH;
    let told = PIDFD_INFO_CGROUPID;
    infoView.setUint32(8, 1, true);
    if (isGone || target === null) {
      told |= PIDFD_INFO_EXIT;
      infoView.setUint32(60, threadGroup.exitStatus, true);
    } else {
      told |= PIDFD_INFO_PID | PIDFD_INFO_CREDS;
      if (size >= COREDUMP_SIZE && (wanted & PIDFD_INFO_COREDUMP) !== 0) {
        told |= PIDFD_INFO_COREDUMP;
        infoView.setUint32(64, target.mm.dumpable === 1 ? PIDFD_COREDUMP_USER : PIDFD_COREDUMP_SKIP, true);
      }
      this.identify(t, target);
    }
    infoView.setUint32(0, told, true);
    const known = Math.min(size, COREDUMP_SIZE);
    if (t.memory.copyOut(addr, info, 0, known) !== known) return EFAULT;
    return size > known && t.memory.zero(addr + known, size - known) !== size - known ? EFAULT : 0;
  }

  private identify(t: Task, target: Task): void {
    const { creds } = target;
    const { userNs } = t.creds;
    const { parent } = target.threadGroup;
    [target.tidIn(t.pidNs), target.threadGroup.pidIn(t.pidNs), parent === null ? 0 : parent.pidIn(t.pidNs)].forEach((pid, i) => {
      infoView.setUint32(16 + i * 4, pid, true);
    });
    const ids = [creds.ruid, creds.rgid, creds.euid, creds.egid, creds.suid, creds.sgid, creds.fsuid, creds.fsgid];
    ids.forEach((id, i) => {
      infoView.setUint32(28 + i * 4, i % 2 === 0 ? userNs.showUid(id) : userNs.showGid(id), true);
    });
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
