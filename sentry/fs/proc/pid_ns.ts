// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/ns: a magic link for each namespace, and the files of nsfs behind them, which setns(2) takes.
 *
 * Linux:      fs/proc/namespaces.c, fs/nsfs.c
 * Invariants: an nsfs inode's number is the namespace's; its attachment is a NamespaceHandle.
 */
import { EACCES, EINVAL, ENOENT, ENOTTY, EPERM, ESRCH, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { S_IFREG } from '../../../platform/abi/linux/stat.ts';
import { INIT_CGROUP_INUM } from '../../kernel/namespaces.ts';
import { UserNamespace } from '../../auth/user_namespace.ts';
import { RLIMIT_NOFILE } from '../../kernel/process/rlimits.ts';
import { PidNamespace } from '../../kernel/process/pid_namespace.ts';
import type { Task } from '../../kernel/task.ts';
import { AnonInode, nsfs } from '../../vfs/anon_mount.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString } from '../../vfs/inode.ts';
import { MountNamespace, type Path } from '../../vfs/mount.ts';
import { enterNamespace, leaveNamespace } from '../../vfs/mount_tree.ts';
import type { VirtualFilesystem } from '../../vfs/virtual_filesystem.ts';
import { link, type PidEntry, pidTable } from './pid_entry.ts';

const NS_GET_USERNS = 0xb701;
const NS_GET_PARENT = 0xb702;
const NS_GET_NSTYPE = 0xb703;
const NS_GET_OWNER_UID = 0xb704;

/** What an open namespace file stands for. `type` is the CLONE_NEW* flag. */
export interface NamespaceHandle {
  readonly type: number;
  readonly name: string;
  readonly inum: number;
  readonly namespace: unknown;
}

interface Kind {
  readonly entry: ByteString;
  readonly name: string;
  readonly type: number;
  readonly get: (t: Task) => { inum: number; namespace: unknown };
}

const KINDS: readonly Kind[] = [
  { entry: 'cgroup', name: 'cgroup', type: 0x02000000, get: () => ({ inum: INIT_CGROUP_INUM, namespace: null }) },
  { entry: 'ipc', name: 'ipc', type: 0x08000000, get: (t) => ({ inum: t.ipcNs.inum, namespace: t.ipcNs }) },
  { entry: 'mnt', name: 'mnt', type: 0x00020000, get: (t) => ({ inum: t.mountNs.id, namespace: t.mountNs }) },
  { entry: 'net', name: 'net', type: 0x40000000, get: (t) => ({ inum: t.netNs.inum, namespace: t.netNs }) },
  { entry: 'pid', name: 'pid', type: 0x20000000, get: (t) => ({ inum: t.pidNs.inum, namespace: t.pidNs }) },
  {
    entry: 'pid_for_children',
    name: 'pid',
    type: 0x20000000,
    get: (t) => ({ inum: t.childPidNs.inum, namespace: t.childPidNs }),
  },
  { entry: 'time', name: 'time', type: 0x80, get: (t) => ({ inum: t.timeNs.inum, namespace: t.timeNs }) },
  { entry: 'time_for_children', name: 'time', type: 0x80, get: (t) => ({ inum: t.childTimeNs.inum, namespace: t.childTimeNs }) },
  {
    entry: 'user',
    name: 'user',
    type: 0x10000000,
    get: (t) => ({ inum: t.creds.userNs.inum, namespace: t.creds.userNs }),
  },
  { entry: 'uts', name: 'uts', type: 0x04000000, get: (t) => ({ inum: t.uts.inum, namespace: t.uts }) },
];

class NamespaceInode extends AnonInode {
  constructor(handle: NamespaceHandle) {
    super(nsfs.fs, S_IFREG | 0o444, 0, 0);
    this.ino = handle.inum;
    this.attachment = handle;
  }
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return (flags & 3) !== 0 ? EACCES : new NamespaceFile(path, this, flags, ctx as Task);
  }
}

/** An open one keeps a mount namespace together when its last task has left. */
class NamespaceFile extends FileDescription {
  private readonly vfs: VirtualFilesystem;
  private readonly held: MountNamespace | null;

