// SPDX-License-Identifier: Apache-2.0

/**
 * signalfd(2), signalfd4(2).
 *
 * Linux: fs/signalfd.c
 */
import { EBADF, EINVAL } from '../../platform/abi/linux/errno.ts';
import { O_CLOEXEC, O_NONBLOCK } from '../../platform/abi/linux/fcntl.ts';
import { readSigSet, SIGSET_SIZE, SigSet } from '../../sentry/arch/sigset.ts';
import { SignalFile } from '../../sentry/fs/anon/signalfd.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { installFile } from './install_file.ts';
import { pollFile } from './poll_set.ts';

export function sys_signalfd4(t: Task, ufd: number, userMask: number, sizemask: number, flags: number): number {
  if (sizemask !== SIGSET_SIZE) return EINVAL;
  const mask = new SigSet();
  const err = readSigSet(t.memory, userMask, mask);
  if (err !== 0) return err;
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return EINVAL;
  if (ufd === -1) return installFile(t, new SignalFile(t, mask, flags), (flags & O_CLOEXEC) !== 0);
  const file = pollFile(t, ufd);
  if (file === null) return EBADF;
  if (!(file instanceof SignalFile)) return EINVAL;
  file.setMask(mask);
  return ufd;
}

export function sys_signalfd(t: Task, ufd: number, userMask: number, sizemask: number): number {
  return sys_signalfd4(t, ufd, userMask, sizemask, 0);
}
