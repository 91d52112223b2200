// SPDX-License-Identifier: Apache-2.0

/**
 * alarm, setitimer, getitimer, and POSIX timers.
 *
 * Linux: kernel/time/itimer.c, kernel/time/posix-timers.c
 */
import { EAGAIN, EFAULT, EINVAL, EOPNOTSUPP } from '../../platform/abi/linux/errno.ts';
import { NSIG, SIGALRM, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID } from '../../platform/abi/linux/signal.ts';
import {
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_REALTIME_COARSE,
  ITIMER_PROF,
  ITIMER_REAL,
  ITIMER_VIRTUAL,
  NSEC_PER_SEC,
  TIMER_ABSTIME,
} from '../../platform/abi/linux/time.ts';
import { RLIMIT_SIGPENDING } from '../../sentry/kernel/process/rlimits.ts';
import { clockSource } from '../../sentry/kernel/timers/clock_source.ts';
import type { IntervalTimer } from '../../sentry/kernel/timers/interval_timer.ts';
import { PosixTimer, type SigEvent, timersOf } from '../../sentry/kernel/timers/process_timers.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { isDescriptorClock } from './clock.ts';
import { itimer, readItimerspec, writeItimerspec } from '../poll/timeout.ts';

const buffer = new Uint8Array(64);
const view = new DataView(buffer.buffer);
const USEC = 1000;
/** Most POSIX timers of a process, whatever its limit says. */
const MAX_TIMERS = 65536;

function get64(at: number): number {
  return view.getInt32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}
function put64(at: number, value: number): void {
  const hi = Math.floor(value / 4294967296);
  view.setUint32(at, value - hi * 4294967296, true);
  view.setInt32(at + 4, hi, true);
}

export function sys_alarm(t: Task, seconds: number): number {
  const { real } = timersOf(t.kernel, t.threadGroup);
  const leftNs = real.remainingNs();
  if (seconds === 0) real.stop();
  else real.start(real.clock.nowNs() + seconds * NSEC_PER_SEC, 0);
  if (leftNs === 0) return 0;
  // Rounded to the nearest second, but never down to 0.
  return Math.max(1, Math.round(leftNs / NSEC_PER_SEC));
}

function itimerOf(t: Task, which: number): IntervalTimer | null {
  const timers = timersOf(t.kernel, t.threadGroup);
  if (which === ITIMER_REAL) return timers.real;
  if (which === ITIMER_VIRTUAL) return timers.virtual;
  return which === ITIMER_PROF ? timers.prof : null;
}

function writeItimerval(t: Task, addr: number, intervalNs: number, valueNs: number): number {
  // A timer that is armed never shows as 0.
  const usec = valueNs === 0 ? 0 : Math.max(1, Math.floor(valueNs / USEC));
  put64(0, Math.floor(intervalNs / NSEC_PER_SEC));
  put64(8, Math.floor((intervalNs % NSEC_PER_SEC) / USEC));
  put64(16, Math.floor(usec / 1_000_000));
  put64(24, usec % 1_000_000);
  return t.memory.copyOut(addr, buffer, 0, 32) === 32 ? 0 : EFAULT;
}

export function sys_getitimer(t: Task, which: number, addr: number): number {
  const timer = itimerOf(t, which);
  return timer === null ? EINVAL : writeItimerval(t, addr, timer.intervalNs, timer.remainingNs());
}

export function sys_setitimer(t: Task, which: number, newAddr: number, oldAddr: number): number {
  const timer = itimerOf(t, which);
  let intervalNs = 0;
  let valueNs = 0;
  if (newAddr !== 0) {
    if (t.memory.copyIn(newAddr, buffer, 0, 32) !== 32) return EFAULT;
    for (let at = 0; at < 32; at += 16)
      if (get64(at) < 0 || get64(at + 8) < 0 || get64(at + 8) >= 1_000_000) return EINVAL;
    intervalNs = get64(0) * NSEC_PER_SEC + get64(8) * USEC;
    valueNs = get64(16) * NSEC_PER_SEC + get64(24) * USEC;
  }
  if (timer === null) return EINVAL;
  const oldInterval = timer.intervalNs;
  const oldValue = timer.remainingNs();
  if (valueNs === 0) timer.stop();
  else timer.start(timer.clock.nowNs() + valueNs, intervalNs);
  return oldAddr === 0 ? 0 : writeItimerval(t, oldAddr, oldInterval, oldValue);
}

