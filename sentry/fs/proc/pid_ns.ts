// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/ns: a magic link for each namespace, and the files of nsfs behind them, which setns(2) takes.
 *
 * Linux:      fs/proc/namespaces.c, fs/nsfs.c
 * Invariants: an nsfs inode's number is the namespace's; its attachment is a NamespaceHandle.
 */
import { EACCES, ENOENT, ENOTTY, type Errno } from '../../../platform/abi/linux/errno.ts';
import { S_IFREG } from '../../../platform/abi/linux/stat.ts';
import { INIT_CGROUP_INUM, INIT_TIME_INUM, INIT_USER_INUM } from '../../kernel/namespaces.ts';
import type { Task } from '../../kernel/task.ts';
import { AnonInode, nsfs } from '../../vfs/anon_mount.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { link, type PidEntry, pidTable } from './pid_entry.ts';

const NS_GET_NSTYPE = 0xb703;
/** The initial network namespace's number, as Linux numbers it. */
export const INIT_NET_INUM = 0xeffffff9;

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
  { entry: 'net', name: 'net', type: 0x40000000, get: () => ({ inum: INIT_NET_INUM, namespace: null }) },
  { entry: 'pid', name: 'pid', type: 0x20000000, get: (t) => ({ inum: t.pidNs.inum, namespace: t.pidNs }) },
  {
    entry: 'pid_for_children',
    name: 'pid',
    type: 0x20000000,
    get: (t) => ({ inum: t.childPidNs.inum, namespace: t.childPidNs }),
  },
  { entry: 'time', name: 'time', type: 0x80, get: () => ({ inum: INIT_TIME_INUM, namespace: null }) },
  { entry: 'time_for_children', name: 'time', type: 0x80, get: () => ({ inum: INIT_TIME_INUM, namespace: null }) },
  {
    entry: 'user',
    name: 'user',
    type: 0x10000000,
    get: (t) => ({ inum: INIT_USER_INUM + t.creds.userNs.level, namespace: t.creds.userNs }),
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
    return (flags & 3) !== 0 ? EACCES : new NamespaceFile(path, this, flags, ctx.creds);
  }
}

class NamespaceFile extends FileDescription {
  override linkText(): ByteString | null {
    const handle = this.inode.attachment as NamespaceHandle;
    return `${handle.name}:[${handle.inum}]`;
  }
  override ioctl(_ctx: IoContext, cmd: number, _arg: number): number {
    return cmd === NS_GET_NSTYPE ? (this.inode.attachment as NamespaceHandle).type : ENOTTY;
  }
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
