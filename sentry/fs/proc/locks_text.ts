// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/locks.
 *
 * Linux:   fs/locks.c (lock_get_status)
 * Differs: locks that are waited for are not shown.
 */
import { F_WRLCK } from '../../../platform/abi/linux/fcntl.ts';
import { majorOf, minorOf } from '../../../platform/abi/linux/stat.ts';
import type { Task } from '../../kernel/task.ts';

import { LOCK_TO_EOF, lockedInodes, type RecordLock } from '../../vfs/file_locks.ts';
import type { Inode } from '../../vfs/inode.ts';

const hex = (value: number): string => value.toString(16).padStart(2, '0');

function place(inode: Inode): string {
  return `${hex(majorOf(inode.fs.dev))}:${hex(minorOf(inode.fs.dev))}:${inode.ino}`;
}

/** The pid as the reader sees it; 0: not at all, and the lock is not shown. */
function shownPid(t: Task, pid: number): number {
  if (pid <= 0) return pid;
  return t.kernel.tasks.get(pid)?.threadGroup.pidIn(t.pidNs) ?? 0;
}

function recordText(t: Task, inode: Inode, lock: RecordLock): string | null {
  const pid = shownPid(t, lock.pid);
  if (pid === 0) return null;
  const kind = lock.pid === -1 ? 'OFDLCK' : 'POSIX ';
  const type = lock.type === F_WRLCK ? 'WRITE' : 'READ';
  return `${kind} ADVISORY  ${type} ${pid} ${place(inode)} ${lock.start} ${lock.end === LOCK_TO_EOF ? 'EOF' : lock.end}`;
}

/** All locks the reader may know of. */
export function locksText(t: Task): string {
  const lines: string[] = [];
  for (const { inode, records, flocks } of lockedInodes) {
    for (const flock of flocks) {
      const pid = shownPid(t, flock.pid);
      if (pid !== 0) lines.push(`FLOCK  ADVISORY  ${flock.isExclusive ? 'WRITE' : 'READ'} ${pid} ${place(inode)} 0 EOF`);
    }
    for (const list of records.values()) {
      for (const lock of list) {
        const line = recordText(t, inode, lock);
        if (line !== null) lines.push(line);
      }
    }
  }
  return lines.map((line, i) => `${i + 1}: ${line}\n`).join('');
}
