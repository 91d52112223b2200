// SPDX-License-Identifier: Apache-2.0

/**
 * fanotify_init(2), fanotify_mark(2).
 *
 * Linux: fs/notify/fanotify/fanotify_user.c
 */
import { CAP_SYS_ADMIN } from '../../platform/abi/linux/capability.ts';
import { EBADF, EINVAL, EMFILE, ENOTDIR, EPERM, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import * as fan from '../../platform/abi/linux/fanotify.ts';
import {
  MAY_READ,
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_DSYNC,
  O_LARGEFILE,
  O_NOATIME,
  O_NONBLOCK,
  O_SYNC,
} from '../../platform/abi/linux/fcntl.ts';
import { S_IFDIR, S_IFMT } from '../../platform/abi/linux/stat.ts';
import { FanotifyFile, fanotifyUse, type Marked } from '../../sentry/fs/anon/fanotify.ts';
import { sysctlHooks } from '../../sentry/kernel/sysctl_hooks.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { anonInodeFs, nsfs } from '../../sentry/vfs/anon_mount.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import { Mount, type Path } from '../../sentry/vfs/mount.ts';
import { inodePermission } from '../../sentry/vfs/permission.ts';
import { resolveAt } from '../file/path_args.ts';
import { installFile } from './install_file.ts';
import { pollFile } from './poll_set.ts';

const CLASS_BITS = fan.FAN_CLASS_CONTENT | fan.FAN_CLASS_PRE_CONTENT;
const INIT_FLAGS =
  fan.FAN_CLOEXEC |
  fan.FAN_NONBLOCK |
  CLASS_BITS |
  fan.FAN_UNLIMITED_QUEUE |
  fan.FAN_UNLIMITED_MARKS |
  fan.FAN_REPORT_TID;
const EVENT_FILE_FLAGS = O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_CLOEXEC | O_LARGEFILE | O_NOATIME;

export function sys_fanotify_init(t: Task, flags: number, eventFlags: number): number {
  if (!t.creds.hasCap(CAP_SYS_ADMIN)) return EPERM;
  if ((flags & ~INIT_FLAGS) !== 0 || (eventFlags & ~EVENT_FILE_FLAGS) !== 0) return EINVAL;
  if ((eventFlags & O_ACCMODE) === O_ACCMODE || (flags & CLASS_BITS) === CLASS_BITS) return EINVAL;
  if (fanotifyUse.groups >= sysctlHooks.fanotify.maxUserGroups) return EMFILE;
  return installFile(t, new FanotifyFile(t, flags, eventFlags), (flags & fan.FAN_CLOEXEC) !== 0);
}

const COMMANDS = fan.FAN_MARK_ADD | fan.FAN_MARK_REMOVE | fan.FAN_MARK_FLUSH;
const KINDS = fan.FAN_MARK_MOUNT | fan.FAN_MARK_FILESYSTEM;
const MARK_FLAGS =
  COMMANDS |
  KINDS |
  fan.FAN_MARK_DONT_FOLLOW |
  fan.FAN_MARK_ONLYDIR |
  fan.FAN_MARK_IGNORED_MASK |
  fan.FAN_MARK_IGNORED_SURV_MODIFY |
  fan.FAN_MARK_EVICTABLE |
  fan.FAN_MARK_IGNORE;
const EVENT_FLAGS = fan.FAN_EVENT_ON_CHILD | fan.FAN_ONDIR;
const EVENTS =
  fan.FAN_ACCESS |
  fan.FAN_MODIFY |
  fan.FAN_CLOSE_WRITE |
  fan.FAN_CLOSE_NOWRITE |
  fan.FAN_OPEN |
  fan.FAN_OPEN_EXEC |
  EVENT_FLAGS;

/** What does not depend on the group. Returns 0 or EINVAL. */
function checkMark(flags: number, mask: number): number {
  if ((flags & ~MARK_FLAGS) !== 0 || (flags & KINDS) === KINDS) return EINVAL;
  const command = flags & COMMANDS;
  if (command === fan.FAN_MARK_FLUSH) return (flags & ~(KINDS | fan.FAN_MARK_FLUSH)) === 0 ? 0 : EINVAL;
  if (command !== fan.FAN_MARK_ADD && command !== fan.FAN_MARK_REMOVE) return EINVAL;
  if (mask === 0 || mask >= 4294967296 || (mask & ~EVENTS) !== 0) return EINVAL;
  const bothIgnores = fan.FAN_MARK_IGNORE | fan.FAN_MARK_IGNORED_MASK;
  if ((flags & bothIgnores) === bothIgnores) return EINVAL;
  return (flags & fan.FAN_MARK_EVICTABLE) !== 0 && (flags & KINDS) !== 0 ? EINVAL : 0;
}

export function sys_fanotify_mark(
  t: Task,
  fd: number,
  flags: number,
  mask: number,
  dirfd: number,
  pathname: number,
): number {
  const invalid = checkMark(flags, mask);
  if (invalid !== 0) return invalid;
  const group = pollFile(t, fd);
  if (group === null) return EBADF;
  if (!(group instanceof FanotifyFile)) return EINVAL;
  if ((flags & fan.FAN_MARK_FLUSH) !== 0) {
    const kind = flags & KINDS;
    group.flushMarks((on) =>
      on instanceof Mount
        ? kind === fan.FAN_MARK_MOUNT
        : 'typeName' in on
          ? kind === fan.FAN_MARK_FILESYSTEM
          : kind === 0,
    );
    return 0;
  }
  const place = findPlace(t, dirfd, pathname, flags);
  if (isErrno(place)) return place;
  const inode = place.dentry.inode as Inode;
  const denied = inodePermission(t, inode, MAY_READ);
  if (denied !== 0) return denied;
  if ((flags & KINDS) !== 0 && (inode.fs === anonInodeFs.fs || inode.fs === nsfs.fs || place.mount.namespace === null))
    return EINVAL;
  const on: Marked =
    (flags & fan.FAN_MARK_MOUNT) !== 0 ? place.mount : (flags & fan.FAN_MARK_FILESYSTEM) !== 0 ? inode.fs : inode;
  const isIgnoring = (flags & fan.FAN_MARK_IGNORED_MASK) !== 0;
  const bits = isIgnoring ? mask & ~EVENT_FLAGS : mask;
  return (flags & fan.FAN_MARK_ADD) !== 0 ? group.addMark(on, place, bits, flags) : group.removeMark(on, bits, flags);
}

/** The file to mark: `pathname`, or without one `dirfd` itself. */
function findPlace(t: Task, dirfd: number, pathname: number, flags: number): Path | Errno {
  const onlyDir = (flags & fan.FAN_MARK_ONLYDIR) !== 0;
  let place: Path;
  if (pathname === 0) {
    const file = dirfd === -100 ? null : t.fdTable.get(dirfd);
    if (file === null) return EBADF;
    place = file.path;
  } else {
    const found = resolveAt(t, dirfd, pathname, (flags & fan.FAN_MARK_DONT_FOLLOW) === 0, false);
    if (isErrno(found)) return found;
    place = found;
  }
  return onlyDir && ((place.dentry.inode as Inode).mode & S_IFMT) !== S_IFDIR ? ENOTDIR : place;
}
