// SPDX-License-Identifier: Apache-2.0

/**
 * Handlers that donate descriptors: open, create, connect; and fsync.
 */
import { EACCES, EBADF, ECONNREFUSED, EINVAL, EPERM, EROFS } from '../../../platform/abi/linux/errno.ts';
import {
  bindLowPort,
  bindUnixAt,
  close,
  connectUnixFd,
  fdatasync,
  fsync as hostFsync,
  unlinkat,
} from '../../../platform/ffi/gofer_calls.ts';
import {
  createFile,
  createUnnamed,
  holdOpen,
  openDirectory,
  openForDonation,
  setOwnerAndMode,
} from '../../hostfs/files.ts';
import { S_IFDIR, S_IFREG, S_IFSOCK } from '../../tree/controls.ts';
import { finishEntry } from './entries.ts';
import type { Reply } from '../reply.ts';
import type { Session } from '../session.ts';
import { hasXattrs } from './walk.ts';

const O_ACCMODE = 3;

/** [address, O_ACCMODE] -> attr, 1 or 0 (extended attributes), and the descriptor. Errors: EROFS; EISDIR, ELOOP, ENXIO for what is not a regular file. */
export function open(session: Session, args: readonly unknown[], reply: Reply): number {
  const access = args[4] as number;
  if (access === O_ACCMODE) return EINVAL;
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    if (access !== 0 && place.root.isReadonly) return EROFS;
    const fd = openForDonation(place, access);
    if (fd < 0) return fd;
    reply.passFd = fd;
    const r = session.pushAttr(reply, fd);
    reply.push(hasXattrs(fd));
    return r;
  });
}

/** [directory, name, O_ACCMODE, mode, uid, gid] -> directory's attr, attr, and the descriptor. Errors: EEXIST, EROFS. */
export function create(session: Session, args: readonly unknown[], reply: Reply): number {
  const name = args[4] as string;
  const access = args[5] as number;
  if (access === O_ACCMODE) return EINVAL;
  return session.withDir(args[2] as number, args[3] as string[], (dir) => {
    if (dir.root.isReadonly) return EROFS;
    const fd = createFile(dir.fd, name, access, args[6] as number);
    if (fd < 0) return fd;
    const r = setOwnerAndMode(fd, args[6] as number, args[7] as number, args[8] as number);
    if (r < 0) {
      close(fd);
      unlinkat(dir.fd, name, 0);
      return r;
    }
    reply.passFd = fd;
    const described = session.pushAttr(reply, dir.fd);
    return described < 0 ? described : session.pushAttr(reply, fd);
  });
}

/** [directory, mode, uid, gid] -> control, attr, and the descriptor of an unnamed file. Errors: EROFS, EOPNOTSUPP. */
export function tmpfile(session: Session, args: readonly unknown[], reply: Reply): number {
  return session.withDir(args[2] as number, args[3] as string[], (dir) => {
    if (dir.root.isReadonly) return EROFS;
    const fd = createUnnamed(dir.fd, args[4] as number);
    if (fd < 0) return fd;
    reply.passFd = fd;
    const owned = setOwnerAndMode(fd, args[4] as number, args[5] as number, args[6] as number);
    if (owned < 0) return owned;
    const held = holdOpen(fd);
    if (held < 0) return held;
    const control = session.controls.add(held, dir.root, S_IFREG);
    if (control < 0) return control;
    reply.push(control);
    return session.pushAttr(reply, fd);
  });
}

/** [address, socket type] -> the connected descriptor. Errors: ECONNREFUSED when the root does not allow it. */
export function connect(session: Session, args: readonly unknown[], reply: Reply): number {
  const type = args[4] as number;
  if (type !== 1 && type !== 2 && type !== 5) return EINVAL;
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    if (!place.root.allowsUds || place.type !== S_IFSOCK) return ECONNREFUSED;
    const fd = connectUnixFd(place.fd, type);
    if (fd < 0) return fd;
    reply.passFd = fd;
    return 0;
  });
}

/** [directory, name, socket type, mode, uid, gid] -> directory's attr, attr, and the bound descriptor. Errors: EPERM when the root does not allow it, EROFS. */
export function bind(session: Session, args: readonly unknown[], reply: Reply): number {
  const name = args[4] as string;
  const type = args[5] as number;
  if (type !== 1 && type !== 2 && type !== 5) return EINVAL;
  return session.withDir(args[2] as number, args[3] as string[], (dir) => {
    if (!dir.root.allowsBinding) return EPERM;
    if (dir.root.isReadonly) return EROFS;
    const fd = bindUnixAt(dir.fd, name, type);
    if (fd < 0) return fd;
    reply.passFd = fd;
    const mode = S_IFSOCK | ((args[6] as number) & 0o7777);
    return finishEntry(session, dir, name, mode, args[7] as number, args[8] as number, reply);
  });
}

/** [sockaddr], with a socket: binds it to a port below 1024. Errors: EACCES when that is not allowed, EBADF without a descriptor. */
export function bind_port(session: Session, args: readonly unknown[]): number {
  if (!session.allowsLowPorts) return EACCES;
  if (session.passedFd < 0) return EBADF;
  return bindLowPort(session.passedFd, args[2] as Uint8Array);
}

/** [address, data only]: for directories; files are synced by the Sentry on its own descriptor. */
export function fsync(session: Session, args: readonly unknown[]): number {
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    const fd = place.type === S_IFDIR ? openDirectory(place) : openForDonation(place, 0);
    if (fd < 0) return fd;
    const r = args[4] === 1 ? fdatasync(fd) : hostFsync(fd);
    close(fd);
    return r;
  });
}
