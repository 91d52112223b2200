// SPDX-License-Identifier: Apache-2.0

/**
 * access, faccessat, faccessat2: what the real ids may do.
 *
 * Linux: fs/open.c (do_faccessat, access_override_creds)
 */
import { EACCES, EINVAL, EROFS, isErrno } from '../../platform/abi/linux/errno.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  MAY_EXEC,
  MAY_WRITE,
} from '../../platform/abi/linux/fcntl.ts';
import { MS_NOEXEC } from '../../platform/abi/linux/mount.ts';
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from '../../platform/abi/linux/stat.ts';
import { CAP_EMPTY, type Credentials } from '../../sentry/auth/credentials.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import type { Path } from '../../sentry/vfs/mount.ts';
import { inodePermission, wantWrite } from '../../sentry/vfs/permission.ts';
import { resolveAt } from './path_args.ts';

const SECURE_NO_SETUID_FIXUP = 4;

/** Credentials with the real ids in place of the effective ones; the same object when that changes nothing. */
function realCredentials(creds: Credentials): Credentials {
  const keepsCaps = (creds.securebits & SECURE_NO_SETUID_FIXUP) !== 0;
  const effective = keepsCaps ? creds.effective : creds.ruid === creds.userNs.rootUid ? creds.permitted : CAP_EMPTY;
  const isSame = creds.fsuid === creds.ruid && creds.fsgid === creds.rgid;
  if (isSame && creds.effective[0] === effective[0] && creds.effective[1] === effective[1]) return creds;
  const real = creds.clone();
  real.fsuid = creds.ruid;
  real.fsgid = creds.rgid;
  real.effective = effective;
  return real;
}

function checkAccess(t: Task, place: Path, mode: number): number {
  const inode = place.dentry.inode as Inode;
  const type = inode.mode & S_IFMT;
  inode.refreshAttributes();
  if ((mode & MAY_EXEC) !== 0 && type === S_IFREG && (place.mount.flags & MS_NOEXEC) !== 0) return EACCES;
  const denied = mode === 0 ? 0 : inodePermission(t, inode, mode);
  if (denied !== 0 || (mode & MAY_WRITE) === 0) return denied;
  const isSpecial = type === S_IFCHR || type === S_IFBLK || type === S_IFIFO || type === S_IFSOCK;
  return !isSpecial && wantWrite(place.mount) !== 0 ? EROFS : 0;
}

export function sys_faccessat2(t: Task, dirfd: number, path: number, mode: number, flags: number): number {
  if ((mode & ~7) !== 0 || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return EINVAL;
  const saved = t.creds;
  if ((flags & AT_EACCESS) === 0) t.creds = realCredentials(saved);
  const place = resolveAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0, (flags & AT_EMPTY_PATH) !== 0);
  const result = isErrno(place) ? place : checkAccess(t, place, mode);
  t.creds = saved;
  return result;
}

export function sys_faccessat(t: Task, dirfd: number, path: number, mode: number): number {
  return sys_faccessat2(t, dirfd, path, mode, 0);
}

export function sys_access(t: Task, path: number, mode: number): number {
  return sys_faccessat2(t, AT_FDCWD, path, mode, 0);
}