/** Reads a struct sigevent; `id` is the default value. Returns it or errno. */
function readSigEvent(t: Task, addr: number, id: number): SigEvent | number {
  if (addr === 0) return { notify: SIGEV_SIGNAL, signo: SIGALRM, valueLo: id, valueHi: 0, task: null };
  if (t.memory.copyIn(addr, buffer, 0, 64) !== 64) return EFAULT;
  const event: SigEvent = {
    valueLo: view.getUint32(0, true),
    valueHi: view.getUint32(4, true),
    signo: view.getInt32(8, true),
    notify: view.getInt32(12, true),
    task: null,
  };
  if (event.notify === (SIGEV_SIGNAL | SIGEV_THREAD_ID)) {
    const task = t.pidNs.tasks.get(view.getInt32(16, true));
    if (task === undefined || task.threadGroup !== t.threadGroup) return EINVAL;
    event.task = task;
  } else if (event.notify !== SIGEV_SIGNAL && event.notify !== SIGEV_NONE && event.notify !== 2) return EINVAL;
  if (event.notify !== SIGEV_NONE && (event.signo < 1 || event.signo > NSIG)) return EINVAL;
  return event;
}

export function sys_timer_create(t: Task, clockId: number, eventAddr: number, idAddr: number): number {
  if (eventAddr !== 0 && t.memory.copyIn(eventAddr, buffer, 0, 64) !== 64) return EFAULT;
  if (isDescriptorClock(clockId)) return EOPNOTSUPP;
  const clock = clockSource(t, clockId);
  if (clock === null) return EINVAL;
  if (clockId === CLOCK_MONOTONIC_RAW || clockId === CLOCK_MONOTONIC_COARSE || clockId === CLOCK_REALTIME_COARSE)
    return EOPNOTSUPP;
  const timers = timersOf(t.kernel, t.threadGroup);
  if (timers.posix.size >= Math.min(t.threadGroup.rlimits.soft(RLIMIT_SIGPENDING), MAX_TIMERS)) return EAGAIN;
  const id = timers.newId();
  const event = readSigEvent(t, eventAddr, id);
  if (typeof event === 'number') return event;
  if (t.memory.writeU32(idAddr, id) !== 0) return EFAULT;
  timers.posix.set(id, new PosixTimer(t.kernel, t.threadGroup, id, clockId, clock, event));
  return 0;
}

function timerOf(t: Task, id: number): PosixTimer | null {
  return t.threadGroup.timers?.posix.get(id) ?? null;
}

export function sys_timer_settime(t: Task, id: number, flags: number, newAddr: number, oldAddr: number): number {
  if (newAddr === 0) return EINVAL;
  const err = readItimerspec(t, newAddr);
  if (err !== 0) return err;
  const posix = timerOf(t, id);
  if (posix === null) return EINVAL;
  const { timer } = posix;
  const oldInterval = timer.intervalNs;
  const oldValue = timer.remainingNs();
  const { valueSec, valueNsec, intervalSec, intervalNsec } = itimer;
  if (valueSec === 0 && valueNsec === 0) posix.stop();
  else {
    const valueNs = valueSec * NSEC_PER_SEC + valueNsec;
    const expires = (flags & TIMER_ABSTIME) !== 0 ? valueNs : timer.clock.nowNs() + valueNs;
    posix.set(expires, intervalSec * NSEC_PER_SEC + intervalNsec);
  }
  return oldAddr === 0 ? 0 : writeItimerspec(t, oldAddr, oldInterval, oldValue);
}

export function sys_timer_gettime(t: Task, id: number, addr: number): number {
  const posix = timerOf(t, id);
  return posix === null ? EINVAL : writeItimerspec(t, addr, posix.timer.intervalNs, posix.timer.remainingNs());
}

export function sys_timer_getoverrun(t: Task, id: number): number {
  return timerOf(t, id)?.overrun ?? EINVAL;
}

export function sys_timer_delete(t: Task, id: number): number {
  const posix = timerOf(t, id);
  if (posix === null) return EINVAL;
  posix.delete();
  t.threadGroup.timers?.posix.delete(id);
  return 0;
}
