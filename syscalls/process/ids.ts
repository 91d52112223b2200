// SPDX-License-Identifier: Apache-2.0

/**
 * Process and thread ids, process groups, sessions, user and group ids.
 *
 * Linux: kernel/sys.c, kernel/groups.c
 */
import { EACCES, EFAULT, EINVAL, EPERM, ESRCH, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import type { Credentials } from '../../sentry/auth/credentials.ts';
import {
  setfsgid,
  setfsuid,
  setgid,
  setgroups,
  setregid,
  setresgid,
  setresuid,
  setreuid,
  setuid,
} from '../../sentry/auth/change_ids.ts';
import { ProcessGroup, Session } from '../../sentry/kernel/process/process_group.ts';
import type { ThreadGroup } from '../../sentry/kernel/process/thread_group.ts';
import type { Task } from '../../sentry/kernel/task.ts';

export function sys_getpid(t: Task): number {
  return t.threadGroup.pidIn(t.pidNs);
}
export function sys_gettid(t: Task): number {
  return t.tidIn(t.pidNs);
}
export function sys_getppid(t: Task): number {
  const { parent } = t.threadGroup;
  return parent === null ? 0 : parent.pidIn(t.pidNs);
}
export function sys_getpgrp(t: Task): number {
  return t.threadGroup.processGroup.idIn(t.pidNs);
}

/** The process named by a pid argument; 0 is the caller's. */
function processOf(t: Task, pid: number): ThreadGroup | null {
  if (pid === 0) return t.threadGroup;
  return t.pidNs.tasks.get(pid)?.threadGroup ?? null;
}

export function sys_getpgid(t: Task, pid: number): number {
  const group = processOf(t, pid);
  return group === null ? ESRCH : group.processGroup.idIn(t.pidNs);
}
export function sys_getsid(t: Task, pid: number): number {
  const group = processOf(t, pid);
  return group === null ? ESRCH : group.session.idIn(t.pidNs);
}

export function sys_setpgid(t: Task, pid: number, pgid: number): number {
  if (pgid < 0 || (pgid === 0 && pid < 0)) return EINVAL;
  const own = t.threadGroup;
  const group = pid === 0 ? own : t.pidNs.threadGroup(pid);
  if (group === null || group.isDead) return pid !== 0 && t.pidNs.tasks.has(pid) ? EINVAL : ESRCH;
  if (group.parent === own) {
    if (group.session !== own.session) return EPERM;
    if (group.hasExeced) return EACCES;
  } else if (group !== own) return ESRCH;
  if (group.session.leader === group) return EPERM;
  const wanted = pgid === 0 ? group.pidIn(t.pidNs) : pgid;
  const existing = t.pidNs.processGroups.get(wanted);
  if (wanted === group.pidIn(t.pidNs)) {
    if (existing === group.processGroup && existing !== undefined) return 0;
    moveToGroup(group, existing ?? new ProcessGroup(group, group.session));
    return 0;
  }
  if (existing === undefined || existing.session !== own.session) return EPERM;
  moveToGroup(group, existing);
  return 0;
}

function moveToGroup(group: ThreadGroup, to: ProcessGroup): void {
  const from = group.processGroup;
  if (from === to) return;
  to.add(group);
  from.remove(group);
}

export function sys_setsid(t: Task): number {
  const group = t.threadGroup;
  if (group.session.leader === group) return EPERM;
  if (t.pidNs.processGroups.has(group.pidIn(t.pidNs))) return EPERM;
  const from = group.processGroup;
  const to = new ProcessGroup(group, new Session(group));
  to.add(group);
  from.remove(group);
  return to.idIn(t.pidNs);
}

export function sys_getuid(t: Task): number {
  return t.creds.userNs.showUid(t.creds.ruid);
}
export function sys_geteuid(t: Task): number {
  return t.creds.userNs.showUid(t.creds.euid);
}
export function sys_getgid(t: Task): number {
  return t.creds.userNs.showGid(t.creds.rgid);
}
export function sys_getegid(t: Task): number {
  return t.creds.userNs.showGid(t.creds.egid);
}

/** Installs changed credentials; a change of effective ids also makes the process undumpable. */
function install(t: Task, creds: Credentials | Errno): number {
  if (isErrno(creds)) return creds;
  const old = t.creds;
  if (creds.euid !== old.euid || creds.egid !== old.egid || creds.fsuid !== old.fsuid || creds.fsgid !== old.fsgid) {
    t.mm.dumpable = 0;
    t.parentDeathSignal = 0;
  }
  t.creds = creds;
  return 0;
}

/** "leave alone", which is no id in any namespace. */
const KEEP = 0xffffffff;

/** Calls `then` with the kernel ids the arguments mean; EINVAL when one means none. */
function withUids(t: Task, ids: readonly number[], then: (...kernel: number[]) => Credentials | Errno): number {
  const kernel = ids.map((id) => (id === KEEP ? id : t.creds.userNs.uidOf(id)));
  return kernel.includes(-1) ? EINVAL : install(t, then(...kernel));
}
function withGids(t: Task, ids: readonly number[], then: (...kernel: number[]) => Credentials | Errno): number {
  const kernel = ids.map((id) => (id === KEEP ? id : t.creds.userNs.gidOf(id)));
  return kernel.includes(-1) ? EINVAL : install(t, then(...kernel));
}

export function sys_setuid(t: Task, uid: number): number {
  return withUids(t, [uid], (u0) => setuid(t.creds, u0));
}
export function sys_setgid(t: Task, gid: number): number {
  return withGids(t, [gid], (g0) => setgid(t.creds, g0));
}
export function sys_setreuid(t: Task, ruid: number, euid: number): number {
  return withUids(t, [ruid, euid], (r0, e1) => setreuid(t.creds, r0, e1));
}
export function sys_setregid(t: Task, rgid: number, egid: number): number {
  return withGids(t, [rgid, egid], (r0, e1) => setregid(t.creds, r0, e1));
}
export function sys_setresuid(t: Task, ruid: number, euid: number, suid: number): number {
  return withUids(t, [ruid, euid, suid], (r0, e1, s2) => setresuid(t.creds, r0, e1, s2));
}
export function sys_setresgid(t: Task, rgid: number, egid: number, sgid: number): number {
  return withGids(t, [rgid, egid, sgid], (r0, e1, s2) => setresgid(t.creds, r0, e1, s2));
}
export function sys_setfsuid(t: Task, uid: number): number {
  const { userNs, fsuid } = t.creds;
  const kernel = uid === KEEP ? -1 : userNs.uidOf(uid);
  if (kernel !== -1) install(t, setfsuid(t.creds, kernel));
  return userNs.showUid(fsuid);
}
export function sys_setfsgid(t: Task, gid: number): number {
  const { userNs, fsgid } = t.creds;
  const kernel = gid === KEEP ? -1 : userNs.gidOf(gid);
  if (kernel !== -1) install(t, setfsgid(t.creds, kernel));
  return userNs.showGid(fsgid);
}

function writeThree(t: Task, addrs: readonly number[], values: readonly number[]): number {
  for (let i = 0; i < 3; i++) if (t.memory.writeU32(addrs[i] as number, values[i] as number) !== 0) return EFAULT;
  return 0;
}
export function sys_getresuid(t: Task, ruid: number, euid: number, suid: number): number {
  return writeThree(t, [ruid, euid, suid], [t.creds.ruid, t.creds.euid, t.creds.suid].map((id) => t.creds.userNs.showUid(id)));
}
export function sys_getresgid(t: Task, rgid: number, egid: number, sgid: number): number {
  return writeThree(t, [rgid, egid, sgid], [t.creds.rgid, t.creds.egid, t.creds.sgid].map((id) => t.creds.userNs.showGid(id)));
}

const NGROUPS_MAX = 65536;

export function sys_getgroups(t: Task, size: number, addr: number): number {
  const { groups } = t.creds;
  if (size < 0) return EINVAL;
  if (size === 0) return groups.length;
  if (groups.length > size) return EINVAL;
  const bytes = new Uint8Array(Uint32Array.from(groups, (gid) => t.creds.userNs.showGid(gid)).buffer);
  return bytes.length === 0 || t.memory.copyOut(addr, bytes, 0, bytes.length) === bytes.length ? groups.length : EFAULT;
}

export function sys_setgroups(t: Task, size: number, addr: number): number {
  if (isErrno(setgroups(t.creds, []))) return EPERM;
  if (size < 0 || size > NGROUPS_MAX) return EINVAL;
  const bytes = new Uint8Array(size * 4);
  if (size > 0 && t.memory.copyIn(addr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  const groups = [...new Uint32Array(bytes.buffer)].map((gid) => (gid === KEEP ? -1 : t.creds.userNs.gidOf(gid)));
  if (groups.includes(-1)) return EINVAL;
  return install(t, setgroups(t.creds, groups));
}
