// SPDX-License-Identifier: Apache-2.0

/**
 * UserNamespace: which ids its processes see, and over whom their capabilities count.
 *
 * Linux:      kernel/user_namespace.c; user_namespaces(7)
 * Invariants: inside the kernel ids are those of the initial namespace ("kernel ids"); they are translated where they enter and leave it. A map
 *             is written once. The initial namespace maps everything to itself.
 */

/** overflowuid and overflowgid: what an id without a mapping is shown as. */
export const OVERFLOW_ID = 65534;
/** An id that has no mapping. */
export const NO_ID = -1;

/** `count` ids from `inside` on are kernel ids from `kernel` on. */
export interface IdExtent {
  readonly inside: number;
  readonly kernel: number;
  readonly count: number;
}

export class UserNamespace {
  readonly parent: UserNamespace | null;
  /** Kernel ids of who made it. */
  readonly ownerUid: number;
  readonly ownerGid: number;
  readonly level: number;
  /** For /proc/pid/ns/user. */
  readonly inum: number;
  /** Null: not written yet (nothing is mapped). */
  uidMap: readonly IdExtent[] | null = null;
  gidMap: readonly IdExtent[] | null = null;
  projidMap: readonly IdExtent[] | null = null;
  /** /proc/pid/setgroups */
  allowsSetgroups = true;
  /** Its maker had CAP_SETFCAP: may map the parent's id 0. */
  couldSetFileCaps = false;

  constructor(parent: UserNamespace | null = null, ownerUid = 0, ownerGid = 0, inum = 0xeffffffd) {
    this.parent = parent;
    this.ownerUid = ownerUid;
    this.ownerGid = ownerGid;
    this.inum = inum;
    this.level = parent === null ? 0 : parent.level + 1;
    if (parent !== null) this.allowsSetgroups = parent.allowsSetgroups;
  }

  /** Does the namespace map these ids? (A capability counts over an inode only then.) */
  hasMapping(uid: number, gid: number): boolean {
    return this.parent === null || (fromKernel(this.uidMap, uid) !== NO_ID && fromKernel(this.gidMap, gid) !== NO_ID);
  }
  /** A kernel uid as processes in here see it; the overflow id when it has no mapping. */
  showUid(uid: number): number {
    if (this.parent === null) return uid;
    const id = fromKernel(this.uidMap, uid);
    return id === NO_ID ? OVERFLOW_ID : id;
  }
  showGid(gid: number): number {
    if (this.parent === null) return gid;
    const id = fromKernel(this.gidMap, gid);
    return id === NO_ID ? OVERFLOW_ID : id;
  }
  /** The kernel uid an id of in here means; NO_ID when it means none. */
  uidOf(id: number): number {
    return this.parent === null ? id : toKernel(this.uidMap, id);
  }
  gidOf(id: number): number {
    return this.parent === null ? id : toKernel(this.gidMap, id);
  }
  /** Kernel uid of its root; NO_ID when that is not mapped. */
  get rootUid(): number {
    return this.parent === null ? 0 : toKernel(this.uidMap, 0);
  }
  /** May setgroups(2) be called? Not before gid_map is written: it could drop a group that denies something. */
  get maySetgroups(): boolean {
    return this.parent === null || (this.gidMap !== null && this.allowsSetgroups);
  }
  /** Is it `other` or one of its ancestors? */
  contains(other: UserNamespace): boolean {
    for (let ns: UserNamespace | null = other; ns !== null; ns = ns.parent) if (ns === this) return true;
    return false;
  }
}

/** The id a kernel id has in a map; NO_ID: none. */
export function fromKernel(map: readonly IdExtent[] | null, id: number): number {
  if (map === null) return NO_ID;
  for (const e of map) if (id >= e.kernel && id < e.kernel + e.count) return e.inside + (id - e.kernel);
  return NO_ID;
}

/** The kernel id an id of a map means; NO_ID: none. */
export function toKernel(map: readonly IdExtent[] | null, id: number): number {
  if (map === null) return NO_ID;
  for (const e of map) if (id >= e.inside && id < e.inside + e.count) return e.kernel + (id - e.inside);
  return NO_ID;
}

/** The kernel id of the first of `count` ids that one extent of the map holds together; NO_ID: none does. */
export function rangeToKernel(map: readonly IdExtent[] | null, id: number, count: number): number {
  if (map === null) return NO_ID;
  for (const e of map) if (id >= e.inside && id + count <= e.inside + e.count) return e.kernel + (id - e.inside);
  return NO_ID;
}
