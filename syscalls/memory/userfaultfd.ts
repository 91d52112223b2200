// SPDX-License-Identifier: Apache-2.0

/**
 * userfaultfd(2).
 *
 * Linux: fs/userfaultfd.c
 */
import { CAP_SYS_PTRACE } from '../../platform/abi/linux/capability.ts';
import { EINVAL, ENFILE, EPERM, isErrno } from '../../platform/abi/linux/errno.ts';
import { O_CLOEXEC, O_NONBLOCK } from '../../platform/abi/linux/fcntl.ts';
import { UFFD_USER_MODE_ONLY } from '../../platform/abi/linux/userfaultfd.ts';
import { UserFaultFile } from '../../sentry/fs/anon/userfaultfd.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { installFile } from '../poll/install_file.ts';

/** Each takes a descriptor of the Sentry's. */
const MAX_OPEN = 256;
let open = 0;

export function sys_userfaultfd(t: Task, flags: number): number {
  if ((flags & UFFD_USER_MODE_ONLY) === 0 && !t.creds.hasCap(CAP_SYS_PTRACE)) return EPERM;
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY)) !== 0) return EINVAL;
  if (open >= MAX_OPEN) return ENFILE;
  const faults = t.mm.addressSpace.userFaults?.() ?? EPERM;
  if (isErrno(faults)) return faults;
  open++;
  const file = new UserFaultFile(t, faults, flags);
  file.onLastClose.add(() => {
    open--;
  });
  return installFile(t, file, (flags & O_CLOEXEC) !== 0);
}
