// SPDX-License-Identifier: Apache-2.0

/**
 * Credentials of a task: ids, groups, capabilities, securebits.
 *
 * Linux:      include/linux/cred.h, kernel/cred.c, security/commoncap.c; credentials(7), capabilities(7)
 * Invariants: a Credentials object is immutable once a Task or FileDescription holds it: changes go through clone().
 *             Capability sets are pairs of unsigned 32-bit words (caps 0-31, 32-40), never BigInt.
 */
import type { UserNamespace } from './user_namespace.ts';

/** A capability set: [caps 0..31, caps 32..63]. */
export type CapSet = readonly [number, number];

export const CAP_FULL: CapSet = [0xffffffff, 0x1ff];
export const CAP_EMPTY: CapSet = [0, 0];

export class Credentials {
  ruid = 0;
  euid = 0;
  suid = 0;
  fsuid = 0;
  rgid = 0;
  egid = 0;
  sgid = 0;
  fsgid = 0;
  /** Supplementary groups, sorted ascending. */
  groups: readonly number[] = [];
  permitted: CapSet = CAP_EMPTY;
  effective: CapSet = CAP_EMPTY;
  inheritable: CapSet = CAP_EMPTY;
  bounding: CapSet = CAP_FULL;
  ambient: CapSet = CAP_EMPTY;
  securebits = 0;
  userNs: UserNamespace;

  constructor(userNs: UserNamespace) {
    this.userNs = userNs;
  }

  /** Returns a copy that may be changed before it is installed. */
  clone(): Credentials {
    return Object.assign(new Credentials(this.userNs), this);
  }

  /** True when `cap` (CAP_* number) counts over the whole sandbox: in the effective set, in the initial user namespace. */
  hasCap(cap: number): boolean {
    return this.userNs.parent === null && this.hasOwnCap(cap);
  }

  /** True when `cap` counts over what belongs to user namespace `ns`. Linux: cap_capable() */
  hasCapIn(ns: UserNamespace, cap: number): boolean {
    for (let at: UserNamespace | null = ns; at !== null; at = at.parent) {
      if (at === this.userNs) return this.hasOwnCap(cap);
      if (at.level <= this.userNs.level) return false;
      // Whoever made a namespace has every capability over it, from its parent.
      if (at.parent === this.userNs && at.ownerUid === this.euid) return true;
    }
    return false;
  }

  /** True when `cap` is in the effective set: it counts in the own user namespace. */
  hasOwnCap(cap: number): boolean {
    return cap < 32 ? ((this.effective[0] >>> cap) & 1) === 1 : ((this.effective[1] >>> (cap - 32)) & 1) === 1;
  }

  /** True when gid is the fs gid or a supplementary group. */
  inGroup(gid: number): boolean {
    return this.fsgid === gid || this.groups.includes(gid);
  }
}

/** Root with every capability. */
export function rootCredentials(userNs: UserNamespace): Credentials {
  const creds = new Credentials(userNs);
  creds.permitted = CAP_FULL;
  creds.effective = CAP_FULL;
  return creds;
}
