// SPDX-License-Identifier: Apache-2.0

/**
 * The signal mask argument of ppoll, pselect6 and epoll_pwait.
 *
 * Linux: kernel/signal.c (set_user_sigmask)
 */
import { EINVAL } from '../../platform/abi/linux/errno.ts';
import { readSigSet, SIGSET_SIZE, SigSet } from '../../sentry/arch/sigset.ts';
import type { Task } from '../../sentry/kernel/task.ts';

/** Installs the mask at `addr` (0: none) for the rest of this call. Returns 0. Errors: EINVAL (size), EFAULT. */
export function installMask(t: Task, addr: number, size: number): number {
  if (addr === 0) return 0;
  if (size !== SIGSET_SIZE) return EINVAL;
  const mask = new SigSet();
  const err = readSigSet(t.memory, addr, mask);
  if (err === 0) t.setTemporaryMask(mask);
  return err;
}
