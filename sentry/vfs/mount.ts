// SPDX-License-Identifier: Apache-2.0

/**
 * Mounts, mount namespaces and paths (a dentry seen through a mount).
 *
 * Linux: fs/mount.h, fs/namespace.c; mount_namespaces(7)
 */
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
  namespace: MountNamespace | null = null;

  constructor(id: number, fs: Filesystem, root: Dentry, flags: number) {
    this.id = id;
    this.fs = fs;
    this.root = root;
    this.flags = flags;
  }
}

export class MountNamespace {
  root: Mount;
  constructor(root: Mount) {
    this.root = root;
    root.namespace = this;
  }
}
