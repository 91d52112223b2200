// SPDX-License-Identifier: Apache-2.0

/**
 * mremap(2): grow, shrink, move, duplicate.
 *
 * Linux: mm/mremap.c
 */
import { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from '../../platform/abi/linux/errno.ts';
import { MAP_FIXED, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE } from '../../platform/abi/linux/mman.ts';
import { unmappedArea } from './address_search.ts';
import { fitsBudget, mayExpand, mayLock } from './limits.ts';
import { maxMapCount, type MemoryLimits, type MemoryManager } from './memory_manager.ts';
import { hasSealed, pageAlign, unmapRange } from './munmap.ts';
import { VM_ACCOUNT, VM_DONTEXPAND, VM_LOCKED, VM_LOCKONFAULT, VM_MAYSHARE, VM_PFNMAP, type Vma } from './vma.ts';

export interface RemapRequest {
  oldAddr: number;
  oldLength: number;
  newLength: number;
  flags: number;
  newAddr: number;
}

/** mremap(2). Returns the new address or errno. */
export function mremap(mm: MemoryManager, asked: RemapRequest, limits: MemoryLimits): number {
  const { flags } = asked;
  if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return EINVAL;
  if ((flags & MREMAP_FIXED) !== 0 && (flags & MREMAP_MAYMOVE) === 0) return EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && ((flags & MREMAP_MAYMOVE) === 0 || asked.oldLength !== asked.newLength))
    return EINVAL;
  if (asked.oldAddr % PAGE_SIZE !== 0) return EINVAL;
  const request = { ...asked, oldLength: pageAlign(asked.oldLength), newLength: pageAlign(asked.newLength) };
  if (request.newLength === 0 || request.newLength > mm.addressSpace.layout.maxAddr) return EINVAL;
  const vma = mm.vmas.find(request.oldAddr);
  if (vma === null) return EFAULT;
  if (hasSealed(mm, request.oldAddr, request.oldAddr + Math.max(request.oldLength, 1))) return EPERM;
  if ((flags & MREMAP_FIXED) !== 0 && request.oldLength === request.newLength) return moveAll(mm, request, limits);
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return remapTo(mm, vma, request, limits);
  if (request.oldLength >= request.newLength) return shrink(mm, request);
  const refused = checkResize(mm, vma, request, limits);
  if (refused < 0) return refused;
  return growInPlace(mm, vma, request) ? request.oldAddr : growByMoving(mm, vma, request);
}

function shrink(mm: MemoryManager, { oldAddr, oldLength, newLength }: RemapRequest): number {
  if (oldLength === newLength) return oldAddr;
  if (oldAddr + oldLength > mm.addressSpace.layout.maxAddr) return EINVAL;
  const result = unmapRange(mm, oldAddr + newLength, oldAddr + oldLength);
  return result < 0 ? result : oldAddr;
}

