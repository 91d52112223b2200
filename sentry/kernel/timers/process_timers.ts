// SPDX-License-Identifier: Apache-2.0

/**
 * Timers of a process: setitimer's three, POSIX timers, and the RLIMIT_CPU watch.
 *
 * Linux: kernel/time/itimer.c, kernel/time/posix-timers.c, kernel/time/posix-cpu-timers.c (check_process_timers)
 */
import {
  SI_KERNEL,
  SI_TIMER,
  SIGALRM,
  SIGEV_NONE,
  SIGEV_THREAD_ID,
  SIGKILL,
  SIGPROF,
  SIGVTALRM,
  SIGXCPU,
} from '../../../platform/abi/linux/signal.ts';
import { NSEC_PER_SEC } from '../../../platform/abi/linux/time.ts';
import { makeSigInfo, SigInfo } from '../../arch/siginfo.ts';
import type { Kernel } from '../kernel.ts';
import { RLIMIT_CPU } from '../process/rlimits.ts';
import type { ThreadGroup } from '../process/thread_group.ts';
import { sendToGroup, sendToTask } from '../signal/send.ts';
import type { Task } from '../task.ts';
import { type ClockSource, CpuClockSource } from './clock_source.ts';
import { IntervalTimer } from './interval_timer.ts';

/** struct sigevent, decoded. */
export interface SigEvent {
  notify: number;
  signo: number;
  valueLo: number;
  valueHi: number;
  /** SIGEV_THREAD_ID's thread. */
  task: Task | null;
}

const MAX_OVERRUN = 0x7fffffff;

export class PosixTimer {
  readonly id: number;
  readonly event: SigEvent;
  readonly timer: IntervalTimer;
  readonly clockId: number;
  /** Overrun count of the last taken signal, for timer_getoverrun. */
  overrun = 0;
  private pendingOverrun = 0;
  private isQueued = false;
  private isDeleted = false;
  private readonly group: ThreadGroup;
  /** Counts settings, so that a signal of an older one does not rearm. */
  private generation = 0;

  constructor(kernel: Kernel, group: ThreadGroup, id: number, clockId: number, clock: ClockSource, event: SigEvent) {
    this.id = id;
    this.clockId = clockId;
    this.event = event;
    this.group = group;
    this.timer = new IntervalTimer(kernel, clock, () => this.expired());
  }

  set(expiresNs: number, intervalNs: number): void {
    this.generation++;
    this.pendingOverrun = 0;
    this.overrun = 0;
    this.timer.start(expiresNs, intervalNs);
  }
  stop(): void {
    this.generation++;
    this.timer.stop();
  }
  delete(): void {
    this.isDeleted = true;
    this.stop();
  }

  private expired(): void {
    if (this.event.notify === SIGEV_NONE) {
      this.timer.rearm();
      return;
    }
    if (this.isQueued) {
      this.pendingOverrun += 1 + this.timer.rearm();
      return;
    }
    const info = new SigInfo();
    info.signo = this.event.signo;
    info.code = SI_TIMER;
    info.pid = this.id;
    info.setValue(this.event.valueLo, this.event.valueHi);
    this.isQueued = true;
    const { generation } = this;
    const options = { onTaken: (taken: SigInfo): void => this.taken(taken, generation) };
    const { task } = this.event;
    const result =
      this.event.notify === SIGEV_THREAD_ID && task !== null && task.isLive
        ? sendToTask(task, info, options)
        : sendToGroup(this.group, info, options);
    if (result < 0) this.taken(info, generation);
  }

  private taken(info: SigInfo, generation: number): void {
    this.isQueued = false;
    if (this.isDeleted || generation !== this.generation) return;
    this.overrun = Math.min(this.pendingOverrun + this.timer.rearm(), MAX_OVERRUN);
    this.pendingOverrun = 0;
    info.uid = this.overrun;
  }
}

export class ProcessTimers {
  readonly real: IntervalTimer;
  readonly virtual: IntervalTimer;
  readonly prof: IntervalTimer;
  readonly posix = new Map<number, PosixTimer>();
  private nextId = 0;
  private readonly cpuLimit: IntervalTimer;
  private readonly group: ThreadGroup;

  constructor(kernel: Kernel, group: ThreadGroup) {
    this.group = group;
    const itimer = (clock: ClockSource, signo: number): IntervalTimer => {
      const timer: IntervalTimer = new IntervalTimer(kernel, clock, () => {
        sendToGroup(group, makeSigInfo(signo, SI_KERNEL), { onTaken: () => timer.rearm() });
        // Coalesced with one that is still pending: nobody will call onTaken for this expiration.
        if (!timer.isArmed) timer.rearm();
      });
      return timer;
    };
    this.real = itimer(kernel.clocks.monotonic, SIGALRM);
    this.virtual = itimer(new CpuClockSource(kernel, group, true), SIGVTALRM);
    this.prof = itimer(new CpuClockSource(kernel, group), SIGPROF);
    this.cpuLimit = new IntervalTimer(kernel, new CpuClockSource(kernel, group), () => this.cpuLimitReached());
  }

  /** A free timer id. */
  newId(): number {
    while (this.posix.has(this.nextId)) this.nextId = (this.nextId + 1) % MAX_OVERRUN;
    return this.nextId++;
  }
  deletePosix(): void {
    for (const timer of this.posix.values()) timer.delete();
    this.posix.clear();
  }
  /** Watches RLIMIT_CPU as it stands. */
  watchCpuLimit(): void {
    const soft = this.group.rlimits.soft(RLIMIT_CPU);
    if (soft === Number.POSITIVE_INFINITY) this.cpuLimit.stop();
    else this.cpuLimit.start(Math.max(soft, 1) * NSEC_PER_SEC, 0);
  }
  stopAll(): void {
    this.real.stop();
    this.virtual.stop();
    this.prof.stop();
    this.cpuLimit.stop();
    this.deletePosix();
  }

  private cpuLimitReached(): void {
    const { group } = this;
    const usedNs = this.cpuLimit.clock.nowNs();
    if (usedNs >= group.rlimits.hard(RLIMIT_CPU) * NSEC_PER_SEC) {
      sendToGroup(group, makeSigInfo(SIGKILL, SI_KERNEL), { force: true });
      return;
    }
    sendToGroup(group, makeSigInfo(SIGXCPU, SI_KERNEL));
    this.cpuLimit.start(usedNs + NSEC_PER_SEC, 0);
  }
}

/** The timers of a process, made on first use. */
export function timersOf(kernel: Kernel, group: ThreadGroup): ProcessTimers {
  group.timers ??= new ProcessTimers(kernel, group);
  return group.timers;
}

/** The process is gone. */
export function releaseTimers(group: ThreadGroup): void {
  group.timers?.stopAll();
  group.timers = null;
}
