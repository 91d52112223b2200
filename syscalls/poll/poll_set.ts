// SPDX-License-Identifier: Apache-2.0

/**
 * PollSet: registers one waiting call on many files, each with the bits it asked for, and turns their wakes into one queue.
 *
 * Linux:      fs/select.c (struct poll_wqueues)
 * Invariants: holds a reference of every file until release(), which the handler calls in a finally.
 */
import { O_PATH } from '../../platform/abi/linux/fcntl.ts';
import { EPOLLERR, EPOLLHUP } from '../../platform/abi/linux/poll.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import { WaitQueue, type Waiter } from '../../sentry/wait/wait_queue.ts';

/** The open file for I/O at descriptor `fd`: null when there is none or it is O_PATH. */
export function pollFile(t: Task, fd: number): FileDescription | null {
  const file = t.fdTable.get(fd);
  return file === null || (file.flags & O_PATH) !== 0 ? null : file;
}

class PollEntry implements Waiter {
  readonly file: FileDescription;
  private readonly target: WaitQueue;

  constructor(file: FileDescription, target: WaitQueue) {
    this.file = file;
    this.target = target;
  }
  notify(_queue: WaitQueue, mask: number): boolean {
    return this.target.wake(mask) > 0;
  }
}

export class PollSet {
  /** Woken when any file may have become ready. */
  readonly queue = new WaitQueue();
  private readonly entries: PollEntry[] = [];

  add(file: FileDescription, mask: number): void {
    const entry = new PollEntry(file, this.queue);
    file.incRef();
    file.waitQueue.add(entry, mask | EPOLLERR | EPOLLHUP);
    this.entries.push(entry);
  }

  release(): void {
    for (const entry of this.entries) {
      entry.file.waitQueue.remove(entry);
      entry.file.decRef();
    }
    this.entries.length = 0;
  }
}
