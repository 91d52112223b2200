// SPDX-License-Identifier: Apache-2.0

/**
 * Mount propagation: what happens on a shared mount happens on its peers and slaves too.
 *
 * Linux:      fs/pnode.c (propagate_mnt, propagate_umount), fs/namespace.c (attach_recursive_mnt);
 *             Documentation/filesystems/sharedsubtree.rst
 * Invariants: peers have the same peerGroup, slaves their master's as masterGroup; a mount may be both shared and a slave.
 */
import { ENOSPC } from '../../platform/abi/linux/errno.ts';
import { MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from '../../platform/abi/linux/mount.ts';
import type { Dentry } from './dentry.ts';
import { type Mount, type MountNamespace, type Path, forEachMount } from './mount.ts';
import { attachMount, cloneMount, countMounts, detachTree, unhookMount } from './mount_tree.ts';
import { trackMount, trackedMounts } from './mount_registry.ts';
import type { VirtualFilesystem } from './virtual_filesystem.ts';

/** One mount that hears of what happens on another: as its peer, or as a slave of its group. */
interface Receiver {
  readonly mount: Mount;
  /** The group it hears it from. */
  readonly group: number;
  readonly isSlave: boolean;
}

/** Everyone who hears of what happens on `from`, masters before their slaves. */
function receiversOf(from: Mount): Receiver[] {
  const found: Receiver[] = [];
  if (from.propagation !== MS_SHARED) return found;
  const seen = new Set<Mount>([from]);
  const groups = [from.peerGroup];
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i] as number;
    for (const mount of trackedMounts.keys()) {
      if (mount.namespace === null || seen.has(mount)) continue;
      const isSlave = mount.masterGroup === group;
      if (!isSlave && !(mount.propagation === MS_SHARED && mount.peerGroup === group)) continue;
      seen.add(mount);
      found.push({ mount, group, isSlave });
      if (isSlave && mount.propagation === MS_SHARED && !groups.includes(mount.peerGroup)) groups.push(mount.peerGroup);
    }
  }
  return found;
}

/** Is `dentry` inside the subtree of `top`? */
function isUnder(dentry: Dentry, top: Dentry): boolean {
  for (let d: Dentry | null = dentry; d !== null; d = d.parent) if (d === top) return true;
  return false;
}

/** A copy of a tree in which each mount is what `shape` makes it. */
function copyShaped(vfs: VirtualFilesystem, tree: Mount, shape: (copy: Mount, original: Mount) => void): Mount {
  const copies = new Map<Mount, Mount>();
  forEachMount(tree, (mount) => {
    const copy = cloneMount(vfs, mount, mount.root);
    shape(copy, mount);
    copies.set(mount, copy);
    if (mount === tree) return;
    attachMount(copy, { mount: copies.get(mount.parent as Mount) as Mount, dentry: mount.mountpoint as Dentry });
  });
  return copies.get(tree) as Mount;
}

/** Would any namespace have more than `most` mounts afterwards? */
function isTooMany(tree: Mount, target: Mount, receivers: readonly Receiver[], most: number): boolean {
  const size = countMounts(tree);
  const more = new Map<MountNamespace, number>();
  for (const mount of [target, ...receivers.map((receiver) => receiver.mount)]) {
    const { namespace } = mount;
    if (namespace !== null) more.set(namespace, (more.get(namespace) ?? 0) + size);
  }
  for (const [namespace, count] of more) if (namespace.mountCount + count > most) return true;
  return false;
}

