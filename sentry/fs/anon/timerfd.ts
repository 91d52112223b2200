// SPDX-License-Identifier: Apache-2.0

/**
 * timerfd(2): a timer that is read.
 *
 * Linux:      fs/timerfd.c
 * Invariants: as in Linux a periodic timer is armed once and goes on only when it is read or asked for: an unread timer
 *             costs nothing. `deadlineNs` is CLOCK_MONOTONIC, also while expired.
 */
import { EINVAL, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import { EPOLLIN } from '../../../platform/abi/linux/poll.ts';
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
} from '../../../platform/abi/linux/time.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { TimeNamespace } from '../../kernel/time_namespace.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { CallbackTimer } from '../../time/timer_heap.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { AnonFile } from './anon_file.ts';

const NS = 1_000_000_000;
const TFD_TIMER_ABSTIME = 1;
const scratch = new Uint8Array(8);
const view = new DataView(scratch.buffer);

export class TimerFile extends AnonFile {
  private readonly kernel: Kernel;
  private readonly clockId: number;
  private readonly timer: CallbackTimer;
  private deadlineNs = 0;
  private isSet = false;
  private isExpired = false;
  private periodNs = 0;
  private ticks = 0;
  private settimeFlags = 0;

  constructor(kernel: Kernel, clockId: number, flags: number, creds: Credentials) {
    super('[timerfd]', O_RDWR | (flags & O_NONBLOCK), creds);
    this.kernel = kernel;
    this.clockId = clockId;
    this.timer = new CallbackTimer(() => {
      this.isExpired = true;
      this.ticks++;
      this.waitQueue.wake(EPOLLIN);
    });
  }

  protected override release(): void {
    this.kernel.timers.cancel(this.timer);
  }

  /** timerfd_settime(2): arms (value not zero) or disarms. `time`: whose clocks an absolute time is meant by. */
  set(flags: number, valueSec: number, valueNsec: number, periodNs: number, time: TimeNamespace): void {
    this.kernel.timers.cancel(this.timer);
    this.ticks = 0;
    this.isExpired = false;
    this.settimeFlags = flags;
    this.periodNs = periodNs;
    this.isSet = valueSec !== 0 || valueNsec !== 0;
    if (!this.isSet) return;
    const now = this.kernel.clock.monotonicNs();
    if ((flags & TFD_TIMER_ABSTIME) === 0) this.deadlineNs = now + valueSec * NS + valueNsec;
    else if (this.clockId === CLOCK_REALTIME || this.clockId === CLOCK_REALTIME_ALARM) {
      this.deadlineNs = this.kernel.clock.monotonicAtRealtime(valueSec, valueNsec);
    } else if (this.clockId === CLOCK_BOOTTIME || this.clockId === CLOCK_BOOTTIME_ALARM) {
      this.deadlineNs = this.kernel.clock.monotonicAtBoottime(valueSec * NS + valueNsec - time.boottimeNs);
    } else this.deadlineNs = valueSec * NS + valueNsec - time.monotonicNs;
    this.kernel.timers.arm(this.timer, this.deadlineNs);
  }

  /** Time left in ns (0: disarmed or expired); also lets a periodic timer go on. */
  remainingNs(): number {
    this.forward();
    if (!this.isSet || this.isExpired) return 0;
    return Math.max(1, this.deadlineNs - this.kernel.clock.monotonicNs());
  }
  get intervalNs(): number {
    return this.periodNs;
  }

  /** Counts the periods that passed since it expired and arms it for the next. */
  private forward(): void {
    if (!this.isExpired || this.periodNs === 0) return;
    this.isExpired = false;
    const late = this.kernel.clock.monotonicNs() - this.deadlineNs;
    const periods = Math.max(1, Math.floor(late / this.periodNs) + 1);
    this.ticks += periods - 1;
    this.deadlineNs += periods * this.periodNs;
    this.kernel.timers.arm(this.timer, this.deadlineNs);
  }

  override read(_ctx: IoContext, io: IoSequence): number {
    if (io.remaining < 8) return EINVAL;
    if (this.ticks === 0) return WOULD_BLOCK;
    this.forward();
    const hi = Math.floor(this.ticks / 4294967296);
    view.setUint32(0, this.ticks - hi * 4294967296, true);
    view.setUint32(4, hi, true);
    this.ticks = 0;
    return io.put(scratch, 0, 8);
  }

  override poll(): number {
    return this.ticks !== 0 ? EPOLLIN : 0;
  }

  override fdinfo(): string {
    const pair = (ns: number): string => `(${Math.floor(ns / NS)}, ${Math.floor(ns % NS)})`;
    return `clockid: ${this.clockId}\nticks: ${this.ticks}\nsettime flags: 0${this.settimeFlags.toString(8)}\nit_value: ${pair(this.remainingNs())}\nit_interval: ${pair(this.periodNs)}\n`;
  }
}
