// SPDX-License-Identifier: Apache-2.0

/**
 * Clock sources that timers and sleeps run on: the system-wide clocks, and CPU time of threads and processes.
 *
 * Linux:      kernel/time/posix-timers.c (k_clock), kernel/time/posix-cpu-timers.c
 * Invariants: `monotonicFor(deadline)` never lies after the moment the clock reaches `deadline`: a timer that fires early looks
 *             again, so CPU clocks (which run at most as fast as wall time times threads) need no hook in the scheduler.
 */
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_REALTIME_COARSE,
  CLOCK_TAI,
  CLOCK_THREAD_CPUTIME_ID,
  NSEC_PER_SEC,
} from '../../../platform/abi/linux/time.ts';
import type { Kernel } from '../kernel.ts';
import type { ThreadGroup } from '../process/thread_group.ts';
import { groupUsage, taskUsage } from '../process/usage.ts';
import type { Task } from '../task.ts';

/** Shortest look-again delay of a CPU clock timer. */
const MIN_CPU_DELAY_NS = 500_000;

export interface ClockSource {
  /** Current value: [seconds, nanoseconds] into out. */
  read(out: Float64Array): void;
  /** Current value in ns (realtime: loses the last digits; good enough for differences of more than a microsecond). */
  nowNs(): number;
  /** CLOCK_MONOTONIC time at which to look whether the clock has reached deadlineNs. */
  monotonicFor(deadlineNs: number): number;
}

class HostClockSource implements ClockSource {
  private readonly kernel: Kernel;
  private readonly kind: 'realtime' | 'monotonic' | 'boottime';
  private readonly pair = new Float64Array(2);

  constructor(kernel: Kernel, kind: 'realtime' | 'monotonic' | 'boottime') {
    this.kernel = kernel;
    this.kind = kind;
  }
  read(out: Float64Array): void {
    if (this.kind === 'realtime') {
      this.kernel.clock.realtime(out);
      return;
    }
    const ns = this.nowNs();
    const sec = Math.floor(ns / NSEC_PER_SEC);
    out[0] = sec;
    out[1] = ns - sec * NSEC_PER_SEC;
  }
  nowNs(): number {
    const { clock } = this.kernel;
    if (this.kind === 'monotonic') return clock.monotonicNs();
    if (this.kind === 'boottime') return clock.boottimeNs();
    clock.realtime(this.pair);
    return (this.pair[0] as number) * NSEC_PER_SEC + (this.pair[1] as number);
  }
  monotonicFor(deadlineNs: number): number {
    if (this.kind === 'monotonic') return deadlineNs;
    return this.kernel.clock.monotonicNs() + (deadlineNs - this.nowNs());
  }
}

/** CPU time of a process or thread: user and system, or user only. */
export class CpuClockSource implements ClockSource {
  private readonly kernel: Kernel;
  private readonly target: ThreadGroup | Task;
  private readonly userOnly: boolean;

  constructor(kernel: Kernel, target: ThreadGroup | Task, userOnly = false) {
    this.kernel = kernel;
    this.target = target;
    this.userOnly = userOnly;
  }
  read(out: Float64Array): void {
    const ns = this.nowNs();
    const sec = Math.floor(ns / NSEC_PER_SEC);
    out[0] = sec;
    out[1] = Math.floor(ns - sec * NSEC_PER_SEC);
  }
  nowNs(): number {
    const usage = 'tasks' in this.target ? groupUsage(this.target) : taskUsage(this.target);
    return this.userOnly ? usage.userNs : usage.userNs + usage.systemNs;
  }
  monotonicFor(deadlineNs: number): number {
    const threads =
      'tasks' in this.target ? Math.max(1, Math.min(this.target.tasks.size, this.kernel.host.info.cpuCount)) : 1;
    const delay = Math.max((deadlineNs - this.nowNs()) / threads, MIN_CPU_DELAY_NS);
    return this.kernel.clock.monotonicNs() + delay;
  }
}

/** A clock as a time namespace has it. */
class ShiftedClockSource implements ClockSource {
  private readonly host: ClockSource;
  private readonly shiftNs: number;

  constructor(host: ClockSource, shiftNs: number) {
    this.host = host;
    this.shiftNs = shiftNs;
  }
  read(out: Float64Array): void {
    this.host.read(out);
    shiftPair(out, this.shiftNs);
  }
  nowNs(): number {
    return this.host.nowNs() + this.shiftNs;
  }
  monotonicFor(deadlineNs: number): number {
    return this.host.monotonicFor(deadlineNs - this.shiftNs);
  }
}

/** Adds `shiftNs` to [seconds, nanoseconds]. */
export function shiftPair(pair: Float64Array, shiftNs: number): void {
  const sec = Math.floor(shiftNs / NSEC_PER_SEC);
  const nsec = (pair[1] as number) + (shiftNs - sec * NSEC_PER_SEC);
  pair[0] = (pair[0] as number) + sec + (nsec >= NSEC_PER_SEC ? 1 : 0);
  pair[1] = nsec >= NSEC_PER_SEC ? nsec - NSEC_PER_SEC : nsec;
}

function shifted(clock: ClockSource, shiftNs: number): ClockSource {
  return shiftNs === 0 ? clock : new ShiftedClockSource(clock, shiftNs);
}

/** The system-wide clock sources of one kernel. */
export class SystemClocks {
  readonly realtime: ClockSource;
  readonly monotonic: ClockSource;
  readonly boottime: ClockSource;
  constructor(kernel: Kernel) {
    this.realtime = new HostClockSource(kernel, 'realtime');
    this.monotonic = new HostClockSource(kernel, 'monotonic');
    this.boottime = new HostClockSource(kernel, 'boottime');
  }
}

/** Dynamic CPU clock ids: ~pid << 3 | CPUCLOCK_PERTHREAD_MASK 4 | which. */
function dynamicCpuClock(t: Task, id: number): ClockSource | null {
  const which = id & 3;
  if (which === 3) return null;
  const pid = ~(id >> 3);
  const userOnly = which === 1;
  if ((id & 4) !== 0) {
    const task = pid === 0 ? t : t.pidNs.tasks.get(pid);
    if (task === undefined || task.threadGroup !== t.threadGroup) return null;
    return new CpuClockSource(t.kernel, task, userOnly);
  }
  const group = pid === 0 ? t.threadGroup : t.pidNs.threadGroup(pid);
  return group === null ? null : new CpuClockSource(t.kernel, group, userOnly);
}

/** The clock `id` as t sees it; null: no such clock (EINVAL). */
export function clockSource(t: Task, id: number): ClockSource | null {
  const { clocks } = t.kernel;
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
      return clocks.realtime;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
      return shifted(clocks.monotonic, t.timeNs.monotonicNs);
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return shifted(clocks.boottime, t.timeNs.boottimeNs);
    case CLOCK_PROCESS_CPUTIME_ID:
      return new CpuClockSource(t.kernel, t.threadGroup);
    case CLOCK_THREAD_CPUTIME_ID:
      return new CpuClockSource(t.kernel, t);
    default:
      return id < 0 ? dynamicCpuClock(t, id) : null;
  }
}
