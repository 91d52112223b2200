// SPDX-License-Identifier: Apache-2.0

/**
 * Task: one application thread as the kernel sees it (Linux's task_struct).
 *
 * Linux:      include/linux/sched.h
 * Invariants: a live task has exactly one PlatformThread; a zombie has none. Fields shared with other tasks (mm, fdTable,
 *             fsContext, the ThreadGroup's) are reference counted by their users. `attention` is zero exactly when the task
 *             may go back to application code without a look at signals, stops and exits.
 */
import { SI_KERNEL } from '../../platform/abi/linux/signal.ts';
import type { Key } from './keys/key.ts';
import type { PlatformThread, UserMemory } from '../../platform/platform.ts';
import type { Registers } from '../../platform/registers.ts';
import { makeSigInfo, type SigInfo } from '../arch/siginfo.ts';
import type { FaultRecord } from '../arch/signal_frame.ts';
import { SigSet } from '../arch/sigset.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { MemoryLimits, MemoryManager } from '../mm/memory_manager.ts';
import type { MemoryPolicy } from '../mm/vma.ts';
import type { IoContext } from '../vfs/context.ts';
import type { Path } from '../vfs/mount.ts';
import type { MountNamespace } from '../vfs/mount.ts';
import { enterNamespace, leaveNamespace } from '../vfs/mount_tree.ts';
import type { Blocking, SyscallReturn, WaitRequest, WakeReason } from '../wait/blocking.ts';
import { WAKE_EVENT } from '../wait/blocking.ts';
import type { Waiter, WaitQueue } from '../wait/wait_queue.ts';
import type { FdTable } from './fd_table.ts';
import type { FsContext } from './fs_context.ts';
import type { Kernel } from './kernel.ts';
import type { IpcNamespace, NetNamespace, UtsNamespace } from './namespaces.ts';
import type { TimeNamespace } from './time_namespace.ts';
import { IoCounters } from './process/io_counters.ts';
import type { PidNamespace } from './process/pid_namespace.ts';
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_STACK } from './process/rlimits.ts';
import type { ThreadGroup, Usage } from './process/thread_group.ts';
import type { TraceState } from './ptrace/trace_state.ts';
import type { SeccompState } from './seccomp/seccomp.ts';
import type { UserDispatch } from './seccomp/user_dispatch.ts';
import { PendingSignals } from './signal/pending.ts';
import { recalcAttention, sendToTask } from './signal/send.ts';
import { wakeTask, WaitTimer } from './task_wait.ts';

/** In the kernel: its event is being handled, or it is in the ready queue. */
export const TASK_KERNEL = 0;
/** Running application code. */
export const TASK_USER = 1;
/** Waiting inside a system call. */
export const TASK_BLOCKED = 2;
/** Parked by job control (or a frozen sandbox). */
export const TASK_STOPPED = 3;
/** In a ptrace stop. */
export const TASK_TRACED = 4;
/** Exited, not yet reaped. */
export const TASK_ZOMBIE = 5;
/** Gone. */
export const TASK_DEAD = 6;

/** An unblocked signal may be pending. */
export const ATTENTION_SIGNAL = 1;
/** The task must exit (group exit, execve by another thread). */
export const ATTENTION_EXIT = 2;
/** The task must park for a group stop. */
export const ATTENTION_STOP = 4;
/** The sandbox is paused: park until it resumes. */
export const ATTENTION_FREEZE = 8;
/** A traced task must stop for its tracer (PTRACE_INTERRUPT, a change of a group stop). */
export const ATTENTION_TRAP = 16;


export class Task implements IoContext, Waiter {
  readonly kernel: Kernel;
  /** Thread id by pid namespace level, outermost first. Changes only when execve takes over the leader's. */
  pids: readonly number[];
  readonly pidNs: PidNamespace;
  /** Namespace its children are born into (unshare, setns). */
  childPidNs: PidNamespace;
  threadGroup: ThreadGroup;
  /** Null once exited. */
  thread: PlatformThread | null;
  mm: MemoryManager;
  fdTable: FdTable;
  fsContext: FsContext;
  private mountNamespace: MountNamespace;
  uts: UtsNamespace;
  ipcNs: IpcNamespace;
  netNs: NetNamespace;
  timeNs: TimeNamespace;
  /** The one its children, and itself after execve, are in (unshare). */
  childTimeNs: TimeNamespace;
  creds: Credentials;
  /** Name as in /proc/pid/comm: byte string, at most 15. */
  comm = '';

