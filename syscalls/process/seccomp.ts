// SPDX-License-Identifier: Apache-2.0

/**
 * seccomp, and prctl's way to it.
 *
 * Linux: kernel/seccomp.c (do_seccomp)
 */
import { CAP_SYS_ADMIN } from '../../platform/abi/linux/capability.ts';
import { EACCES, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP, ESRCH } from '../../platform/abi/linux/errno.ts';
import { BPF_MAXINSNS, parseFilter } from '../../sentry/kernel/seccomp/bpf.ts';
import * as sc from '../../sentry/kernel/seccomp/seccomp.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const SECCOMP_SET_MODE_STRICT = 0;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_GET_ACTION_AVAIL = 2;
const FLAG_TSYNC = 1;
const FLAG_LOG = 2;
const FLAG_SPEC_ALLOW = 4;
const FLAG_TSYNC_ESRCH = 16;
/** Longest chain of filters, in instructions. */
const MAX_CHAIN = 32768;
const FILTER_PENALTY = 4;

const AVAILABLE = [
  sc.SECCOMP_RET_KILL_PROCESS,
  sc.SECCOMP_RET_KILL_THREAD,
  sc.SECCOMP_RET_TRAP,
  sc.SECCOMP_RET_ERRNO,
  sc.SECCOMP_RET_TRACE,
  sc.SECCOMP_RET_LOG,
  sc.SECCOMP_RET_ALLOW,
];

export function sys_seccomp(t: Task, operation: number, flags: number, addr: number): number {
  switch (operation) {
    case SECCOMP_SET_MODE_STRICT:
      return flags !== 0 || addr !== 0 ? EINVAL : setStrict(t);
    case SECCOMP_SET_MODE_FILTER:
      return setFilter(t, flags, addr);
    case SECCOMP_GET_ACTION_AVAIL: {
      if (flags !== 0) return EINVAL;
      const action = t.memory.readU32(addr);
      if (action < 0) return EFAULT;
      return AVAILABLE.includes(action) ? 0 : EOPNOTSUPP;
    }
    default:
      return EINVAL;
  }
}

/** prctl(PR_SET_SECCOMP, mode, filter). */
export function prctlSeccomp(t: Task, mode: number, addr: number): number {
  if (mode === sc.SECCOMP_MODE_STRICT) return setStrict(t);
  return mode === sc.SECCOMP_MODE_FILTER ? setFilter(t, 0, addr) : EINVAL;
}

function setStrict(t: Task): number {
  if (t.seccomp !== null && t.seccomp.mode !== sc.SECCOMP_MODE_STRICT) return EINVAL;
  t.seccomp = { mode: sc.SECCOMP_MODE_STRICT, filter: null };
  return 0;
}

function setFilter(t: Task, flags: number, addr: number): number {
  if ((flags & ~(FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_TSYNC_ESRCH)) !== 0) return EINVAL;
  const length = t.memory.readU32(addr);
  const filterAddr = t.memory.readU64(addr + 8);
  if (length < 0 || filterAddr < 0) return EFAULT;
  const count = length & 0xffff;
  if (count === 0 || count > BPF_MAXINSNS) return EINVAL;
  if (!t.noNewPrivs && !t.creds.hasOwnCap(CAP_SYS_ADMIN)) return EACCES;
  const bytes = new Uint8Array(count * 8);
  if (t.memory.copyIn(filterAddr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  const program = parseFilter(bytes);
  if (program === null) return EINVAL;
  if (t.seccomp !== null && t.seccomp.mode !== sc.SECCOMP_MODE_FILTER) return EINVAL;
  const previous = t.seccomp?.filter ?? null;
  const totalLength = (previous === null ? 0 : previous.totalLength + FILTER_PENALTY) + count;
  if (totalLength > MAX_CHAIN) return ENOMEM;
  if ((flags & FLAG_TSYNC) !== 0) {
    const refused = refusesSync(t, previous);
    if (refused !== 0) return (flags & FLAG_TSYNC_ESRCH) !== 0 ? ESRCH : refused;
  }
  const state = { mode: sc.SECCOMP_MODE_FILTER, filter: { program, previous, totalLength, logs: (flags & FLAG_LOG) !== 0 } };
  t.seccomp = state;
  if ((flags & FLAG_TSYNC) !== 0) {
    for (const task of t.threadGroup.tasks) {
      task.seccomp = state;
      if (t.noNewPrivs) task.noNewPrivs = true;
    }
  }
  return 0;
}

/** Id of a thread whose filters are not an ancestor of the caller's; 0: none. */
function refusesSync(t: Task, own: sc.SeccompFilter | null): number {
  for (const task of t.threadGroup.tasks) {
    if (task === t || task.seccomp === null) continue;
    let at = own;
    while (at !== null && at !== task.seccomp.filter) at = at.previous;
    if (task.seccomp.mode !== sc.SECCOMP_MODE_FILTER || at === null) return task.tidIn(t.pidNs);
  }
  return 0;
}
