// SPDX-License-Identifier: Apache-2.0

/**
 * sync, syncfs, fsync, fdatasync, sync_file_range, readahead, fadvise64.
 *
 * Linux: fs/sync.c, mm/fadvise.c, mm/readahead.c
 */
import { EBADF, EINVAL, ESPIPE } from '../../platform/abi/linux/errno.ts';
import { S_IFBLK, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../../platform/abi/linux/stat.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { Filesystem } from '../../sentry/vfs/filesystem.ts';
import { ioFile } from './path_args.ts';

export function sys_sync(t: Task): number {
  const seen = new Set<Filesystem>();
  t.rootDir.mount.namespace?.forEach((mount) => {
    if (seen.has(mount.fs)) return;
    seen.add(mount.fs);
    mount.fs.sync();
  });
  return 0;
}

export function sys_syncfs(t: Task, fd: number): number {
  const file = ioFile(t, fd);
  return file === null ? EBADF : file.inode.fs.sync();
}

export function sys_fsync(t: Task, fd: number): number {
  const file = ioFile(t, fd);
  return file === null ? EBADF : file.fsync(t, false);
}
export function sys_fdatasync(t: Task, fd: number): number {
  const file = ioFile(t, fd);
  return file === null ? EBADF : file.fsync(t, true);
}

export function sys_sync_file_range(t: Task, fd: number, offset: number, length: number, flags: number): number {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if ((flags & ~7) !== 0 || offset < 0 || length < 0 || offset + length >= 2 ** 63) return EINVAL;
  const type = file.inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFBLK && type !== S_IFDIR && type !== S_IFLNK) return ESPIPE;
  if (flags === 0) return 0;
  const result = file.fsync(t, true);
  // What has no fsync has nothing to write back either.
  return result === EINVAL ? 0 : result;
}

export function sys_readahead(t: Task, fd: number, _offset: number, count: number): number {
  const file = ioFile(t, fd);
  if (file === null || !file.isReadable) return EBADF;
  return count >= 0 && (file.inode.mode & S_IFMT) === S_IFREG ? 0 : EINVAL;
}

const POSIX_FADV_NOREUSE = 5;

export function sys_fadvise64(t: Task, fd: number, _offset: number, length: number, advice: number): number {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if ((file.inode.mode & S_IFMT) === S_IFIFO) return ESPIPE;
  return length < 0 || advice < 0 || advice > POSIX_FADV_NOREUSE ? EINVAL : 0;
}