  state = TASK_KERNEL;
  attention = 0;
  /** The wait it is in (TASK_BLOCKED) and the handler waiting; the reason with which the handler will be resumed. */
  blocking: Blocking | null = null;
  waitRequest: WaitRequest | null = null;
  wakeReason: WakeReason = WAKE_EVENT;
  readonly waitTimer: WaitTimer;
  /** Number of the system call it is in; -1 when it is in none (an interrupt or fault). Negative after sigreturn: no restart. */
  syscallNr = -1;
  /** How to go on with a call that returned ERESTART_RESTARTBLOCK (restart_syscall). */
  restart: ((t: Task) => SyscallReturn) | null = null;

  // Signals.
  readonly blocked = new SigSet();
  /** Mask to go back to when a temporary one (sigsuspend, ppoll...) is over; null: none. */
  savedMask: SigSet | null = null;
  readonly pending = new PendingSignals();
  altStackAddr = 0;
  altStackSize = 0;
  altStackFlags = 0;
  parentDeathSignal = 0;
  /** The last fault, for the err, trapno and cr2 of signal frames. */
  fault: FaultRecord = { trapno: 0, err: 0, addr: 0 };
  /** Signals a sigtimedwait is waiting for; null: none. */
  signalWaitSet: SigSet | null = null;

  // clone and exit.
  clearChildTid = 0;
  robustListHead = 0;
  /** Key of the PI futex it waits for. */
  piWaitsFor: string | null = null;
  /** Woken when this task's use of its parent's mm ends (vfork). */
  vforkDone: WaitQueue | null = null;
  isVforkChild = false;
  /** wait status: exit code << 8, or signal | 0x80 core. */
  exitStatus = 0;
  noNewPrivs = false;
  /** Seccomp mode and filters; null: off. */
  seccomp: SeccompState | null = null;
  /** PR_SET_SYSCALL_USER_DISPATCH; null: off. */
  userDispatch: UserDispatch | null = null;
  /** PR_SET_KEEPCAPS lives in creds.securebits. */
  readonly startTimeNs: number;

  // Scheduling attributes: kept and reported; the host schedules.
  nice = 0;
  schedPolicy = 0;
  schedPriority = 0;
  schedResetOnFork = false;
  /** SCHED_DEADLINE's runtime, deadline and period in ns. */
  schedDeadline: readonly [number, number, number] | null = null;
  ioPriority = 0;
  timerSlackNs = 50000;
  defaultTimerSlackNs = 50000;
  /** CPU numbers allowed, as a bit array. */
  affinity: Uint8Array;
  /** It was restricted, so that a new thread of the platform must be told. */
  hasAffinity = false;
  personality = 0;
  /** set_mempolicy(2); null: the default. */
  memoryPolicy: MemoryPolicy | null = null;
  /** Keyrings (keyrings(7)); null: none yet. */
  threadKeyring: Key | null = null;
  sessionKeyring: Key | null = null;
  /** KEY_REQKEY_DEFL_*: where requested keys go. */
  requestKeyring = 0;
  /** rseq registration: address, length, signature; 0: none. */
  rseqAddr = 0;
  rseqLength = 0;
  rseqSignature = 0;

  readonly io = new IoCounters();
  /** How it is traced; null: it is not. */
  ptrace: TraceState | null = null;
  /** The tasks it traces; null: none. */
  tracees: Set<Task> | null = null;
  /** What a ptrace stop ends with. */
  afterStop: ((t: Task) => void) | null = null;
  /** A signal the tracer has let through, to be acted on before anything else. */
  injectedSignal: SigInfo | null = null;
  /** PTRACE_EVENT_EXIT has been told. */
  hasReportedExit = false;

  /** CPU time and counters at exit (live: asked of the thread). */
  usage: Usage | null = null;
  /** Run once when the task exits (POSIX locks, epoll, sysvsem undo...). */
  readonly exitHooks = new Set<(t: Task) => void>();

  constructor(parts: TaskParts) {
    this.kernel = parts.kernel;
    this.pids = parts.pids;
    this.pidNs = parts.pidNs;
    this.childPidNs = parts.pidNs;
    this.threadGroup = parts.group;
    this.thread = parts.thread;
    this.mm = parts.mm;
    this.fdTable = parts.fdTable;
    this.fsContext = parts.fsContext;
    this.mountNamespace = parts.mountNs;
    enterNamespace(parts.mountNs);
    this.uts = parts.uts;
    this.ipcNs = parts.ipcNs;
    this.netNs = parts.kernel.netNs;
    this.timeNs = parts.kernel.timeNs;
    this.childTimeNs = parts.kernel.timeNs;
    this.creds = parts.creds;
    this.affinity = parts.affinity;
    this.startTimeNs = parts.startTimeNs;
    this.waitTimer = new WaitTimer(this);
  }

