// SPDX-License-Identifier: Apache-2.0

/**
 * The set*id calls on credentials: who may become whom, and what that does to capabilities.
 *
 * Linux:      kernel/sys.c (__sys_setuid ...), security/commoncap.c (cap_task_fix_setuid)
 * Invariants: each function returns the new Credentials, or an errno; the old object is not changed.
 */
import { CAP_SETGID, CAP_SETUID } from '../../platform/abi/linux/capability.ts';
import { EINVAL, EPERM, type Errno } from '../../platform/abi/linux/errno.ts';
import { CAP_EMPTY, type Credentials } from './credentials.ts';
import { SECBIT_KEEP_CAPS, SECBIT_NO_SETUID_FIXUP } from './exec_credentials.ts';

/** "leave alone" */
const KEEP = 0xffffffff;

/** CAP_CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, LINUX_IMMUTABLE, MKNOD, MAC_OVERRIDE: what fsuid 0 is for. */
const FS_CAPS_LO = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 9) | (1 << 27);
const FS_CAPS_HI = 1;

/** Capabilities after a change of ruid, euid, suid. */
function fixSetuid(old: Credentials, creds: Credentials): void {
  if ((old.securebits & SECBIT_NO_SETUID_FIXUP) !== 0) return;
  const root = old.userNs.rootUid;
  const hadRoot = old.ruid === root || old.euid === root || old.suid === root;
  const hasRoot = creds.ruid === root || creds.euid === root || creds.suid === root;
  if (hadRoot && !hasRoot) {
    if ((old.securebits & SECBIT_KEEP_CAPS) === 0) {
      creds.permitted = CAP_EMPTY;
      creds.effective = CAP_EMPTY;
    }
    creds.ambient = CAP_EMPTY;
  }
  if (old.euid === root && creds.euid !== root) creds.effective = CAP_EMPTY;
  if (old.euid !== root && creds.euid === root) creds.effective = creds.permitted;
}

export function setuid(old: Credentials, uid: number): Credentials | Errno {
  if (uid === KEEP) return EINVAL;
  const creds = old.clone();
  if (old.hasOwnCap(CAP_SETUID)) {
    creds.ruid = uid;
    creds.suid = uid;
  } else if (uid !== old.ruid && uid !== old.suid) return EPERM;
  creds.euid = uid;
  creds.fsuid = uid;
  fixSetuid(old, creds);
  return creds;
}

export function setreuid(old: Credentials, ruid: number, euid: number): Credentials | Errno {
  const creds = old.clone();
  const may = old.hasOwnCap(CAP_SETUID);
  if (ruid !== KEEP) {
    if (ruid !== old.ruid && ruid !== old.euid && !may) return EPERM;
    creds.ruid = ruid;
  }
  if (euid !== KEEP) {
    if (euid !== old.ruid && euid !== old.euid && euid !== old.suid && !may) return EPERM;
    creds.euid = euid;
  }
  if (ruid !== KEEP || (euid !== KEEP && euid !== old.ruid)) creds.suid = creds.euid;
  creds.fsuid = creds.euid;
  fixSetuid(old, creds);
  return creds;
}

export function setresuid(old: Credentials, ruid: number, euid: number, suid: number): Credentials | Errno {
  const may = old.hasOwnCap(CAP_SETUID);
  const known = (id: number): boolean => id === KEEP || may || id === old.ruid || id === old.euid || id === old.suid;
  if (!known(ruid) || !known(euid) || !known(suid)) return EPERM;
  const creds = old.clone();
  if (ruid !== KEEP) creds.ruid = ruid;
  if (euid !== KEEP) creds.euid = euid;
  if (suid !== KEEP) creds.suid = suid;
  creds.fsuid = creds.euid;
  fixSetuid(old, creds);
  return creds;
}

/** setfsuid: silently does nothing when not allowed. */
export function setfsuid(old: Credentials, uid: number): Credentials {
  if (uid === KEEP || uid === old.fsuid) return old;
  if (uid !== old.ruid && uid !== old.euid && uid !== old.suid && uid !== old.fsuid && !old.hasOwnCap(CAP_SETUID))
    return old;
  const creds = old.clone();
  creds.fsuid = uid;
  if ((old.securebits & SECBIT_NO_SETUID_FIXUP) === 0) {
    const [lo, hi] = old.effective;
    const root = old.userNs.rootUid;
    if (old.fsuid === root && uid !== root) creds.effective = [(lo & ~FS_CAPS_LO) >>> 0, (hi & ~FS_CAPS_HI) >>> 0];
    if (old.fsuid !== root && uid === root) {
      creds.effective = [(lo | (old.permitted[0] & FS_CAPS_LO)) >>> 0, (hi | (old.permitted[1] & FS_CAPS_HI)) >>> 0];
    }
  }
  return creds;
}

export function setgid(old: Credentials, gid: number): Credentials | Errno {
  if (gid === KEEP) return EINVAL;
  const creds = old.clone();
  if (old.hasOwnCap(CAP_SETGID)) {
    creds.rgid = gid;
    creds.sgid = gid;
  } else if (gid !== old.rgid && gid !== old.sgid) return EPERM;
  creds.egid = gid;
  creds.fsgid = gid;
  return creds;
}

export function setregid(old: Credentials, rgid: number, egid: number): Credentials | Errno {
  const creds = old.clone();
  const may = old.hasOwnCap(CAP_SETGID);
  if (rgid !== KEEP) {
    if (rgid !== old.rgid && rgid !== old.egid && !may) return EPERM;
    creds.rgid = rgid;
  }
  if (egid !== KEEP) {
    if (egid !== old.rgid && egid !== old.egid && egid !== old.sgid && !may) return EPERM;
    creds.egid = egid;
  }
  if (rgid !== KEEP || (egid !== KEEP && egid !== old.rgid)) creds.sgid = creds.egid;
  creds.fsgid = creds.egid;
  return creds;
}

export function setresgid(old: Credentials, rgid: number, egid: number, sgid: number): Credentials | Errno {
  const may = old.hasOwnCap(CAP_SETGID);
  const known = (id: number): boolean => id === KEEP || may || id === old.rgid || id === old.egid || id === old.sgid;
  if (!known(rgid) || !known(egid) || !known(sgid)) return EPERM;
  const creds = old.clone();
  if (rgid !== KEEP) creds.rgid = rgid;
  if (egid !== KEEP) creds.egid = egid;
  if (sgid !== KEEP) creds.sgid = sgid;
  creds.fsgid = creds.egid;
  return creds;
}

export function setfsgid(old: Credentials, gid: number): Credentials {
  if (gid === KEEP || gid === old.fsgid) return old;
  if (gid !== old.rgid && gid !== old.egid && gid !== old.sgid && gid !== old.fsgid && !old.hasOwnCap(CAP_SETGID))
    return old;
  const creds = old.clone();
  creds.fsgid = gid;
  return creds;
}

export function setgroups(old: Credentials, groups: readonly number[]): Credentials | Errno {
  if (!old.hasOwnCap(CAP_SETGID) || !old.userNs.maySetgroups) return EPERM;
  const creds = old.clone();
  creds.groups = [...groups].sort((a, b) => a - b);
  return creds;
}
