// SPDX-License-Identifier: Apache-2.0

/**
 * Making tasks: clone, clone3, fork, vfork.
 *
 * Linux:      kernel/fork.c (kernel_clone, copy_process); clone(2)
 * Invariants: nothing the parent sees changes before the last thing that can fail has succeeded.
 */
import { EAGAIN, EEXIST, EINVAL, EMFILE, EPERM, ERESTARTNOINTR, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '../../platform/abi/linux/capability.ts';
import {
  CLONE_CHILD_CLEARTID,
  CLONE_CHILD_SETTID,
  CLONE_CLEAR_SIGHAND,
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
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_PTRACE,
  CLONE_UNTRACED,
  CLONE_DETACHED,
  CLONE_SETTLS,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
  SCHED_DEADLINE,
  SCHED_OTHER,
} from '../../platform/abi/linux/sched.ts';
import {
  PTRACE_EVENT_CLONE,
  PTRACE_EVENT_FORK,
  PTRACE_EVENT_VFORK,
  PTRACE_EVENT_VFORK_DONE,
} from '../../platform/abi/linux/ptrace.ts';
import { SIG_DFL, SIG_IGN, SIGCHLD, NSIG } from '../../platform/abi/linux/signal.ts';
import type { PlatformThread } from '../../platform/platform.ts';
import { REG_FS_BASE, REG_ORIG_RAX, REG_RAX, REG_RSP } from '../../platform/registers.ts';
import type { Credentials } from '../auth/credentials.ts';
import { newUserNamespace } from '../auth/new_user_namespace.ts';
import type { UserNamespace } from '../auth/user_namespace.ts';
import type { MemoryManager } from '../mm/memory_manager.ts';
import type { MountNamespace } from '../vfs/mount.ts';
import type { Blocking } from '../wait/blocking.ts';
import { WaitQueue } from '../wait/wait_queue.ts';
import type { Kernel } from './kernel.ts';
import { isChrooted } from './chrooted.ts';
import { IpcNamespace, NetNamespace, newNamespaceInum } from './namespaces.ts';
import { inheritTracing } from './ptrace/attach.ts';
import { PidNamespace } from './process/pid_namespace.ts';
import { RLIMIT_NOFILE, RLIMIT_NPROC } from './process/rlimits.ts';
import { ThreadGroup } from './process/thread_group.ts';
import type { SignalHandlers } from './signal/handlers.ts';
import { resetAltStack } from './signal/altstack.ts';
import { ATTENTION_EXIT, ATTENTION_FREEZE, ATTENTION_SIGNAL, Task } from './task.ts';
import { timersOf } from './timers/process_timers.ts';

/** clone3's struct clone_args, validated for range by the handler. `flags` is a Number up to 2^34. */
export interface CloneArgs {
  flags: number;
  pidfdAddr: number;
  childTidAddr: number;
  parentTidAddr: number;
  exitSignal: number;
  /** New stack pointer; 0: the parent's. */
  stackPointer: number;
  tls: number;
  /** Wanted pids by namespace, innermost first (clone3 set_tid). */
  setTid: readonly number[];
}

/** True when flag (a single bit, possibly above 32) is in flags. */
export function hasFlag(flags: number, flag: number): boolean {
  return Math.floor(flags / flag) % 2 === 1;
}

/** The combinations Linux refuses. Returns 0 or errno. */
function checkFlags(t: Task, args: CloneArgs): number {
  const { flags } = args;
  const has = (flag: number): boolean => hasFlag(flags, flag);
  if (has(CLONE_NEWNS) && has(CLONE_FS)) return EINVAL;
  if (has(CLONE_NEWUSER) && has(CLONE_FS)) return EINVAL;
  if (has(CLONE_THREAD) && !has(CLONE_SIGHAND)) return EINVAL;
  if (has(CLONE_SIGHAND) && !has(CLONE_VM)) return EINVAL;
  if (has(CLONE_PARENT) && t.pidNs.init === t.threadGroup) return EINVAL;
  if (has(CLONE_THREAD) && (has(CLONE_NEWUSER) || has(CLONE_NEWPID) || t.childPidNs !== t.pidNs)) return EINVAL;
  if (has(CLONE_NEWIPC) && has(0x40000)) return EINVAL;
  if (has(CLONE_PIDFD) && has(CLONE_DETACHED)) return EINVAL;
  if (has(CLONE_CLEAR_SIGHAND) && has(CLONE_SIGHAND)) return EINVAL;
  return 0;
}

const NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME;

/** The child's credentials: in a user namespace of its own with CLONE_NEWUSER. Errors: EPERM, ENOSPC. */
function childCredentials(t: Task, flags: number): Credentials | Errno {
  const creds = hasFlag(flags, CLONE_NEWUSER)
    ? newUserNamespace(t.creds, isChrooted(t), newNamespaceInum())
    : t.creds;
  if (isErrno(creds)) return creds;
  return (flags & NAMESPACES) !== 0 && !creds.hasOwnCap(CAP_SYS_ADMIN) ? EPERM : creds;
}

/** Room for one more task? Returns 0 or EAGAIN. */
function checkLimits(t: Task): number {
  const { kernel } = t;
  if (kernel.liveTasks >= kernel.maxTasks || t.threadGroup.container.isFull) return EAGAIN;
  const limit = t.threadGroup.rlimits.soft(RLIMIT_NPROC);
  if (
    limit === Number.POSITIVE_INFINITY ||
    t.creds.ruid === 0 ||
    t.creds.hasCap(CAP_SYS_RESOURCE) ||
    t.creds.hasCap(CAP_SYS_ADMIN)
  )
    return 0;
  let count = 0;
  for (const other of kernel.tasks.values()) if (other.creds.ruid === t.creds.ruid && other.isLive) count++;
  return count >= limit ? EAGAIN : 0;
}

/** checkpoint_restore_ns_capable() over a pid namespace. */
function mayChoosePid(creds: Credentials, ns: PidNamespace): boolean {
  return [CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN].some((cap) =>
    ns.userNs === null ? creds.hasCap(cap) : creds.hasCapIn(ns.userNs, cap),
  );
}

/** Numbers for a task born into `ns`, outermost first; `setTid` are those `creds` asks for. On error nothing is taken (numbers are taken by being registered). */
export function allocatePids(ns: PidNamespace, setTid: readonly number[], creds: Credentials): number[] | Errno {
  if (setTid.length > ns.level + 1) return EINVAL;
  const pids: number[] = new Array<number>(ns.level + 1);
  let at = 0;
  for (let up: PidNamespace | null = ns; up !== null; up = up.parent, at++) {
    const wanted = setTid[at];
    if (wanted !== undefined) {
      if (wanted < 1 || wanted >= up.pidMax || (wanted !== 1 && up.init === null)) return EINVAL;
      if (!mayChoosePid(creds, up)) return EPERM;
      if (up.tasks.has(wanted)) return EEXIST;
      pids[up.level] = wanted;
      continue;
    }
    const pid = up.allocate();
    if (pid < 0) return pid as Errno;
    pids[up.level] = pid;
  }
  return pids;
}

function copyHandlers(t: Task, flags: number): SignalHandlers {
  const { handlers } = t.threadGroup;
  if (hasFlag(flags, CLONE_SIGHAND)) {
    handlers.users++;
    return handlers;
  }
  const copy = handlers.clone();
  if (hasFlag(flags, CLONE_CLEAR_SIGHAND)) {
    for (let signo = 1; signo <= NSIG; signo++) {
      const action = copy.get(signo);
      if (action.handler !== SIG_IGN) copy.set(signo, { ...action, handler: SIG_DFL });
    }
  }
  return copy;
}

/** The child's address space and first thread. */
function copyMemory(t: Task, flags: number): { mm: MemoryManager; thread: PlatformThread } | Errno {
  const own = t.thread as PlatformThread;
  if (hasFlag(flags, CLONE_VM)) {
    const thread = t.mm.addressSpace.newThread(own);
    if (isErrno(thread)) return thread;
    t.mm.incUsers();
    return { mm: t.mm, thread };
  }
  const mm = t.mm.fork(own);
  if (isErrno(mm)) return mm;
  return { mm, thread: mm.addressSpace.leader };
}

/**
 * Makes a task as clone(2) says and lets it run. Returns the child's id as the caller sees it, a wait for CLONE_VFORK, or
 * errno.
 */
export function cloneTask(t: Task, args: CloneArgs): number | Blocking {
  const { flags } = args;
  if (t.threadGroup.isExiting || (t.attention & ATTENTION_EXIT) !== 0) return EAGAIN;
  const invalid = checkFlags(t, args) || checkLimits(t);
  if (invalid !== 0) return invalid;
  // fork is restarted when a signal came first, so that a group-wide signal reaches either all or none (Linux does the same).
  if ((t.attention & ATTENTION_SIGNAL) !== 0 && !hasFlag(flags, CLONE_THREAD)) return ERESTARTNOINTR;
  const creds = childCredentials(t, flags);
  if (isErrno(creds)) return creds;
  const ns = hasFlag(flags, CLONE_NEWPID)
    ? new PidNamespace(t.childPidNs, newNamespaceInum(), creds.userNs)
    : t.childPidNs;
  const pids = allocatePids(ns, args.setTid, creds);
  if (isErrno(pids)) return pids;
  if (t.schedPolicy === SCHED_DEADLINE && !t.schedResetOnFork) return EAGAIN;
  if (!hasFlag(flags, CLONE_FILES) && t.fdTable.isTooLargeToCopy) return EMFILE;
  const noPidfd = hasFlag(flags, CLONE_PIDFD) ? checkPidfd(t, args.pidfdAddr) : 0;
  if (noPidfd !== 0) return noPidfd;
  const mountNs = copyMountNamespace(t, flags, creds.userNs);
  if (isErrno(mountNs)) return mountNs;
  const memory = copyMemory(t, flags);
  if (isErrno(memory)) return memory;
  const child = build(t, args, ns, pids, mountNs, memory, creds);
  const result = child.tidIn(t.pidNs);
  if (hasFlag(flags, CLONE_PARENT_SETTID)) t.memory.writeU32(args.parentTidAddr, result);
  if (hasFlag(flags, CLONE_CHILD_SETTID)) child.memory.writeU32(args.childTidAddr, child.tidIn(child.pidNs));
  if (hasFlag(flags, CLONE_PIDFD)) {
    const fd = t.kernel.installPidfd(t, child.threadGroup, hasFlag(flags, CLONE_THREAD) ? child : null);
    if (fd >= 0) t.memory.writeU32(args.pidfdAddr, fd);
  }
  const event = cloneEvent(t, args);
  if (event !== 0 || hasFlag(flags, CLONE_PTRACE)) inheritTracing(t, child);
  child.kernel.ready.push(child);
  if (!hasFlag(flags, CLONE_VFORK)) return event === 0 ? result : reportClone(t, event, child, result);
  child.vforkDone = new WaitQueue();
  return waitForVfork(t, event, child, child.vforkDone, result);
}

/** Can a pidfd be installed, and its number be written? Returns 0, EMFILE or EFAULT. */
function checkPidfd(t: Task, addr: number): number {
  const fd = t.fdTable.nextFree(t.threadGroup.rlimits.soft(RLIMIT_NOFILE));
  return fd < 0 ? fd : t.memory.writeU32(addr, fd);
}

/** The ptrace event the tracer wants to hear of; 0: none. */
function cloneEvent(t: Task, args: CloneArgs): number {
  if (t.ptrace === null || hasFlag(args.flags, CLONE_UNTRACED)) return 0;
  const event = hasFlag(args.flags, CLONE_VFORK)
    ? PTRACE_EVENT_VFORK
    : args.exitSignal !== SIGCHLD || hasFlag(args.flags, CLONE_THREAD)
      ? PTRACE_EVENT_CLONE
      : PTRACE_EVENT_FORK;
  return t.ptrace.wants(event) ? event : 0;
}

function cloneMessage(t: Task, child: Task): number {
  return t.ptrace === null ? 0 : child.tidIn(t.ptrace.tracer.pidNs);
}

function* reportClone(t: Task, event: number, child: Task, result: number): Blocking {
  yield { queues: [], deadlineNs: 0, event, eventMessage: cloneMessage(t, child) };
  return result;
}

function* waitForVfork(t: Task, event: number, child: Task, queue: WaitQueue, result: number): Blocking {
  const eventMessage = cloneMessage(t, child);
  if (event !== 0) yield { queues: [], deadlineNs: 0, event, eventMessage };
  const request = { queues: [queue], deadlineNs: Number.POSITIVE_INFINITY, killableOnly: true };
  while (child.vforkDone === queue) if ((yield request) === 2) break;
  if (t.ptrace?.wants(PTRACE_EVENT_VFORK_DONE) === true)
    yield { queues: [], deadlineNs: 0, event: PTRACE_EVENT_VFORK_DONE, eventMessage };
  return result;
}

function copyMountNamespace(t: Task, flags: number, owner: UserNamespace): MountNamespace | Errno {
  return hasFlag(flags, CLONE_NEWNS) ? t.kernel.copyMountNamespace(t, t.mountNs, owner) : t.mountNs;
}

function build(
  t: Task,
  args: CloneArgs,
  ns: PidNamespace,
  pids: number[],
  mountNs: MountNamespace,
  memory: { mm: MemoryManager; thread: PlatformThread },
  creds: Credentials,
): Task {
  const { flags } = args;
  const { kernel } = t;
  const now = kernel.clock.boottimeNs();
  const isThread = hasFlag(flags, CLONE_THREAD);
  const group = isThread ? t.threadGroup : newGroup(t, args, ns, pids, now);
  if (hasFlag(flags, CLONE_FILES)) t.fdTable.incUsers();
  if (hasFlag(flags, CLONE_FS)) t.fsContext.incUsers();
  const child = new Task({
    kernel,
    pids,
    pidNs: ns,
    group,
    thread: memory.thread,
    mm: memory.mm,
    fdTable: hasFlag(flags, CLONE_FILES) ? t.fdTable : t.fdTable.clone(),
    fsContext: hasFlag(flags, CLONE_FS) ? t.fsContext : t.fsContext.clone(),
    mountNs,
    uts: hasFlag(flags, CLONE_NEWUTS) ? t.uts.clone(creds.userNs) : t.uts,
    ipcNs: hasFlag(flags, CLONE_NEWIPC) ? new IpcNamespace(creds.userNs) : t.ipcNs,
    creds,
    affinity: t.affinity,
    startTimeNs: now,
  });
  child.hasAffinity = t.hasAffinity;
  child.netNs = hasFlag(flags, CLONE_NEWNET) ? new NetNamespace(creds.userNs) : t.netNs;
  if (mountNs !== t.mountNs) kernel.enterMountNamespace(child, mountNs);
  inheritTime(t, child, flags);
  inherit(t, child, args);
  registerTask(kernel, child);
  if (!isThread) {
    group.leader = child;
    if (hasFlag(flags, CLONE_NEWPID)) ns.init = group;
    if (ns.init === null) ns.init = group;
  }
  group.tasks.add(child);
  return child;
}

/** A process is born into the namespace for children; what shares its parent's memory also shares its clocks. Linux: timens_on_fork(). */
function inheritTime(t: Task, child: Task, flags: number): void {
  child.childTimeNs = hasFlag(flags, CLONE_NEWTIME) ? t.childTimeNs.clone(child.creds.userNs) : t.childTimeNs;
  child.timeNs = hasFlag(flags, CLONE_VM) ? t.timeNs : child.childTimeNs;
  if (child.timeNs.isShifted || !child.timeNs.isFrozen) child.timeNs.enter(child.mm);
}

/** Enters a task into the tables. */
export function registerTask(kernel: Kernel, task: Task): void {
  for (let up: PidNamespace | null = task.pidNs; up !== null; up = up.parent)
    up.tasks.set(task.pids[up.level] as number, task);
  (task.thread as PlatformThread).owner = task;
  kernel.liveTasks++;
  const { container } = task.threadGroup;
  container.liveTasks++;
  if (container.isFrozen) task.attention |= ATTENTION_FREEZE;
  kernel.totalForks++;
}

function newGroup(t: Task, args: CloneArgs, ns: PidNamespace, pids: number[], now: number): ThreadGroup {
  const isSibling = hasFlag(args.flags, CLONE_PARENT);
  const parent = isSibling ? t.threadGroup.parent : t.threadGroup;
  const group = new ThreadGroup(ns, pids, parent, copyHandlers(t, args.flags), now, t.threadGroup.container);
  group.parentTask = isSibling ? t.threadGroup.parentTask : t;
  group.exitSignal = isSibling ? t.threadGroup.exitSignal : args.exitSignal;
  group.rlimits = t.threadGroup.rlimits.clone();
  group.oomScoreAdj = t.threadGroup.oomScoreAdj;
  t.threadGroup.processGroup.add(group);
  parent?.children.add(group);
  if (group.rlimits.soft(0) !== Number.POSITIVE_INFINITY) timersOf(t.kernel, group).watchCpuLimit();
  return group;
}

/** What a child has of its parent's, and what it has not. */
function inherit(t: Task, child: Task, args: CloneArgs): void {
  const { flags } = args;
  child.comm = t.comm;
  child.blocked.copyFrom(t.blocked);
  if (t.savedMask !== null) child.blocked.copyFrom(t.savedMask);
  child.noNewPrivs = t.noNewPrivs;
  child.seccomp = t.seccomp;
  child.personality = t.personality;
  child.memoryPolicy = t.memoryPolicy;
  child.sessionKeyring = t.sessionKeyring;
  child.requestKeyring = t.requestKeyring;
  child.timerSlackNs = t.timerSlackNs;
  child.defaultTimerSlackNs = t.timerSlackNs;
  child.ioPriority = t.ioPriority;
  child.nice = t.schedResetOnFork && t.nice < 0 ? 0 : t.nice;
  child.schedPolicy = t.schedResetOnFork ? SCHED_OTHER : t.schedPolicy;
  child.schedPriority = t.schedResetOnFork ? 0 : t.schedPriority;
  // CLONE_VM without CLONE_VFORK shares the stack area with the parent, so the alternate stack is not inherited.
  if (!hasFlag(flags, CLONE_VM) || hasFlag(flags, CLONE_VFORK)) {
    child.altStackAddr = t.altStackAddr;
    child.altStackSize = t.altStackSize;
    child.altStackFlags = t.altStackFlags;
  } else resetAltStack(child);
  if (!hasFlag(flags, CLONE_VM)) {
    child.rseqAddr = t.rseqAddr;
    child.rseqLength = t.rseqLength;
    child.rseqSignature = t.rseqSignature;
  }
  if (hasFlag(flags, CLONE_CHILD_CLEARTID)) child.clearChildTid = args.childTidAddr;
  const { registers } = child.thread as PlatformThread;
  registers.set(REG_RAX, 0);
  registers.set(REG_ORIG_RAX, -1);
  if (args.stackPointer !== 0) registers.set(REG_RSP, args.stackPointer);
  if (hasFlag(flags, CLONE_SETTLS)) registers.set(REG_FS_BASE, args.tls);
  (child.thread as PlatformThread).setName(child.comm);
}
