// SPDX-License-Identifier: Apache-2.0

/**
 * madvise(2): advice that changes what a Vma is kept as flags; advice about pages goes to the host.
 *
 * Linux: mm/madvise.c
 */
import { EACCES, EAGAIN, EBUSY, EFAULT, EINVAL, ENOMEM, EPERM } from '../../platform/abi/linux/errno.ts';
import * as M from '../../platform/abi/linux/mman.ts';
import { maxMapCount, type MemoryManager } from './memory_manager.ts';
import { pageAlign } from './munmap.ts';
import {
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_HUGEPAGE,
  VM_IO,
  VM_LOCKED,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_PFNMAP,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
  type Vma,
} from './vma.ts';

/** What an advice does: how it changes flags (null: not at all), whether the host is told, and which Vmas refuse it. */
interface Advice {
  readonly flags: ((flags: number) => number) | null;
  readonly isHost: boolean;
  readonly refuse: ((vma: Vma) => number) | null;
}

const special = (vma: Vma): number => ((vma.flags & (VM_IO | VM_PFNMAP)) !== 0 ? EINVAL : 0);
const lockedOrSpecial = (vma: Vma): number => ((vma.flags & (VM_LOCKED | VM_PFNMAP)) !== 0 ? EINVAL : 0);
const lockedOrOdd = (vma: Vma): number => ((vma.flags & (VM_LOCKED | VM_PFNMAP | VM_IO)) !== 0 ? EINVAL : 0);
const notPrivateAnonymous = (vma: Vma): number => (vma.isAnonymous ? 0 : EINVAL);
const cannotWipe = (vma: Vma): number => (!vma.isAnonymous || (vma.flags & VM_SHARED) !== 0 ? EINVAL : 0);

function cannotRemove(vma: Vma): number {
  if ((vma.flags & VM_LOCKED) !== 0 || vma.isAnonymous) return EINVAL;
  return (vma.flags & (VM_SHARED | VM_WRITE)) === (VM_SHARED | VM_WRITE) ? 0 : EACCES;
}

function pages(refuse: Advice['refuse']): Advice {
  return { flags: null, isHost: true, refuse };
}
function flagged(clear: number, set: number, isHost: boolean, refuse: Advice['refuse'] = null): Advice {
  return { flags: (flags) => (flags & ~clear) | set, isHost, refuse };
}

const ADVICE = new Map<number, Advice>([
  [M.MADV_NORMAL, flagged(VM_RAND_READ | VM_SEQ_READ, 0, true)],
  [M.MADV_RANDOM, flagged(VM_SEQ_READ, VM_RAND_READ, true)],
  [M.MADV_SEQUENTIAL, flagged(VM_RAND_READ, VM_SEQ_READ, true)],
  [M.MADV_WILLNEED, pages(null)],
  [M.MADV_DONTNEED, pages(lockedOrSpecial)],
  [
    M.MADV_DONTNEED_LOCKED,
    { flags: null, isHost: true, refuse: (vma) => ((vma.flags & VM_PFNMAP) !== 0 ? EINVAL : 0) },
  ],
  [M.MADV_FREE, pages((vma) => lockedOrSpecial(vma) || notPrivateAnonymous(vma))],
  [M.MADV_REMOVE, pages(cannotRemove)],
  // The host is not told: MemoryManager.fork() unmaps what is not to be copied.
  [M.MADV_DONTFORK, flagged(0, VM_DONTCOPY, false)],
  [M.MADV_DOFORK, flagged(VM_DONTCOPY, 0, false, (vma) => ((vma.flags & VM_IO) !== 0 ? EINVAL : 0))],
  [M.MADV_WIPEONFORK, flagged(0, VM_WIPEONFORK, true, cannotWipe)],
  [M.MADV_KEEPONFORK, flagged(VM_WIPEONFORK, 0, true)],
  [M.MADV_DONTDUMP, flagged(0, VM_DONTDUMP, false)],
  [
    M.MADV_DODUMP,
    flagged(VM_DONTDUMP, 0, false, (vma) => ((vma.flags & (VM_DONTEXPAND | VM_PFNMAP | VM_IO)) !== 0 ? EINVAL : 0)),
  ],
  [M.MADV_HUGEPAGE, flagged(VM_NOHUGEPAGE, VM_HUGEPAGE, true, special)],
  [M.MADV_NOHUGEPAGE, flagged(VM_HUGEPAGE, VM_NOHUGEPAGE, true, special)],
  [M.MADV_MERGEABLE, flagged(0, VM_MERGEABLE, false)],
  [M.MADV_UNMERGEABLE, flagged(VM_MERGEABLE, 0, false)],
  [M.MADV_COLD, pages(lockedOrOdd)],
  [M.MADV_PAGEOUT, pages(lockedOrOdd)],
  [M.MADV_COLLAPSE, pages(special)],
  [
    M.MADV_GUARD_INSTALL,
    pages((vma) => ((vma.flags & (VM_LOCKED | VM_PFNMAP | VM_IO)) !== 0 || vma.sealed ? EINVAL : 0)),
  ],
  [M.MADV_GUARD_REMOVE, pages((vma) => ((vma.flags & (VM_PFNMAP | VM_IO)) !== 0 ? EINVAL : 0))],
]);

