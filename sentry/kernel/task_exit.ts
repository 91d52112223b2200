// SPDX-License-Identifier: Apache-2.0

/**
 * How tasks end: letting go of everything, telling parents, orphans, reaping.
 *
 * Linux:      kernel/exit.c (do_exit, exit_notify, forget_original_parent, release_task), kernel/pid_namespace.c
 * Invariants: a task leaves ThreadGroup.tasks when it exits; its number stays taken until it is reaped. The leader is reaped
 *             with the process.
 */
import {
  CLD_DUMPED,
  CLD_EXITED,
  CLD_KILLED,
  SA_NOCLDWAIT,
  SI_KERNEL,
  SI_USER,
  SIG_IGN,
  NSIG,
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGKILL,
} from '../../platform/abi/linux/signal.ts';
import type { PlatformThread } from '../../platform/platform.ts';
import { makeSigInfo } from '../arch/siginfo.ts';
import { exitPi } from './futex/pi.ts';
import { exitRobustList, wakeWord } from './futex/robust_list.ts';
import type { Kernel } from './kernel.ts';
import type { PidNamespace } from './process/pid_namespace.ts';
import type { ProcessGroup } from './process/process_group.ts';
import type { Session } from './process/process_group.ts';
import { addUsage, type ThreadGroup } from './process/thread_group.ts';
import { residentKb, taskUsage } from './process/usage.ts';
import { beginGroupExit, recalcAttention, sendToGroup, sendToProcessGroup } from './signal/send.ts';
import { leaveNamespace } from '../vfs/mount_tree.ts';
import { TASK_DEAD, TASK_ZOMBIE, type Task } from './task.ts';
import { childInfo, completeGroupStop } from './task_stop.ts';
import { releaseTracees, unlink } from './ptrace/attach.ts';
import { isTracedByParent } from './ptrace/trace_state.ts';
import { releaseTimers } from './timers/process_timers.ts';

/** Ends a task with wait status `status` (used when its process has no exit status of its own). Its thread is stopped. */
export function exitTask(t: Task, status: number): void {
  const group = t.threadGroup;
  const { kernel } = t;
  if (t.state >= TASK_ZOMBIE) return;
  t.exitStatus = group.isExiting ? group.exitStatus : status;
  kernel.syscalls.tracer?.onExit(t, t.exitStatus);
  t.state = TASK_ZOMBIE;
  t.blocking = null;
  t.usage = taskUsage(t);
  addUsage(group.deadUsage, t.usage);
  group.deadIo.add(t.io);
  exitMemory(t);
  t.fdTable.decUsers(t);
  t.fsContext.decUsers();
  leaveNamespace(kernel.vfs, t.mountNs);
  (t.thread as PlatformThread).owner = null;
  (t.thread as PlatformThread).release();
  t.thread = null;
  t.mm.decUsers();
  t.pending.clear();
  group.tasks.delete(t);
  kernel.liveTasks--;
  const { container } = group;
  container.liveTasks--;
  for (const hook of t.exitHooks) hook(t);
  signalOrphansOfThread(t);
  if (t.tracees !== null) releaseTracees(t);
  if (t !== group.leader && !leavesZombie(t)) releaseTask(t);
  if (group.tasks.size === 0) groupDied(group);
  else {
    retarget(group);
    completeGroupStop(group);
    if (group.execTask !== null && group.tasks.size === 1) group.exitQueue.wake();
  }
  if (container.isEnding && container.liveTasks === 0) container.tellEmpty();
}

/** Lets go of the address space as the application can see it: robust locks, CLEARTID word, vfork. */
function exitMemory(t: Task): void {
  if (t.threadGroup.tasks.size === 1) {
    t.threadGroup.deadUsage.maxRssKb = Math.max(t.threadGroup.deadUsage.maxRssKb, residentKb(t));
  }
  releaseUserMemory(t);
}

/** What exit and execve do before the old address space goes. Linux: mm_release(). */
export function releaseUserMemory(t: Task): void {
  exitRobustList(t);
  exitPi(t);
  if (t.clearChildTid !== 0) {
    // Nobody else can see the word when this is the mm's only user.
    if (t.mm.userCount > 1 && t.memory.writeU32(t.clearChildTid, 0) === 0) wakeWord(t, t.clearChildTid, 1);
    t.clearChildTid = 0;
  }
  t.vforkDone?.wake();
  t.vforkDone = null;
}

