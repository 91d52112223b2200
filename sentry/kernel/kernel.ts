// SPDX-License-Identifier: Apache-2.0

/**
 * Kernel: the container's Linux: all tasks, the clocks, the namespaces, the run loop.
 *
 * Invariants: between two calls of Platform.wait() kernel state is atomic. Everything that became runnable runs before the
 *             next wait.
 * Yields:     only in run(), at Platform.wait().
 */
import { EPERM, type Errno } from '../../platform/abi/linux/errno.ts';
import { SIGKILL } from '../../platform/abi/linux/signal.ts';
import {
  EVENT_DIED,
  EVENT_FAULT,
  EVENT_INTERRUPTED,
  EVENT_SYSCALL,
  EVENT_TIMER,
  type HostServices,
  type Platform,
  type PlatformEvent,
} from '../../platform/platform.ts';
import { UserNamespace } from '../auth/user_namespace.ts';
import type { MemoryServices } from '../mm/memory_manager.ts';
import { KernelClock } from '../time/clock.ts';
import { TimerHeap } from '../time/timer_heap.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import type { MountNamespace } from '../vfs/mount.ts';
import { VirtualFilesystem } from '../vfs/virtual_filesystem.ts';
import { handleFault } from './faults.ts';
import { FutexTable } from './futex/futex.ts';
import { GuestContainer } from './guest_container.ts';
import { INIT_NET_INUM, INIT_TIME_INUM, NetNamespace, INIT_IPC_INUM, INIT_PID_INUM, INIT_UTS_INUM, IpcNamespace, UtsNamespace } from './namespaces.ts';
import { TimeNamespace } from './time_namespace.ts';
import { PidNamespace } from './process/pid_namespace.ts';
import type { ThreadGroup } from './process/thread_group.ts';
import type { ProgramLoader } from './program_loader.ts';
import { beginGroupExit, sendFromOutside, unpark } from './signal/send.ts';
import type { SyscallTable } from './syscall_table.ts';
import { ATTENTION_FREEZE, TASK_KERNEL, TASK_STOPPED, TASK_USER, type Task } from './task.ts';
import { exitTask } from './task_exit.ts';
import { handleSyscall, returnToUser, runReadyTask } from './task_run.ts';
import { kick } from './signal/send.ts';
import { SystemClocks } from './timers/clock_source.ts';

/** Told of every signal that is queued (signalfd). */
export interface SignalWatcher {
  onSignal(t: Task, signo: number): void;
}

export interface KernelOptions {
  platform: Platform;
  host: HostServices;
  /** Made before the kernel when the root filesystem is arranged first. */
  vfs?: VirtualFilesystem;
  syscalls: SyscallTable;
  loadProgram: ProgramLoader;
  memoryServices: MemoryServices;
  hostname?: string;
  domainname?: string;
  /** Most tasks alive at once; beyond it clone returns EAGAIN. */
  maxTasks?: number;
}

/** Default bound on tasks alive at once: each is a host process or thread, so memory bounds them as well. */
const MAX_TASKS = 8192;
const MIN_TASKS = 512;
const BYTES_PER_TASK = 1 << 20;
/** Events between two looks at the clock while timers are armed and events keep coming. */
const EVENTS_PER_CLOCK = 8;

