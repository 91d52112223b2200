// SPDX-License-Identifier: Apache-2.0

/**
 * The text of /proc/pid/smaps and smaps_rollup.
 *
 * Linux:   fs/proc/task_mmu.c (show_smap, show_smaps_rollup, show_smap_vma_flags)
 * Differs: resident pages come from mincore(2): a page of a file counts when the host caches it, and all of it counts as
 *          private memory of this process.
 */
import type { Path } from '../vfs/mount.ts';
import { mapsLine } from './maps_text.ts';
import type { MemoryManager } from './memory_manager.ts';
import {
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_HUGEPAGE,
  VM_IO,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_PFNMAP,
  VM_RAND_READ,
  VM_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
  type Vma,
} from './vma.ts';

/** Pages asked for at once. */
const CHUNK_PAGES = 16384;
/** Larger mappings are not walked: their size is shown with nothing resident beyond this. */
const MAX_WALK = 4 * 1024 * 1024 * 1024;

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [VM_READ, 'rd'],
  [VM_WRITE, 'wr'],
  [VM_EXEC, 'ex'],
  [VM_SHARED, 'sh'],
  [VM_MAYREAD, 'mr'],
  [VM_MAYWRITE, 'mw'],
  [VM_MAYEXEC, 'me'],
  [VM_MAYSHARE, 'ms'],
  [VM_GROWSDOWN, 'gd'],
  [VM_PFNMAP, 'pf'],
  [VM_LOCKED, 'lo'],
  [VM_IO, 'io'],
  [VM_SEQ_READ, 'sr'],
  [VM_RAND_READ, 'rr'],
  [VM_DONTCOPY, 'dc'],
  [VM_DONTEXPAND, 'de'],
  [VM_LOCKONFAULT, 'lf'],
  [VM_ACCOUNT, 'ac'],
  [VM_NORESERVE, 'nr'],
  [VM_WIPEONFORK, 'wf'],
  [VM_DONTDUMP, 'dd'],
  [VM_HUGEPAGE, 'hg'],
  [VM_NOHUGEPAGE, 'nh'],
  [VM_MERGEABLE, 'mg'],
];

interface Resident {
  rss: number;
  anonymous: number;
  dirty: number;
  clean: number;
  locked: number;
}

/** The whole file; `rollup`: one entry with the sums. */
export function smapsText(mm: MemoryManager, root: Path | null, rollup: boolean): string {
  const sum: Resident = { rss: 0, anonymous: 0, dirty: 0, clean: 0, locked: 0 };
  let text = '';
  let low = 0;
  let high = 0;
  for (const vma of mm.vmas) {
    const own = resident(mm, vma);
    if (low === 0) low = vma.start;
    high = vma.end;
    for (const key of Object.keys(sum) as (keyof Resident)[]) sum[key] += own[key];
    if (!rollup)
      text += `${mapsLine(mm, vma, root)}${kb('Size', vma.length)}${kb('KernelPageSize', 4096)}${kb('MMUPageSize', 4096)}${counters(own, true)}${tail(vma)}`;
  }
  if (!rollup) return text;
  const range = `${low.toString(16).padStart(8, '0')}-${high.toString(16).padStart(8, '0')} ---p 00000000 00:00 0 `;
  return `${range.padEnd(73)}[rollup]\n${counters(sum, false)}`;
}

function tail(vma: Vma): string {
  const names = FLAG_NAMES.filter(([bit]) => (vma.flags & bit) !== 0).map(([, name]) => name);
  return `THPeligible:           0\nVmFlags: ${names.join(' ')} \n`;
}

function counters(r: Resident, isSingle: boolean): string {
  const rollupOnly = isSingle
    ? ''
    : kb('Pss_Anon', r.anonymous) + kb('Pss_File', r.rss - r.anonymous) + kb('Pss_Shmem', 0);
  return (
    kb('Rss', r.rss) +
    kb('Pss', r.rss) +
    kb('Pss_Dirty', r.dirty) +
    rollupOnly +
    kb('Shared_Clean', 0) +
    kb('Shared_Dirty', 0) +
    kb('Private_Clean', r.clean) +
    kb('Private_Dirty', r.dirty) +
    kb('Referenced', r.rss) +
    kb('Anonymous', r.anonymous) +
    kb('KSM', 0) +
    kb('LazyFree', 0) +
    kb('AnonHugePages', 0) +
    kb('ShmemPmdMapped', 0) +
    kb('FilePmdMapped', 0) +
    kb('Shared_Hugetlb', 0) +
    kb('Private_Hugetlb', 0) +
    kb('Swap', 0) +
    kb('SwapPss', 0) +
    kb('Locked', r.locked)
  );
}

function kb(name: string, bytes: number): string {
  return `${`${name}:`.padEnd(15)} ${String(bytes / 1024).padStart(8)} kB\n`;
}

function resident(mm: MemoryManager, vma: Vma): Resident {
  const rss = (vma.flags & VM_ACCESS_FLAGS) === 0 || (vma.flags & VM_PFNMAP) !== 0 ? 0 : residentBytes(mm, vma);
  const anonymous = vma.isAnonymous ? rss : 0;
  const dirty = (vma.flags & VM_WRITE) !== 0 && (vma.file === null || (vma.flags & VM_SHARED) === 0) ? rss : anonymous;
  return { rss, anonymous, dirty, clean: rss - dirty, locked: (vma.flags & VM_LOCKED) !== 0 ? rss : 0 };
}

function residentBytes(mm: MemoryManager, vma: Vma): number {
  const out = new Uint8Array(CHUNK_PAGES);
  let pages = 0;
  const end = Math.min(vma.end, vma.start + MAX_WALK);
  for (let at = vma.start; at < end; at += CHUNK_PAGES * 4096) {
    const length = Math.min(CHUNK_PAGES * 4096, end - at);
    if (mm.addressSpace.mincore(at, length, out) < 0) return pages * 4096;
    for (let i = 0; i < length / 4096; i++) pages += (out[i] as number) & 1;
  }
  return pages * 4096;
}
