// SPDX-License-Identifier: Apache-2.0

/**
 * Handlers that change attributes and extended attributes.
 */
import { EINVAL, EOPNOTSUPP, EROFS } from '../../../platform/abi/linux/errno.ts';
import {
  chmodFd,
  chownFd,
  getxattrFd,
  listxattrFd,
  removexattrFd,
  setxattrFd,
  truncateFd,
  utimensFd,
} from '../../../platform/ffi/gofer_calls.ts';
import { SET_ATIME, SET_GID, SET_MODE, SET_MTIME, SET_SIZE, SET_UID, XATTR_MAX } from '../../protocol/constants.ts';
import { type Place, S_IFLNK, S_IFREG } from '../../tree/controls.ts';
import type { Reply } from '../reply.ts';
import type { Session } from '../session.ts';

const KEEP = 0xffffffff;
const UTIME_OMIT = 0x3ffffffe;

/** [address, valid, mode, uid, gid, size, atime sec, nsec, mtime sec, nsec] -> attr. */
export function setattr(session: Session, args: readonly unknown[], reply: Reply): number {
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    if (place.root.isReadonly) return EROFS;
    const r = applyAttr(place, args as readonly number[]);
    return r < 0 ? r : session.pushAttr(reply, place.fd);
  });
}

function applyAttr(place: Place, args: readonly number[]): number {
  const valid = args[4] as number;
  const fd = place.fd;
  let r = 0;
  if ((valid & SET_SIZE) !== 0) {
    if (place.type !== S_IFREG) return EINVAL;
    r = truncateFd(fd, args[8] as number);
    if (r < 0) return r;
  }
  if ((valid & (SET_UID | SET_GID)) !== 0) {
    r = chownFd(
      fd,
      (valid & SET_UID) !== 0 ? (args[6] as number) : KEEP,
      (valid & SET_GID) !== 0 ? (args[7] as number) : KEEP,
    );
    if (r < 0) return r;
  }
  if ((valid & SET_MODE) !== 0) {
    if (place.type === S_IFLNK) return EOPNOTSUPP;
    r = chmodFd(fd, (args[5] as number) & 0o7777);
    if (r < 0) return r;
  }
  if ((valid & (SET_ATIME | SET_MTIME)) !== 0) {
    const hasAtime = (valid & SET_ATIME) !== 0;
    const hasMtime = (valid & SET_MTIME) !== 0;
    r = utimensFd(
      fd,
      hasAtime ? (args[9] as number) : 0,
      hasAtime ? (args[10] as number) : UTIME_OMIT,
      hasMtime ? (args[11] as number) : 0,
      hasMtime ? (args[12] as number) : UTIME_OMIT,
    );
  }
  return r;
}

/** Attributes the Sentry may read: those that have a meaning inside the sandbox. */
function isReadableXattr(name: string): boolean {
  return name.startsWith('user.') || name === 'security.capability' || name.startsWith('system.posix_acl_');
}

/** Attributes the Sentry may change: nothing that gives host processes rights. */
function isWritableXattr(name: string): boolean {
  return name.startsWith('user.');
}

const value = Buffer.allocUnsafeSlow(XATTR_MAX);

/** [address, name] -> bytes. */
export function getxattr(session: Session, args: readonly unknown[], reply: Reply): number {
  const name = args[4] as string;
  if (!isReadableXattr(name)) return EOPNOTSUPP;
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    const n = getxattrFd(place.fd, name, value, XATTR_MAX);
    if (n < 0) return n;
    reply.push(value.subarray(0, n));
    return 0;
  });
}

/** [address, name, bytes, XATTR_CREATE or XATTR_REPLACE]. */
export function setxattr(session: Session, args: readonly unknown[]): number {
  const name = args[4] as string;
  if (!isWritableXattr(name)) return EOPNOTSUPP;
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    if (place.root.isReadonly) return EROFS;
    return setxattrFd(place.fd, name, args[5] as Uint8Array, args[6] as number);
  });
}

/** [address, name]. */
export function removexattr(session: Session, args: readonly unknown[]): number {
  const name = args[4] as string;
  if (!isWritableXattr(name)) return EOPNOTSUPP;
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    if (place.root.isReadonly) return EROFS;
    return removexattrFd(place.fd, name);
  });
}

/** [address] -> names, NUL after each. */
export function listxattr(session: Session, args: readonly unknown[], reply: Reply): number {
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    const n = listxattrFd(place.fd, value, XATTR_MAX);
    if (n < 0) return n;
    const names = value.toString('latin1', 0, n).split('\0').filter(isReadableXattr);
    reply.push(Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'));
    return 0;
  });
}
