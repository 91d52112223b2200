// SPDX-License-Identifier: Apache-2.0

/**
 * execve: replacing a process's program.
 *
 * Linux:      fs/exec.c (bprm_execve, begin_new_exec, de_thread); execve(2)
 * Invariants: until the new program is loaded nothing of the caller has changed. After the other threads have been told to
 *             go there is no way back: failures kill.
 */
import { EINTR, ENOSYS, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { MS_NOSUID } from '../../platform/abi/linux/mount.ts';
import { CAP_SYS_PTRACE } from '../../platform/abi/linux/capability.ts';
import { PTRACE_EVENT_EXEC } from '../../platform/abi/linux/ptrace.ts';
import { SI_USER, SIGCHLD, SIGTRAP } from '../../platform/abi/linux/signal.ts';
import { REG_ORIG_RAX, REG_RAX } from '../../platform/registers.ts';
import { makeSigInfo } from '../arch/siginfo.ts';
import type { PlatformThread } from '../../platform/platform.ts';
import type { Credentials } from '../auth/credentials.ts';
import { credentialsAfterExec, parseFileCapabilities } from '../auth/exec_credentials.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import type { ByteString } from '../vfs/inode.ts';
import { openForExec } from '../vfs/open.ts';
import type { Blocking } from '../wait/blocking.ts';
import { WAKE_SIGNAL } from '../wait/blocking.ts';
import type { PidNamespace } from './process/pid_namespace.ts';
import type { ThreadGroup } from './process/thread_group.ts';
import { nurseryOf } from './guest_container.ts';
import type { AuxIds, ReadyProgram } from './program_loader.ts';
import { clearAltStack } from './signal/altstack.ts';
import { unlink } from './ptrace/attach.ts';
import { isKillPending, kick, sendToTask } from './signal/send.ts';
import { ATTENTION_EXIT, ATTENTION_STOP, type Task } from './task.ts';
import { releaseTask, releaseUserMemory } from './task_exit.ts';

/** personality bits that a gain of privilege clears: READ_IMPLIES_EXEC, ADDR_NO_RANDOMIZE, ADDR_COMPAT_LAYOUT, MMAP_PAGE_ZERO. */
const PER_CLEAR_ON_SETID = 0x0400000 | 0x0040000 | 0x0200000 | 0x0100000;
const ADDR_NO_RANDOMIZE = 0x0040000;

export interface ExecArgs {
  /** Opened for execution; execTask takes the reference. */
  file: FileDescription;
  filename: ByteString;
  argv: readonly ByteString[];
  envp: readonly ByteString[];
  scriptUnreachable: boolean;
}

/** What the new program's credentials will be, once the loader knows the file that counts. */
interface Decided {
  creds: Credentials;
  isSecure: boolean;
}

/** Runs a new program in t's process. Returns 0 with the new program's registers in place, a wait for the siblings' exit, or errno. */
export function execTask(t: Task, args: ExecArgs): number | Blocking {
  const decided: Decided = { creds: t.creds, isSecure: false };
  const program = load(t, args, decided);
  args.file.decRef();
  if (isErrno(program)) return program;
  const group = t.threadGroup;
  if (isKillPending(t) || group.isExiting) {
    program.mm.decUsers();
    return EINTR;
  }
  if (group.tasks.size === 1) {
    const oldTid = traceeNumber(t);
    commit(t, program, decided);
    return afterExec(t, oldTid);
  }
  return execAlone(t, program, decided);
}

function load(t: Task, args: ExecArgs, decided: Decided): ReadyProgram | Errno {
  const { kernel } = t;
  const { ruid, euid, rgid, egid } = t.creds;
  return kernel.loadProgram({
    platform: kernel.platform,
    ...nurseryOf(t.threadGroup.container),
    services: kernel.memoryServices,
    ctx: t,
    file: args.file,
    filename: args.filename,
    argv: args.argv,
    envp: args.envp,
    limits: t.memoryLimits,
    ids: auxIds(t.creds, ruid, euid, rgid, egid),
    credentialsFor: (executable) => decide(t, executable, decided),
    openInterpreter: (path) => openForExec(kernel.vfs, t, null, path),
    noRandomize: (t.personality & ADDR_NO_RANDOMIZE) !== 0,
    scriptUnreachable: args.scriptUnreachable,
  });
}

function decide(t: Task, executable: FileDescription, decided: Decided): AuxIds & { secure: boolean } {
  const after = execCredentials(t, t.creds, t.noNewPrivs, executable);
  decided.creds = after.creds;
  decided.isSecure = after.isSecure;
  const { ruid, euid, rgid, egid } = after.creds;
  return { ...auxIds(after.creds, ruid, euid, rgid, egid), secure: after.isSecure };
}

/** Ids for the auxiliary vector: as the program's user namespace has them. */
function auxIds({ userNs }: Credentials, ruid: number, euid: number, rgid: number, egid: number): AuxIds {
  return {
    uid: userNs.showUid(ruid),
    euid: userNs.showUid(euid),
    gid: userNs.showGid(rgid),
    egid: userNs.showGid(egid),
  };
}

/** Credentials for running `executable`. */
export function execCredentials(
  ctx: Task | null,
  creds: Credentials,
  noNewPrivs: boolean,
  executable: FileDescription,
): Decided {
  const { inode, path } = executable;
  // A tracer without the right to trace anybody must not come by a privileged program.
  const isWatched = ctx !== null && ctx.ptrace !== null && !ctx.ptrace.tracer.creds.hasCapIn(creds.userNs, CAP_SYS_PTRACE);
  const maySetId = !noNewPrivs && !isWatched && (path.mount.flags & MS_NOSUID) === 0;
  const data = maySetId && inode.fs.supportsXattrs && ctx !== null ? inode.getxattr(ctx, 'security.capability') : null;
  const capabilities = data === null || isErrno(data) ? null : parseFileCapabilities(data, 0);
  return credentialsAfterExec(creds, { mode: inode.mode, uid: inode.uid, gid: inode.gid, maySetId, capabilities });
}

/** Other threads exist: they exit first. */
function* execAlone(t: Task, program: ReadyProgram, decided: Decided): Blocking {
  const group = t.threadGroup;
  group.execTask = t;
  group.stopPending = false;
  for (const task of group.tasks) {
    if (task === t) continue;
    task.attention = (task.attention | ATTENTION_EXIT) & ~ATTENTION_STOP;
    kick(task);
  }
  const request = { queues: [group.exitQueue], deadlineNs: Number.POSITIVE_INFINITY, killableOnly: true };
  while (group.tasks.size > 1) {
    if ((yield request) === WAKE_SIGNAL && isKillPending(t)) {
      group.execTask = null;
      program.mm.decUsers();
      return EINTR;
    }
  }
  group.execTask = null;
  const oldTid = traceeNumber(t);
  if (!t.isLeader) takeOverLeader(t, group);
  commit(t, program, decided);
  const rest = afterExec(t, oldTid);
  return typeof rest === 'number' ? rest : yield* rest;
}

/** t's number as its tracer knows it. */
function traceeNumber(t: Task): number {
  return t.ptrace === null ? 0 : t.tidIn(t.ptrace.tracer.pidNs);
}

/** Tells a tracer: an event, or the SIGTRAP of old. */
function afterExec(t: Task, oldTid: number): number | Blocking {
  const trace = t.ptrace;
  if (trace === null) return 0;
  t.regs.set(REG_ORIG_RAX, t.syscallNr);
  t.regs.set(REG_RAX, ENOSYS);
  if (trace.wants(PTRACE_EVENT_EXEC)) return reportExec(oldTid);
  if (!trace.isSeized) sendToTask(t, makeSigInfo(SIGTRAP, SI_USER, t.tidIn(t.pidNs), t.creds.ruid));
  return 0;
}

function* reportExec(eventMessage: number): Blocking {
  yield { queues: [], deadlineNs: 0, event: PTRACE_EVENT_EXEC, eventMessage };
  return 0;
}

/** The thread that called execve becomes the process: it gets the leader's numbers, the old leader's body is buried. */
function takeOverLeader(t: Task, group: ThreadGroup): void {
  const leader = group.leader as Task;
  unlink(leader);
  for (let ns: PidNamespace | null = t.pidNs; ns !== null; ns = ns.parent) ns.tasks.delete(t.pids[ns.level] as number);
  releaseTask(leader);
  t.pids = leader.pids;
  for (let ns: PidNamespace | null = t.pidNs; ns !== null; ns = ns.parent) ns.tasks.set(t.pids[ns.level] as number, t);
  group.leader = t;
}

/** The point of no return. */
function commit(t: Task, program: ReadyProgram, decided: Decided): void {
  const group = t.threadGroup;
  releaseUserMemory(t);
  replaceMemory(t, program);
  if (group.handlers.users > 1) {
    group.handlers.users--;
    group.handlers = group.handlers.clone();
  }
  group.handlers.resetHandlers();
  group.timers?.deletePosix();
  clearAltStack(t);
  t.robustListHead = 0;
  t.userDispatch = null;
  t.rseqAddr = 0;
  t.savedMask = null;
  t.restart = null;
  t.fault = { trapno: 0, err: 0, addr: 0 };
  t.timeNs = t.childTimeNs;
  if (t.timeNs.isShifted || !t.timeNs.isFrozen) t.timeNs.enter(t.mm);
  group.exitSignal = SIGCHLD;
  group.hasExeced = true;
  if (t.fdTable.userCount > 1) {
    const own = t.fdTable.clone();
    t.fdTable.decUsers(t);
    t.fdTable = own;
  }
  t.fdTable.closeOnExecAll(t);
  installCredentials(t, decided);
  t.timerSlackNs = t.defaultTimerSlackNs;
}

function replaceMemory(t: Task, program: ReadyProgram): void {
  const oldThread = t.thread as PlatformThread;
  const oldMm = t.mm;
  const thread = program.mm.addressSpace.leader;
  program.mm.coreFilter = oldMm.coreFilter;
  t.mm = program.mm;
  t.thread = thread;
  thread.owner = t;
  t.comm = program.comm;
  thread.setName(program.comm);
  if (t.hasAffinity) thread.setAffinity?.(t.affinity);
  oldThread.owner = null;
  oldThread.release();
  oldMm.decUsers();
}

function installCredentials(t: Task, decided: Decided): void {
  const old = t.creds;
  const { creds } = decided;
  if (creds.euid !== old.euid || creds.egid !== old.egid || decided.isSecure) t.parentDeathSignal = 0;
  t.threadKeyring = null;
  t.threadGroup.processKeyring = null;
  if (decided.isSecure) t.personality &= ~PER_CLEAR_ON_SETID;
  t.mm.dumpable = decided.isSecure || creds.euid !== creds.ruid || creds.egid !== creds.rgid ? 0 : 1;
  t.creds = creds;
  t.mm.userNs = creds.userNs;
}
