// SPDX-License-Identifier: Apache-2.0

/**
 * Scheduling attributes: kept and reported consistently; the host schedules.
 *
 * Linux: kernel/sched/syscalls.c, block/ioprio.c
 */
import { CAP_SYS_NICE } from '../../platform/abi/linux/capability.ts';
import { E2BIG, EACCES, EFAULT, EINVAL, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import {
  SCHED_BATCH,
  SCHED_DEADLINE,
  SCHED_FIFO,
  SCHED_IDLE,
  SCHED_OTHER,
  SCHED_RESET_ON_FORK,
  SCHED_RR,
} from '../../platform/abi/linux/sched.ts';
import { RLIMIT_NICE, RLIMIT_RTPRIO } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { writePair } from '../time/clock.ts';

const MAX_RT_PRIO = 99;
/** SCHED_FLAG_RESET_ON_FORK, RECLAIM, DL_OVERRUN, KEEP_POLICY, KEEP_PARAMS: utilization clamps are not there. */
const SCHED_FLAGS = 0x1f;
const RR_INTERVAL_NS = 100_000_000;

export function sys_sched_yield(): number {
  return 0;
}

function taskOf(t: Task, pid: number): Task | null {
  return pid === 0 ? t : (t.pidNs.tasks.get(pid) ?? null);
}
/** May t change the scheduling of `target`? */
function owns(t: Task, target: Task): boolean {
  return t.creds.euid === target.creds.euid || t.creds.euid === target.creds.ruid || t.creds.hasCapIn(target.creds.userNs, CAP_SYS_NICE);
}

export function sys_sched_getaffinity(t: Task, pid: number, size: number, addr: number): number {
  const bytes = Math.max(8, Math.ceil(t.kernel.host.info.cpuCount / 64) * 8);
  if (size * 8 < t.kernel.host.info.cpuCount || size % 8 !== 0) return EINVAL;
  const target = pid < 0 ? null : taskOf(t, pid);
  if (target === null) return ESRCH;
  const n = Math.min(size, bytes);
  return t.memory.copyOut(addr, target.affinity, 0, n) === n ? n : EFAULT;
}

export function sys_sched_setaffinity(t: Task, pid: number, size: number, addr: number): number {
  const { cpuCount } = t.kernel.host.info;
  const mask = new Uint8Array(t.affinity.length);
  const n = Math.min(size, mask.length);
  if (n > 0 && t.memory.copyIn(addr, mask, 0, n) !== n) return EFAULT;
  const target = pid < 0 ? null : taskOf(t, pid);
  if (target === null) return ESRCH;
  if (!owns(t, target)) return EPERM;
  let any = false;
  for (let cpu = 0; cpu < mask.length * 8; cpu++) {
    const set = ((mask[cpu >> 3] as number) >> (cpu & 7)) & 1;
    if (set === 0) continue;
    if (cpu < cpuCount) any = true;
    else mask[cpu >> 3] = (mask[cpu >> 3] as number) & ~(1 << (cpu & 7));
  }
  if (!any) return EINVAL;
  target.affinity = mask;
  target.hasAffinity = true;
  target.thread?.setAffinity?.(mask);
  return 0;
}

export function sys_sched_getscheduler(t: Task, pid: number): number {
  if (pid < 0) return EINVAL;
  const target = taskOf(t, pid);
  return target === null ? ESRCH : target.schedPolicy + (target.schedResetOnFork ? SCHED_RESET_ON_FORK : 0);
}

export function sys_sched_getparam(t: Task, pid: number, addr: number): number {
  if (pid < 0 || addr === 0) return EINVAL;
  const target = taskOf(t, pid);
  return target === null ? ESRCH : t.memory.writeU32(addr, target.schedPriority);
}

/** Validates and installs a policy. `policy` -1: keep. */
function setPolicy(t: Task, pid: number, policy: number, priority: number, reset: boolean | null): number {
  if (pid < 0) return EINVAL;
  const target = taskOf(t, pid);
  if (target === null) return ESRCH;
  const wanted = policy < 0 ? target.schedPolicy : policy;
  const isRealtime = wanted === SCHED_FIFO || wanted === SCHED_RR;
  if (!isRealtime && wanted !== SCHED_OTHER && wanted !== SCHED_BATCH && wanted !== SCHED_IDLE) return EINVAL;
  if (isRealtime ? priority < 1 || priority > MAX_RT_PRIO : priority !== 0) return EINVAL;
  if (!t.creds.hasCap(CAP_SYS_NICE)) {
    if (!owns(t, target)) return EPERM;
    const limit = target.threadGroup.rlimits.soft(RLIMIT_RTPRIO);
    if (isRealtime && (limit === 0 || priority > Math.max(limit, target.schedPriority))) return EPERM;
    if (target.schedResetOnFork && reset === false) return EPERM;
  }
  target.schedPolicy = wanted;
  target.schedPriority = priority;
  if (reset !== null) target.schedResetOnFork = reset;
  return 0;
}

export function sys_sched_setscheduler(t: Task, pid: number, policy: number, addr: number): number {
  if (policy < 0 || addr === 0 || pid < 0) return EINVAL;
  const priority = t.memory.readU32(addr);
  if (priority < 0) return EFAULT;
  return setPolicy(t, pid, (policy & ~SCHED_RESET_ON_FORK) >>> 0, priority | 0, (policy & SCHED_RESET_ON_FORK) !== 0);
}

export function sys_sched_setparam(t: Task, pid: number, addr: number): number {
  if (addr === 0 || pid < 0) return EINVAL;
  const priority = t.memory.readU32(addr);
  return priority < 0 ? EFAULT : setPolicy(t, pid, -1, priority | 0, null);
}

export function sys_sched_get_priority_max(_t: Task, policy: number): number {
  if (policy === SCHED_FIFO || policy === SCHED_RR) return MAX_RT_PRIO;
  return policy === SCHED_OTHER || policy === SCHED_BATCH || policy === SCHED_IDLE || policy === SCHED_DEADLINE
    ? 0
    : EINVAL;
}
export function sys_sched_get_priority_min(_t: Task, policy: number): number {
  if (policy === SCHED_FIFO || policy === SCHED_RR) return 1;
  return policy === SCHED_OTHER || policy === SCHED_BATCH || policy === SCHED_IDLE || policy === SCHED_DEADLINE
    ? 0
    : EINVAL;
}
export function sys_sched_rr_get_interval(t: Task, pid: number, addr: number): number {
  if (pid < 0) return EINVAL;
  const target = taskOf(t, pid);
  if (target === null) return ESRCH;
  return writePair(
    t,
    addr,
    0,
    target.schedPolicy === SCHED_RR ? RR_INTERVAL_NS : target.schedPolicy === SCHED_FIFO ? 0 : 4_000_000,
  );
}

/** 1 << DL_SCALE; and sysctl sched_deadline_period_min_us and _max_us. */
const MIN_DL_RUNTIME_NS = 1024;
const MIN_DL_PERIOD_NS = 100_000;
const MAX_DL_PERIOD_NS = 4_194_304_000;
const SCHED_ATTR_SIZE = 56;
const SCHED_ATTR_SIZE_VER0 = 48;
const attr = new Uint8Array(4096);
const attrView = new DataView(attr.buffer);

/** SCHED_DEADLINE from the attr just read. Linux: __checkparam_dl(). */
function setDeadline(t: Task, target: Task, priority: number, reset: boolean): number {
  const [runtime, deadline, period] = [24, 32, 40].map((at) => Number(attrView.getBigUint64(at, true))) as [
    number,
    number,
    number,
  ];
  if (priority !== 0 || deadline === 0 || runtime < MIN_DL_RUNTIME_NS) return EINVAL;
  if (deadline >= 2 ** 63 || period >= 2 ** 63) return EINVAL;
  const interval = period === 0 ? deadline : period;
  if (interval < deadline || deadline < runtime) return EINVAL;
  if (interval < MIN_DL_PERIOD_NS || interval > MAX_DL_PERIOD_NS) return EINVAL;
  if (!t.creds.hasCap(CAP_SYS_NICE)) return EPERM;
  target.schedPolicy = SCHED_DEADLINE;
  target.schedPriority = 0;
  target.schedResetOnFork = reset;
  target.schedDeadline = [runtime, deadline, interval];
  return 0;
}

export function sys_sched_setattr(t: Task, pid: number, addr: number, flags: number): number {
  if (addr === 0 || pid < 0 || flags !== 0) return EINVAL;
  let size = t.memory.readU32(addr);
  if (size < 0) return EFAULT;
  if (size === 0) size = SCHED_ATTR_SIZE_VER0;
  if (size < SCHED_ATTR_SIZE_VER0 || size > attr.length) {
    t.memory.writeU32(addr, SCHED_ATTR_SIZE);
    return E2BIG;
  }
  if (t.memory.copyIn(addr, attr, 0, size) !== size) return EFAULT;
  const policy = attrView.getInt32(4, true);
  const bits = attrView.getUint32(8, true);
  const nice = attrView.getInt32(16, true);
  if (policy < 0 || (bits & ~SCHED_FLAGS) !== 0 || attrView.getUint32(12, true) !== 0) return EINVAL;
  const target = taskOf(t, pid);
  if (target === null) return ESRCH;
  if (policy === SCHED_DEADLINE) return setDeadline(t, target, attrView.getInt32(20, true), (bits & 1) !== 0);
  const err = setPolicy(t, pid, policy, attrView.getInt32(20, true), (bits & 1) !== 0);
  if (err === 0 && (policy === SCHED_OTHER || policy === SCHED_BATCH)) target.nice = Math.max(-20, Math.min(19, nice));
  return err;
}

export function sys_sched_getattr(t: Task, pid: number, addr: number, size: number, flags: number): number {
  if (addr === 0 || pid < 0 || size > 4096 || size < SCHED_ATTR_SIZE_VER0 || flags !== 0) return EINVAL;
  const target = taskOf(t, pid);
  if (target === null) return ESRCH;
  const n = Math.min(size, SCHED_ATTR_SIZE);
  attr.fill(0, 0, SCHED_ATTR_SIZE);
  attrView.setUint32(0, n, true);
  attrView.setUint32(4, target.schedPolicy, true);
  attrView.setUint32(8, target.schedResetOnFork ? 1 : 0, true);
  attrView.setInt32(
    16,
    target.schedPolicy === SCHED_OTHER || target.schedPolicy === SCHED_BATCH ? target.nice : 0,
    true,
  );
  attrView.setUint32(20, target.schedPriority, true);
  if (target.schedPolicy === SCHED_DEADLINE && target.schedDeadline !== null) {
    target.schedDeadline.forEach((ns, i) => attrView.setBigUint64(24 + i * 8, BigInt(ns), true));
  }
  return t.memory.copyOut(addr, attr, 0, n) === n ? 0 : EFAULT;
}

const PRIO_PROCESS = 0;
const PRIO_PGRP = 1;
const PRIO_USER = 2;

/** Tasks that (which, who) of getpriority(2) names; null: EINVAL. */
function prioritized(t: Task, which: number, who: number): Task[] | null {
  if (which === PRIO_PROCESS) {
    const target = taskOf(t, who);
    return target === null ? [] : [target];
  }
  if (which === PRIO_PGRP) {
    const group = who === 0 ? t.threadGroup.processGroup : t.pidNs.processGroups.get(who);
    return group === undefined ? [] : [...group.members].flatMap((member) => [...member.tasks]);
  }
  if (which !== PRIO_USER) return null;
  const uid = who === 0 ? t.creds.ruid : t.creds.userNs.uidOf(who);
  return [...t.pidNs.tasks.values()].filter((task) => task.isLive && task.creds.ruid === uid);
}

export function sys_getpriority(t: Task, which: number, who: number): number {
  const tasks = prioritized(t, which, who);
  if (tasks === null) return EINVAL;
  // The call returns 20 - nice, so that results are positive.
  return tasks.length === 0 ? ESRCH : Math.max(...tasks.map((task) => 20 - task.nice));
}

export function sys_setpriority(t: Task, which: number, who: number, value: number): number {
  const nice = Math.max(-20, Math.min(19, value));
  const tasks = prioritized(t, which, who);
  if (tasks === null) return EINVAL;
  if (tasks.length === 0) return ESRCH;
  let result = 0;
  for (const target of tasks) {
    const err = setNice(t, target, nice);
    if (err !== 0) result = err;
  }
  return result;
}

function setNice(t: Task, target: Task, nice: number): number {
  if (target.creds.ruid !== t.creds.euid && target.creds.euid !== t.creds.euid && !t.creds.hasCapIn(target.creds.userNs, CAP_SYS_NICE))
    return EPERM;
  if (nice < target.nice && 20 - nice > target.threadGroup.rlimits.soft(RLIMIT_NICE) && !t.creds.hasCap(CAP_SYS_NICE))
    return EACCES;
  target.nice = nice;
  return 0;
}

const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_WHO_USER = 3;

/** task_nice_ioprio(): best effort, the level that goes with the nice value; real time and idle by policy. */
function defaultIoPriority(t: Task): number {
  const priorityClass = t.schedPolicy === SCHED_IDLE ? 3 : t.schedPolicy === SCHED_FIFO || t.schedPolicy === SCHED_RR ? 1 : 2;
  return priorityClass * 8192 + Math.floor((t.nice + 20) / 5);
}

export function sys_ioprio_get(t: Task, which: number, who: number): number {
  if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) return EINVAL;
  const tasks = prioritized(t, which - 1, who) ?? [];
  const [first] = tasks;
  if (first === undefined) return ESRCH;
  // Of several the best counts, and who never set one has what goes with being nice.
  if (which === IOPRIO_WHO_PROCESS) return first.ioPriority;
  return Math.min(...tasks.map((task) => (task.ioPriority >> 13 === 0 ? defaultIoPriority(task) : task.ioPriority)));
}
export function sys_ioprio_set(t: Task, which: number, who: number, value: number): number {
  const priorityClass = value >> 13;
  if (priorityClass < 0 || priorityClass > 3 || (priorityClass === 0 && (value & 7) !== 0)) return EINVAL;
  if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) return EINVAL;
  if (priorityClass === 1 && !t.creds.hasCap(CAP_SYS_NICE)) return EPERM;
  const tasks = prioritized(t, which - 1, who) ?? [];
  if (tasks.length === 0) return ESRCH;
  for (const target of tasks) {
    if (!owns(t, target)) return EPERM;
    target.ioPriority = value;
  }
  return 0;
}
