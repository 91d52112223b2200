// SPDX-License-Identifier: Apache-2.0

/**
 * prctl, arch_prctl, personality.
 *
 * Linux: kernel/sys.c (prctl), security/commoncap.c (cap_task_prctl), arch/x86/kernel/process_64.c (do_arch_prctl_64)
 */
import { CAP_LAST_CAP, CAP_SETPCAP, CAP_SYS_RESOURCE } from '../../platform/abi/linux/capability.ts';
import { EFAULT, EINVAL, ENAMETOOLONG, ENODEV, EPERM, isErrno } from '../../platform/abi/linux/errno.ts';
import * as pr from '../../platform/abi/linux/prctl.ts';
import { NSIG } from '../../platform/abi/linux/signal.ts';
import type { PlatformThread } from '../../platform/platform.ts';
import { REG_FS_BASE, REG_GS_BASE } from '../../platform/registers.ts';
import { CAP_EMPTY, type CapSet } from '../../sentry/auth/credentials.ts';
import {
  capAnd,
  capOr,
  capWithout,
  SECBIT_KEEP_CAPS,
  SECBIT_KEEP_CAPS_LOCKED,
  SECBIT_NO_CAP_AMBIENT_RAISE,
} from '../../sentry/auth/exec_credentials.ts';
import { ANON_NAME_MAX, setAnonName } from '../../sentry/mm/vma_name.ts';
import { prctlSeccomp } from './seccomp.ts';
import { setUserDispatch } from '../../sentry/kernel/seccomp/user_dispatch.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const COMM_MAX = 15;
const SECURE_ALL_BITS = 0x55;
const SECURE_ALL_LOCKS = SECURE_ALL_BITS << 1;
const USER_LIMIT = 0x7ffffffff000;
const nameBytes = new Uint8Array(16);

export function sys_prctl(t: Task, option: number, a2: number, a3: number, a4: number, a5: number): number {
  switch (option) {
    case pr.PR_SET_PDEATHSIG:
      if (a2 > NSIG) return EINVAL;
      t.parentDeathSignal = a2;
      return 0;
    case pr.PR_GET_PDEATHSIG:
      return t.memory.writeU32(a2, t.parentDeathSignal);
    case pr.PR_GET_DUMPABLE:
      return t.mm.dumpable;
    case pr.PR_SET_DUMPABLE:
      if (a2 !== 0 && a2 !== 1) return EINVAL;
      t.mm.dumpable = a2;
      return 0;
    case pr.PR_SET_NAME:
      return setName(t, a2);
    case pr.PR_GET_NAME:
      return getName(t, a2);
    case pr.PR_SET_TIMERSLACK:
      t.timerSlackNs = a2 === 0 || a2 >= 2 ** 63 ? t.defaultTimerSlackNs : a2;
      return 0;
    case pr.PR_GET_TIMERSLACK:
      return t.timerSlackNs;
    // There are no performance events to switch.
    case pr.PR_TASK_PERF_EVENTS_DISABLE:
    case pr.PR_TASK_PERF_EVENTS_ENABLE:
    case pr.PR_GET_TIMING:
      return 0;
    case pr.PR_SET_TIMING:
      return a2 === 0 ? 0 : EINVAL;
    case pr.PR_SET_CHILD_SUBREAPER:
      t.threadGroup.isChildSubreaper = a2 !== 0;
      return 0;
    case pr.PR_GET_CHILD_SUBREAPER:
      return t.memory.writeU32(a2, t.threadGroup.isChildSubreaper ? 1 : 0);
    case pr.PR_SET_NO_NEW_PRIVS:
      if (a2 !== 1 || a3 !== 0 || a4 !== 0 || a5 !== 0) return EINVAL;
      t.noNewPrivs = true;
      return 0;
    case pr.PR_GET_NO_NEW_PRIVS:
      return a2 !== 0 || a3 !== 0 || a4 !== 0 || a5 !== 0 ? EINVAL : t.noNewPrivs ? 1 : 0;
    case pr.PR_GET_TID_ADDRESS:
      return t.memory.writeU64(a2, t.clearChildTid);
    default:
      return prctlRare(t, option, a2, a3, a4, a5);
  }
}

