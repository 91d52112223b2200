// SPDX-License-Identifier: Apache-2.0

/**
 * Reading and setting clocks.
 *
 * Linux: kernel/time/posix-timers.c, kernel/time/time.c
 */
import { EFAULT, EINVAL, EOPNOTSUPP, EPERM } from '../../platform/abi/linux/errno.ts';
import {
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_REALTIME,
  CLOCK_REALTIME_COARSE,
  CLOCK_TAI,
} from '../../platform/abi/linux/time.ts';
import { clockSource, shiftPair } from '../../sentry/kernel/timers/clock_source.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { isValidSpec, readSpec } from '../poll/timeout.ts';

const buffer = new Uint8Array(16);
const view = new DataView(buffer.buffer);
const pair = new Float64Array(2);
/** What clock_getres says of the coarse clocks: one tick of a 250 Hz kernel. */
const COARSE_RESOLUTION_NS = 4_000_000;

const CPUCLOCK_WHICH = 3;
const CPUCLOCK_SCHED = 2;
const CPUCLOCK_PERTHREAD = 4;

/** Is it a clock behind a descriptor? Only reading is possible there. */
export function isDescriptorClock(id: number): boolean {
  return id < 0 && (id & 7) === 3;
}
/** Is it the caller's own thread's CPU clock, by the number made of an id? */
export function isOwnThreadClock(t: Task, id: number): boolean {
  const tid = ~(id >> 3);
  return id < 0 && (id & CPUCLOCK_PERTHREAD) !== 0 && (tid === 0 || tid === t.tidIn(t.pidNs));
}

/** Writes two longs. Returns 0 or EFAULT. */
export function writePair(t: Task, addr: number, first: number, second: number): number {
  put(0, first);
  put(8, second);
  return t.memory.copyOut(addr, buffer, 0, 16) === 16 ? 0 : EFAULT;
}
function put(at: number, value: number): void {
  const hi = Math.floor(value / 4294967296);
  view.setUint32(at, value - hi * 4294967296, true);
  view.setInt32(at + 4, hi, true);
}

/** Clocks that timers treat as realtime or monotonic, and that read differently. */
function isOther(id: number): boolean {
  return id === CLOCK_MONOTONIC_RAW || id === CLOCK_REALTIME_COARSE || id === CLOCK_MONOTONIC_COARSE || id === CLOCK_TAI;
}

export function sys_clock_gettime(t: Task, id: number, addr: number): number {
  const clock = clockSource(t, id);
  if (clock === null) return EINVAL;
  if (!isOther(id) || !t.kernel.clock.readOther(id, pair)) clock.read(pair);
  else if (t.timeNs.isShifted && (id === CLOCK_MONOTONIC_RAW || id === CLOCK_MONOTONIC_COARSE))
    shiftPair(pair, t.timeNs.monotonicNs);
  return writePair(t, addr, pair[0] as number, pair[1] as number);
}

export function sys_clock_getres(t: Task, id: number, addr: number): number {
  if (clockSource(t, id) === null) return EINVAL;
  const isCoarse = id === CLOCK_REALTIME_COARSE || id === CLOCK_MONOTONIC_COARSE;
  // CPU clocks of the tick (CPUCLOCK_PROF, CPUCLOCK_VIRT) are as coarse.
  const isTicking = id < 0 && (id & CPUCLOCK_WHICH) < CPUCLOCK_SCHED;
  return addr === 0 ? 0 : writePair(t, addr, 0, isCoarse || isTicking ? COARSE_RESOLUTION_NS : 1);
}

export function sys_clock_settime(t: Task, id: number, addr: number): number {
  if (id !== CLOCK_REALTIME)
    return clockSource(t, id) === null ? EINVAL : id < 0 || id === 2 || id === 3 ? EPERM : EINVAL;
  const err = readSpec(t, addr);
  if (err !== 0) return err;
  return isValidSpec() ? EPERM : EINVAL;
}

const TIMEX_SIZE = 208;
const timex = new Uint8Array(TIMEX_SIZE);
const timexView = new DataView(timex.buffer);
const TIME_ERROR = 5;
const STA_UNSYNC = 0x40;
const MAX_ERROR_USEC = 16_000_000;
const ADJ_OFFSET_SS_READ = 0xa001;

/** Reads the clock's discipline: an undisciplined clock. Changing anything is EPERM. */
export function sys_adjtimex(t: Task, addr: number): number {
  const modes = t.memory.readU32(addr);
  if (modes < 0) return EFAULT;
  if (modes !== 0 && modes !== ADJ_OFFSET_SS_READ) return EPERM;
  timex.fill(0);
  timexView.setUint32(0, modes, true);
  timexView.setUint32(24, MAX_ERROR_USEC, true);
  timexView.setUint32(32, MAX_ERROR_USEC, true);
  timexView.setInt32(40, STA_UNSYNC, true);
  timexView.setUint32(48, 2, true);
  timexView.setUint32(56, 1, true);
  timexView.setUint32(64, 32768000, true);
  t.kernel.clock.realtime(pair);
  timexView.setUint32(72, pair[0] as number, true);
  timexView.setUint32(80, Math.floor((pair[1] as number) / 1000), true);
  timexView.setUint32(88, 10000, true);
  return t.memory.copyOut(addr, timex, 0, TIMEX_SIZE) === TIMEX_SIZE ? TIME_ERROR : EFAULT;
}

export function sys_clock_adjtime(t: Task, id: number, addr: number): number {
  if (id === CLOCK_REALTIME) return sys_adjtimex(t, addr);
  return clockSource(t, id) === null ? EINVAL : EOPNOTSUPP;
}

export function sys_gettimeofday(t: Task, addr: number, zoneAddr: number): number {
  if (addr !== 0) {
    t.kernel.clock.realtime(pair);
    const err = writePair(t, addr, pair[0] as number, Math.floor((pair[1] as number) / 1000));
    if (err !== 0) return err;
  }
  return zoneAddr === 0 ? 0 : t.memory.writeU64(zoneAddr, 0);
}

export function sys_time(t: Task, addr: number): number {
  const seconds = t.kernel.clock.realtimeSeconds();
  return addr !== 0 && t.memory.writeU64(addr, seconds) !== 0 ? EFAULT : seconds;
}
