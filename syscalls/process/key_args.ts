// SPDX-License-Identifier: Apache-2.0

/**
 * Arguments of the key calls: strings, payloads, and keys named by serial or special number.
 *
 * Linux: security/keys/keyctl.c, process_keys.c (lookup_user_key)
 */
import {
  EACCES,
  EDEADLK,
  EFAULT,
  EINVAL,
  ELOOP,
  ENAMETOOLONG,
  ENOKEY,
  ENOTDIR,
  EPERM,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import type { Key } from '../../sentry/kernel/keys/key.ts';
import {
  MAX_DEPTH,
  findKey,
  isPossessed,
  processRing,
  ringsOfUser,
  sessionRing,
  threadRing,
} from '../../sentry/kernel/keys/key_table.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const TYPE_MAX = 32;
const DESCRIPTION_MAX = 4096;
const PAYLOAD_MAX = 1024 * 1024 - 1;
const SPEC_THREAD = -1;
const SPEC_PROCESS = -2;
const SPEC_SESSION = -3;
const SPEC_USER = -4;
const SPEC_USER_SESSION = -5;
const SPEC_REQKEY_AUTH = -7;
const SPEC_REQUESTOR = -8;

/** Errors: EFAULT; EINVAL: empty or too long; EPERM: the kernel's own (".name"). */
export function readTypeName(t: Task, addr: number): string | Errno {
  const name = t.memory.readCString(addr, TYPE_MAX);
  if (isErrno(name)) return name === ENAMETOOLONG ? EINVAL : name;
  if (name === '') return EINVAL;
  return name.startsWith('.') ? EPERM : name;
}

export function readDescription(t: Task, addr: number): string | Errno {
  const text = t.memory.readCString(addr, DESCRIPTION_MAX);
  return text === ENAMETOOLONG ? EINVAL : text;
}

/** Errors: EINVAL: too long; EFAULT. */
export function readPayload(t: Task, addr: number, length: number): Uint8Array | Errno {
  if (length > PAYLOAD_MAX) return EINVAL;
  const bytes = new Uint8Array(length);
  return length === 0 || t.memory.copyIn(addr, bytes, 0, length) === length ? bytes : EFAULT;
}

export interface FoundKey {
  readonly key: Key;
  readonly isPossessed: boolean;
}

function special(t: Task, id: number, create: boolean): Key | Errno {
  switch (id) {
    case SPEC_THREAD:
      return threadRing(t, create) ?? ENOKEY;
    case SPEC_PROCESS:
      return processRing(t, create) ?? ENOKEY;
    case SPEC_SESSION:
      return sessionRing(t, create);
    case SPEC_USER:
      return ringsOfUser(t).user;
    case SPEC_USER_SESSION:
      return ringsOfUser(t).session;
    case SPEC_REQKEY_AUTH:
    case SPEC_REQUESTOR:
      return ENOKEY;
    default:
      return EINVAL;
  }
}

/**
 * The key an id names, if `need` is permitted. `how`: 'create' makes a special keyring that is not there yet; 'partial' takes keys
 * that are revoked, expired or rejected too. Errors: EINVAL, ENOKEY, EKEYREVOKED, EKEYEXPIRED, EACCES.
 */
export function lookupKey(t: Task, id: number, need: number, how: 'create' | 'plain' | 'partial' = 'plain'): FoundKey | Errno {
  if (id === 0) return EINVAL;
  const found = id < 0 ? special(t, id, how === 'create') : (findKey(id) ?? ENOKEY);
  if (typeof found === 'number') return found;
  const possessed = id < 0 || isPossessed(t, found);
  if (how !== 'partial') {
    const state = found.validate(t.kernel.clock.monotonicNs());
    if (state !== 0) return state as Errno;
  }
  if (need !== 0 && !found.allows(t.creds, possessed, need)) return EACCES;
  return { key: found, isPossessed: possessed };
}

/** Puts `key` into `ring`, in place of one of its name. Errors: ENOTDIR; EDEADLK: a circle; ELOOP: too deep. */
export function linkKey(ring: Key, key: Key): number {
  if (ring.links === null) return ENOTDIR;
  if (key.links !== null) {
    if (key.reaches(ring)) return EDEADLK;
    if (key.depth() >= MAX_DEPTH) return ELOOP;
  }
  ring.links.set(key.index, key);
  return 0;
}