export class Kernel {
  readonly platform: Platform;
  readonly host: HostServices;
  readonly vfs: VirtualFilesystem;
  readonly syscalls: SyscallTable;
  readonly loadProgram: ProgramLoader;
  readonly memoryServices: MemoryServices;
  readonly clock: KernelClock;
  readonly clocks: SystemClocks;
  readonly timers = new TimerHeap();
  readonly futexes = new FutexTable();
  readonly userNs = new UserNamespace();
  readonly pidNs = new PidNamespace(null, INIT_PID_INUM);
  readonly uts: UtsNamespace;
  readonly ipcNs: IpcNamespace;
  readonly netNs = new NetNamespace(null, INIT_NET_INUM);
  readonly timeNs = new TimeNamespace(this.userNs, INIT_TIME_INUM);
  /** The sandbox's own container; its end is the sandbox's. */
  readonly container: GuestContainer;
  /** Tasks whose turn it is, in order. */
  readonly ready: Task[] = [];
  readonly signalWatchers = new Set<SignalWatcher>();
  readonly maxTasks: number;
  /** CLOCK_REALTIME seconds when the sandbox booted, CLOCK_MONOTONIC and CLOCK_BOOTTIME ns then. */
  readonly bootRealtimeSec: number;
  readonly bootMonotonicNs: number;
  readonly bootBoottimeNs: number;
  /** The task whose system call or event is being handled; the last one between events. */
  current: Task | null = null;
  /** Live tasks. */
  liveTasks = 0;
  /** Tasks ever made (processes line of /proc/stat). */
  totalForks = 0;
  /** Why the sandbox was ended by the kernel itself; null: it was not. */
  fatalMessage: string | null = null;
  /** Called when a process started from outside (init, exec) ends, with its wait status. */
  readonly onProcessExit = new Map<ThreadGroup, (status: number) => void>();
  /** Makes a pidfd for clone's CLONE_PIDFD; set by the composition root. Returns the descriptor or errno. */
  installPidfd: (t: Task, group: ThreadGroup, thread?: Task | null) => number = () => EPERM;
  /** The process a pidfd stands for; null: not a pidfd. Set by the composition root. */
  /** A descriptor of one of a task's namespaces, named as in /proc/pid/ns. Set by whoever knows /proc. */
  openNamespaceOf: (t: Task, target: Task, entry: string) => number = () => EPERM;
  pidfdTarget: (file: FileDescription) => ThreadGroup | null = () => null;
  /** Copies a mount namespace for CLONE_NEWNS; set by the composition root. */
  copyMountNamespace: (t: Task, from: MountNamespace, owner: UserNamespace) => MountNamespace | Errno = () => EPERM;
  /** Moves a task's root and cwd into a copied namespace. */
  enterMountNamespace: (t: Task, ns: MountNamespace) => void = () => {};
  private readonly load = [0, 0, 0];
  private loadSampledNs: number;
  private isHalted = false;
  private haltStatus = 0;

  constructor(options: KernelOptions) {
    this.platform = options.platform;
    this.host = options.host;
    this.vfs = options.vfs ?? new VirtualFilesystem(options.host);
    this.syscalls = options.syscalls;
    this.loadProgram = options.loadProgram;
    this.memoryServices = options.memoryServices;
    this.clock = new KernelClock(options.host.clock);
    this.clocks = new SystemClocks(this);
    this.uts = new UtsNamespace(
      options.hostname ?? 'runsc-ts',
      options.domainname ?? '(none)',
      this.userNs,
      INIT_UTS_INUM,
    );
    this.timeNs.isFrozen = true;
    this.ipcNs = new IpcNamespace(this.userNs, INIT_IPC_INUM);
    this.container = new GuestContainer('', { pid: this.pidNs, uts: this.uts, ipc: this.ipcNs, net: this.netNs });
    this.maxTasks = options.maxTasks ?? this.defaultMaxTasks();
    this.bootRealtimeSec = this.clock.realtimeSeconds();
    this.bootMonotonicNs = this.clock.monotonicNs();
    this.bootBoottimeNs = this.clock.boottimeNs();
    this.loadSampledNs = this.bootMonotonicNs;
  }

  /** The bound on tasks when nobody asks for one. */
  private defaultMaxTasks(): number {
    const affordable = Math.floor(this.host.info.memoryTotal / BYTES_PER_TASK);
    return Math.max(MIN_TASKS, Math.min(MAX_TASKS, affordable));
  }

  /** All live and zombie tasks by tid in the initial pid namespace. */
  get tasks(): ReadonlyMap<number, Task> {
    return this.pidNs.tasks;
  }

  /**
   * Runs the container until its init has exited or something fatal happened. Returns init's wait status (exit code << 8 |
   * signal); fatalMessage says when it was the kernel that ended it.
   */
  run(): number {
    try {
      this.loop();
    } catch (error) {
      this.panic(error);
    }
    this.releaseEverything();
    return this.haltStatus;
  }

  /** The container ends with wait status `status`. */
  halt(status: number): void {
    if (this.isHalted) return;
    this.isHalted = true;
    this.haltStatus = status;
  }

  /** Ends the sandbox from outside the application's control (Gofer gone, control request). */
  onFatal(message: string): void {
    this.fatalMessage ??= message;
    this.host.log('error', `fatal: ${message}`);
    this.halt(SIGKILL);
  }

  /** Forwards a host signal to init: it acts even when init has no handler for it. Returns 0 or errno. */
  signalInit(signo: number): number {
    const { init } = this.pidNs;
    return init === null ? 0 : sendFromOutside(init, signo);
  }

  /** Parks every task of a container until thaw(). */
  freeze(container = this.container): void {
    container.isFrozen = true;
    for (const task of this.tasks.values()) {
      if (!task.isLive || task.threadGroup.container !== container) continue;
      task.attention |= ATTENTION_FREEZE;
      if (task.state === TASK_USER) kick(task);
    }
  }
  thaw(container = this.container): void {
    container.isFrozen = false;
    for (const task of this.tasks.values()) {
      if (task.threadGroup.container !== container) continue;
      task.attention &= ~ATTENTION_FREEZE;
      if (task.state === TASK_STOPPED && !task.threadGroup.isStopped) unpark(task);
    }
  }
  get frozen(): boolean {
    return this.container.isFrozen;
  }

