// SPDX-License-Identifier: Apache-2.0

/**
 * Handlers for watching files: the Gofer adds the watches, the Sentry reads the events itself.
 */
import { EINVAL, ENOSPC } from '../../../platform/abi/linux/errno.ts';
import { duplicate, inotifyAddWatch, inotifyInit, inotifyRmWatch } from '../../../platform/ffi/gofer_calls.ts';
import { WATCHES_MAX } from '../../protocol/constants.ts';
import type { Reply } from '../reply.ts';
import type { Session } from '../session.ts';

/** IN_MODIFY, ATTRIB, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF. */
const WATCHED = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800;

/** [address] -> watch descriptor, and with the first one the descriptor to read. Errors: ENOSPC, EMFILE. */
export function watch(session: Session, args: readonly unknown[], reply: Reply): number {
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    if (session.watches.size >= WATCHES_MAX) return ENOSPC;
    const isFirst = session.notifyFd < 0;
    if (isFirst) {
      const fd = inotifyInit();
      if (fd < 0) return fd;
      session.notifyFd = fd;
    }
    const wd = inotifyAddWatch(session.notifyFd, place.fd, WATCHED);
    if (wd < 0) return wd;
    session.watches.add(wd);
    reply.push(wd);
    if (!isFirst) return 0;
    reply.passFd = duplicate(session.notifyFd);
    return Math.min(reply.passFd, 0);
  });
}

/** [watch descriptor]. Errors: EINVAL. */
export function unwatch(session: Session, args: readonly unknown[]): number {
  const wd = args[2] as number;
  if (!session.watches.delete(wd)) return EINVAL;
  // EINVAL here: the file is gone and its watch with it.
  inotifyRmWatch(session.notifyFd, wd);
  return 0;
}