function prctlRare(t: Task, option: number, a2: number, a3: number, a4: number, a5: number): number {
  switch (option) {
    case pr.PR_GET_KEEPCAPS:
      return (t.creds.securebits & SECBIT_KEEP_CAPS) !== 0 ? 1 : 0;
    case pr.PR_SET_KEEPCAPS:
      return setKeepCaps(t, a2);
    case pr.PR_GET_SECCOMP:
      return t.seccomp?.mode ?? 0;
    case pr.PR_SET_SYSCALL_USER_DISPATCH:
      return setUserDispatch(t, a2, a3, a4, a5);
    case pr.PR_SET_SECCOMP:
      return prctlSeccomp(t, a2, a3);
    case pr.PR_CAPBSET_READ:
      return a2 > CAP_LAST_CAP ? EINVAL : hasCap(t.creds.bounding, a2) ? 1 : 0;
    case pr.PR_CAPBSET_DROP:
      return dropBounding(t, a2);
    case pr.PR_GET_SECUREBITS:
      return t.creds.securebits;
    case pr.PR_SET_SECUREBITS:
      return setSecurebits(t, a2);
    case pr.PR_CAP_AMBIENT:
      return a4 !== 0 || a5 !== 0 ? EINVAL : ambient(t, a2, a3);
    case pr.PR_GET_TSC:
      return t.memory.writeU32(a2, 1);
    case pr.PR_SET_TSC:
      return a2 === 1 ? 0 : EINVAL;
    case pr.PR_SET_THP_DISABLE:
      return a3 !== 0 || a4 !== 0 || a5 !== 0 ? EINVAL : 0;
    case pr.PR_GET_THP_DISABLE:
      return a2 !== 0 || a3 !== 0 || a4 !== 0 || a5 !== 0 ? EINVAL : 0;
    case pr.PR_MCE_KILL:
      return a4 !== 0 || a5 !== 0 || a2 > 1 ? EINVAL : 0;
    case pr.PR_MCE_KILL_GET:
      return a2 !== 0 || a3 !== 0 || a4 !== 0 || a5 !== 0 ? EINVAL : 2;
    case pr.PR_SET_MM:
      return t.creds.hasCap(CAP_SYS_RESOURCE) ? EINVAL : EPERM;
    case pr.PR_SET_VMA:
      return a2 === pr.PR_SET_VMA_ANON_NAME ? setVmaName(t, a3, a4, a5) : EINVAL;
    case pr.PR_SET_PTRACER: {
      const other = t.pidNs.tasks.get(a2);
      if (a2 === 0) t.threadGroup.ptracer = null;
      else if (a2 >= 2 ** 63) t.threadGroup.ptracer = 'any';
      else if (other === undefined) return EINVAL;
      else t.threadGroup.ptracer = other.threadGroup;
      return 0;
    }
    case pr.PR_GET_SPECULATION_CTRL:
      return a3 !== 0 || a4 !== 0 || a5 !== 0 ? EINVAL : ENODEV;
    case pr.PR_SET_SPECULATION_CTRL:
      return a4 !== 0 || a5 !== 0 ? EINVAL : ENODEV;
    case pr.PR_SET_IO_FLUSHER:
    case pr.PR_GET_IO_FLUSHER:
      return t.creds.hasCap(CAP_SYS_RESOURCE) ? 0 : EPERM;
    default:
      return EINVAL;
  }
}

function setName(t: Task, addr: number): number {
  const text = t.memory.readCString(addr, COMM_MAX + 1);
  if (!isErrno(text)) t.comm = text;
  else {
    // Longer names are cut, silently.
    const n = t.memory.copyIn(addr, nameBytes, 0, COMM_MAX);
    if (n !== COMM_MAX) return EFAULT;
    t.comm = Buffer.from(nameBytes.subarray(0, COMM_MAX)).toString('latin1');
  }
  const thread = t.thread as PlatformThread;
  thread.setName(t.comm);
  // Programs that name themselves do so once, and then may never do anything that would carry it out.
  thread.showName?.();
  return 0;
}

function getName(t: Task, addr: number): number {
  nameBytes.fill(0);
  for (let i = 0; i < t.comm.length && i < COMM_MAX; i++) nameBytes[i] = t.comm.charCodeAt(i);
  return t.memory.copyOut(addr, nameBytes, 0, 16) === 16 ? 0 : EFAULT;
}

