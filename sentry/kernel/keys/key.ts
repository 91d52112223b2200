// SPDX-License-Identifier: Apache-2.0

/**
 * Key: a key or keyring, its types, and who may do what with it.
 *
 * Linux:      security/keys/key.c, keyring.c, permission.c, user_defined.c; keyrings(7)
 * Invariants: `links` is null exactly for keys that are no keyrings. A keyring holds one key of a type and description.
 */
import { EKEYEXPIRED, EKEYREVOKED, ENOKEY } from '../../../platform/abi/linux/errno.ts';
import type { Credentials } from '../../auth/credentials.ts';

export const KEY_VIEW = 0x01;
export const KEY_READ = 0x02;
export const KEY_WRITE = 0x04;
export const KEY_SEARCH = 0x08;
export const KEY_LINK = 0x10;
export const KEY_SETATTR = 0x20;
export const KEY_ALL = 0x3f;
const POSSESSOR = 24;
const USER = 16;
const GROUP = 8;

export interface KeyType {
  readonly name: string;
  readonly canRead: boolean;
  readonly canUpdate: boolean;
  /** Most bytes of payload; keyrings have none. */
  readonly maxPayload: number;
  /** The description must have the form prefix:text. */
  readonly needsPrefix: boolean;
}

const TYPES: readonly KeyType[] = [
  { name: 'keyring', canRead: true, canUpdate: false, maxPayload: 0, needsPrefix: false },
  { name: 'user', canRead: true, canUpdate: true, maxPayload: 32767, needsPrefix: false },
  { name: 'logon', canRead: false, canUpdate: true, maxPayload: 32767, needsPrefix: true },
  { name: 'big_key', canRead: true, canUpdate: true, maxPayload: 1048575, needsPrefix: false },
];
export const KEYRING = TYPES[0] as KeyType;

/** A type by name; null: there is none. */
export function keyType(name: string): KeyType | null {
  return TYPES.find((type) => type.name === name) ?? null;
}

/** Permissions of a new key nobody said more about. */
export function defaultPermissions(type: KeyType): number {
  const possessor = KEY_VIEW | KEY_SEARCH | KEY_LINK | KEY_SETATTR;
  const read = type.canRead ? KEY_READ : 0;
  const write = type === KEYRING || type.canUpdate ? KEY_WRITE : 0;
  return ((possessor | read | write) << POSSESSOR) | (KEY_VIEW << USER);
}
/** Permissions of thread, process, session and user keyrings. */
export const OWN_RING = (KEY_ALL << POSSESSOR) | (KEY_VIEW << USER);
export const SESSION_RING = (KEY_ALL << POSSESSOR) | ((KEY_VIEW | KEY_READ) << USER);
export const USER_RING = ((KEY_ALL & ~KEY_SETATTR) << POSSESSOR) | (KEY_ALL << USER);

export class Key {
  readonly serial: number;
  readonly type: KeyType;
  readonly description: string;
  uid: number;
  gid: number;
  perm: number;
  payload: Uint8Array = new Uint8Array(0);
  readonly links: Map<string, Key> | null;
  /** CLOCK_MONOTONIC ns. */
  expiresNs = Number.POSITIVE_INFINITY;
  isRevoked = false;
  isInvalidated = false;
  /** What finding it answers: a key that could not be had (an errno); 0: an ordinary key. */
  rejection = 0;

  constructor(serial: number, type: KeyType, description: string, uid: number, gid: number, perm: number) {
    this.serial = serial;
    this.type = type;
    this.description = description;
    this.uid = uid;
    this.gid = gid;
    this.perm = perm;
    this.links = type === KEYRING ? new Map() : null;
  }

  /** What a keyring finds it by. */
  get index(): string {
    return `${this.type.name};${this.description}`;
  }
  /** Bytes it counts for in its owner's quota. */
  get quotaBytes(): number {
    return this.description.length + 1 + this.payload.length + (this.links?.size ?? 0) * 4;
  }

  /** May it be used now? Returns 0, ENOKEY, EKEYREVOKED or EKEYEXPIRED. */
  validate(nowNs: number): number {
    if (this.isInvalidated) return ENOKEY;
    if (this.isRevoked) return EKEYREVOKED;
    return nowNs >= this.expiresNs ? EKEYEXPIRED : 0;
  }

  /** Do the permissions give `creds` all of `need`? */
  allows(creds: Credentials, isPossessed: boolean, need: number): boolean {
    let bits = this.perm;
    if (creds.fsuid === this.uid) bits = this.perm >> USER;
    else if ((this.perm & (KEY_ALL << GROUP)) !== 0 && creds.inGroup(this.gid)) bits = this.perm >> GROUP;
    if (isPossessed) bits |= this.perm >> POSSESSOR;
    return (bits & need) === need;
  }

  /** Is `other` this keyring or one somewhere below it? */
  reaches(other: Key, seen = new Set<Key>()): boolean {
    if (this === other) return true;
    seen.add(this);
    for (const child of this.links?.values() ?? [])
      if (child.links !== null && !seen.has(child) && child.reaches(other, seen)) return true;
    return false;
  }
  /** Keyrings on the longest way down from here. */
  depth(known = new Map<Key, number>()): number {
    const found = known.get(this);
    if (found !== undefined) return found;
    let below = 0;
    for (const child of this.links?.values() ?? []) if (child.links !== null) below = Math.max(below, child.depth(known));
    known.set(this, below + 1);
    return below + 1;
  }
}
