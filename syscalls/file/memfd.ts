// SPDX-License-Identifier: Apache-2.0

/**
 * memfd_create(2).
 *
 * Linux: mm/memfd.c
 */
import { EINVAL, ENAMETOOLONG, ENOSYS, isErrno } from '../../platform/abi/linux/errno.ts';
import { makeMemfd } from '../../sentry/fs/tmpfs/memfd.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { installFile } from '../poll/install_file.ts';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_HUGETLB = 4;
const MFD_NOEXEC_SEAL = 8;
const MFD_EXEC = 16;
const MFD_ALL = 31;
const HUGE_SIZE_BITS = 0x3f << 26;
/** NAME_MAX less the "memfd:" prefix, with the NUL. */
const MAX_NAME = 250;

export function sys_memfd_create(t: Task, nameAddr: number, flags: number): number {
  const known = (flags & MFD_HUGETLB) !== 0 ? MFD_ALL | HUGE_SIZE_BITS : MFD_ALL;
  if ((flags & ~known) !== 0) return EINVAL;
  if ((flags & MFD_EXEC) !== 0 && (flags & MFD_NOEXEC_SEAL) !== 0) return EINVAL;
  const name = t.memory.readCString(nameAddr, MAX_NAME);
  if (isErrno(name)) return name === ENAMETOOLONG ? EINVAL : name;
  if ((flags & MFD_HUGETLB) !== 0) return ENOSYS;
  const sealing = (flags & MFD_NOEXEC_SEAL) !== 0 ? 'noexec' : (flags & MFD_ALLOW_SEALING) !== 0 ? 'allowed' : 'none';
  const file = makeMemfd(t.kernel.vfs, t, name, sealing);
  return isErrno(file) ? file : installFile(t, file, (flags & MFD_CLOEXEC) !== 0);
}
