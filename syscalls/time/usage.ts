// SPDX-License-Identifier: Apache-2.0

/**
 * getrusage, times.
 *
 * Linux: kernel/sys.c
 */
import { EFAULT, EINVAL } from '../../platform/abi/linux/errno.ts';
import { addUsage, newUsage, type Usage } from '../../sentry/kernel/process/thread_group.ts';
import { groupUsage, residentKb, taskUsage } from '../../sentry/kernel/process/usage.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const RUSAGE_SELF = 0;
const RUSAGE_CHILDREN = -1;
const RUSAGE_THREAD = 1;
const RUSAGE_SIZE = 144;
const TICK_NS = 10_000_000;
const buffer = new Uint8Array(RUSAGE_SIZE);
const view = new DataView(buffer.buffer);

function put64(at: number, value: number): void {
  const hi = Math.floor(value / 4294967296);
  view.setUint32(at, value - hi * 4294967296, true);
  view.setInt32(at + 4, hi, true);
}
function putTimeval(at: number, ns: number): void {
  const usec = Math.floor(ns / 1000);
  put64(at, Math.floor(usec / 1_000_000));
  put64(at + 8, usec % 1_000_000);
}

/** Writes a struct rusage. Returns 0 or EFAULT. */
export function writeRusage(t: Task, addr: number, usage: Usage): number {
  buffer.fill(0);
  putTimeval(0, usage.userNs);
  putTimeval(16, usage.systemNs);
  put64(32, usage.maxRssKb);
  put64(64, usage.minorFaults);
  put64(72, usage.majorFaults);
  put64(128, usage.voluntarySwitches);
  put64(136, usage.involuntarySwitches);
  return t.memory.copyOut(addr, buffer, 0, RUSAGE_SIZE) === RUSAGE_SIZE ? 0 : EFAULT;
}

export function sys_getrusage(t: Task, who: number, addr: number): number {
  let usage: Usage;
  if (who === RUSAGE_SELF) usage = groupUsage(t.threadGroup);
  else if (who === RUSAGE_THREAD) usage = taskUsage(t);
  else if (who === RUSAGE_CHILDREN) {
    usage = newUsage();
    addUsage(usage, t.threadGroup.childUsage);
  } else return EINVAL;
  if (who !== RUSAGE_CHILDREN) usage.maxRssKb = Math.max(usage.maxRssKb, residentKb(t));
  return writeRusage(t, addr, usage);
}

export function sys_times(t: Task, addr: number): number {
  if (addr !== 0) {
    const own = groupUsage(t.threadGroup);
    const children = t.threadGroup.childUsage;
    put64(0, Math.floor(own.userNs / TICK_NS));
    put64(8, Math.floor(own.systemNs / TICK_NS));
    put64(16, Math.floor(children.userNs / TICK_NS));
    put64(24, Math.floor(children.systemNs / TICK_NS));
    if (t.memory.copyOut(addr, buffer, 0, 32) !== 32) return EFAULT;
  }
  return Math.floor(t.kernel.clock.monotonicNs() / TICK_NS);
}
