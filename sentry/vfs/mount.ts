// SPDX-License-Identifier: Apache-2.0

/**
 * Mounts, mount namespaces and paths (a dentry seen through a mount).
 *
 * Linux: fs/mount.h, fs/namespace.c; mount_namespaces(7)
 */
import type { UserNamespace } from '../auth/user_namespace.ts';
import { WaitQueue } from '../wait/wait_queue.ts';
import type { Dentry } from './dentry.ts';
import type { Filesystem } from './filesystem.ts';

/** A place in the tree: what open files, cwd and root hold. Immutable. */
export interface Path {
  readonly mount: Mount;
  readonly dentry: Dentry;
}

export class Mount {
  readonly id: number;
  readonly fs: Filesystem;
  readonly root: Dentry;
  /** Where it sits; null for a namespace's root mount and for detached mounts. */
  parent: Mount | null = null;
  mountpoint: Dentry | null = null;
  /** Mounts sitting on dentries of this one, by mountpoint; the topmost is last in the list. */
  readonly children = new Map<Dentry, Mount[]>();
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_NODIRATIME, MS_RELATIME. */
  flags: number;
  get namespace(): MountNamespace | null {
    return this.inNamespace;
  }
  set namespace(namespace: MountNamespace | null) {
    if (this.inNamespace !== null) this.inNamespace.mountCount--;
    if (namespace !== null) namespace.mountCount++;
    this.inNamespace = namespace;
  }
  private inNamespace: MountNamespace | null = null;
  /** Open files, cwds and roots on it: umount(2) without MNT_DETACH answers EBUSY while there are any. */
  refs = 0;
  /** Files opened for writing through it: it cannot become read-only while there are any. */
  writers = 0;
  /** MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE as last set, and its peer groups (0: none). */
  propagation = 0;
  peerGroup = 0;
  masterGroup = 0;
  /** Came with a copy into a less privileged user namespace: cannot be taken off by itself. */
  isLocked = false;
  /** Flags (MS_RDONLY, MS_NOSUID, ...) that cannot be cleared, for the same reason. */
  lockedFlags = 0;
  /** For the same reason its kind of access times cannot be changed. */
  locksAtime = false;
  /** Made by fsmount(2) or open_tree(2), held by a descriptor, in no tree yet. */
  isDetached = false;
  /** Marked by a first umount2(MNT_EXPIRE), until it is used. */
  isExpiring = false;
  /** Source for /proc/mounts when it differs from the filesystem's. */
  source: string | null = null;
  /** Set when it left every tree: runs once nothing holds the mount any more. */
  onIdle: (() => void) | null = null;

  constructor(id: number, fs: Filesystem, root: Dentry, flags: number) {
    this.id = id;
    this.fs = fs;
    this.root = root;
    this.flags = flags;
  }
}

export class MountNamespace {
  root: Mount;
  /** For /proc/pid/ns/mnt. */
  readonly id: number;
  /** Mounts whose namespace this is. */
  mountCount = 0;
  /** The user namespace whose CAP_SYS_ADMIN counts here; null: the initial one. */
  owner: UserNamespace | null = null;
  /** Tasks in it (kept by whoever enters and leaves tasks); the last one takes it apart. */
  users = 0;
  /** Old mount to its copy, from the copying until the first task enters. */
  copies: Map<Mount, Mount> | null = null;
  /** How often its tree has changed, and who polls for it (/proc/pid/mounts). */
  changes = 0;
  readonly changed = new WaitQueue();
  constructor(root: Mount, id = 0xf0000000) {
    this.root = root;
    this.id = id;
    root.namespace = this;
  }

  /** A mount came or went. */
  noteChange(): void {
    this.changes++;
    this.changed.wake();
  }

  /** Calls visit for each mount, parents before children, in mount order. */
  forEach(visit: (mount: Mount) => void): void {
    forEachMount(this.root, visit);
  }
}

/** Calls visit for `mount` and all below it, parents first. */
export function forEachMount(mount: Mount, visit: (mount: Mount) => void): void {
  // Mounts stack as high as somebody likes: no recursion.
  const stack = [mount];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    visit(next);
    if (next.children.size === 0) continue;
    const children = [...next.children.values()].flat();
    for (let i = children.length - 1; i >= 0; i--) stack.push(children[i] as Mount);
  }
}

/** Pins a path: its dentry stays, its mount is busy. */
export function pathGet(path: Path): Path {
  path.dentry.get();
  path.mount.refs++;
  return path;
}

/** Lets go of a pinned path. */
export function pathPut(path: Path): void {
  const { mount } = path;
  path.dentry.put();
  if (--mount.refs > 0 || mount.onIdle === null) return;
  const release = mount.onIdle;
  mount.onIdle = null;
  release();
}

export function samePath(a: Path, b: Path): boolean {
  return a.dentry === b.dentry && a.mount === b.mount;
}
