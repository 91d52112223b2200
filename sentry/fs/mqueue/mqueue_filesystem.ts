// SPDX-License-Identifier: Apache-2.0

/**
 * mqueue: the filesystem of an IPC namespace's POSIX message queues, mounted on /dev/mqueue and by mq_open itself.
 *
 * Linux:      ipc/mqueue.c; mq_overview(7)
 * Invariants: one instance a namespace, however often it is mounted.
 */
import { EACCES, EMFILE, ENOSPC, type Errno } from '../../../platform/abi/linux/errno.ts';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID } from '../../../platform/abi/linux/mount.ts';
import type { IpcLimits } from '../../kernel/ipc/ipc_limits.ts';
import type { IpcNamespace } from '../../kernel/namespaces.ts';
import { RLIMIT_MSGQUEUE } from '../../kernel/process/rlimits.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { Filesystem, type FilesystemType, type StatFs } from '../../vfs/filesystem.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { StaticDirInode } from '../../vfs/pseudo_file.ts';
import type { VirtualFilesystem } from '../../vfs/virtual_filesystem.ts';
import { QueueInode } from './queue.ts';

const MQUEUE_MAGIC = 0x19800202;
const CAP_SYS_RESOURCE = 24;
/** What Linux charges for each message slot besides its size. */
const SLOT_OVERHEAD = 48 + 48;

export interface QueueLimits {
  maxMessages: number;
  maxSize: number;
}

/** What a queue gets for which nothing is asked. */
export function defaultLimits(limits: IpcLimits): QueueLimits {
  return {
    maxMessages: Math.min(limits.msg_max, limits.msg_default),
    maxSize: Math.min(limits.msgsize_max, limits.msgsize_default),
  };
}

class QueueDirectory extends StaticDirInode {
  /** Limits of the queue that the mq_open under way creates. */
  nextLimits: QueueLimits | null = null;
  /** Bytes charged by owner (RLIMIT_MSGQUEUE). */
  private readonly charged = new Map<number, number>();

  /** Is anybody left in the namespace? Afterwards only what is there can be used. */
  private isAlive(t: Task): boolean {
    if (t.ipcNs.mqueue === this.fs) return true;
    for (const task of t.kernel.tasks.values()) if (task.ipcNs.mqueue === this.fs) return true;
    return false;
  }

  override create(ctx: IoContext, name: ByteString, mode: number, uid: number, gid: number): Inode | Errno {
    if (!this.isAlive(ctx as Task)) return EACCES;
    const limits = this.nextLimits ?? defaultLimits((ctx as Task).ipcNs.limits);
    if (this.entries.size >= (ctx as Task).ipcNs.limits.queues_max && !ctx.creds.hasCap(CAP_SYS_RESOURCE)) return ENOSPC;
    const cost = limits.maxMessages * (limits.maxSize + SLOT_OVERHEAD);
    const owner = ctx.creds.euid;
    const sum = (this.charged.get(owner) ?? 0) + cost;
    if (sum > (ctx as Task).threadGroup.rlimits.soft(RLIMIT_MSGQUEUE)) return EMFILE;
    this.charged.set(owner, sum);
    const queue = new QueueInode(this.fs, mode & 0o777, uid, gid, limits, () =>
      this.charged.set(owner, (this.charged.get(owner) ?? cost) - cost),
    );
    this.add(name, queue);
    return queue;
  }
  override unlink(_ctx: IoContext, name: ByteString, child: Inode): number {
    this.remove(name);
    child.nlink = 0;
    return 0;
  }
}

export class MqueueFilesystem extends Filesystem {
  override readonly typeName = 'mqueue';
  override readonly root: QueueDirectory;

  constructor() {
    super();
    this.source = 'mqueue';
    this.root = new QueueDirectory(this, 0o1777);
  }
  override statfs(out: StatFs): number {
    out.type = MQUEUE_MAGIC;
    out.bsize = 4096;
    out.namelen = 255;
    return 0;
  }
}

/** The place mq_open's names are looked up in: the root of the namespace's own mount. */
const places = new WeakMap<IpcNamespace, Path>();

export function mqueueRoot(vfs: VirtualFilesystem, ns: IpcNamespace): Path {
  let place = places.get(ns);
  if (place === undefined) {
    const mount = vfs.newMount(mqueueOf(ns), MS_NOSUID | MS_NODEV | MS_NOEXEC);
    place = { mount, dentry: mount.root };
    places.set(ns, place);
  }
  return place;
}

/** The namespace's instance. */
export function mqueueOf(ns: IpcNamespace): MqueueFilesystem {
  ns.mqueue ??= new MqueueFilesystem();
  return ns.mqueue as MqueueFilesystem;
}

/** For VirtualFilesystem.registerType(): mounts the caller's namespace's queues. */
export function mqueueType(initial: IpcNamespace): FilesystemType {
  return {
    name: 'mqueue',
    isUserMountable: true,
    owner: (ctx) => (ctx as Task).ipcNs.userNs,
    isNodev: true,
    mount: (ctx) => mqueueOf((ctx as Partial<Task>).ipcNs ?? initial),
  };
}