function bit(cap: number): CapSet {
  return cap < 32 ? [(1 << cap) >>> 0, 0] : [0, 1 << (cap - 32)];
}
function hasCap(set: CapSet, cap: number): boolean {
  const only = capAnd(set, bit(cap));
  return (only[0] | only[1]) !== 0;
}

function setKeepCaps(t: Task, value: number): number {
  if (value > 1) return EINVAL;
  if ((t.creds.securebits & SECBIT_KEEP_CAPS_LOCKED) !== 0) return EPERM;
  const creds = t.creds.clone();
  creds.securebits = value === 1 ? creds.securebits | SECBIT_KEEP_CAPS : creds.securebits & ~SECBIT_KEEP_CAPS;
  t.creds = creds;
  return 0;
}

function dropBounding(t: Task, cap: number): number {
  if (!t.creds.hasOwnCap(CAP_SETPCAP)) return EPERM;
  if (cap > CAP_LAST_CAP) return EINVAL;
  const creds = t.creds.clone();
  creds.bounding = capWithout(creds.bounding, bit(cap));
  t.creds = creds;
  return 0;
}

function setSecurebits(t: Task, value: number): number {
  const old = t.creds.securebits;
  const locked = (old & SECURE_ALL_LOCKS) >> 1;
  if (
    (locked & (old ^ value)) !== 0 ||
    (old & SECURE_ALL_LOCKS & ~value) !== 0 ||
    value > 0xff ||
    (value & ~(SECURE_ALL_BITS | SECURE_ALL_LOCKS)) !== 0
  )
    return EPERM;
  if (!t.creds.hasOwnCap(CAP_SETPCAP)) return EPERM;
  const creds = t.creds.clone();
  creds.securebits = value;
  t.creds = creds;
  return 0;
}

function ambient(t: Task, operation: number, cap: number): number {
  const creds = t.creds.clone();
  if (operation === pr.PR_CAP_AMBIENT_CLEAR_ALL) {
    if (cap !== 0) return EINVAL;
    creds.ambient = CAP_EMPTY;
    t.creds = creds;
    return 0;
  }
  if (cap > CAP_LAST_CAP) return EINVAL;
  switch (operation) {
    case pr.PR_CAP_AMBIENT_IS_SET:
      return hasCap(t.creds.ambient, cap) ? 1 : 0;
    case pr.PR_CAP_AMBIENT_RAISE:
      if (
        !hasCap(creds.permitted, cap) ||
        !hasCap(creds.inheritable, cap) ||
        (creds.securebits & SECBIT_NO_CAP_AMBIENT_RAISE) !== 0
      )
        return EPERM;
      creds.ambient = capOr(creds.ambient, bit(cap));
      break;
    case pr.PR_CAP_AMBIENT_LOWER:
      creds.ambient = capWithout(creds.ambient, bit(cap));
      break;
    default:
      return EINVAL;
  }
  t.creds = creds;
  return 0;
}

export function sys_arch_prctl(t: Task, operation: number, addr: number): number {
  switch (operation) {
    case pr.ARCH_SET_FS:
    case pr.ARCH_SET_GS:
      if (addr >= USER_LIMIT) return EPERM;
      t.regs.set(operation === pr.ARCH_SET_FS ? REG_FS_BASE : REG_GS_BASE, addr);
      return 0;
    case pr.ARCH_GET_FS:
      return t.memory.writeU64(addr, t.regs.u64(REG_FS_BASE));
    case pr.ARCH_GET_GS:
      return t.memory.writeU64(addr, t.regs.u64(REG_GS_BASE));
    case pr.ARCH_GET_CPUID:
      return 1;
    case pr.ARCH_SET_CPUID:
      return ENODEV;
    default:
      return EINVAL;
  }
}

/** PER_MASK and the known flag bits. */
export function sys_personality(t: Task, persona: number): number {
  const old = t.personality;
  if (persona !== 0xffffffff) t.personality = persona;
  return old;
}

/** PR_SET_VMA_ANON_NAME. */
function setVmaName(t: Task, addr: number, length: number, nameAddr: number): number {
  if (nameAddr === 0) return setAnonName(t.mm, addr, length, null);
  const name = t.memory.readCString(nameAddr, ANON_NAME_MAX);
  if (isErrno(name)) return name === ENAMETOOLONG ? EINVAL : name;
  return setAnonName(t.mm, addr, length, name);
}
