// SPDX-License-Identifier: Apache-2.0

/**
 * Giving up privileges: users, groups, capabilities.
 *
 * Linux: credentials(7), capabilities(7), user_namespaces(7)
 */
import { capget } from '../../ffi/process.ts';
import { capset, clearGroups, prctl, setresgid, setresuid } from '../../ffi/lifecycle.ts';

export const CAP_CHOWN = 0;
export const CAP_DAC_OVERRIDE = 1;
export const CAP_DAC_READ_SEARCH = 2;
export const CAP_FOWNER = 3;
export const CAP_FSETID = 4;
export const CAP_NET_BIND_SERVICE = 10;
export const CAP_SETFCAP = 31;
export const CAP_MKNOD = 27;

const PR_SET_DUMPABLE = 4;
const PR_CAPBSET_DROP = 24;
const PR_SET_SECUREBITS = 28;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
/** NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off, NO_CAP_AMBIENT_RAISE, all locked. */
const SECUREBITS = 0b11101111;
const LAST_CAP = 40;

/** Becomes uid/gid with no supplementary groups (as far as the namespace lets it). Returns 0 or errno. */
export function becomeUser(uid: number, gid: number): number {
  clearGroups();
  const result = setresgid(gid);
  return result < 0 ? result : setresuid(uid);
}

/** Keeps only `capabilities`, for ever: bounding set, securebits and no_new_privs with them. Returns 0 or errno. */
export function keepOnly(capabilities: readonly number[]): number {
  for (let cap = 0; cap <= LAST_CAP; cap++) if (!capabilities.includes(cap)) prctl(PR_CAPBSET_DROP, cap);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  prctl(PR_SET_SECUREBITS, SECUREBITS);
  let [low, high] = [0, 0];
  for (const cap of capabilities) {
    if (cap < 32) low |= 1 << cap;
    else high |= 1 << (cap - 32);
  }
  // A caller that has none (an ordinary user without a user namespace) keeps none.
  const held = permitted();
  const set: [number, number] = [(low & held[0]) >>> 0, (high & held[1]) >>> 0];
  const result = capset(set, set, [0, 0]);
  if (result < 0) return result;
  return prctl(PR_SET_NO_NEW_PRIVS, 1);
}

function permitted(): [number, number] {
  const out = new Uint32Array(6);
  return capget(out) < 0 ? [0, 0] : [out[1] as number, out[4] as number];
}

/** Lets processes of the same user (our own stubs' tracer: ourselves) look at us again after a change of user. */
export function becomeDumpable(): void {
  prctl(PR_SET_DUMPABLE, 1);
}
