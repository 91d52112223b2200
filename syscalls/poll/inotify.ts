// SPDX-License-Identifier: Apache-2.0

/**
 * inotify_init(2), inotify_init1(2), inotify_add_watch(2), inotify_rm_watch(2).
 *
 * Linux: fs/notify/inotify/inotify_user.c
 */
import { EBADF, EINVAL, EMFILE, ENOENT, ENOTDIR, isErrno } from '../../platform/abi/linux/errno.ts';
import { MAY_READ, O_CLOEXEC, O_NONBLOCK, PATH_MAX } from '../../platform/abi/linux/fcntl.ts';
import { S_IFDIR, S_IFMT } from '../../platform/abi/linux/stat.ts';
import {
  IN_ALL_EVENTS,
  IN_DONT_FOLLOW,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_ONESHOT,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
  InotifyFile,
  inotifyLimits,
  inotifyUse,
} from '../../sentry/fs/anon/inotify.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import { IN_ISDIR } from '../../sentry/vfs/notify.ts';
import { walkPath } from '../../sentry/vfs/path_walk.ts';
import { inodePermission } from '../../sentry/vfs/permission.ts';
import { installFile } from './install_file.ts';
import { pollFile } from './poll_set.ts';

const KNOWN_BITS =
  IN_ALL_EVENTS |
  IN_UNMOUNT |
  IN_Q_OVERFLOW |
  IN_IGNORED |
  IN_ONLYDIR |
  IN_DONT_FOLLOW |
  IN_EXCL_UNLINK |
  IN_MASK_CREATE |
  IN_MASK_ADD |
  IN_ISDIR |
  IN_ONESHOT;

export function sys_inotify_init1(t: Task, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return EINVAL;
  if (inotifyUse.instances >= inotifyLimits.maxUserInstances) return EMFILE;
  return installFile(t, new InotifyFile(flags, t.creds), (flags & O_CLOEXEC) !== 0);
}

export function sys_inotify_init(t: Task): number {
  return sys_inotify_init1(t, 0);
}

export function sys_inotify_add_watch(t: Task, fd: number, pathname: number, mask: number): number {
  if ((mask & KNOWN_BITS) === 0 || (mask & ~KNOWN_BITS) !== 0) return EINVAL;
  const file = pollFile(t, fd);
  if (file === null) return EBADF;
  if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) return EINVAL;
  if (!(file instanceof InotifyFile)) return EINVAL;
  const name = t.memory.readCString(pathname, PATH_MAX);
  if (isErrno(name)) return name;
  if (name === '') return ENOENT;
  const path = walkPath(t, null, name, (mask & IN_DONT_FOLLOW) === 0);
  if (isErrno(path)) return path;
  const inode = path.dentry.inode as Inode;
  if ((mask & IN_ONLYDIR) !== 0 && (inode.mode & S_IFMT) !== S_IFDIR) return ENOTDIR;
  const denied = inodePermission(t, inode, MAY_READ);
  return denied !== 0 ? denied : file.addWatch(path, mask);
}

export function sys_inotify_rm_watch(t: Task, fd: number, wd: number): number {
  const file = pollFile(t, fd);
  if (file === null) return EBADF;
  return file instanceof InotifyFile ? file.removeWatch(wd) : EINVAL;
}
