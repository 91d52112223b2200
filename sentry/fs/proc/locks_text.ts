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

import { type InodeLocks, LOCK_TO_EOF, lockedInodes, type RecordLock } from '../../vfs/file_locks.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
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

function flockText(t: Task, inode: Inode, flock: { isExclusive: boolean; pid: number }): string | null {
  const pid = shownPid(t, flock.pid);
  return pid === 0 ? null : `FLOCK  ADVISORY  ${flock.isExclusive ? 'WRITE' : 'READ'} ${pid} ${place(inode)} 0 EOF`;
}

/** The "lock:" lines of a descriptor's fdinfo: what `file` holds itself, and what the table it is in holds on its inode. Linux: show_fd_locks() */
export function fdLocksText(t: Task, table: object, file: FileDescription): string {
  const { inode } = file;
  const locks = inode.locks as InodeLocks | null;
  if (locks === null) return '';
  const lines = locks.flocks.filter((flock) => flock.owner === file).map((flock) => flockText(t, inode, flock));
  for (const owner of [table, file]) for (const lock of locks.records.get(owner) ?? []) lines.push(recordText(t, inode, lock));
  return lines.filter((line) => line !== null).map((line, i) => `lock:\t${i + 1}: ${line}\n`).join('');
}

/** All locks the reader may know of. */
export function locksText(t: Task): string {
  const lines: string[] = [];
  for (const { inode, records, flocks } of lockedInodes) {
    for (const flock of flocks) {
      const line = flockText(t, inode, flock);
      if (line !== null) lines.push(line);
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
