// SPDX-License-Identifier: Apache-2.0

/**
 * unshare, setns, kcmp.
 *
 * Linux: kernel/fork.c (ksys_unshare), kernel/nsproxy.c, kernel/kcmp.c
 */
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT } from '../../platform/abi/linux/capability.ts';
import { EBADF, EINVAL, EMFILE, EPERM, ESRCH, EUSERS, isErrno } from '../../platform/abi/linux/errno.ts';
import {
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VM,
} from '../../platform/abi/linux/sched.ts';
import { credentialsIn, newUserNamespace } from '../../sentry/auth/new_user_namespace.ts';
import { UserNamespace } from '../../sentry/auth/user_namespace.ts';
import { isChrooted } from '../../sentry/kernel/chrooted.ts';
import { mayPtraceAccess } from '../../sentry/kernel/process/ptrace_access.ts';
import type { NamespaceHandle } from '../../sentry/fs/proc/pid_ns.ts';
import { undoListOf } from '../../sentry/kernel/ipc/sem_undo.ts';
import { IpcNamespace, NetNamespace, newNamespaceInum, UtsNamespace } from '../../sentry/kernel/namespaces.ts';
import { PidNamespace } from '../../sentry/kernel/process/pid_namespace.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { TimeNamespace } from '../../sentry/kernel/time_namespace.ts';
import { ioFile } from '../file/path_args.ts';
import { MountNamespace } from '../../sentry/vfs/mount.ts';

const NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME;
const KNOWN =
  CLONE_THREAD |
  CLONE_FS |
  CLONE_NEWNS |
  CLONE_SIGHAND |
  CLONE_VM |
  CLONE_FILES |
  CLONE_SYSVSEM |
  NAMESPACES |
  CLONE_NEWUSER;

export function sys_unshare(t: Task, flags: number): number {
  if ((flags & ~KNOWN) !== 0) return EINVAL;
  if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWUSER)) !== 0 && t.threadGroup.tasks.size > 1)
    return EINVAL;
  let { creds } = t;
  if ((flags & CLONE_NEWUSER) !== 0) {
    const made = newUserNamespace(creds, isChrooted(t), newNamespaceInum());
    if (isErrno(made)) return made;
    creds = made;
  }
  const { userNs } = creds;
  if ((flags & NAMESPACES) !== 0 && !creds.hasCapIn(userNs, CAP_SYS_ADMIN)) return EPERM;
  if ((flags & CLONE_FILES) !== 0 && t.fdTable.userCount > 1 && t.fdTable.isTooLargeToCopy) return EMFILE;
  if ((flags & CLONE_NEWPID) !== 0 && t.childPidNs !== t.pidNs) return EINVAL;
  if ((flags & CLONE_NEWNS) !== 0) {
    const ns = t.kernel.copyMountNamespace(t, t.mountNs, userNs);
    if (isErrno(ns)) return ns;
    unshareFs(t);
    t.mountNs = ns;
    t.kernel.enterMountNamespace(t, ns);
  }
  if ((flags & (CLONE_FS | CLONE_NEWUSER)) !== 0) unshareFs(t);
  t.creds = creds;
  if ((flags & CLONE_FILES) !== 0 && t.fdTable.userCount > 1) {
    const own = t.fdTable.clone();
    t.fdTable.decUsers(t);
    t.fdTable = own;
  }
  if ((flags & CLONE_NEWUTS) !== 0) t.uts = t.uts.clone(userNs);
  if ((flags & CLONE_NEWIPC) !== 0) t.ipcNs = new IpcNamespace(userNs);
  if ((flags & CLONE_NEWNET) !== 0) t.netNs = new NetNamespace(userNs);
  if ((flags & CLONE_NEWTIME) !== 0) t.childTimeNs = t.childTimeNs.clone(userNs);
  if ((flags & CLONE_NEWPID) !== 0) t.childPidNs = new PidNamespace(t.pidNs, newNamespaceInum(), userNs);
  return 0;
}

function unshareFs(t: Task): void {
  if (t.fsContext.userCount <= 1) return;
  const own = t.fsContext.clone();
  t.fsContext.decUsers();
  t.fsContext = own;
}

export function sys_setns(t: Task, fd: number, type: number): number {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  const target = t.kernel.pidfdTarget(file);
  if (target !== null) return enterProcess(t, target.representative, type);
  const handle = file.inode.attachment;
  if (!isNamespaceHandle(handle) || (type !== 0 && type !== handle.type)) return EINVAL;
  return enter(t, handle.type, handle.namespace);
}

/** Enters one namespace. Returns 0 or errno. */
function enter(t: Task, type: number, namespace: unknown): number {
  if (namespace instanceof UserNamespace) return enterUser(t, namespace);
  const { creds } = t;
  if (type === CLONE_NEWTIME && !isAlone(t)) return EUSERS;
  const owner = ownerOf(t, namespace);
  if (!creds.hasCapIn(owner, CAP_SYS_ADMIN) || !creds.hasOwnCap(CAP_SYS_ADMIN)) return EPERM;
  if (namespace instanceof UtsNamespace) t.uts = namespace;
  else if (namespace instanceof IpcNamespace) t.ipcNs = namespace;
  else if (namespace instanceof NetNamespace) t.netNs = namespace;
  else if (namespace instanceof PidNamespace) {
    if (!t.pidNs.contains(namespace)) return EINVAL;
    t.childPidNs = namespace;
  } else if (namespace instanceof MountNamespace) {
    if (!creds.hasOwnCap(CAP_SYS_CHROOT)) return EPERM;
    return enterMounts(t, namespace);
  } else if (namespace instanceof TimeNamespace) {
    t.timeNs = namespace;
    t.childTimeNs = namespace;
    namespace.enter(t.mm);
  }
  // Cgroups: there is one namespace, which everybody is in.
  return 0;
}