/** PR_SET_PDEATHSIG: children made by this thread are told that it is gone. */
function signalOrphansOfThread(t: Task): void {
  for (const child of t.threadGroup.children) {
    if (child.parentTask !== t) continue;
    child.parentTask = null;
    for (const task of child.tasks) {
      if (task.parentDeathSignal !== 0) sendToGroup(child, makeSigInfo(task.parentDeathSignal, SI_USER));
    }
  }
}

/** Signals for the process that only the dead thread had been chosen for need another taker. */
function retarget(group: ThreadGroup): void {
  if (group.sharedPending.set.isEmpty) return;
  for (const task of group.tasks) recalcAttention(task);
}

/** The last thread of a process is gone. */
function groupDied(group: ThreadGroup): void {
  const kernel = (group.leader as Task).kernel;
  if (!group.isExiting) {
    group.isExiting = true;
    group.exitStatus = (group.leader as Task).exitStatus;
  }
  releaseTimers(group);
  group.sharedPending.clear();
  group.handlers.users--;
  reportExit(group, kernel);
  group.stopPending = false;
  group.isStopped = false;
  if (group.session.leader === group) releaseSession(group);
  if (group.pidNs.init === group) {
    killNamespace(group.pidNs);
    if (group.pidNs.level === 0) {
      group.isZombie = true;
      kernel.halt(group.exitStatus);
      return;
    }
  }
  if (group.container.init === group) killContainer(kernel, group);
  const orphanedGroups = reparentChildren(group);
  const ownGroup = group.processGroup;
  const { parent } = group;
  const orphansOwn = parent !== null && parent.processGroup !== ownGroup && parent.session === group.session;
  group.isZombie = true;
  if (orphansOwn && ownGroup.isOrphaned() && ownGroup.hasStopped()) orphanedGroups.add(ownGroup);
  for (const orphaned of orphanedGroups) {
    sendToProcessGroup(orphaned, SIGHUP);
    sendToProcessGroup(orphaned, SIGCONT);
  }
  if (isNamespaceBusy(group)) {
    group.isZapping = true;
    return;
  }
  notifyExit(group);
}

/** Tells whoever started the process from outside. */
function reportExit(group: ThreadGroup, kernel: Kernel): void {
  const callback = kernel.onProcessExit.get(group);
  if (callback === undefined) return;
  kernel.onProcessExit.delete(group);
  callback(group.exitStatus);
}

/** An init stays until everybody in its namespace is gone. */
function isNamespaceBusy(group: ThreadGroup): boolean {
  if (group.pidNs.init !== group || group.pidNs.level === 0) return false;
  for (const task of group.pidNs.tasks.values()) if (task.threadGroup !== group) return true;
  return false;
}

/** A traced thread stays as a zombie until its tracer has waited for it. */
function leavesZombie(t: Task): boolean {
  const trace = t.ptrace;
  if (trace === null) return false;
  const tracer = trace.tracer.threadGroup;
  const action = tracer.handlers.get(SIGCHLD);
  if (action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0) {
    unlink(t);
    return false;
  }
  tellTracer(t, trace.tracer);
  return true;
}

/** SIGCHLD to a tracer about an exit. */
function tellTracer(t: Task, tracer: Task): void {
  const { threadGroup } = tracer;
  const info = exitInfo(t.threadGroup, threadGroup, SIGCHLD);
  info.pid = t.tidIn(tracer.pidNs);
  sendToGroup(threadGroup, info);
  threadGroup.childQueue.wake();
}

/** A process is a zombie for its parent to see; for a tracer that is somebody else first. */
export function notifyExit(group: ThreadGroup): void {
  group.isZapping = false;
  group.exitQueue.wake();
  const leader = group.leader as Task;
  if (leader.ptrace !== null && !isTracedByParent(leader)) {
    tellTracer(leader, leader.ptrace.tracer);
    return;
  }
  if (notifyParent(group)) reapGroup(group);
}

/** Tells the parent; true when nobody will wait for the child (it is to be reaped at once). Linux: do_notify_parent(). */
function notifyParent(group: ThreadGroup): boolean {
  const { parent } = group;
  if (parent === null || parent.isDead) return true;
  const signo = group.exitSignal;
  let isAutoreaped = false;
  // clone(2) takes any low byte as the exit signal: what is no signal is not sent.
  let sends = signo !== 0 && signo <= NSIG;
  if (signo === SIGCHLD) {
    const action = parent.handlers.get(SIGCHLD);
    if (action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0) {
      isAutoreaped = true;
      if (action.handler === SIG_IGN) sends = false;
    }
  }
  if (sends) sendToGroup(parent, exitInfo(group, parent, signo));
  parent.childQueue.wake();
  return isAutoreaped;
}

