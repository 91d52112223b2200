// SPDX-License-Identifier: Apache-2.0

/**
 * The sandbox's keys: by serial number, per user, and the keyrings of tasks.
 *
 * Linux:      security/keys/key.c, process_keys.c, keyring.c (keyring_search)
 * Invariants: a key is known while a task's keyring, a user's keyring or a keyring that is known links to it; sweep() finds the
 *             others. Keyrings nest at most MAX_DEPTH deep and never in a circle.
 */
import { EAGAIN, EDQUOT, EKEYEXPIRED, EKEYREVOKED, ENOKEY, type Errno } from '../../../platform/abi/linux/errno.ts';
import type { Task } from '../task.ts';
import { KEYRING, KEY_SEARCH, Key, type KeyType, OWN_RING, SESSION_RING, USER_RING } from './key.ts';

export const keyLimits = { maxkeys: 200, maxbytes: 20000, root_maxkeys: 1000000, root_maxbytes: 25000000 };
/** In the whole sandbox: they are the Sentry's memory. */
const HARD_MAX_KEYS = 100000;
export const MAX_DEPTH = 6;
/** What a link counts for in its keyring. */
const LINK_BYTES = 4;

const keys = new Map<number, Key>();
const userRings = new Map<number, { user: Key; session: Key; persistent: Key | null }>();
const SERIAL_MAX = 0x7fffffff;
let sweepAt = 1024;

function freshSerial(t: Task): number {
  const bytes = new Uint8Array(4);
  for (;;) {
    t.kernel.host.random(bytes);
    const serial = new DataView(bytes.buffer).getUint32(0, true) & SERIAL_MAX;
    if (serial > 2 && !keys.has(serial)) return serial;
  }
}

/** A new key of the caller's. `isFree`: no quota is asked. Errors: EDQUOT. */
export function newKey(
  t: Task,
  type: KeyType,
  description: string,
  perm: number,
  payload: Uint8Array | null = null,
  isFree = false,
): Key | Errno {
  if (keys.size >= sweepAt) {
    sweep(t);
    sweepAt = Math.max(1024, keys.size * 2);
  }
  if (keys.size >= HARD_MAX_KEYS) return EDQUOT;
  const { fsuid, fsgid } = t.creds;
  const key = new Key(freshSerial(t), type, description, fsuid, fsgid, perm);
  if (payload !== null) key.payload = payload;
  if (!isFree && !fitsQuota(t, fsuid, 1, key.quotaBytes + LINK_BYTES)) return EDQUOT;
  keys.set(key.serial, key);
  return key;
}

/** Keys and bytes of a user. */
export function usageOf(uid: number): { keys: number; bytes: number } {
  let count = 0;
  let bytes = 0;
  for (const key of keys.values()) {
    if (key.uid !== uid) continue;
    count++;
    bytes += key.quotaBytes;
  }
  return { keys: count, bytes };
}

/** Is there room for more keys and bytes of `uid`? */
export function fitsQuota(t: Task, uid: number, moreKeys: number, moreBytes: number): boolean {
  const maxKeys = uid === 0 ? keyLimits.root_maxkeys : keyLimits.maxkeys;
  const maxBytes = uid === 0 ? keyLimits.root_maxbytes : keyLimits.maxbytes;
  for (let isSwept = false; ; isSwept = true) {
    const used = usageOf(uid);
    if (used.keys + moreKeys <= maxKeys && used.bytes + moreBytes <= maxBytes) return true;
    if (isSwept) return false;
    sweep(t);
  }
}

/** Forgets the keys nobody can reach. */
export function sweep(t: Task): void {
  const seen = new Set<Key>();
  const stack: Key[] = [];
  const root = (key: Key | null): void => {
    if (key !== null) stack.push(key);
  };
  for (const task of t.kernel.tasks.values()) {
    root(task.threadKeyring);
    root(task.sessionKeyring);
    root(task.threadGroup.processKeyring);
  }
  for (const { user, session, persistent } of userRings.values()) [user, session, persistent].forEach(root);
  for (let key = stack.pop(); key !== undefined; key = stack.pop()) {
    if (seen.has(key)) continue;
    seen.add(key);
    for (const child of key.links?.values() ?? []) stack.push(child);
  }
  for (const key of keys.values()) if (!seen.has(key)) keys.delete(key.serial);
}

export function findKey(serial: number): Key | null {
  return keys.get(serial) ?? null;
}
export function allKeys(): Iterable<Key> {
  return keys.values();
}
export function forgetKey(key: Key): void {
  keys.delete(key.serial);
}

