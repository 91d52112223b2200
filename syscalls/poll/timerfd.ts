// SPDX-License-Identifier: Apache-2.0

/**
 * timerfd_create(2), timerfd_settime(2), timerfd_gettime(2).
 *
 * Linux: fs/timerfd.c
 */
import { CAP_WAKE_ALARM } from '../../platform/abi/linux/capability.ts';
import { EBADF, EINVAL, EPERM } from '../../platform/abi/linux/errno.ts';
import { O_CLOEXEC, O_NONBLOCK } from '../../platform/abi/linux/fcntl.ts';
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
} from '../../platform/abi/linux/time.ts';
import { TimerFile } from '../../sentry/fs/anon/timerfd.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { installFile } from './install_file.ts';
import { pollFile } from './poll_set.ts';
import { itimer, readItimerspec, writeItimerspec } from './timeout.ts';

const TFD_TIMER_ABSTIME = 1;
const TFD_TIMER_CANCEL_ON_SET = 2;
const CLOCKS: readonly number[] = [
  CLOCK_REALTIME,
  CLOCK_MONOTONIC,
  CLOCK_BOOTTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_BOOTTIME_ALARM,
];
const NS = 1_000_000_000;

export function sys_timerfd_create(t: Task, clockid: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0 || !CLOCKS.includes(clockid)) return EINVAL;
  const isAlarm = clockid === CLOCK_REALTIME_ALARM || clockid === CLOCK_BOOTTIME_ALARM;
  if (isAlarm && !t.creds.hasCap(CAP_WAKE_ALARM)) return EPERM;
  return installFile(t, new TimerFile(t.kernel, clockid, flags, t.creds), (flags & O_CLOEXEC) !== 0);
}

export function sys_timerfd_settime(t: Task, ufd: number, flags: number, utmr: number, otmr: number): number {
  const err = readItimerspec(t, utmr);
  if (err !== 0) return err;
  if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0) return EINVAL;
  const file = pollFile(t, ufd);
  if (file === null) return EBADF;
  if (!(file instanceof TimerFile)) return EINVAL;
  const { valueSec, valueNsec, intervalSec, intervalNsec } = itimer;
  const oldValue = file.remainingNs();
  const oldInterval = file.intervalNs;
  file.set(flags, valueSec, valueNsec, intervalSec * NS + intervalNsec, t.timeNs);
  return otmr === 0 ? 0 : writeItimerspec(t, otmr, oldInterval, oldValue);
}

export function sys_timerfd_gettime(t: Task, ufd: number, otmr: number): number {
  const file = pollFile(t, ufd);
  if (file === null) return EBADF;
  if (!(file instanceof TimerFile)) return EINVAL;
  return writeItimerspec(t, otmr, file.intervalNs, file.remainingNs());
}
