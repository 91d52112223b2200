// SPDX-License-Identifier: Apache-2.0

/**
 * Extended attribute calls: by path, link, descriptor, and the *at forms.
 *
 * Linux: fs/xattr.c; struct xattr_args in include/uapi/linux/xattr.h
 */
import {
  E2BIG,
  EBADF,
  EFAULT,
  EINVAL,
  ENAMETOOLONG,
  ERANGE,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../platform/abi/linux/fcntl.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { Path } from '../../sentry/vfs/mount.ts';
import { getXattr, listXattr, removeXattr, setXattr } from '../../sentry/vfs/xattr.ts';
import { ioFile, resolveAt } from './path_args.ts';

const NAME_SIZE = 256;
const XATTR_SIZE_MAX = 65536;
const XATTR_LIST_MAX = 65536;
const ARGS_SIZE = 16;

function readName(t: Task, addr: number): string | Errno {
  const name = t.memory.readCString(addr, NAME_SIZE);
  if (name === ENAMETOOLONG) return ERANGE;
  return name === '' ? ERANGE : name;
}

/** Copies bytes to a buffer of `size`; size 0 asks for the length. */
function give(t: Task, bytes: Uint8Array, addr: number, size: number): number {
  if (size === 0 || bytes.length === 0) return bytes.length;
  if (bytes.length > size) return ERANGE;
  return t.memory.copyOut(addr, bytes, 0, bytes.length) === bytes.length ? bytes.length : EFAULT;
}

function set(t: Task, place: () => Path | Errno, nameAddr: number, value: number, size: number, flags: number): number {
  if ((flags & ~3) !== 0) return EINVAL;
  const name = readName(t, nameAddr);
  if (isErrno(name)) return name;
  if (size > XATTR_SIZE_MAX) return E2BIG;
  const bytes = new Uint8Array(size);
  if (size > 0 && t.memory.copyIn(value, bytes, 0, size) !== size) return EFAULT;
  const path = place();
  return isErrno(path) ? path : setXattr(t, path, name, bytes, flags);
}

function get(t: Task, place: () => Path | Errno, nameAddr: number, value: number, size: number): number {
  const name = readName(t, nameAddr);
  if (isErrno(name)) return name;
  const path = place();
  if (isErrno(path)) return path;
  const bytes = getXattr(t, path, name);
  return isErrno(bytes) ? bytes : give(t, bytes, value, size);
}

function list(t: Task, place: () => Path | Errno, addr: number, size: number): number {
  const path = place();
  if (isErrno(path)) return path;
  const names = listXattr(t, path);
  if (isErrno(names)) return names;
  const bytes = Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1');
  return bytes.length > XATTR_LIST_MAX ? E2BIG : give(t, bytes, addr, size);
}

function remove(t: Task, place: () => Path | Errno, nameAddr: number): number {
  const name = readName(t, nameAddr);
  if (isErrno(name)) return name;
  const path = place();
  return isErrno(path) ? path : removeXattr(t, path, name);
}

const byPath = (t: Task, path: number) => (): Path | Errno => resolveAt(t, AT_FDCWD, path, true, false);
const byLink = (t: Task, path: number) => (): Path | Errno => resolveAt(t, AT_FDCWD, path, false, false);
const byFd = (t: Task, fd: number) => (): Path | Errno => ioFile(t, fd)?.path ?? EBADF;

export function sys_setxattr(t: Task, path: number, name: number, value: number, size: number, flags: number): number {
  return set(t, byPath(t, path), name, value, size, flags);
}
export function sys_lsetxattr(t: Task, path: number, name: number, value: number, size: number, flags: number): number {
  return set(t, byLink(t, path), name, value, size, flags);
}
export function sys_fsetxattr(t: Task, fd: number, name: number, value: number, size: number, flags: number): number {
  return set(t, byFd(t, fd), name, value, size, flags);
}
export function sys_getxattr(t: Task, path: number, name: number, value: number, size: number): number {
  return get(t, byPath(t, path), name, value, size);
}
export function sys_lgetxattr(t: Task, path: number, name: number, value: number, size: number): number {
  return get(t, byLink(t, path), name, value, size);
}
export function sys_fgetxattr(t: Task, fd: number, name: number, value: number, size: number): number {
  return get(t, byFd(t, fd), name, value, size);
}
export function sys_listxattr(t: Task, path: number, addr: number, size: number): number {
  return list(t, byPath(t, path), addr, size);
}
export function sys_llistxattr(t: Task, path: number, addr: number, size: number): number {
  return list(t, byLink(t, path), addr, size);
}
export function sys_flistxattr(t: Task, fd: number, addr: number, size: number): number {
  return list(t, byFd(t, fd), addr, size);
}
export function sys_removexattr(t: Task, path: number, name: number): number {
  return remove(t, byPath(t, path), name);
}
export function sys_lremovexattr(t: Task, path: number, name: number): number {
  return remove(t, byLink(t, path), name);
}
export function sys_fremovexattr(t: Task, fd: number, name: number): number {
  return remove(t, byFd(t, fd), name);
}

const args = new Uint8Array(ARGS_SIZE);
const argWords = new Uint32Array(args.buffer);

/** Reads struct xattr_args {value, size, flags}. Returns 0 or errno; the words are in argWords. */
function readArgs(t: Task, addr: number, size: number): number {
  if (size < ARGS_SIZE) return EINVAL;
  if (size > 4096) return E2BIG;
  return t.memory.copyIn(addr, args, 0, ARGS_SIZE) === ARGS_SIZE ? 0 : EFAULT;
}

function at(t: Task, dirfd: number, path: number, flags: number): () => Path | Errno {
  return () => resolveAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0, (flags & AT_EMPTY_PATH) !== 0);
}
const AT_KNOWN = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;

export function sys_setxattrat(
  t: Task,
  dirfd: number,
  path: number,
  flags: number,
  name: number,
  argsAddr: number,
  size: number,
): number {
  const err = readArgs(t, argsAddr, size);
  if (err !== 0) return err;
  if ((flags & ~AT_KNOWN) !== 0) return EINVAL;
  const value = (argWords[0] as number) + (argWords[1] as number) * 0x100000000;
  return set(t, at(t, dirfd, path, flags), name, value, argWords[2] as number, argWords[3] as number);
}
export function sys_getxattrat(
  t: Task,
  dirfd: number,
  path: number,
  flags: number,
  name: number,
  argsAddr: number,
  size: number,
): number {
  const err = readArgs(t, argsAddr, size);
  if (err !== 0) return err;
  if ((flags & ~AT_KNOWN) !== 0 || argWords[3] !== 0) return EINVAL;
  const value = (argWords[0] as number) + (argWords[1] as number) * 0x100000000;
  return get(t, at(t, dirfd, path, flags), name, value, argWords[2] as number);
}
export function sys_listxattrat(
  t: Task,
  dirfd: number,
  path: number,
  flags: number,
  addr: number,
  size: number,
): number {
  return (flags & ~AT_KNOWN) !== 0 ? EINVAL : list(t, at(t, dirfd, path, flags), addr, size);
}
export function sys_removexattrat(t: Task, dirfd: number, path: number, flags: number, name: number): number {
  return (flags & ~AT_KNOWN) !== 0 ? EINVAL : remove(t, at(t, dirfd, path, flags), name);
}