/** Does nobody share the task's memory? Linux: current_is_single_threaded(). */
function isAlone(t: Task): boolean {
  return t.threadGroup.tasks.size === 1 && t.mm.userCount === 1;
}

/** The user namespace whose capabilities count over a namespace. */
function ownerOf(t: Task, namespace: unknown): UserNamespace {
  const initial = t.kernel.userNs;
  if (namespace instanceof MountNamespace) return namespace.owner ?? initial;
  if (
    namespace instanceof UtsNamespace ||
    namespace instanceof IpcNamespace ||
    namespace instanceof NetNamespace ||
    namespace instanceof TimeNamespace ||
    namespace instanceof PidNamespace
  )
    return namespace.userNs ?? initial;
  return initial;
}

function enterUser(t: Task, namespace: UserNamespace): number {
  const { creds } = t;
  // Going back in would give every capability again.
  if (namespace === creds.userNs) return EINVAL;
  if (t.threadGroup.tasks.size > 1 || t.fsContext.userCount > 1) return EINVAL;
  if (!creds.hasCapIn(namespace, CAP_SYS_ADMIN)) return EPERM;
  t.creds = credentialsIn(creds, namespace);
  return 0;
}

/** setns(2) with a pidfd: the namespaces named in `types` of another process, the user namespace first. */
function enterProcess(t: Task, target: Task | null, types: number): number {
  if (types === 0 || (types & ~(NAMESPACES | CLONE_NEWUSER)) !== 0) return EINVAL;
  if (target === null || !target.isLive) return ESRCH;
  if (!mayPtraceAccess(t, target)) return EPERM;
  const saved = t.creds;
  const wanted: readonly (readonly [number, unknown])[] = [
    [CLONE_NEWUSER, target.creds.userNs],
    [CLONE_NEWUTS, target.uts],
    [CLONE_NEWIPC, target.ipcNs],
    [CLONE_NEWPID, target.pidNs],
    [CLONE_NEWNET, target.netNs],
    [CLONE_NEWCGROUP, null],
    [CLONE_NEWTIME, target.timeNs],
    [CLONE_NEWNS, target.mountNs],
  ];
  for (const [type, namespace] of wanted) {
    if ((types & type) === 0) continue;
    const result = enter(t, type, namespace);
    if (result === 0) continue;
    t.creds = saved;
    return result;
  }
  return 0;
}

function isNamespaceHandle(value: unknown): value is NamespaceHandle {
  return typeof value === 'object' && value !== null && 'namespace' in value && 'inum' in value;
}

function enterMounts(t: Task, namespace: MountNamespace): number {
  if (t.fsContext.userCount > 1) return EINVAL;
  t.mountNs = namespace;
  const root = { mount: namespace.root, dentry: namespace.root.root };
  t.fsContext.setRoot(root);
  t.fsContext.setCwd(root);
  return 0;
}

const KCMP_FILE = 0;
const KCMP_VM = 1;
const KCMP_FILES = 2;
const KCMP_FS = 3;
const KCMP_SIGHAND = 4;
const KCMP_IO = 5;
const KCMP_SYSVSEM = 6;
const KCMP_TYPES = 8;
/** Stands for the list a process does not have. */
const NO_UNDO_LIST = {};
/** Order of objects, stable while they live: objects are numbered when first asked about. */
const numbers = new Map<object, number>();
const MAX_NUMBERED = 4096;

function order(a: object | null, b: object | null): number {
  if (a === b) return 0;
  if (a === null || b === null) return EBADF;
  if (numbers.size > MAX_NUMBERED) numbers.clear();
  for (const object of [a, b]) if (!numbers.has(object)) numbers.set(object, numbers.size);
  return (numbers.get(a) as number) < (numbers.get(b) as number) ? 1 : 2;
}

export function sys_kcmp(t: Task, pid1: number, pid2: number, type: number, index1: number, index2: number): number {
  const a = t.pidNs.tasks.get(pid1);
  const b = t.pidNs.tasks.get(pid2);
  if (a === undefined || b === undefined || !a.isLive || !b.isLive) return ESRCH;
  for (const target of [a, b])
    if (target.threadGroup !== t.threadGroup && target.creds.ruid !== t.creds.ruid && !t.creds.hasCap(CAP_SYS_ADMIN))
      return EPERM;
  switch (type) {
    case KCMP_FILE: {
      const fileA = a.fdTable.get(index1);
      const fileB = b.fdTable.get(index2);
      return fileA === null || fileB === null ? EBADF : order(fileA, fileB);
    }
    case KCMP_VM:
      return order(a.mm, b.mm);
    case KCMP_FILES:
      return order(a.fdTable, b.fdTable);
    case KCMP_FS:
      return order(a.fsContext, b.fsContext);
    case KCMP_SIGHAND:
      return order(a.threadGroup.handlers, b.threadGroup.handlers);
    case KCMP_IO:
      return 0; // no task has an io_context: there is no block layer
    case KCMP_SYSVSEM:
      return order(undoListOf(a.threadGroup) ?? NO_UNDO_LIST, undoListOf(b.threadGroup) ?? NO_UNDO_LIST);
    default:
      return type < 0 || type >= KCMP_TYPES ? EINVAL : order(a.threadGroup, b.threadGroup);
  }
}
