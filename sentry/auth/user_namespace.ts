// SPDX-License-Identifier: Apache-2.0

/**
 * User namespaces: a tree with an owner and id maps.
 *
 * Linux: include/linux/user_namespace.h; user_namespaces(7)
 */

export class UserNamespace {
  readonly parent: UserNamespace | null;
  readonly ownerUid: number;
  readonly level: number;

  constructor(parent: UserNamespace | null = null, ownerUid = 0) {
    this.parent = parent;
    this.ownerUid = ownerUid;
    this.level = parent === null ? 0 : parent.level + 1;
  }

  /** Does the namespace map these ids? (A capability counts over an inode only then.) */
  hasMapping(_uid: number, _gid: number): boolean {
    return this.parent === null;
  }
}