/** madvise(2). Holes give ENOMEM after the mapped parts were advised; another error stops at once. */
export function madvise(mm: MemoryManager, addr: number, length: number, advice: number): number {
  const isPopulate = advice === M.MADV_POPULATE_READ || advice === M.MADV_POPULATE_WRITE;
  const rule = ADVICE.get(advice);
  if (rule === undefined && !isPopulate) return EINVAL;
  if (addr % M.PAGE_SIZE !== 0) return EINVAL;
  const bytes = pageAlign(length);
  const end = addr + bytes;
  if (bytes >= 2 ** 64 || end > 2 ** 64) return EINVAL;
  if (bytes === 0) return 0;
  return rule === undefined ? populate(mm, addr, end, advice) : walk(mm, addr, end, advice, rule);
}

function walk(mm: MemoryManager, start: number, end: number, advice: number, rule: Advice): number {
  let at = start;
  let unmapped = 0;
  for (;;) {
    const vma = mm.vmas.at(mm.vmas.indexAfter(at));
    if (vma === undefined || vma.start >= end) return at < end ? ENOMEM : unmapped;
    if (vma.start > at) {
      unmapped = ENOMEM;
      at = vma.start;
    }
    const stop = Math.min(end, vma.end);
    const result = adviseOne(mm, vma, at, stop, advice, rule);
    if (result < 0) return result;
    at = stop;
    if (at >= end) return unmapped;
  }
}

function adviseOne(mm: MemoryManager, vma: Vma, start: number, end: number, advice: number, rule: Advice): number {
  const refused = rule.refuse?.(vma) ?? 0;
  if (refused < 0) return refused;
  if (vma.sealed && vma.isAnonymous && (vma.flags & VM_WRITE) === 0 && discards(advice)) return EPERM;
  const change = rule.flags;
  if (change !== null && change(vma.flags) === vma.flags) return 0;
  if (change !== null && mm.vmas.count + mm.vmas.cutsFor(start, end) > maxMapCount()) return ENOMEM;
  if (rule.isHost) {
    const result = mm.addressSpace.advise(start, end - start, advice);
    if (result < 0 && !isOptional(advice)) return result;
  }
  if (change !== null) {
    mm.vmas.update(start, end, (piece) => {
      piece.flags = change(piece.flags);
    });
  }
  return 0;
}

/** Advice a host may lack (no huge pages configured): the flag is kept, the host's answer does not matter. */
function isOptional(advice: number): boolean {
  return advice <= M.MADV_WILLNEED || advice === M.MADV_HUGEPAGE || advice === M.MADV_NOHUGEPAGE;
}

function discards(advice: number): boolean {
  return (
    advice === M.MADV_DONTNEED ||
    advice === M.MADV_FREE ||
    advice === M.MADV_REMOVE ||
    advice === M.MADV_DONTFORK ||
    advice === M.MADV_WIPEONFORK ||
    advice === M.MADV_DONTNEED_LOCKED ||
    advice === M.MADV_GUARD_INSTALL
  );
}

/** MADV_POPULATE_READ and _WRITE: fault pages in, as far as they are mapped. */
function populate(mm: MemoryManager, start: number, end: number, advice: number): number {
  if (!mm.vmas.covers(start, end)) return ENOMEM;
  const result = mm.addressSpace.advise(start, end - start, advice);
  return result === EAGAIN || result === EBUSY ? EFAULT : result;
}
