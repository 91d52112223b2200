// SPDX-License-Identifier: Apache-2.0

/**
 * Where things are in every application address space: the stub's pages at the top, [vvar] and [vdso] where the host put them.
 *
 * Invariants: the same in all address spaces of one Sentry, because all are forks of one.
 */
import { readTextAt } from '../ffi/files.ts';
import type { AddressLayout } from '../platform.ts';

export const PAGE_SIZE = 4096;
/** One past the highest address a process may map: 2^47 less a guard page. */
export const TASK_SIZE = 0x7ffffffff000;
/** Code, commands, scratch. */
export const STUB_PAGES = 3;

export interface Range {
  start: number;
  end: number;
}

export interface HostMaps {
  readonly mappings: Range[];
  readonly vdso: Range | null;
  readonly vvar: Range | null;
}

/** Parses /proc/self/maps. `procFd` is a directory descriptor of a proc filesystem, or -1 for /proc. Null when unreadable. */
export function readHostMaps(procFd: number): HostMaps | null {
  const text = procFd >= 0 ? readTextAt(procFd, 'self/maps') : readTextAt(-100, '/proc/self/maps');
  if (typeof text === 'number') return null;
  const mappings: Range[] = [];
  let vdso: Range | null = null;
  let vvar: Range | null = null;
  for (const line of text.split('\n')) {
    const m = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (m === null) continue;
    const range = { start: Number.parseInt(m[1] as string, 16), end: Number.parseInt(m[2] as string, 16) };
    if (range.start >= TASK_SIZE) continue;
    mappings.push(range);
    if (line.endsWith('[vdso]')) vdso = range;
    // Newer kernels split the data pages: [vvar] and [vvar_vclock] follow each other.
    else if (/\[vvar\w*\]$/.test(line))
      vvar = vvar === null ? range : { start: Math.min(vvar.start, range.start), end: Math.max(vvar.end, range.end) };
  }
  return { mappings, vdso, vvar };
}

/** The highest free place for the stub's pages. */
export function chooseStubBase(maps: HostMaps): number {
  const size = STUB_PAGES * PAGE_SIZE;
  let top = TASK_SIZE - PAGE_SIZE;
  for (const range of [...maps.mappings].sort((a, b) => b.start - a.start)) {
    if (top - range.end >= size) break;
    top = Math.min(top, range.start);
  }
  return top - size;
}

/** What a fresh stub unmaps: everything below, between and above what it keeps. */
export function rangesToUnmap(kept: readonly Range[]): Range[] {
  const out: Range[] = [];
  let at = 0;
  for (const range of [...kept].sort((a, b) => a.start - b.start)) {
    if (range.start > at) out.push({ start: at, end: range.start });
    at = Math.max(at, range.end);
  }
  if (at < TASK_SIZE) out.push({ start: at, end: TASK_SIZE });
  return out;
}

/** The layout as the kernel sees it. */
export function addressLayout(maps: HostMaps, stubBase: number, minAddr: number): AddressLayout {
  return {
    minAddr,
    maxAddr: TASK_SIZE,
    reserved: [{ start: stubBase, end: stubBase + STUB_PAGES * PAGE_SIZE }],
    vdso: maps.vdso,
    vvar: maps.vvar,
  };
}
