// SPDX-License-Identifier: Apache-2.0

/**
 * What execve does to credentials: set-id bits, file capabilities, the capability transformation.
 *
 * Linux: security/commoncap.c (cap_bprm_creds_from_file), fs/exec.c (bprm_fill_uid); capabilities(7)
 */
import { CAP_EMPTY, CAP_FULL, type CapSet, type Credentials } from './credentials.ts';

export const SECBIT_NOROOT = 1;
export const SECBIT_NOROOT_LOCKED = 2;
export const SECBIT_NO_SETUID_FIXUP = 4;
export const SECBIT_KEEP_CAPS = 16;
export const SECBIT_KEEP_CAPS_LOCKED = 32;
export const SECBIT_NO_CAP_AMBIENT_RAISE = 64;

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;

/** The security.capability attribute, decoded. */
export interface FileCapabilities {
  permitted: CapSet;
  inheritable: CapSet;
  isEffective: boolean;
}

export function capAnd(a: CapSet, b: CapSet): CapSet {
  return [(a[0] & b[0]) >>> 0, (a[1] & b[1]) >>> 0];
}
export function capOr(a: CapSet, b: CapSet): CapSet {
  return [(a[0] | b[0]) >>> 0, (a[1] | b[1]) >>> 0];
}
export function capWithout(a: CapSet, b: CapSet): CapSet {
  return [(a[0] & ~b[0]) >>> 0, (a[1] & ~b[1]) >>> 0];
}
export function capIsSubset(a: CapSet, of: CapSet): boolean {
  return (a[0] & ~of[0]) === 0 && (a[1] & ~of[1]) === 0;
}

/** Decodes vfs_cap_data (revisions 2 and 3, the latter's root id must be `rootUid`). Null: malformed or not for us. */
export function parseFileCapabilities(data: Uint8Array, rootUid: number): FileCapabilities | null {
  if (data.length < 20) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const magic = view.getUint32(0, true);
  const revision = magic & 0xff000000;
  if (revision !== 0x02000000 && revision !== 0x03000000) return null;
  if (revision === 0x03000000 && (data.length < 24 || view.getUint32(20, true) !== rootUid)) return null;
  return {
    isEffective: (magic & 1) !== 0,
    permitted: [view.getUint32(4, true), view.getUint32(12, true) & 0x1ff],
    inheritable: [view.getUint32(8, true), view.getUint32(16, true) & 0x1ff],
  };
}

export interface ExecFile {
  mode: number;
  uid: number;
  gid: number;
  /** False on nosuid mounts and for tasks with no_new_privs: bits and file capabilities do nothing. */
  maySetId: boolean;
  capabilities: FileCapabilities | null;
}

/** The credentials after execve of `file`, and whether AT_SECURE is set. */
export function credentialsAfterExec(old: Credentials, file: ExecFile): { creds: Credentials; isSecure: boolean } {
  const creds = old.clone();
  const { userNs } = old;
  // Ids the namespace does not know, and capabilities another one's root gave, are not taken on.
  if (file.maySetId && userNs.hasMapping(file.uid, file.gid)) {
    if ((file.mode & S_ISUID) !== 0) creds.euid = file.uid;
    if ((file.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) creds.egid = file.gid;
  }
  const isSetId = creds.euid !== old.ruid || creds.egid !== old.rgid;
  const caps = file.maySetId && userNs.rootUid === 0 ? file.capabilities : null;
  transformCapabilities(old, creds, caps);
  creds.suid = creds.euid;
  creds.fsuid = creds.euid;
  creds.sgid = creds.egid;
  creds.fsgid = creds.egid;
  creds.securebits = old.securebits & ~SECBIT_KEEP_CAPS;
  const gained = creds.ruid !== userNs.rootUid && (caps?.isEffective === true || !capIsSubset(creds.permitted, creds.ambient));
  return { creds, isSecure: isSetId || gained };
}

function transformCapabilities(old: Credentials, creds: Credentials, caps: FileCapabilities | null): void {
  let filePermitted = caps?.permitted ?? CAP_EMPTY;
  let fileInheritable = caps?.inheritable ?? CAP_EMPTY;
  let isEffective = caps?.isEffective ?? false;
  const root = old.userNs.rootUid;
  const rootCounts = (old.securebits & SECBIT_NOROOT) === 0;
  // Root: as if the file had all capabilities. A set-user-ID-root file with capabilities of its own uses those.
  if (rootCounts && !(caps !== null && creds.euid === root && creds.ruid !== root)) {
    if (creds.euid === root || creds.ruid === root) {
      filePermitted = old.bounding;
      fileInheritable = CAP_FULL;
    }
    if (creds.euid === root) isEffective = true;
  }
  const changesIds = creds.euid !== old.euid || creds.egid !== old.egid;
  const ambient =
    caps !== null || (changesIds && (creds.euid !== old.ruid || creds.egid !== old.rgid)) ? CAP_EMPTY : old.ambient;
  const permitted = capOr(
    capOr(capAnd(old.inheritable, fileInheritable), capAnd(filePermitted, old.bounding)),
    ambient,
  );
  creds.permitted = permitted;
  creds.effective = isEffective ? permitted : ambient;
  creds.ambient = ambient;
}
