// SPDX-License-Identifier: Apache-2.0

/**
 * nanosleep, clock_nanosleep, restart_syscall.
 *
 * Linux: kernel/time/hrtimer.c (hrtimer_nanosleep), kernel/time/posix-timers.c, kernel/signal.c (restart_syscall)
 */
import {
  EFAULT,
  EINTR,
  EINVAL,
  EOPNOTSUPP,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
} from '../../platform/abi/linux/errno.ts';
import {
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_REALTIME_COARSE,
  CLOCK_THREAD_CPUTIME_ID,
  NSEC_PER_SEC,
  TIMER_ABSTIME,
} from '../../platform/abi/linux/time.ts';
import { type ClockSource, clockSource } from '../../sentry/kernel/timers/clock_source.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';
import { isValidSpec, readSpec, spec } from '../poll/timeout.ts';
import { isDescriptorClock, isOwnThreadClock, writePair } from './clock.ts';

/** Relative sleep until `deadlineNs` of `clock`; on a signal what is left goes to remAddr and restart_syscall goes on. */
function* sleepRelative(t: Task, clock: ClockSource, deadlineNs: number, remAddr: number): Blocking {
  for (;;) {
    const reason = yield { queues: [], deadlineNs: clock.monotonicFor(deadlineNs) };
    const left = deadlineNs - clock.nowNs();
    if (left <= 0) return 0;
    if (reason !== WAKE_SIGNAL) continue;
    if (remAddr !== 0) {
      const sec = Math.floor(left / NSEC_PER_SEC);
      if (writePair(t, remAddr, sec, Math.floor(left - sec * NSEC_PER_SEC)) !== 0) return EFAULT;
    }
    t.restart = (self) => sleepRelative(self, clock, deadlineNs, remAddr);
    return ERESTART_RESTARTBLOCK;
  }
}

/** Absolute sleep: restarted by itself, no remaining time. `wait` gives the CLOCK_MONOTONIC time to look again. */
function* sleepAbsolute(isOver: () => boolean, wait: () => number): Blocking {
  while (!isOver()) {
    if ((yield { queues: [], deadlineNs: wait() }) === WAKE_SIGNAL && !isOver()) return ERESTARTNOHAND;
  }
  return 0;
}

export function sys_nanosleep(t: Task, reqAddr: number, remAddr: number): SyscallReturn {
  const err = readSpec(t, reqAddr);
  if (err !== 0) return err;
  if (!isValidSpec()) return EINVAL;
  return sleepFor(t, t.kernel.clocks.monotonic, remAddr);
}

function sleepFor(t: Task, clock: ClockSource, remAddr: number): SyscallReturn {
  return sleepRelative(t, clock, clock.nowNs() + spec.sec * NSEC_PER_SEC + spec.nsec, remAddr);
}

export function sys_clock_nanosleep(
  t: Task,
  id: number,
  flags: number,
  reqAddr: number,
  remAddr: number,
): SyscallReturn {
  if (isDescriptorClock(id)) return EOPNOTSUPP;
  const clock = clockSource(t, id);
  if (clock === null) return EINVAL;
  if (
    id === CLOCK_THREAD_CPUTIME_ID ||
    id === CLOCK_MONOTONIC_RAW ||
    id === CLOCK_MONOTONIC_COARSE ||
    id === CLOCK_REALTIME_COARSE
  )
    return EOPNOTSUPP;
  const err = readSpec(t, reqAddr);
  if (err !== 0) return err;
  if (!isValidSpec() || isOwnThreadClock(t, id)) return EINVAL;
  if ((flags & TIMER_ABSTIME) === 0) {
    // A relative sleep on CLOCK_REALTIME does not follow changes of that clock.
    const basis = id === 0 ? t.kernel.clocks.monotonic : clock;
    return sleepFor(t, basis, remAddr);
  }
  const { sec, nsec } = spec;
  if (id === 0 || id === 8 || id === 11) {
    const until = (): number => t.kernel.clock.monotonicAtRealtime(sec, nsec);
    return sleepAbsolute(() => until() <= t.kernel.clock.monotonicNs(), until);
  }
  const deadlineNs = sec * NSEC_PER_SEC + nsec;
  return sleepAbsolute(
    () => clock.nowNs() >= deadlineNs,
    () => clock.monotonicFor(deadlineNs),
  );
}

export function sys_restart_syscall(t: Task): SyscallReturn {
  const { restart } = t;
  t.restart = null;
  return restart === null ? EINTR : restart(t);
}
