// SPDX-License-Identifier: Apache-2.0

/**
 * Host operations behind the handlers: opening for donation, making entries with exact owner and mode.
 *
 * Invariants: only regular files are opened for data, so no open can block on a FIFO or touch a device. The working directory is
 *             /proc/self/fd: the name of a descriptor there reopens the very file it holds.
 */
import { EINVAL, EISDIR, ELOOP, ENXIO, EOPNOTSUPP } from '../../platform/abi/linux/errno.ts';
import { AT_FDCWD, chmodFd, chownFd, close, openat, readlinkFd } from '../../platform/ffi/gofer_calls.ts';
import { attrMode } from '../protocol/attr.ts';
import { openComponent, type Place, readAttr, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../tree/controls.ts';

const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_NOCTTY = 0o400;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const O_TMPFILE = 0o20200000;
const O_RDWR = 2;

/** Opens a regular file for the Sentry. `accessMode`: O_ACCMODE bits. Returns the descriptor; ENXIO for devices, FIFOs and sockets. */
export function openForDonation(place: Place, accessMode: number): number {
  if (place.type === S_IFDIR) return EISDIR;
  if (place.type === S_IFLNK) return ELOOP;
  if (place.type !== S_IFREG) return ENXIO;
  return openat(AT_FDCWD, String(place.fd), accessMode | O_NOCTTY | O_CLOEXEC, 0);
}

/** Opens a directory for getdents64 or fsync. */
export function openDirectory(place: Place): number {
  return openat(place.fd, '.', O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}

/** Creates a regular file that must not exist. Returns the descriptor. */
export function createFile(dirFd: number, name: string, accessMode: number, mode: number): number {
  return openat(dirFd, name, accessMode | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, mode & 0o777);
}

/** Makes a file without a name in the directory's filesystem. Returns the descriptor; EOPNOTSUPP where there is no such thing. */
export function createUnnamed(dirFd: number, mode: number): number {
  const fd = openat(dirFd, '.', O_TMPFILE | O_RDWR | O_CLOEXEC, mode & 0o777);
  // A filesystem without O_TMPFILE sees O_DIRECTORY | O_RDWR.
  return fd === EISDIR ? EOPNOTSUPP : fd;
}

/** An O_PATH descriptor of the file behind `fd`. */
export function holdOpen(fd: number): number {
  return openat(AT_FDCWD, String(fd), O_PATH | O_CLOEXEC, 0);
}

const attr = Buffer.alloc(144);

/**
 * Gives a new file exactly the owner and mode asked for (chown clears set-id bits, so mode comes last). A directory keeps
 * a set-group-id bit it inherited. Returns 0 or errno.
 */
export function setOwnerAndMode(fd: number, mode: number, uid: number, gid: number): number {
  const r = readAttr(fd, attr, 0);
  if (r < 0) return r;
  const oldUid = attr.readUInt32LE(20);
  const oldGid = attr.readUInt32LE(24);
  if (oldUid !== uid || oldGid !== gid) {
    const changed = chownFd(fd, uid, gid);
    if (changed < 0) return changed;
  }
  const have = attrMode(attr, 0);
  if ((have & S_IFMT) === S_IFLNK) return 0;
  const want = (mode & 0o7777) | ((have & S_IFMT) === S_IFDIR ? have & 0o2000 : 0);
  if ((have & 0o7777) === want && (want & 0o6000) === 0) return 0;
  return chmodFd(fd, want);
}

/** Holds a new entry by descriptor and sets its owner and mode. Returns an O_PATH descriptor or errno. */
export function adoptEntry(dirFd: number, name: string, mode: number, uid: number, gid: number): number {
  const fd = openComponent(dirFd, name);
  if (fd < 0) return fd;
  const r = setOwnerAndMode(fd, mode, uid, gid);
  if (r < 0) {
    close(fd);
    return r;
  }
  return fd;
}

const linkText = Buffer.alloc(4096);

/** Text of a symbolic link as a byte string, or errno. */
export function readLink(place: Place): string | number {
  if (place.type !== S_IFLNK) return EINVAL;
  const n = readlinkFd(place.fd, linkText);
  return n < 0 ? n : linkText.toString('latin1', 0, n);
}
