// SPDX-License-Identifier: Apache-2.0

/**
 * Names of anonymous mappings (PR_SET_VMA_ANON_NAME), shown in /proc/pid/maps.
 *
 * Linux: mm/madvise.c (madvise_set_anon_name, prctl_set_vma)
 */
import { EBADF, EINVAL, ENOMEM } from '../../platform/abi/linux/errno.ts';
import { PAGE_SIZE } from '../../platform/abi/linux/mman.ts';
import { maxMapCount, type MemoryManager } from './memory_manager.ts';
import { pageAlign } from './munmap.ts';

/** Longest name with its NUL. */
export const ANON_NAME_MAX = 80;
/** Printable, and none of \ ` $ [ ]. */
const VALID = /^[ !"#%-Z^_a-~]*$/;

/** Names [addr, addr+length), or takes the name away (null). Errors: EINVAL, ENOMEM (hole), EBADF (a file is mapped there). */
export function setAnonName(mm: MemoryManager, addr: number, length: number, name: string | null): number {
  if (name !== null && !VALID.test(name)) return EINVAL;
  if (addr % PAGE_SIZE !== 0) return EINVAL;
  const end = addr + pageAlign(length);
  if (end >= 2 ** 64) return EINVAL;
  if (end === addr) return 0;
  if (mm.vmas.count + mm.vmas.cutsFor(addr, end) > maxMapCount()) return ENOMEM;
  let at = addr;
  let hole = 0;
  while (at < end) {
    const vma = mm.vmas.at(mm.vmas.indexAfter(at));
    if (vma === undefined || vma.start >= end) return ENOMEM;
    if (vma.start > at) hole = ENOMEM;
    if (vma.file !== null) return EBADF;
    const from = Math.max(at, vma.start);
    at = Math.min(end, vma.end);
    const prefix = vma.region === null ? '[anon:' : '[anon_shmem:';
    mm.vmas.update(from, at, (piece) => {
      piece.name = name === null ? null : `${prefix}${name}]`;
    });
  }
  return hole;
}
