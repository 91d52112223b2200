// SPDX-License-Identifier: Apache-2.0

/**
 * Memory numbers of one process for /proc/pid/statm, status and stat, and getrusage's ru_maxrss.
 *
 * Linux: fs/proc/task_mmu.c (task_mem, task_statm)
 */
import type { MemoryManager } from './memory_manager.ts';
import { VM_EXEC, VM_GROWSDOWN, VM_WRITE } from './vma.ts';

/** All in bytes. */
export interface MemoryUsage {
  size: number;
  peak: number;
  resident: number;
  residentPeak: number;
  anonymous: number;
  file: number;
  locked: number;
  data: number;
  stack: number;
  /** The executable's text. */
  exe: number;
  /** Other executable memory. */
  lib: number;
}

const counts = new Float64Array(3);
const peaks = new WeakMap<MemoryManager, number>();

/** Measures now. */
export function memoryUsage(mm: MemoryManager): MemoryUsage {
  const known = mm.addressSpace.usage(counts) === 0;
  const resident = known ? (counts[0] as number) : 0;
  const anonymous = known ? (counts[2] as number) : 0;
  const residentPeak = Math.max(resident, peaks.get(mm) ?? 0);
  peaks.set(mm, residentPeak);
  let executable = 0;
  for (const vma of mm.vmas)
    if ((vma.flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) === VM_EXEC) executable += vma.length;
  const text = Math.min(
    executable,
    Math.ceil(mm.layout.endCode / 4096) * 4096 - Math.floor(mm.layout.startCode / 4096) * 4096,
  );
  const { total, peak, locked, data, stack } = mm.vmas;
  return {
    size: total,
    peak,
    resident,
    residentPeak,
    anonymous,
    file: Math.max(0, resident - anonymous),
    locked,
    data,
    stack,
    exe: text,
    lib: executable - text,
  };
}

/** The line of /proc/pid/statm. */
export function statmText(mm: MemoryManager): string {
  const usage = memoryUsage(mm);
  const pages = (bytes: number): number => Math.ceil(bytes / 4096);
  return `${pages(usage.size)} ${pages(usage.resident)} ${pages(usage.file)} ${pages(usage.exe)} 0 ${pages(usage.data + usage.stack)} 0\n`;
}

/** The Vm* lines of /proc/pid/status. */
export function statusText(mm: MemoryManager): string {
  const usage = memoryUsage(mm);
  const line = (name: string, bytes: number): string => `${name}:\t${String(Math.ceil(bytes / 1024)).padStart(8)} kB\n`;
  return (
    line('VmPeak', usage.peak) +
    line('VmSize', usage.size) +
    line('VmLck', usage.locked) +
    line('VmPin', 0) +
    line('VmHWM', usage.residentPeak) +
    line('VmRSS', usage.resident) +
    line('RssAnon', usage.anonymous) +
    line('RssFile', usage.file) +
    line('RssShmem', 0) +
    line('VmData', usage.data) +
    line('VmStk', usage.stack) +
    line('VmExe', usage.exe) +
    line('VmLib', usage.lib) +
    line('VmPTE', Math.ceil(usage.resident / 512 / 4096) * 4096) +
    line('VmSwap', 0)
  );
}