  constructor(path: Path, inode: NamespaceInode, flags: number, t: Task) {
    super(path, inode, flags, t.creds);
    const { namespace } = inode.attachment as NamespaceHandle;
    this.vfs = t.kernel.vfs;
    this.held = namespace instanceof MountNamespace ? namespace : null;
    if (this.held !== null) enterNamespace(this.held);
  }
  protected override release(): void {
    if (this.held !== null) leaveNamespace(this.vfs, this.held);
  }
  override linkText(): ByteString | null {
    const handle = this.inode.attachment as NamespaceHandle;
    return `${handle.name}:[${handle.inum}]`;
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    const handle = this.inode.attachment as NamespaceHandle;
    switch (cmd) {
      case NS_GET_NSTYPE:
        return handle.type;
      case NS_GET_USERNS:
        return openUserNamespace(ctx as Task, ownerOf(ctx as Task, handle.namespace));
      case NS_GET_PARENT:
        return openParent(ctx as Task, handle);
      case NS_GET_OWNER_UID:
        if (!(handle.namespace instanceof UserNamespace)) return EINVAL;
        return ctx.memory.writeU32(arg, ctx.creds.userNs.showUid(handle.namespace.ownerUid));
      default:
        return ENOTTY;
    }
  }
}

/** The user namespace a namespace belongs to. */
function ownerOf(t: Task, namespace: unknown): UserNamespace | null {
  if (namespace instanceof UserNamespace) return namespace.parent;
  const owner = (namespace as { userNs?: UserNamespace; owner?: UserNamespace } | null) ?? {};
  return owner.userNs ?? owner.owner ?? t.kernel.userNs;
}

/** A descriptor for a user namespace the caller is in or above. Errors: EPERM. */
function openUserNamespace(t: Task, ns: UserNamespace | null): number {
  if (ns === null || !t.creds.userNs.contains(ns)) return EPERM;
  return openNamespace(t, { type: 0x10000000, name: 'user', inum: ns.inum, namespace: ns });
}

function openParent(t: Task, handle: NamespaceHandle): number {
  const { namespace } = handle;
  if (namespace instanceof UserNamespace) return openUserNamespace(t, namespace.parent);
  if (!(namespace instanceof PidNamespace)) return EINVAL;
  const { parent } = namespace;
  if (parent === null || !t.pidNs.contains(parent)) return EPERM;
  return openNamespace(t, { type: handle.type, name: 'pid', inum: parent.inum, namespace: parent });
}

function openNamespace(t: Task, handle: NamespaceHandle): number {
  const inode = new NamespaceInode(handle);
  const file = inode.open(t, nsfs.place(inode, `${handle.name}:[${handle.inum}]`), 0);
  return isErrno(file) ? file : t.fdTable.install(file, true, t.threadGroup.rlimits.soft(RLIMIT_NOFILE));
}

/** A descriptor of `target`'s namespace as /proc/pid/ns calls it. Errors: ESRCH, EMFILE. */
export function openNamespaceOf(t: Task, target: Task, entry: ByteString): number {
  const kind = KINDS.find((one) => one.entry === entry);
  if (kind === undefined || !target.isLive) return ESRCH;
  return openNamespace(t, { type: kind.type, name: kind.name, ...kind.get(target) });
}

/** A zombie still has its pid and user namespaces. */
function outlives(kind: Kind): boolean {
  return kind.entry === 'pid' || kind.entry === 'user';
}

function entryFor(kind: Kind): PidEntry {
  return link(
    kind.entry,
    (t) => (t.isLive || outlives(kind) ? `${kind.name}:[${kind.get(t).inum}]` : ENOENT),
    (t) => {
      if (!t.isLive && !outlives(kind)) return ENOENT;
      const { inum, namespace } = kind.get(t);
      return nsfs.place(
        new NamespaceInode({ type: kind.type, name: kind.name, inum, namespace }),
        `${kind.name}:[${inum}]`,
      );
    },
  );
}

export const nsTable = pidTable(KINDS.map(entryFor));
