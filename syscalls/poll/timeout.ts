// SPDX-License-Identifier: Apache-2.0

/**
 * Timeouts of the waiting calls: read from the application, turned into deadlines, written back as what is left.
 *
 * Linux: fs/select.c (poll_select_set_timeout, poll_select_finish)
 */
import { EFAULT, EINTR, EINVAL, ERESTARTNOHAND } from '../../platform/abi/linux/errno.ts';
import type { Task } from '../../sentry/kernel/task.ts';

/** personality(2): select and poll leave the timeout as it was. */
const STICKY_TIMEOUTS = 0x4000000;
const NS = 1_000_000_000;
const MS = 1_000_000;
const scratch = new Uint8Array(32);
const view = new DataView(scratch.buffer);
/** Beyond this many ns (292 years) a deadline is for ever. */
const FOREVER = 9.2e18;

/** A signed 64-bit word of the scratch buffer as a Number. */
function i64(at: number): number {
  return view.getInt32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}

function putI64(at: number, value: number): void {
  const hi = Math.floor(value / 4294967296);
  view.setInt32(at + 4, hi, true);
  view.setUint32(at, value - hi * 4294967296, true);
}

/** Timespec last read. */
export const spec = { sec: 0, nsec: 0 };

/** Reads a struct timespec (or the same two longs of a timeval) into `spec`. Returns 0 or EFAULT. */
export function readSpec(t: Task, addr: number): number {
  if (t.memory.copyIn(addr, scratch, 0, 16) !== 16) return EFAULT;
  spec.sec = i64(0);
  spec.nsec = i64(8);
  return 0;
}

/** Is `spec` a valid timespec (timespec64_valid)? */
export function isValidSpec(): boolean {
  return spec.sec >= 0 && spec.nsec >= 0 && spec.nsec < NS;
}

/** CLOCK_MONOTONIC deadline for a relative time; 0 when it is no time at all: do not wait. */
export function deadlineAfter(t: Task, sec: number, nsec: number): number {
  if (sec === 0 && nsec === 0) return 0;
  const ns = sec * NS + nsec;
  return ns > FOREVER ? Number.POSITIVE_INFINITY : t.kernel.clock.monotonicNs() + ns;
}

/** Deadline for poll(2)'s and epoll_wait(2)'s int of milliseconds: negative is for ever. */
export function deadlineAfterMs(t: Task, ms: number): number {
  if (ms < 0) return Number.POSITIVE_INFINITY;
  return ms === 0 ? 0 : t.kernel.clock.monotonicNs() + ms * MS;
}

/** Deadline from a timespec at `addr` (0: for ever). Errors: EFAULT, EINVAL. */
export function readDeadline(t: Task, addr: number): number {
  if (addr === 0) return Number.POSITIVE_INFINITY;
  const err = readSpec(t, addr);
  if (err !== 0) return err;
  return isValidSpec() ? deadlineAfter(t, spec.sec, spec.nsec) : EINVAL;
}

/** Deadline from a timeval at `addr` (0: for ever), normalised as select(2) does. Errors: EFAULT, EINVAL. */
export function readTimevalDeadline(t: Task, addr: number): number {
  if (addr === 0) return Number.POSITIVE_INFINITY;
  const err = readSpec(t, addr);
  if (err !== 0) return err;
  const usec = spec.nsec;
  spec.sec += Math.trunc(usec / 1_000_000);
  spec.nsec = (usec % 1_000_000) * 1000;
  return isValidSpec() ? deadlineAfter(t, spec.sec, spec.nsec) : EINVAL;
}

/**
 * Writes what is left until `deadlineNs` to the application's timespec ('ns') or timeval ('us') and returns the call's
 * result: `result`, but EINTR instead of a restart when the rest could not be written.
 */
export function writeRemaining(t: Task, addr: number, deadlineNs: number, unit: 'ns' | 'us', result: number): number {
  if (addr === 0) return result;
  if ((t.personality & STICKY_TIMEOUTS) !== 0) return result === ERESTARTNOHAND ? EINTR : result;
  const left = deadlineNs === 0 ? 0 : Math.max(0, deadlineNs - t.kernel.clock.monotonicNs());
  if (left !== Number.POSITIVE_INFINITY) {
    const sec = Math.floor(left / NS);
    const nsec = Math.floor(left - sec * NS);
    putI64(0, sec);
    putI64(8, unit === 'ns' ? nsec : Math.floor(nsec / 1000));
    if (t.memory.copyOut(addr, scratch, 0, 16) === 16) return result;
  }
  return result === ERESTARTNOHAND ? EINTR : result;
}

/** Values of the itimerspec last read by readItimerspec(). */
export const itimer = { intervalSec: 0, intervalNsec: 0, valueSec: 0, valueNsec: 0 };

/** Reads a struct itimerspec into `itimer`. Errors: EFAULT, EINVAL. */
export function readItimerspec(t: Task, addr: number): number {
  if (t.memory.copyIn(addr, scratch, 0, 32) !== 32) return EFAULT;
  itimer.intervalSec = i64(0);
  itimer.intervalNsec = i64(8);
  itimer.valueSec = i64(16);
  itimer.valueNsec = i64(24);
  const { intervalSec, intervalNsec, valueSec, valueNsec } = itimer;
  const valid =
    intervalSec >= 0 && valueSec >= 0 && intervalNsec >= 0 && intervalNsec < NS && valueNsec >= 0 && valueNsec < NS;
  return valid ? 0 : EINVAL;
}

/** Writes an itimerspec given in ns. Returns 0 or EFAULT. */
export function writeItimerspec(t: Task, addr: number, intervalNs: number, valueNs: number): number {
  putI64(0, Math.floor(intervalNs / NS));
  putI64(8, Math.floor(intervalNs % NS));
  putI64(16, Math.floor(valueNs / NS));
  putI64(24, Math.floor(valueNs % NS));
  return t.memory.copyOut(addr, scratch, 0, 32) === 32 ? 0 : EFAULT;
}