/** Puts `tree`, which is in none, on `target` (or beneath what sits there), and copies of it on whoever hears of that. Returns 0 or ENOSPC. */
export function attachPropagated(tree: Mount, target: Path, most: number, place: 'top' | 'beneath' = 'top'): number {
  const attach = place === 'top' ? attachMount : tuck;
  const vfs = trackedMounts.get(target.mount);
  const receivers = receiversOf(target.mount).filter(({ mount }) => isUnder(target.dentry, mount.root));
  if (isTooMany(tree, target.mount, receivers, most)) return ENOSPC;
  if (vfs === undefined || target.mount.propagation !== MS_SHARED) {
    attach(tree, target);
    return 0;
  }
  forEachMount(tree, (mount) => trackMount(vfs, mount));
  // Group numbers of the copies, by the group of the mount they land on.
  const numbers = new Map<number, Map<Mount, number>>();
  const own = new Map<Mount, number>();
  forEachMount(tree, (mount) => {
    if (mount.propagation !== MS_SHARED) {
      mount.propagation = MS_SHARED;
      mount.peerGroup = vfs.newPeerGroup();
    }
    own.set(mount, mount.peerGroup);
  });
  numbers.set(target.mount.peerGroup, own);
  const copies: [Mount, Path][] = [];
  for (const { mount: at, group, isSlave } of receivers) {
    const masters = numbers.get(group) ?? own;
    let peers = masters;
    if (isSlave && at.propagation === MS_SHARED) {
      peers = numbers.get(at.peerGroup) ?? new Map([...own.keys()].map((mount) => [mount, vfs.newPeerGroup()]));
      numbers.set(at.peerGroup, peers);
    }
    const isShared = !isSlave || at.propagation === MS_SHARED;
    const copy = copyShaped(vfs, tree, (made, original) => {
      made.propagation = isShared ? MS_SHARED : MS_SLAVE;
      made.peerGroup = isShared ? (peers.get(original) as number) : 0;
      made.masterGroup = isSlave ? (masters.get(original) as number) : original.masterGroup;
    });
    copies.push([copy, { mount: at, dentry: target.dentry }]);
  }
  attach(tree, target);
  for (const [copy, at] of copies) tuck(copy, at);
  return 0;
}

/** Puts a copy on `place`, beneath what sits there already. */
function tuck(copy: Mount, place: Path): void {
  const above = place.mount.children.get(place.dentry)?.[0] ?? null;
  if (above !== null) unhookMount(above);
  attachMount(copy, place);
  if (above !== null) attachMount(above, { mount: copy, dentry: copy.root });
}

/** What sits on the very root of a mount. */
function topper(mount: Mount): Mount | null {
  return mount.children.get(mount.root)?.[0] ?? null;
}

/** Takes a mount off, leaving what sits on top of it in its place. */
function untuck(vfs: VirtualFilesystem, mount: Mount, going: ReadonlySet<Mount>): void {
  const { parent, mountpoint } = mount;
  if (parent === null || mountpoint === null) return;
  let above = topper(mount);
  while (above !== null && going.has(above)) above = topper(above);
  if (above !== null) unhookMount(above);
  detachTree(vfs, mount);
  if (above !== null) attachMount(above, { mount: parent, dentry: mountpoint });
}

/**
 * Dissolves a mount and what is below it, also where it propagated to: there only what has nothing below it that stays.
 */
export function detachPropagated(vfs: VirtualFilesystem, mount: Mount): void {
  const going = new Set<Mount>();
  forEachMount(mount, (each) => going.add(each));
  const others: Mount[] = [];
  for (const { parent, mountpoint } of [...going].reverse()) {
    if (parent === null || mountpoint === null) continue;
    for (const receiver of receiversOf(parent)) {
      const child = receiver.mount.children.get(mountpoint)?.[0];
      if (child !== undefined && !child.isLocked && !going.has(child)) others.push(child);
    }
  }
  for (let before = -1; before !== going.size; ) {
    before = going.size;
    for (const child of others) {
      const above = topper(child);
      const isEmpty = [...child.children.values()].flat().every((each) => each === above || going.has(each));
      if (isEmpty) going.add(child);
    }
  }
  for (const child of others) if (going.has(child)) untuck(vfs, child, going);
  if (mount.parent !== null) detachTree(vfs, mount);
}

/** Is there an unbindable mount in the tree? */
export function hasUnbindable(tree: Mount): boolean {
  let found = false;
  forEachMount(tree, (mount) => {
    if (mount.propagation === MS_UNBINDABLE) found = true;
  });
  return found;
}

/** mount(2)'s MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE on one mount. */
export function setPropagationType(vfs: VirtualFilesystem, mount: Mount, type: number): void {
  trackMount(vfs, mount);
  if (type === MS_SHARED) {
    mount.peerGroup ||= vfs.newPeerGroup();
  } else {
    if (type === MS_SLAVE) {
      if (mount.propagation === MS_SHARED && hasPeers(mount)) mount.masterGroup = mount.peerGroup;
    } else {
      mount.masterGroup = 0;
    }
    mount.peerGroup = 0;
  }
  mount.propagation = type === MS_SLAVE && mount.masterGroup === 0 ? MS_PRIVATE : type;
}

function hasPeers(mount: Mount): boolean {
  for (const other of trackedMounts.keys())
    if (other !== mount && other.propagation === MS_SHARED && other.peerGroup === mount.peerGroup) return true;
  return false;
}
