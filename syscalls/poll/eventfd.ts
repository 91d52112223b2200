// SPDX-License-Identifier: Apache-2.0

/**
 * eventfd(2), eventfd2(2).
 *
 * Linux: fs/eventfd.c
 */
import { EINVAL } from '../../platform/abi/linux/errno.ts';
import { O_CLOEXEC, O_NONBLOCK } from '../../platform/abi/linux/fcntl.ts';
import { EventFile } from '../../sentry/fs/anon/eventfd.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { installFile } from './install_file.ts';

const EFD_SEMAPHORE = 1;

export function sys_eventfd2(t: Task, count: number, flags: number): number {
  if ((flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) !== 0) return EINVAL;
  const file = new EventFile(count, (flags & EFD_SEMAPHORE) !== 0, flags & O_NONBLOCK, t.creds);
  return installFile(t, file, (flags & O_CLOEXEC) !== 0);
}

export function sys_eventfd(t: Task, count: number): number {
  return sys_eventfd2(t, count, 0);
}
