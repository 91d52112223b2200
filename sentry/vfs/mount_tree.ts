// SPDX-License-Identifier: Apache-2.0

/**
 * The tree of mounts: attach, detach, copy, namespaces.
 *
 * Linux:      fs/namespace.c (attach_mnt, umount_tree, copy_tree, copy_mnt_ns)
 * Invariants: a mount in a tree pins its mountpoint (refs and mountCount). `namespace` is set exactly for mounts in a tree.
 */
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from '../../platform/abi/linux/mount.ts';
import type { UserNamespace } from '../auth/user_namespace.ts';
import type { Dentry } from './dentry.ts';
import { type Mount, type MountNamespace, type Path, forEachMount } from './mount.ts';
import { trackMount } from './mount_registry.ts';
import type { VirtualFilesystem } from './virtual_filesystem.ts';

/** Puts `mount` (and what is below it) on `at`. Precondition: it is in no tree; nothing sits on `at`. */
export function attachMount(mount: Mount, at: Path): void {
  mount.parent = at.mount;
  mount.mountpoint = at.dentry;
  const list = at.mount.children.get(at.dentry);
  if (list === undefined) at.mount.children.set(at.dentry, [mount]);
  else list.push(mount);
  at.dentry.mountCount++;
  at.dentry.get();
  const { namespace } = at.mount;
  forEachMount(mount, (m) => {
    m.namespace = namespace;
  });
  namespace?.noteChange();
}

/** Takes `mount` with what is below it out of its parent. It stays alive. */
export function unhookMount(mount: Mount): void {
  const { parent, mountpoint } = mount;
  if (parent === null || mountpoint === null) return;
  const list = parent.children.get(mountpoint) as Mount[];
  const rest = list.filter((m) => m !== mount);
  if (rest.length === 0) parent.children.delete(mountpoint);
  else parent.children.set(mountpoint, rest);
  mountpoint.mountCount--;
  mountpoint.put();
  mount.parent = null;
  mount.mountpoint = null;
  mount.namespace?.noteChange();
}

/** Dissolves a whole subtree: each mount is released now, or when its last user goes. */
export function detachTree(vfs: VirtualFilesystem, mount: Mount): void {
  const all: Mount[] = [];
  forEachMount(mount, (m) => all.push(m));
  for (const m of all.reverse()) {
    unhookMount(m);
    m.namespace = null;
    if (m.refs === 0) vfs.releaseMount(m);
    else m.onIdle = () => vfs.releaseMount(m);
  }
}

/** Is `dentry` inside the subtree of `top`? */
function isUnder(dentry: Dentry, top: Dentry): boolean {
  for (let d: Dentry | null = dentry; d !== null; d = d.parent) if (d === top) return true;
  return false;
}

/** A mount showing `root` of the same filesystem with the same flags, in no tree. */
export function cloneMount(vfs: VirtualFilesystem, from: Mount, root: Dentry): Mount {
  const copy = vfs.newMount(from.fs, from.flags, root);
  copy.source = from.source;
  copy.lockedFlags = from.lockedFlags;
  copy.locksAtime = from.locksAtime;
  if (from.propagation === MS_SHARED) {
    copy.propagation = MS_SHARED;
    copy.peerGroup = from.peerGroup;
    copy.masterGroup = from.masterGroup;
  } else if (from.propagation === MS_SLAVE) {
    copy.propagation = MS_SLAVE;
    copy.masterGroup = from.masterGroup;
  }
  if (copy.peerGroup !== 0 || copy.masterGroup !== 0) trackMount(vfs, copy);
  return copy;
}

/**
 * Copies the mounts at and below `root` of `from` (rbind, new namespaces). `seen` receives old → new. Unbindable mounts
 * are left out when `skip` says so.
 */
export function copyTree(
  vfs: VirtualFilesystem,
  from: Mount,
  root: Dentry,
  skip: 'unbindable' | 'none',
  seen?: Map<Mount, Mount>,
): Mount {
  const top = cloneMount(vfs, from, root);
  seen?.set(from, top);
  // Mounts stack as high as somebody likes: no recursion. Parents before children, in mount order.
  const stack = childrenUnder(from, root, top, skip);
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { child, at } = next;
    const copy = cloneMount(vfs, child, child.root);
    copy.isLocked = child.isLocked;
    seen?.set(child, copy);
    attachMount(copy, at);
    stack.push(...childrenUnder(child, child.root, copy, skip));
  }
  return top;
}

/** The mounts on `from` at and below `root`, last first, each with its place in `copy`. */
function childrenUnder(from: Mount, root: Dentry, copy: Mount, skip: 'unbindable' | 'none'): { child: Mount; at: Path }[] {
  const found: { child: Mount; at: Path }[] = [];
  for (const [dentry, list] of from.children) {
    if (!isUnder(dentry, root)) continue;
    for (const child of list) {
      if (skip === 'unbindable' && child.propagation === MS_UNBINDABLE) continue;
      found.push({ child, at: { mount: copy, dentry } });
    }
  }
  return found.reverse();
}

/** A copy of a mount namespace (unshare(CLONE_NEWNS)) for a caller in user namespace `owner`. */
export function cloneNamespace(
  vfs: VirtualFilesystem,
  from: MountNamespace,
  owner: UserNamespace | null = null,
): MountNamespace {
  const copies = new Map<Mount, Mount>();
  const namespace = vfs.namespaceOf(copyTree(vfs, from.root, from.root.root, 'none', copies));
  namespace.users = 0;
  namespace.owner = owner;
  namespace.copies = copies;
  const isLessPrivileged = owner !== null && owner !== from.owner;
  forEachMount(namespace.root, (m) => {
    m.namespace = namespace;
    if (isLessPrivileged) lockMount(m, m !== namespace.root);
  });
  return namespace;
}

/** What a more privileged namespace had mounted stays as it was: its flags, and what it covers. Shared mounts become slaves. */
function lockMount(mount: Mount, isBelow: boolean): void {
  mount.isLocked = isBelow;
  mount.lockedFlags = mount.flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
  mount.locksAtime = true;
  if (mount.propagation !== MS_SHARED) return;
  mount.propagation = MS_SLAVE;
  mount.masterGroup = mount.peerGroup;
  mount.peerGroup = 0;
}

/** The same place in the copy `namespace` as `path` is in the namespace it was copied from. */
export function translatePath(namespace: MountNamespace, path: Path): Path {
  return { mount: namespace.copies?.get(path.mount) ?? path.mount, dentry: path.dentry };
}

/** A task enters a namespace. */
export function enterNamespace(namespace: MountNamespace): void {
  namespace.users++;
}

/** A task leaves a namespace; the last one takes it apart. */
export function leaveNamespace(vfs: VirtualFilesystem, namespace: MountNamespace): void {
  if (--namespace.users === 0) detachTree(vfs, namespace.root);
}

/** Number of mounts in a tree. */
export function countMounts(mount: Mount): number {
  let n = 0;
  forEachMount(mount, () => {
    n++;
  });
  return n;
}