/** Linux's vma_to_resize: may this piece become newLength long? 0 or errno. */
function checkResize(mm: MemoryManager, vma: Vma, request: RemapRequest, limits: MemoryLimits): number {
  const { oldAddr, oldLength, newLength, flags } = request;
  if (oldLength === 0 && (vma.flags & VM_MAYSHARE) === 0) return EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && (vma.flags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0) return EINVAL;
  if (oldLength > vma.end - oldAddr) return EFAULT;
  if (newLength <= oldLength) return 0;
  if (vma.offsetAt(oldAddr) + newLength >= 2 ** 63) return EINVAL;
  if ((vma.flags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0) return EFAULT;
  const grown = newLength - oldLength;
  if (!mayLock(mm, vma.flags, grown, limits, null)) return EAGAIN;
  if (!mayExpand(mm, vma.flags, grown, limits)) return ENOMEM;
  return (vma.flags & VM_ACCOUNT) !== 0 && !fitsBudget(mm, vma.flags, grown) ? ENOMEM : 0;
}

function growInPlace(mm: MemoryManager, vma: Vma, { oldAddr, oldLength, newLength }: RemapRequest): boolean {
  if (oldLength === 0 || oldAddr + oldLength !== vma.end) return false;
  const end = oldAddr + newLength;
  if (end > mm.addressSpace.layout.maxAddr || !mm.vmas.isFree(vma.end, end)) return false;
  if (mm.addressSpace.remap(oldAddr, oldLength, oldAddr, newLength, false) < 0) return false;
  mm.vmas.resize(vma, vma.start, end);
  return true;
}

function growByMoving(mm: MemoryManager, vma: Vma, request: RemapRequest): number {
  if ((request.flags & MREMAP_MAYMOVE) === 0) return ENOMEM;
  const addr = unmappedArea(mm, 0, request.newLength, 0, vma.isAnonymous);
  return addr < 0 ? addr : move(mm, vma, request, addr);
}

/** A move to a given place without a change of size: every Vma of the range, with the gaps between them (since Linux 6.17). */
function moveAll(
  mm: MemoryManager,
  { oldAddr, oldLength, flags, newAddr }: RemapRequest,
  limits: MemoryLimits,
): number {
  const end = oldAddr + oldLength;
  const pieces: Vma[] = [];
  for (let i = mm.vmas.indexAfter(oldAddr); i < mm.vmas.count; i++) {
    const vma = mm.vmas.at(i)!;
    if (vma.start >= end) break;
    pieces.push(vma.slice(Math.max(vma.start, oldAddr), Math.min(vma.end, end)));
  }
  const refused = checkTarget(mm, { oldAddr, oldLength, newLength: oldLength, flags, newAddr });
  if (refused < 0) return refused;
  for (const piece of pieces) {
    const vma = mm.vmas.find(piece.start);
    if (vma === null) return EFAULT;
    const to = newAddr + (piece.start - oldAddr);
    const moved = remapTo(
      mm,
      vma,
      { oldAddr: piece.start, oldLength: piece.length, newLength: piece.length, flags, newAddr: to },
      limits,
    );
    if (moved < 0) return moved;
  }
  return newAddr;
}

/** The checks of a given destination. */
function checkTarget(mm: MemoryManager, { oldAddr, oldLength, newAddr, newLength }: RemapRequest): number {
  const max = mm.addressSpace.layout.maxAddr;
  if (newAddr % PAGE_SIZE !== 0) return EINVAL;
  if (newLength > max || newAddr > max - newLength) return EINVAL;
  return oldAddr + oldLength > newAddr && newAddr + newLength > oldAddr ? EINVAL : 0;
}

/** MREMAP_FIXED and MREMAP_DONTUNMAP. */
function remapTo(mm: MemoryManager, vma: Vma, request: RemapRequest, limits: MemoryLimits): number {
  const { oldAddr, newAddr, newLength, flags } = request;
  const bad = checkTarget(mm, request);
  if (bad < 0) return bad;
  if (mm.vmas.count + 2 >= maxMapCount() - 3) return ENOMEM;
  const isFixed = (flags & MREMAP_FIXED) !== 0;
  if (isFixed) {
    if (mm.vmas.meetsReserved(newAddr, newAddr + newLength)) return ENOMEM;
    const cleared = unmapRange(mm, newAddr, newAddr + newLength);
    if (cleared < 0) return cleared;
  }
  if (request.oldLength > newLength) {
    const cut = unmapRange(mm, oldAddr + newLength, oldAddr + request.oldLength);
    if (cut < 0) return cut;
    request.oldLength = newLength;
  }
  const current = mm.vmas.find(oldAddr) ?? vma;
  const refused = checkResize(mm, current, request, limits);
  if (refused < 0) return refused;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && !mayExpand(mm, current.flags, request.oldLength, limits)) return ENOMEM;
  const addr = unmappedArea(mm, newAddr, newLength, isFixed ? MAP_FIXED : 0, current.isAnonymous);
  return addr < 0 ? addr : move(mm, current, request, addr);
}

/** Moves (or duplicates) [oldAddr, oldAddr+oldLength) to free addresses at `to`. */
function move(mm: MemoryManager, vma: Vma, { oldAddr, oldLength, newLength, flags }: RemapRequest, to: number): number {
  if (mm.vmas.count >= maxMapCount() - 3) return ENOMEM;
  const keeps = oldLength === 0 || (flags & MREMAP_DONTUNMAP) !== 0;
  const result = mm.addressSpace.remap(oldAddr, oldLength, to, newLength, keeps);
  if (result < 0) return result;
  const moved = vma.slice(oldAddr, oldAddr + Math.max(oldLength, PAGE_SIZE));
  moved.start = to;
  moved.end = to + newLength;
  mm.vmas.insert(moved);
  if (!keeps) mm.vmas.remove(oldAddr, oldAddr + oldLength);
  else if (oldLength > 0 && (vma.flags & VM_LOCKED) !== 0) {
    mm.vmas.update(oldAddr, oldAddr + oldLength, (old) => {
      old.flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
    });
  }
  return to;
}
