// SPDX-License-Identifier: Apache-2.0

/**
 * keyctl(2).
 *
 * Linux: security/keys/keyctl.c
 */
import { CAP_SYS_ADMIN } from '../../platform/abi/linux/capability.ts';
import {
  EACCES,
  EAGAIN,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOKEY,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import {
  KEYRING,
  KEY_LINK,
  KEY_READ,
  KEY_SEARCH,
  KEY_SETATTR,
  KEY_VIEW,
  KEY_WRITE,
  type Key,
  SESSION_RING,
  USER_RING,
  keyType,
} from '../../sentry/kernel/keys/key.ts';
import {
  allKeys,
  forgetKey,
  joinSession,
  newKey,
  processRing,
  ringsOfUser,
  searchRing,
  threadRing,
} from '../../sentry/kernel/keys/key_table.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { linkKey, lookupKey, readDescription, readPayload, readTypeName } from './key_args.ts';
import { replacePayload } from './keys.ts';

const PERM_BITS = 0x3f3f3f3f;
const REQKEY_MAX = 7;
const REQKEY_GROUP = 6;
const PAGE = 4096;
/** KEYCTL_CAPABILITIES: which of the operations there are (persistent keyrings, invalidate, move). */
const CAPABILITIES = Uint8Array.of(0x01 | 0x20 | 0x80, 0);

type Operation = (t: Task, a: number, b: number, c: number, d: number) => number;

/** An int argument; all come as signed 64-bit Numbers. */
const int = (value: number): number => value | 0;
/** A size_t one. */
const size = (value: number): number => (value < 0 ? Number.MAX_SAFE_INTEGER : value);

function withKey(t: Task, id: number, need: number, run: (key: Key) => number): number {
  const found = lookupKey(t, id, need);
  return isErrno(found) ? found : run(found.key);
}

/** Writes it if it fits. Returns its length. */
function writeOut(t: Task, bytes: Uint8Array, addr: number, room: number): number {
  const { length } = bytes;
  const isWanted = addr !== 0 && length > 0 && length <= room;
  return isWanted && t.memory.copyOut(addr, bytes, 0, length) !== length ? EFAULT : length;
}

function joinSessionKeyring(t: Task, nameAddr: number): number {
  const name = nameAddr === 0 ? '_ses' : readDescription(t, nameAddr);
  if (isErrno(name)) return name;
  if (name.startsWith('.')) return EPERM;
  if (nameAddr !== 0) {
    for (const key of allKeys()) {
      if (key.type !== KEYRING || key.description !== name || key.isRevoked) continue;
      if (!key.allows(t.creds, false, KEY_SEARCH)) continue;
      joinSession(t, key);
      return key.serial;
    }
  }
  const made = newKey(t, KEYRING, name, nameAddr === 0 ? SESSION_RING : SESSION_RING | (KEY_LINK << 16));
  if (isErrno(made)) return made;
  joinSession(t, made);
  return made.serial;
}

function readKey(t: Task, id: number, addr: number, room: number): number {
  const found = lookupKey(t, id, 0, 'partial');
  if (isErrno(found)) return ENOKEY;
  const { key, isPossessed } = found;
  if (key.rejection !== 0) return key.rejection;
  if (!key.allows(t.creds, isPossessed, KEY_READ) && !(isPossessed && key.allows(t.creds, true, KEY_SEARCH)))
    return EACCES;
  const state = key.validate(t.kernel.clock.monotonicNs());
  if (state !== 0) return state;
  if (!key.type.canRead) return EOPNOTSUPP;
  if (key.links === null) return writeOut(t, key.payload, addr, room);
  const serials = Int32Array.from([...key.links.values()].map((child) => child.serial));
  return writeOut(t, new Uint8Array(serials.buffer), addr, room - (room % 4));
}

function describe(t: Task, id: number, addr: number, room: number): number {
  const found = lookupKey(t, id, KEY_VIEW, 'partial');
  if (isErrno(found)) return found;
  const { type, uid, gid, perm, description } = found.key;
  const text = `${type.name};${uid};${gid};${(perm >>> 0).toString(16).padStart(8, '0')};${description}\0`;
  const bytes = Buffer.from(text, 'latin1');
  return addr !== 0 && room >= bytes.length ? writeOut(t, bytes, addr, room) : bytes.length;
}

function clearRing(key: Key): number {
  if (key.links === null) return ENOTDIR;
  key.links.clear();
  return 0;
}

function revoke(t: Task, id: number): number {
  const found = lookupKey(t, id, KEY_WRITE);
  const last = found === EACCES ? lookupKey(t, id, KEY_SETATTR) : found;
  if (isErrno(last)) return last;
  last.key.isRevoked = true;
  last.key.links?.clear();
  return 0;
}

function setPermissions(t: Task, id: number, perm: number): number {
  if ((perm & ~PERM_BITS) !== 0) return EINVAL;
  return withKey(t, id, KEY_SETATTR, (key) => {
    if (key.uid !== t.creds.fsuid && !t.creds.hasCap(CAP_SYS_ADMIN)) return EACCES;
    key.perm = perm;
    return 0;
  });
}

function changeOwner(t: Task, id: number, uid: number, gid: number): number {
  if (uid === -1 && gid === -1) return 0;
  return withKey(t, id, KEY_SETATTR, (key) => {
    const { creds } = t;
    if (!creds.hasCap(CAP_SYS_ADMIN)) {
      if (uid !== -1 && uid !== key.uid) return EACCES;
      if (gid !== -1 && gid !== key.gid && !creds.inGroup(gid)) return EACCES;
    }
    if (uid !== -1) key.uid = uid;
    if (gid !== -1) key.gid = gid;
    return 0;
  });
}

function update(t: Task, id: number, addr: number, length: number): number {
  if (length > PAGE) return EINVAL;
  const payload = readPayload(t, addr, length);
  if (isErrno(payload)) return payload;
  return withKey(t, id, KEY_WRITE, (key) => {
    if (!key.type.canUpdate) return EOPNOTSUPP;
    return payload.length === 0 ? EINVAL : replacePayload(t, key, payload);
  });
}

function search(t: Task, ringId: number, typeAddr: number, descriptionAddr: number, destId: number): number {
  const name = readTypeName(t, typeAddr);
  if (isErrno(name)) return name;
  const description = readDescription(t, descriptionAddr);
  if (isErrno(description)) return description;
  const ring = lookupKey(t, ringId, KEY_SEARCH);
  if (isErrno(ring)) return ring;
  const dest = destId === 0 ? null : lookupKey(t, destId, KEY_WRITE, 'create');
  if (isErrno(dest)) return dest;
  if (keyType(name) === null) return ENOKEY;
  if (ring.key.links === null) return ENOTDIR;
  const found = searchRing(t, ring.key, `${name};${description}`, ring.isPossessed);
  if (typeof found === 'number') return found === EAGAIN ? ENOKEY : found;
  if (dest === null) return found.serial;
  if (!found.allows(t.creds, true, KEY_LINK)) return EACCES;
  return linkKey(dest.key, found) || found.serial;
}

function link(t: Task, id: number, ringId: number): number {
  const ring = lookupKey(t, ringId, KEY_WRITE, 'create');
  if (isErrno(ring)) return ring;
  const found = lookupKey(t, id, KEY_LINK, 'create');
  return isErrno(found) ? found : linkKey(ring.key, found.key);
}

function unlink(t: Task, id: number, ringId: number): number {
  const ring = lookupKey(t, ringId, KEY_WRITE);
  if (isErrno(ring)) return ring;
  const found = lookupKey(t, id, 0, 'partial');
  if (isErrno(found)) return found;
  const { links } = ring.key;
  if (links === null) return ENOTDIR;
  if (links.get(found.key.index) !== found.key) return ENOENT;
  links.delete(found.key.index);
  return 0;
}

function move(t: Task, id: number, fromId: number, toId: number, flags: number): number {
  if ((flags & ~1) !== 0) return EINVAL;
  const found = lookupKey(t, id, KEY_LINK);
  if (isErrno(found)) return found;
  const from = lookupKey(t, fromId, KEY_WRITE);
  if (isErrno(from)) return from;
  const to = lookupKey(t, toId, KEY_WRITE);
  if (isErrno(to)) return to;
  if (from.key.links === null || to.key.links === null) return ENOTDIR;
  if (from.key.links.get(found.key.index) !== found.key) return ENOENT;
  if (from.key === to.key) return 0;
  if ((flags & 1) !== 0 && to.key.links.has(found.key.index)) return EEXIST;
  const err = linkKey(to.key, found.key);
  if (err === 0) from.key.links.delete(found.key.index);
  return err;
}

function setRequestKeyring(t: Task, choice: number): number {
  const old = t.requestKeyring;
  if (choice === -1) return old;
  if (choice < -1 || choice === REQKEY_GROUP || choice > REQKEY_MAX) return EINVAL;
  if (choice === 1) threadRing(t, true);
  if (choice === 2) processRing(t, true);
  t.requestKeyring = choice;
  return old;
}

/** Gives the parent the caller's session keyring. */
function sessionToParent(t: Task): number {
  const parent = t.threadGroup.parent?.representative ?? null;
  if (parent === null || parent.threadGroup.tasks.size !== 1 || t.sessionKeyring === null) return EPERM;
  const { ruid, euid, suid } = parent.creds;
  if ([ruid, euid, suid].some((uid) => uid !== t.creds.euid)) return EPERM;
  parent.sessionKeyring = t.sessionKeyring;
  return 0;
}

function persistent(t: Task, uid: number, destId: number): number {
  if (uid !== -1 && uid !== t.creds.ruid && uid !== t.creds.euid && !t.creds.hasCap(7)) return EPERM;
  const dest = lookupKey(t, destId, KEY_WRITE, 'create');
  if (isErrno(dest)) return dest;
  const rings = ringsOfUser(t);
  if (rings.persistent === null) {
    const made = newKey(t, KEYRING, `_persistent.${t.creds.ruid}`, USER_RING, null, true);
    if (isErrno(made)) return made;
    rings.persistent = made;
  }
  return linkKey(dest.key, rings.persistent) || rings.persistent.serial;
}

const OPERATIONS: readonly (Operation | null)[] = [
  (t, id, create) => {
    const found = lookupKey(t, int(id), KEY_SEARCH, int(create) !== 0 ? 'create' : 'plain');
    return isErrno(found) ? found : found.key.serial;
  },
  (t, name) => joinSessionKeyring(t, name),
  (t, id, addr, length) => update(t, int(id), addr, size(length)),
  (t, id) => revoke(t, int(id)),
  (t, id, uid, gid) => changeOwner(t, int(id), int(uid), int(gid)),
  (t, id, perm) => setPermissions(t, int(id), int(perm)),
  (t, id, addr, room) => describe(t, int(id), addr, size(room)),
  (t, id) => withKey(t, int(id), KEY_WRITE, (key) => clearRing(key)),
  (t, id, ring) => link(t, int(id), int(ring)),
  (t, id, ring) => unlink(t, int(id), int(ring)),
  (t, ring, type, description, dest) => search(t, int(ring), type, description, int(dest)),
  (t, id, addr, room) => readKey(t, int(id), addr, size(room)),
  () => EPERM,
  () => EPERM,
  (t, choice) => setRequestKeyring(t, int(choice)),
  (t, id, seconds) =>
    withKey(t, int(id), KEY_SETATTR, (key) => {
      const wait = seconds >>> 0;
      key.expiresNs = wait === 0 ? Number.POSITIVE_INFINITY : t.kernel.clock.monotonicNs() + wait * 1e9;
      return 0;
    }),
  (_t, id) => (int(id) === 0 ? 0 : int(id) < 0 ? EINVAL : ENOKEY),
  (t, id, addr, room) => withKey(t, int(id), KEY_VIEW, () => writeOut(t, new Uint8Array(1), addr, size(room))),
  (t) => sessionToParent(t),
  () => EPERM,
  () => EPERM,
  (t, id) =>
    withKey(t, int(id), KEY_SEARCH, (key) => {
      key.isInvalidated = true;
      for (const ring of allKeys()) if (ring.links?.get(key.index) === key) ring.links.delete(key.index);
      forgetKey(key);
      return 0;
    }),
  (t, uid, dest) => persistent(t, int(uid), int(dest)),
  null,
  null,
  null,
  null,
  null,
  null,
  null,
  (t, id, from, to, flags) => move(t, int(id), int(from), int(to), int(flags)),
  (t, addr, room) => writeOut(t, CAPABILITIES, addr, size(room)),
];

export function sys_keyctl(t: Task, operation: number, a: number, b: number, c: number, d: number): number {
  const run = OPERATIONS[operation];
  return run === undefined || run === null ? EOPNOTSUPP : run(t, a, b, c, d);
}