  private loop(): void {
    const { platform, timers, clock, ready } = this;
    let untilClock = EVENTS_PER_CLOCK;
    for (;;) {
      while (ready.length > 0 && !this.isHalted) this.runReady();
      if (this.isHalted) return;
      const event = platform.wait(timers.nextDeadlineNs);
      if (event.kind === EVENT_SYSCALL) {
        const task = event.thread?.owner as Task | null;
        if (task !== null && task.state === TASK_USER) {
          this.current = task;
          handleSyscall(task);
        }
      } else this.handleEvent(event);
      if (timers.size > 0 && (event.kind === EVENT_TIMER || --untilClock <= 0)) {
        untilClock = EVENTS_PER_CLOCK;
        timers.expire(clock.monotonicNs());
      }
    }
  }

  private runReady(): void {
    this.platform.settle();
    const batch = this.ready.splice(0);
    for (const task of batch) {
      this.current = task;
      runReadyTask(task);
      if (this.isHalted) return;
    }
  }

  private handleEvent(event: PlatformEvent): void {
    const task = event.thread?.owner as Task | null | undefined;
    if (task === null || task === undefined || !task.isLive) return;
    this.current = task;
    switch (event.kind) {
      case EVENT_FAULT:
        if (task.state !== TASK_USER) return;
        task.state = TASK_KERNEL;
        task.syscallNr = -1;
        handleFault(task, event.signo, event.code, event.addr);
        return;
      case EVENT_INTERRUPTED:
        if (task.state !== TASK_USER) return;
        task.state = TASK_KERNEL;
        task.syscallNr = -1;
        returnToUser(task);
        return;
      case EVENT_DIED:
        this.threadDied(task, event.signo);
        return;
      default:
    }
  }

  /** The host ended a thread behind the kernel's back: its process dies of SIGKILL. */
  private threadDied(task: Task, signo: number): void {
    this.host.log('warn', `host thread of task ${task.tid} (${task.comm}) died, signal ${signo}`);
    beginGroupExit(task.threadGroup, SIGKILL);
    exitTask(task, SIGKILL);
  }

  private panic(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.host.log('error', `panic: ${text}`);
    for (const line of this.dump()) this.host.log('error', line);
    this.fatalMessage ??= `kernel panic: ${error instanceof Error ? error.message : text}`;
    this.isHalted = true;
    this.haltStatus = SIGKILL;
  }

  /** 1, 5 and 15 minute load averages, from the tasks running at the moments they are asked about. */
  loadAverages(): readonly number[] {
    const now = this.clock.monotonicNs();
    const seconds = Math.max(0, (now - this.loadSampledNs) / 1e9);
    this.loadSampledNs = now;
    let running = 0;
    for (const task of this.tasks.values()) if (task.state === TASK_USER || task.state === TASK_KERNEL) running++;
    [60, 300, 900].forEach((period, i) => {
      const keep = Math.exp(-seconds / period);
      this.load[i] = (this.load[i] as number) * keep + running * (1 - keep);
    });
    return this.load;
  }

  /** One line a task, for logs. */
  dump(): string[] {
    const lines: string[] = [];
    for (const t of this.tasks.values()) {
      lines.push(
        `task ${t.tid} group ${t.threadGroup.pid} parent ${t.threadGroup.parent?.pid ?? 0} ${t.comm} ${t.stateChar} in ${t.syscallNr < 0 ? '-' : this.syscalls.name(t.syscallNr)} attention ${t.attention}`,
      );
    }
    return lines;
  }

  /** Lets go of what the remaining tasks hold, so that files are closed in order; then of the platform. */
  private releaseEverything(): void {
    try {
      for (const task of [...this.tasks.values()]) {
        if (!task.isLive) continue;
        task.threadGroup.isExiting = true;
        task.threadGroup.exitStatus = SIGKILL;
        task.vforkDone = null;
        task.robustListHead = 0;
        task.clearChildTid = 0;
        exitTask(task, SIGKILL);
      }
    } catch (error) {
      this.host.log('error', `while ending tasks: ${error instanceof Error ? error.stack : String(error)}`);
    }
    for (const [group, callback] of this.onProcessExit) if (!group.isReaped) callback(group.exitStatus);
    this.onProcessExit.clear();
    this.platform.shutdown();
  }
}
