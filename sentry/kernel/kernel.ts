// SPDX-License-Identifier: Apache-2.0

/**
 * Kernel: the container's Linux: all tasks, the clocks, the namespaces, the run loop.
 *
 * Invariants: between two calls of Platform.wait() kernel state is atomic. Everything that became runnable runs before the
 *             next wait.
 * Yields:     only in run(), at Platform.wait().
 */
import type { HostServices, Platform } from '../../platform/platform.ts';
import { UserNamespace } from '../auth/user_namespace.ts';
import { KernelClock } from '../time/clock.ts';
import { TimerHeap } from '../time/timer_heap.ts';
import { VirtualFilesystem } from '../vfs/virtual_filesystem.ts';
import { INIT_IPC_INUM, INIT_PID_INUM, INIT_UTS_INUM, IpcNamespace, UtsNamespace } from './namespaces.ts';
import { PidNamespace } from './process/pid_namespace.ts';
import type { ProgramLoader } from './program_loader.ts';
import type { SyscallTable } from './syscall_table.ts';
import type { Task } from './task.ts';

/** Told of every signal that is queued (signalfd). */
export interface SignalWatcher {
  onSignal(t: Task, signo: number): void;
}

export interface KernelOptions {
  platform: Platform;
  host: HostServices;
  syscalls: SyscallTable;
  loader: ProgramLoader;
  /** Made before the kernel when the root filesystem is arranged first. */
  vfs?: VirtualFilesystem;
  hostname?: string;
  domainname?: string;
  /** Most tasks alive at once; beyond it clone returns EAGAIN. */
  maxTasks?: number;
}

const DEFAULT_MAX_TASKS = 8192;

export class Kernel {
  readonly platform: Platform;
  readonly host: HostServices;
  readonly syscalls: SyscallTable;
  readonly loader: ProgramLoader;
  readonly vfs: VirtualFilesystem;
  readonly clock: KernelClock;
  readonly timers = new TimerHeap();
  readonly userNs = new UserNamespace();
  readonly pidNs = new PidNamespace(null, INIT_PID_INUM);
  readonly uts: UtsNamespace;
  readonly ipcNs: IpcNamespace;
  /** Tasks whose turn it is, in order. */
  readonly ready: Task[] = [];
  readonly signalWatchers = new Set<SignalWatcher>();
  readonly maxTasks: number;
  /** CLOCK_REALTIME seconds when the sandbox booted, CLOCK_MONOTONIC ns then. */
  readonly bootRealtimeSec: number;
  readonly bootMonotonicNs: number;
  /** The task whose system call or event is being handled; null between events. */
  current: Task | null = null;
  /** Live tasks. */
  liveTasks = 0;
  /** Tasks ever made (processes line of /proc/stat). */
  totalForks = 0;

  constructor(options: KernelOptions) {
    this.platform = options.platform;
    this.host = options.host;
    this.syscalls = options.syscalls;
    this.loader = options.loader;
    this.vfs = options.vfs ?? new VirtualFilesystem(options.host);
    this.clock = new KernelClock(options.host.clock);
    this.uts = new UtsNamespace(options.hostname ?? 'runsc-ts', options.domainname ?? '(none)', this.userNs, INIT_UTS_INUM);
    this.ipcNs = new IpcNamespace(this.userNs, INIT_IPC_INUM);
    this.maxTasks = options.maxTasks ?? DEFAULT_MAX_TASKS;
    this.bootRealtimeSec = this.clock.realtimeSeconds();
    this.bootMonotonicNs = this.clock.monotonicNs();
  }

  /** All live and zombie tasks by tid in the initial pid namespace. */
  get tasks(): ReadonlyMap<number, Task> {
    return this.pidNs.tasks;
  }
}