function exitInfo(group: ThreadGroup, parent: ThreadGroup, signo: number) {
  const status = group.exitStatus;
  const sig = status & 0x7f;
  const code = sig === 0 ? CLD_EXITED : (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
  return childInfo(group, parent, signo, code, sig === 0 ? (status >> 8) & 0xff : sig);
}

/** Takes a dead process out of every table. Its usage goes to the parent when it was waited for (see wait.ts). */
export function reapGroup(group: ThreadGroup): void {
  if (group.isReaped) return;
  group.isReaped = true;
  unlink(group.leader as Task);
  group.parent?.children.delete(group);
  group.processGroup.remove(group);
  releaseTask(group.leader as Task);
  const ns = group.pidNs;
  for (let up: PidNamespace | null = ns; up !== null; up = up.parent) {
    const { init } = up;
    if (init?.isZapping && !isNamespaceBusy(init)) notifyExit(init);
  }
}

/** Frees a task's numbers. */
export function releaseTask(t: Task): void {
  t.state = TASK_DEAD;
  for (let ns: PidNamespace | null = t.pidNs; ns !== null; ns = ns.parent) {
    const tid = t.pids[ns.level] as number;
    if (ns.tasks.get(tid) === t) ns.tasks.delete(tid);
  }
}

/** Gives the children of a dead process to a subreaper or init. Returns process groups that became orphaned with stopped members. */
function reparentChildren(group: ThreadGroup): Set<ProcessGroup> {
  const orphaned = new Set<ProcessGroup>();
  const reaper = findReaper(group);
  for (const child of [...group.children]) {
    group.children.delete(child);
    child.parentTask = null;
    child.parent = reaper;
    reaper?.children.add(child);
    if (reaper === null) {
      if (child.isZombie) reapGroup(child);
      continue;
    }
    child.exitSignal = SIGCHLD;
    if (child.isZombie && !child.isZapping) {
      if (notifyParent(child)) reapGroup(child);
      continue;
    }
    const pg = child.processGroup;
    if (pg !== group.processGroup && child.session === group.session && pg.isOrphaned() && pg.hasStopped())
      orphaned.add(pg);
  }
  return orphaned;
}

function findReaper(group: ThreadGroup): ThreadGroup | null {
  const init = group.pidNs.init;
  for (let up = group.parent; up !== null && up.pidNs === group.pidNs; up = up.parent) {
    if (up === init) break;
    if (up.isChildSubreaper && !up.isDead && !up.isExiting) return up;
  }
  return init === group || init === null || init.isDead ? null : init;
}

/** The session leader died: its terminal goes, the foreground group is hung up. */
function releaseSession(group: ThreadGroup): void {
  const { session } = group;
  session.leader = null;
  releaseTerminal(session);
}

/** Takes a session's terminal away and hangs its foreground group up. */
export function releaseTerminal(session: Session): void {
  const { tty, foreground } = session;
  if (tty === null) return;
  session.tty = null;
  session.foreground = null;
  if (foreground !== null) {
    sendToProcessGroup(foreground, SIGHUP);
    sendToProcessGroup(foreground, SIGCONT);
  }
  tty.onSessionReleased(session);
}

/** Init of a pid namespace died: nobody in it survives. */
function killNamespace(ns: PidNamespace): void {
  ns.isAlive = false;
  for (const task of [...ns.tasks.values()]) {
    const group = task.threadGroup;
    if (group !== ns.init && !group.isDead) beginGroupExit(group, SIGKILL);
  }
}

/** A container's first process died: nobody in it survives, also where it shares its pid namespace with others. */
function killContainer(kernel: Kernel, { container }: ThreadGroup): void {
  container.isEnding = true;
  for (const task of [...kernel.tasks.values()]) {
    const group = task.threadGroup;
    if (group.container === container && !group.isDead && !group.isExiting) beginGroupExit(group, SIGKILL);
  }
}

/** Sends a kernel signal to a whole process. */
export function signalGroup(group: ThreadGroup, signo: number): number {
  return sendToGroup(group, makeSigInfo(signo, SI_KERNEL));
}
