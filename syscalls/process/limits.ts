// SPDX-License-Identifier: Apache-2.0

/**
 * prlimit64, getrlimit, setrlimit.
 *
 * Linux: kernel/sys.c (do_prlimit, check_prlimit_permission)
 */
import { CAP_SYS_RESOURCE } from '../../platform/abi/linux/capability.ts';
import { EFAULT, EINVAL, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import { descriptorLimits } from '../../sentry/kernel/fd_table.ts';
import { RLIM_NLIMITS, RLIMIT_CPU, RLIMIT_NOFILE } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { timersOf } from '../../sentry/kernel/timers/process_timers.ts';

const buffer = new Uint8Array(16);
const view = new DataView(buffer.buffer);
const TWO_32 = 4294967296;

function getLimit(at: number): number {
  const hi = view.getUint32(at + 4, true);
  const lo = view.getUint32(at, true);
  return hi === 0xffffffff && lo === 0xffffffff ? Number.POSITIVE_INFINITY : hi * TWO_32 + lo;
}
function putLimit(at: number, value: number): void {
  if (value === Number.POSITIVE_INFINITY) {
    view.setUint32(at, 0xffffffff, true);
    view.setUint32(at + 4, 0xffffffff, true);
    return;
  }
  const hi = Math.floor(value / TWO_32);
  view.setUint32(at, value - hi * TWO_32, true);
  view.setUint32(at + 4, hi, true);
}

function mayChange(t: Task, target: Task): boolean {
  if (target.threadGroup === t.threadGroup || t.creds.hasCapIn(target.creds.userNs, CAP_SYS_RESOURCE)) return true;
  const { ruid, rgid } = t.creds;
  const { creds } = target;
  return (
    ruid === creds.euid &&
    ruid === creds.suid &&
    ruid === creds.ruid &&
    rgid === creds.egid &&
    rgid === creds.sgid &&
    rgid === creds.rgid
  );
}

export function sys_prlimit64(t: Task, pid: number, resource: number, newAddr: number, oldAddr: number): number {
  const target = pid === 0 ? t : t.pidNs.tasks.get(pid);
  if (newAddr !== 0 && t.memory.copyIn(newAddr, buffer, 0, 16) !== 16) return EFAULT;
  const soft = getLimit(0);
  const hard = getLimit(8);
  if (target === undefined) return ESRCH;
  if (!mayChange(t, target)) return EPERM;
  if (resource >= RLIM_NLIMITS) return EINVAL;
  const { rlimits } = target.threadGroup;
  const oldSoft = rlimits.soft(resource);
  const oldHard = rlimits.hard(resource);
  if (newAddr !== 0) {
    if (soft > hard) return EINVAL;
    if (resource === RLIMIT_NOFILE && hard > descriptorLimits.nrOpen) return EPERM;
    if (hard > oldHard && !t.creds.hasCap(CAP_SYS_RESOURCE)) return EPERM;
    rlimits.set(resource, soft, hard);
    if (resource === RLIMIT_CPU) timersOf(t.kernel, target.threadGroup).watchCpuLimit();
  }
  if (oldAddr === 0) return 0;
  putLimit(0, oldSoft);
  putLimit(8, oldHard);
  return t.memory.copyOut(oldAddr, buffer, 0, 16) === 16 ? 0 : EFAULT;
}

export function sys_getrlimit(t: Task, resource: number, addr: number): number {
  if (resource >= RLIM_NLIMITS) return EINVAL;
  const { rlimits } = t.threadGroup;
  putLimit(0, rlimits.soft(resource));
  putLimit(8, rlimits.hard(resource));
  return t.memory.copyOut(addr, buffer, 0, 16) === 16 ? 0 : EFAULT;
}

export function sys_setrlimit(t: Task, resource: number, addr: number): number {
  return addr === 0 ? EFAULT : sys_prlimit64(t, 0, resource, addr, 0);
}