/** The caller's user's keyrings, made at the first need. */
export function ringsOfUser(t: Task): { user: Key; session: Key; persistent: Key | null } {
  const uid = t.creds.ruid;
  let rings = userRings.get(uid);
  if (rings === undefined) {
    const user = newKey(t, KEYRING, `_uid.${uid}`, USER_RING, null, true) as Key;
    const session = newKey(t, KEYRING, `_uid_ses.${uid}`, USER_RING, null, true) as Key;
    user.uid = session.uid = uid;
    session.links?.set(user.index, user);
    rings = { user, session, persistent: null };
    userRings.set(uid, rings);
  }
  return rings;
}

export function threadRing(t: Task, create: boolean): Key | null {
  if (t.threadKeyring === null && create) t.threadKeyring = newKey(t, KEYRING, '_tid', OWN_RING, null, true) as Key;
  return t.threadKeyring;
}
export function processRing(t: Task, create: boolean): Key | null {
  const group = t.threadGroup;
  if (group.processKeyring === null && create)
    group.processKeyring = newKey(t, KEYRING, '_pid', OWN_RING, null, true) as Key;
  return group.processKeyring;
}
/** The session keyring; without one, the user's (or a fresh one to create in). */
export function sessionRing(t: Task, create: boolean): Key {
  const { session } = ringsOfUser(t);
  if (t.sessionKeyring === null || (t.sessionKeyring === session && create))
    t.sessionKeyring = create ? (newKey(t, KEYRING, '_ses', SESSION_RING, null, true) as Key) : session;
  return t.sessionKeyring;
}
/** Joins a new session keyring. */
export function joinSession(t: Task, key: Key): void {
  t.sessionKeyring = key;
}

/** Where a search for a task's keys begins. */
export function anchors(t: Task): Key[] {
  const session = t.sessionKeyring ?? userRings.get(t.creds.ruid)?.session ?? null;
  return [t.threadKeyring, t.threadGroup.processKeyring, session].filter((key) => key !== null);
}

/** Can the task reach the key through keyrings it may search? */
export function isPossessed(t: Task, key: Key): boolean {
  const now = t.kernel.clock.monotonicNs();
  const seen = new Set<Key>();
  const within = (ring: Key, depth: number): boolean => {
    if (ring === key) return true;
    if (seen.has(ring)) return false;
    seen.add(ring);
    if (ring.links === null || depth > MAX_DEPTH || ring.validate(now) !== 0) return false;
    if (!ring.allows(t.creds, true, KEY_SEARCH)) return false;
    for (const child of ring.links.values()) if (child === key || (child.links !== null && within(child, depth + 1))) return true;
    return false;
  };
  return anchors(t).some((ring) => within(ring, 0));
}

/** Finds a key in a keyring and those below it. Errors: EAGAIN: not there; EKEYREVOKED, EKEYEXPIRED, what a rejected key says. */
export function searchRing(t: Task, ring: Key, index: string, isPossessor: boolean): Key | Errno {
  const now = t.kernel.clock.monotonicNs();
  let failure: number = EAGAIN;
  const seen = new Set<Key>();
  const visit = (at: Key, depth: number): Key | null => {
    if (seen.has(at)) return null;
    seen.add(at);
    if (at.validate(now) !== 0 || !at.allows(t.creds, isPossessor, KEY_SEARCH)) return null;
    const found = at.links?.get(index);
    if (found !== undefined) {
      const state = found.validate(now) || found.rejection;
      if (state === 0 && found.allows(t.creds, isPossessor, KEY_SEARCH)) return found;
      if (state === EKEYREVOKED || state === EKEYEXPIRED || found.rejection !== 0) failure = state;
    }
    if (depth >= MAX_DEPTH) return null;
    for (const child of at.links?.values() ?? []) {
      const below = child.links === null ? null : visit(child, depth + 1);
      if (below !== null) return below;
    }
    return null;
  };
  return visit(ring, 0) ?? (failure as Errno);
}

/**
 * searchRing() through all of the task's keyrings. As on Linux, one that does not have the key outweighs one where it is revoked or
 * expired. Errors: ENOKEY, EKEYREVOKED, EKEYEXPIRED.
 */
export function searchTask(t: Task, index: string): Key | Errno {
  let missing: Errno | null = null;
  let failure: Errno | null = null;
  for (const ring of anchors(t)) {
    const found = searchRing(t, ring, index, true);
    if (typeof found !== 'number') return found;
    if (found === ENOKEY) missing = found;
    else if (found === EAGAIN) missing ??= found;
    else failure = found;
  }
  const result = missing ?? failure ?? ENOKEY;
  return result === EAGAIN ? ENOKEY : result;
}
