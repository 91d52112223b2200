// SPDX-License-Identifier: Apache-2.0

/**
 * File handles: name_to_handle_at(2), open_by_handle_at(2).
 *
 * Linux: fs/fhandle.c, mm/shmem.c (shmem_encode_fh)
 */
import { CAP_DAC_READ_SEARCH } from '../../platform/abi/linux/capability.ts';
import {
  EBADF,
  EFAULT,
  EINVAL,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  ESTALE,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import {
  __O_TMPFILE,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_LARGEFILE,
  O_NOFOLLOW,
} from '../../platform/abi/linux/fcntl.ts';
import { RLIMIT_NOFILE } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import type { Mount, Path } from '../../sentry/vfs/mount.ts';
import { openPath } from '../../sentry/vfs/open.ts';
import { walkPath } from '../../sentry/vfs/path_walk.ts';
import { resolveAt } from './path_args.ts';

const AT_HANDLE_FID = 0x200;
const MAX_HANDLE_SZ = 128;
/** Handle types: a number and a generation, as tmpfs has them; one that only tells files apart. */
const FILEID_INO32_GEN = 1;
const FILEID_INO64_GEN = 0x81;
const FILEID_INVALID = 255;
/** Three words: generation and number, or number and generation. */
const HANDLE_BYTES = 12;
/** offsetof(struct file_handle, f_handle) */
const HEADER = 8;
const handle = new Uint8Array(HEADER + HANDLE_BYTES);
const view = new DataView(handle.buffer);

/** Numbers are not used twice, so any function of one will do as its generation. */
function generation(inode: Inode): number {
  return (Math.imul(inode.ino % 4294967296, 0x9e3779b1) ^ inode.fs.dev) >>> 0;
}

export function sys_name_to_handle_at(
  t: Task,
  dirfd: number,
  path: number,
  handleAddr: number,
  mountIdAddr: number,
  flags: number,
): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID)) !== 0) return EINVAL;
  const place = resolveAt(t, dirfd, path, (flags & AT_SYMLINK_FOLLOW) !== 0, (flags & AT_EMPTY_PATH) !== 0);
  if (isErrno(place)) return place;
  const inode = place.dentry.inode as Inode;
  const canOpen = inode.fs.findByNumber !== undefined;
  if (!canOpen && (flags & AT_HANDLE_FID) === 0) return EOPNOTSUPP;
  const room = t.memory.readU32(handleAddr);
  if (room < 0) return EFAULT;
  if (room > MAX_HANDLE_SZ) return EINVAL;
  const fits = room >= HANDLE_BYTES;
  view.setUint32(0, HANDLE_BYTES, true);
  view.setUint32(4, fits ? (canOpen ? FILEID_INO32_GEN : FILEID_INO64_GEN) : FILEID_INVALID, true);
  encode(inode, canOpen);
  if (t.memory.writeU32(mountIdAddr, place.mount.id) !== 0) return EFAULT;
  const length = fits ? handle.length : HEADER;
  if (t.memory.copyOut(handleAddr, handle, 0, length) !== length) return EFAULT;
  return fits ? 0 : EOVERFLOW;
}

function encode(inode: Inode, generationFirst: boolean): void {
  const number = generationFirst ? HEADER + 4 : HEADER;
  view.setUint32(generationFirst ? HEADER : HEADER + 8, generation(inode), true);
  view.setUint32(number, inode.ino % 4294967296, true);
  view.setUint32(number + 4, Math.floor(inode.ino / 4294967296), true);
}

export function sys_open_by_handle_at(t: Task, mountFd: number, handleAddr: number, flags: number): number {
  handle.fill(0);
  if (t.memory.copyIn(handleAddr, handle, 0, HEADER) !== HEADER) return EFAULT;
  const length = view.getUint32(0, true);
  if (length === 0 || length > MAX_HANDLE_SZ || view.getInt32(4, true) < 0) return EINVAL;
  const mount = mountFd === AT_FDCWD ? t.cwd.mount : t.fdTable.get(mountFd)?.path.mount;
  if (mount === undefined) return EBADF;
  if (!t.creds.hasCap(CAP_DAC_READ_SEARCH)) return EPERM;
  const wanted = Math.min(length, HANDLE_BYTES);
  if (t.memory.copyIn(handleAddr + HEADER, handle, HEADER, wanted) !== wanted) return EFAULT;
  if (length < HANDLE_BYTES || view.getUint32(4, true) !== FILEID_INO32_GEN) return ESTALE;
  const text = find(t, mount);
  if (text === null) return ESTALE;
  const start = { mount, dentry: mount.root };
  const status = (flags & ~(O_CREAT | __O_TMPFILE)) | O_NOFOLLOW | O_LARGEFILE;
  const file = openPath(t.kernel.vfs, t, start, text, status, 0, 0);
  if (isErrno(file)) return file;
  if ((flags & O_NOFOLLOW) === 0) file.flags &= ~O_NOFOLLOW;
  const fd = t.fdTable.install(file, (flags & O_CLOEXEC) !== 0, t.threadGroup.rlimits.soft(RLIMIT_NOFILE));
  if (fd < 0) file.decRef();
  return fd;
}

/** Path below the mount's root of the file the handle names; null: it is gone, or not to be reached through this mount. */
function find(t: Task, mount: Mount): string | null {
  const ino = view.getUint32(HEADER + 4, true) + view.getUint32(HEADER + 8, true) * 4294967296;
  const names = mount.fs.findByNumber?.(ino) ?? null;
  if (names === null) return null;
  const text = names.length === 0 ? '.' : names.join('/');
  const start: Path = { mount, dentry: mount.root };
  const place = walkPath(t, start, text, false);
  if (isErrno(place)) return null;
  const inode = place.dentry.inode as Inode;
  const isIt = inode.fs === mount.fs && inode.ino === ino && generation(inode) === view.getUint32(HEADER, true);
  return isIt ? text : null;
}
