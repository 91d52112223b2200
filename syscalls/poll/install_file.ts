// SPDX-License-Identifier: Apache-2.0

/**
 * Gives a freshly made open file its descriptor.
 *
 * Linux: fs/file.c (get_unused_fd_flags, fd_install)
 */
import { RLIMIT_NOFILE } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';

/** Installs `file` (taking its reference, also on failure) at the lowest free descriptor. Returns it, or EMFILE. */
export function installFile(t: Task, file: FileDescription, cloexec: boolean): number {
  const fd = t.fdTable.install(file, cloexec, t.threadGroup.rlimits.soft(RLIMIT_NOFILE));
  if (fd < 0) file.decRef();
  return fd;
}