  /** Thread id in the initial pid namespace. */
  get tid(): number {
    return this.pids[0] as number;
  }
  /** Thread id as seen from `ns`; 0 when it has none there. */
  tidIn(ns: PidNamespace): number {
    return ns.contains(this.pidNs) ? (this.pids[ns.level] as number) : 0;
  }
  /** Registers; only while the thread is stopped. */
  get regs(): Registers {
    return (this.thread as PlatformThread).registers;
  }
  get isLive(): boolean {
    return this.state < TASK_ZOMBIE;
  }
  get isLeader(): boolean {
    return this.threadGroup.leader === this;
  }
  /** Same as in /proc/pid/stat: R, S, D, T, Z, X. */
  get stateChar(): string {
    switch (this.state) {
      case TASK_KERNEL:
      case TASK_USER:
        return 'R';
      case TASK_BLOCKED:
        return this.waitRequest?.killableOnly === true ? 'D' : 'S';
      case TASK_STOPPED:
        return 'T';
      case TASK_TRACED:
        return 't';
      case TASK_ZOMBIE:
        return 'Z';
      default:
        return 'X';
    }
  }

  get mountNs(): MountNamespace {
    return this.mountNamespace;
  }
  /** Counted: the last task to leave a mount namespace takes it apart. */
  set mountNs(namespace: MountNamespace) {
    const old = this.mountNamespace;
    enterNamespace(namespace);
    this.mountNamespace = namespace;
    leaveNamespace(this.kernel.vfs, old);
  }

  get memory(): UserMemory {
    return this.mm.memory;
  }
  get rootDir(): Path {
    return this.fsContext.root;
  }
  get cwd(): Path {
    return this.fsContext.cwd;
  }
  get umask(): number {
    return this.fsContext.umask;
  }
  get fileSizeLimit(): number {
    return this.threadGroup.rlimits.soft(RLIMIT_FSIZE);
  }
  get lockOwnerPid(): number {
    return this.threadGroup.pid;
  }
  /** Limits for the memory manager, as they stand now. */
  get memoryLimits(): MemoryLimits {
    const { rlimits } = this.threadGroup;
    return {
      addressSpace: rlimits.soft(RLIMIT_AS),
      data: rlimits.soft(RLIMIT_DATA),
      stack: rlimits.soft(RLIMIT_STACK),
      memlock: rlimits.soft(RLIMIT_MEMLOCK),
    };
  }

  /** Sends a signal from the kernel to this thread (SIGPIPE, SIGXFSZ). */
  raiseSignal(signo: number): void {
    sendToTask(this, makeSigInfo(signo, SI_KERNEL));
  }
  /** True when the task should unwind from what it does: a signal, a stop or its exit is due. */
  hasPendingSignal(): boolean {
    return this.attention !== 0;
  }
  /** Installs a signal mask (SIGKILL and SIGSTOP are dropped from it). */
  setBlocked(mask: SigSet): void {
    this.blocked.copyFrom(mask);
    this.blocked.dropUnblockable();
    recalcAttention(this);
  }
  /**
   * Installs a mask for the duration of this system call (ppoll, pselect, epoll_pwait, sigsuspend): the run loop puts the old
   * one back when the call ends, or leaves it to the signal frame when the call was interrupted.
   */
  setTemporaryMask(mask: SigSet): void {
    this.savedMask = this.blocked.clone();
    this.setBlocked(mask);
  }

  /** A queue it waits on was woken. */
  notify(): boolean {
    return wakeTask(this, WAKE_EVENT);
  }
}

/** What a Task is made of. */
export interface TaskParts {
  kernel: Kernel;
  pids: readonly number[];
  pidNs: PidNamespace;
  group: ThreadGroup;
  thread: PlatformThread;
  mm: MemoryManager;
  fdTable: FdTable;
  fsContext: FsContext;
  mountNs: MountNamespace;
  uts: UtsNamespace;
  ipcNs: IpcNamespace;
  creds: Credentials;
  affinity: Uint8Array;
  startTimeNs: number;
}
