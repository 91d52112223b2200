// SPDX-License-Identifier: Apache-2.0

/**
 * add_key(2), request_key(2).
 *
 * Linux:   security/keys/keyctl.c, request_key.c
 * Differs: there is no /sbin/request-key: a key that has to be asked for is rejected.
 */
import {
  EACCES,
  EDQUOT,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOKEY,
  ENOTDIR,
  EPERM,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import {
  KEYRING,
  KEY_LINK,
  KEY_SEARCH,
  KEY_WRITE,
  type Key,
  type KeyType,
  defaultPermissions,
  keyType,
} from '../../sentry/kernel/keys/key.ts';
import { fitsQuota, newKey, processRing, ringsOfUser, searchTask, threadRing } from '../../sentry/kernel/keys/key_table.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type FoundKey, linkKey, lookupKey, readDescription, readPayload, readTypeName } from './key_args.ts';

/** How long a rejection is remembered. */
const NEGATIVE_NS = 60e9;

/** Is this content one a key of the type can have? */
function checkPayload(type: KeyType, description: string, payload: Uint8Array): number {
  if (type === KEYRING) return payload.length === 0 ? 0 : EINVAL;
  if (payload.length === 0 || payload.length > type.maxPayload) return EINVAL;
  return type.needsPrefix && description.indexOf(':') < 1 ? EINVAL : 0;
}

/** Replaces a key's content. Errors: EDQUOT. */
export function replacePayload(t: Task, key: Key, payload: Uint8Array): number {
  const more = payload.length - key.payload.length;
  if (more > 0 && !fitsQuota(t, key.uid, 0, more)) return EDQUOT;
  key.payload = payload;
  key.rejection = 0;
  key.expiresNs = Number.POSITIVE_INFINITY;
  return 0;
}

export function sys_add_key(
  t: Task,
  typeAddr: number,
  descriptionAddr: number,
  payloadAddr: number,
  length: number,
  ringId: number,
): number {
  if (length > 1024 * 1024 - 1) return EINVAL;
  const typeName = readTypeName(t, typeAddr);
  if (isErrno(typeName)) return typeName;
  const description = descriptionAddr === 0 ? '' : readDescription(t, descriptionAddr);
  if (isErrno(description)) return description;
  if (description.startsWith('.') && typeName === 'keyring') return EPERM;
  const payload = readPayload(t, payloadAddr, length);
  if (isErrno(payload)) return payload;
  const ring = lookupKey(t, ringId, KEY_WRITE, 'create');
  if (isErrno(ring)) return ring;
  const type = keyType(typeName);
  if (type === null) return ENODEV;
  if (ring.key.links === null) return ENOTDIR;
  const err = checkPayload(type, description, payload);
  if (err !== 0) return err;
  return description === '' ? EINVAL : createOrUpdate(t, ring, type, description, payload);
}

function createOrUpdate(t: Task, ring: FoundKey, type: KeyType, description: string, payload: Uint8Array): number {
  const old = ring.key.links?.get(`${type.name};${description}`);
  if (old !== undefined && type.canUpdate && old.validate(t.kernel.clock.monotonicNs()) === 0) {
    if (!old.allows(t.creds, ring.isPossessed, KEY_WRITE)) return EACCES;
    return replacePayload(t, old, payload) || old.serial;
  }
  const made = newKey(t, type, description, defaultPermissions(type), payload);
  if (isErrno(made)) return made;
  return linkKey(ring.key, made) || made.serial;
}

export function sys_request_key(
  t: Task,
  typeAddr: number,
  descriptionAddr: number,
  calloutAddr: number,
  destId: number,
): number {
  const typeName = readTypeName(t, typeAddr);
  if (isErrno(typeName)) return typeName;
  const description = readDescription(t, descriptionAddr);
  if (isErrno(description)) return description;
  if (calloutAddr !== 0) {
    const callout = t.memory.readCString(calloutAddr, 4096);
    if (isErrno(callout)) return callout === EFAULT ? EFAULT : EINVAL;
  }
  const dest = destId === 0 ? null : lookupKey(t, destId, KEY_WRITE, 'create');
  if (isErrno(dest)) return dest;
  const type = keyType(typeName);
  if (type === null) return ENOKEY;
  const found = searchTask(t, `${type.name};${description}`);
  if (typeof found !== 'number') {
    if (dest === null) return found.serial;
    if (!found.allows(t.creds, true, KEY_LINK)) return EACCES;
    return linkKey(dest.key, found) || found.serial;
  }
  return found !== ENOKEY || calloutAddr === 0 ? found : ask(t, type, description, dest?.key ?? null);
}

/** The keyring requested keys go to by default. Errors: EACCES. */
function defaultDestination(t: Task): Key | number {
  const session = t.sessionKeyring ?? ringsOfUser(t).session;
  const choices = [t.threadKeyring, t.threadGroup.processKeyring, session];
  const { user } = ringsOfUser(t);
  const wanted = [
    choices.find((ring) => ring !== null) ?? session,
    threadRing(t, t.requestKeyring === 1),
    processRing(t, t.requestKeyring === 2),
    session,
    user,
    ringsOfUser(t).session,
  ][t.requestKeyring];
  const ring = wanted ?? session;
  return ring.allows(t.creds, true, KEY_WRITE | KEY_SEARCH) ? ring : EACCES;
}

/** Nobody answers: the rejection is kept for a while. */
function ask(t: Task, type: KeyType, description: string, given: Key | null): number {
  if (type === KEYRING) return EPERM;
  const dest = given ?? defaultDestination(t);
  if (typeof dest === 'number') return dest;
  const made = newKey(t, type, description, defaultPermissions(type));
  if (isErrno(made)) return made;
  made.rejection = ENOKEY;
  made.expiresNs = t.kernel.clock.monotonicNs() + NEGATIVE_NS;
  return linkKey(dest, made) || ENOKEY;
}
