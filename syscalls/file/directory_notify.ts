// SPDX-License-Identifier: Apache-2.0

/**
 * F_NOTIFY: a signal when something happens in a directory.
 *
 * Linux: fs/notify/dnotify/dnotify.c; fcntl(2)
 */
import { ENOTDIR } from '../../platform/abi/linux/errno.ts';
import { DN_MULTISHOT } from '../../platform/abi/linux/fcntl.ts';
import { POLL_MSG } from '../../platform/abi/linux/signal.ts';
import { S_IFDIR, S_IFMT } from '../../platform/abi/linux/stat.ts';
import { DirectoryMark, DN_RENAME_WITHIN } from '../../sentry/fs/anon/inotify.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import {
  IN_ACCESS,
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
} from '../../sentry/vfs/notify.ts';
import { ownIfUnowned, sendSigio } from './async_signal.ts';
import { POLL_MSG_BAND } from './lease.ts';

/** DN_* and what it means. */
const EVENTS: readonly (readonly [number, number])[] = [
  [0x1, IN_ACCESS],
  [0x2, IN_MODIFY],
  [0x4, IN_CREATE | IN_MOVED_TO],
  [0x8, IN_DELETE | IN_MOVED_FROM],
  [0x10, DN_RENAME_WITHIN],
  [0x20, IN_ATTRIB],
];

const marks = new WeakMap<FileDescription, DirectoryMark>();

/** Adds to what `file` is told of; no event at all ends it. Errors: ENOTDIR. */
export function notifyDirectory(t: Task, fd: number, file: FileDescription, arg: number): number {
  const old = marks.get(file);
  if ((arg & ~DN_MULTISHOT) === 0) {
    old?.end();
    return 0;
  }
  if ((file.inode.mode & S_IFMT) !== S_IFDIR) return ENOTDIR;
  let mask = 0;
  for (const [dn, events] of EVENTS) if ((arg & dn) !== 0) mask |= events;
  const isLasting = (arg & DN_MULTISHOT) !== 0;
  if (old?.isLive === true) {
    old.add(mask, isLasting);
    return 0;
  }
  ownIfUnowned(t, file);
  const { pidNs } = t;
  const mark = new DirectoryMark(file.inode, mask, isLasting, () => sendSigio(file, fd, pidNs, POLL_MSG, POLL_MSG_BAND));
  marks.set(file, mark);
  file.onLastClose.add(() => mark.end());
  return 0;
}
