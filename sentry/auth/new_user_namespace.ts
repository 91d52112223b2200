// SPDX-License-Identifier: Apache-2.0

/**
 * Making and entering user namespaces.
 *
 * Linux: kernel/user_namespace.c (create_user_ns, set_cred_user_ns, userns_install)
 */
import { CAP_SETFCAP } from '../../platform/abi/linux/capability.ts';
import { ENOSPC, EPERM, type Errno } from '../../platform/abi/linux/errno.ts';
import { CAP_EMPTY, CAP_FULL, type Credentials } from './credentials.ts';
import { UserNamespace } from './user_namespace.ts';

const MAX_LEVEL = 32;

/** Credentials with every capability in `ns`, ids as they are. */
export function credentialsIn(old: Credentials, ns: UserNamespace): Credentials {
  const creds = old.clone();
  creds.userNs = ns;
  creds.securebits = 0;
  creds.inheritable = CAP_EMPTY;
  creds.permitted = CAP_FULL;
  creds.effective = CAP_FULL;
  creds.bounding = CAP_FULL;
  creds.ambient = CAP_EMPTY;
  return creds;
}

/** Credentials in a new namespace below the caller's. Errors: ENOSPC (too deep), EPERM (the caller is chrooted, or has no id in its own). */
export function newUserNamespace(old: Credentials, isChrooted: boolean, inum: number): Credentials | Errno {
  const parent = old.userNs;
  if (parent.level > MAX_LEVEL) return ENOSPC;
  if (isChrooted || !parent.hasMapping(old.euid, old.egid)) return EPERM;
  const ns = new UserNamespace(parent, old.euid, old.egid, inum);
  ns.couldSetFileCaps = old.hasOwnCap(CAP_SETFCAP);
  return credentialsIn(old, ns);
}
