// SPDX-License-Identifier: Apache-2.0

/**
 * mmap(2): checks in Linux's order, then one host mapping and one Vma.
 *
 * Linux: mm/mmap.c (do_mmap), mm/vma.c (__mmap_region)
 */
import {
  EACCES,
  EAGAIN,
  EBADF,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  isErrno,
  type Errno,
} from '../../platform/abi/linux/errno.ts';
import {
  MAP_32BIT,
  MAP_DENYWRITE,
  MAP_DROPPABLE,
  MAP_EXECUTABLE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGE_MASK,
  MAP_HUGE_SHIFT,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_TYPE,
  MAP_UNINITIALIZED,
  PROT_WRITE,
} from '../../platform/abi/linux/mman.ts';
import { S_IFMT, S_IFREG } from '../../platform/abi/linux/stat.ts';
import { MS_NOEXEC } from '../../platform/abi/linux/mount.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription, HostMapping } from '../vfs/file_description.ts';
import { unmappedArea } from './address_search.ts';
import { canLock, fitsBudget, mayExpand, mayLock } from './limits.ts';
import { maxMapCount, type MapRequest, type MemoryLimits, type MemoryManager } from './memory_manager.ts';
import { hasSealed, pageAlign } from './munmap.ts';
import {
  isAccountable,
  protFlags,
  SharedRegion,
  VM_ACCOUNT,
  VM_DONTDUMP,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_SHARED,
  VM_WIPEONFORK,
  Vma,
} from './vma.ts';

/** Flags MAP_SHARED_VALIDATE knows: LEGACY_MAP_MASK. */
const LEGACY_MAP_MASK =
  MAP_SHARED |
  MAP_PRIVATE |
  MAP_FIXED |
  0x20 |
  MAP_DENYWRITE |
  MAP_EXECUTABLE |
  MAP_UNINITIALIZED |
  MAP_GROWSDOWN |
  MAP_LOCKED |
  MAP_NORESERVE |
  MAP_POPULATE |
  MAP_NONBLOCK |
  MAP_STACK |
  MAP_HUGETLB |
  MAP_32BIT |
  0x80 |
  (31 << MAP_HUGE_SHIFT);

/** Largest file offset there is, 2^63 - 1 rounded down to a page. */
const MAX_FILE_OFFSET = 2 ** 63;

/** mmap(2). Returns the address or errno. */
export function mmap(mm: MemoryManager, request: MapRequest, limits: MemoryLimits, ctx: IoContext | null): number {
  if (request.length === 0) return EINVAL;
  const length = pageAlign(request.length);
  if (length >= 2 ** 64) return ENOMEM;
  if ((request.flags & MAP_HUGETLB) !== 0) return hugeErrno(request);
  if (mm.vmas.count > maxMapCount()) return ENOMEM;
  const addr = unmappedArea(mm, request.addr, length, request.flags, request.file === null);
  if (addr < 0) return addr;
  if ((request.flags & MAP_LOCKED) !== 0 && !canLock(limits, ctx?.creds ?? null)) return EPERM;
  const base = baseFlags(mm, request);
  if (!mayLock(mm, base, length, limits, ctx?.creds ?? null)) return EAGAIN;
  if (request.file !== null) return mapFile(mm, { ...request, addr, length }, base, limits, ctx);
  return mapAnonymous(mm, { ...request, addr, length }, base, limits);
}

/** No huge page is ever reserved in the sandbox: ENOMEM for a size that exists, EINVAL otherwise. */
function hugeErrno(request: MapRequest): Errno {
  const log = (request.flags >>> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
  if (request.file !== null) return EINVAL;
  return log === 0 || log === 21 || log === 30 ? ENOMEM : EINVAL;
}

function baseFlags(mm: MemoryManager, request: MapRequest): number {
  let flags = protFlags(request.prot) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | mm.futureFlags;
  if ((request.flags & MAP_GROWSDOWN) !== 0) flags |= VM_GROWSDOWN;
  if ((request.flags & MAP_LOCKED) !== 0) flags |= VM_LOCKED;
  if ((request.flags & MAP_STACK) !== 0) flags |= VM_NOHUGEPAGE;
  if ((request.flags & MAP_NORESERVE) !== 0) flags |= VM_NORESERVE;
  return flags;
}

function mapAnonymous(mm: MemoryManager, request: MapRequest, base: number, limits: MemoryLimits): number {
  switch (request.flags & MAP_TYPE) {
    case MAP_SHARED:
      if ((request.flags & MAP_GROWSDOWN) !== 0) return EINVAL;
      return mapSharedMemory(mm, request, base | VM_SHARED | VM_MAYSHARE, limits);
    case MAP_DROPPABLE:
      if ((base & (VM_LOCKED | VM_GROWSDOWN)) !== 0) return EINVAL;
      return place(mm, request, base | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP, limits, null, null, null);
    case MAP_PRIVATE:
      return place(mm, request, base, limits, null, null, null);
    default:
      return EINVAL;
  }
}

/** MAP_SHARED|MAP_ANONYMOUS (and shared /dev/zero): a memfd, which forked children share. */
function mapSharedMemory(mm: MemoryManager, request: MapRequest, flags: number, limits: MemoryLimits): number {
  const { files } = mm.services.host;
  const fd = files.memfdCreate('shared-anonymous');
  if (fd < 0) return ENOMEM;
  const sized = files.ftruncate(fd, request.length);
  const result =
    sized < 0
      ? ENOMEM
      : place(mm, { ...request, offset: 0 }, flags, limits, null, new SharedRegion('/dev/zero (deleted)'), {
          fd,
          offset: 0,
        });
  files.close(fd);
  return result;
}

function mapFile(
  mm: MemoryManager,
  request: MapRequest,
  base: number,
  limits: MemoryLimits,
  ctx: IoContext | null,
): number {
  const file = request.file as FileDescription;
  if (ctx === null) return EBADF;
  if (
    (file.inode.mode & S_IFMT) === S_IFREG &&
    (request.offset >= MAX_FILE_OFFSET || request.offset + request.length >= MAX_FILE_OFFSET)
  )
    return EOVERFLOW;
  const flags = fileFlags(request, file, base);
  if (flags === EOPNOTSUPP || flags === EACCES || flags === EPERM || flags === EINVAL) return flags;
  const isShared = (flags & VM_MAYSHARE) !== 0;
  const mapping = hostMapping(file, request, flags, ctx);
  if (typeof mapping === 'number') return mapping;
  const allowed = mapping.isSealed ? flags & ~VM_MAYWRITE : flags;
  if ((flags & VM_GROWSDOWN) !== 0) return EINVAL;
  if (mapping.at.fd < 0) {
    if (isShared) return mapSharedMemory(mm, request, allowed, limits);
    return place(mm, request, allowed, limits, file, null, null);
  }
  return place(mm, request, allowed, limits, file, null, mapping.at);
}

/** The flags a file mapping gets from the way the file is open and its mount. Errors: EOPNOTSUPP, EACCES, EPERM, EINVAL. */
function fileFlags(request: MapRequest, file: FileDescription, base: number): number {
  let flags = base;
  switch (request.flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
      if ((request.flags & ~LEGACY_MAP_MASK) !== 0) return EOPNOTSUPP;
      break;
    case MAP_SHARED:
    case MAP_PRIVATE:
      break;
    default:
      return EINVAL;
  }
  if ((request.flags & MAP_TYPE) !== MAP_PRIVATE) {
    if ((request.prot & PROT_WRITE) !== 0 && !file.isWritable) return EACCES;
    flags |= VM_SHARED | VM_MAYSHARE;
    if (!file.isWritable) flags &= ~(VM_MAYWRITE | VM_SHARED);
  }
  if (!file.isReadable) return EACCES;
  if ((file.path.mount.flags & MS_NOEXEC) !== 0) {
    if ((flags & VM_EXEC) !== 0) return EPERM;
    flags &= ~VM_MAYEXEC;
  }
  return flags;
}

/** Asks the file for a descriptor good for every protection the mapping may get later. */
function hostMapping(
  file: FileDescription,
  request: MapRequest,
  flags: number,
  ctx: IoContext,
): { at: HostMapping; isSealed: boolean } | Errno {
  const sharing = (flags & VM_MAYSHARE) !== 0 ? 'shared' : 'private';
  const mayWrite = sharing === 'shared' && (flags & VM_MAYWRITE) !== 0;
  const at = file.mmap(
    ctx,
    request.offset,
    request.length,
    mayWrite ? request.prot | PROT_WRITE : request.prot,
    sharing,
  );
  if (!isErrno(at)) return { at, isSealed: false };
  if (at !== EPERM || !mayWrite || (request.prot & PROT_WRITE) !== 0) return at;
  const readable = file.mmap(ctx, request.offset, request.length, request.prot, sharing);
  return isErrno(readable) ? readable : { at: readable, isSealed: true };
}

/** The common end: limits, the host mapping, the Vma. `host` null: anonymous memory. */
function place(
  mm: MemoryManager,
  request: MapRequest,
  base: number,
  limits: MemoryLimits,
  file: FileDescription | null,
  region: SharedRegion | null,
  host: HostMapping | null,
): number {
  const { addr, length } = request;
  const flags = isAccountable(base) ? base | VM_ACCOUNT : base;
  const replaced =
    (request.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0 ? mm.vmas.mappedBytes(addr, addr + length) : 0;
  if (!mayExpand(mm, flags, length - replaced, limits) || !fitsBudget(mm, flags, length)) return ENOMEM;
  if (replaced > 0 && hasSealed(mm, addr, addr + length)) return EPERM;
  const isShared = (flags & VM_MAYSHARE) !== 0;
  const isLocked = (flags & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED && (request.prot & 7) !== 0;
  const wanted = isLocked ? request.flags | MAP_POPULATE : request.flags;
  const extra = wanted & (MAP_NORESERVE | (mm.services.budget === undefined ? MAP_POPULATE : 0));
  const result = mm.hostMap(addr, length, request.prot & 7, isShared, host?.fd ?? -1, host?.offset ?? 0, extra);
  if (result < 0) return result === EBADF ? ENODEV : result;
  if (replaced > 0) mm.vmas.remove(addr, addr + length);
  mm.vmas.insert(
    new Vma(addr, addr + length, flags, file, region, file === null && region === null ? addr : request.offset),
  );
  return addr;
}

/** What shmat(2) maps: all of a region, which `fd` holds. */
export interface RegionRequest {
  addr: number;
  length: number;
  prot: number;
  /** MAP_FIXED or 0. */
  flags: number;
  region: SharedRegion;
  fd: number;
  isWritable: boolean;
}

/** Maps a shared region. Returns the address or errno. */
export function mapRegion(mm: MemoryManager, asked: RegionRequest, limits: MemoryLimits): number {
  const length = pageAlign(asked.length);
  if (mm.vmas.count > maxMapCount()) return ENOMEM;
  const addr = unmappedArea(mm, asked.addr, length, asked.flags, false);
  if (addr < 0) return addr;
  const request: MapRequest = { addr, length, prot: asked.prot, flags: asked.flags, file: null, offset: 0 };
  const base = baseFlags(mm, request) | VM_SHARED | VM_MAYSHARE;
  if (!mayLock(mm, base, length, limits, null)) return EAGAIN;
  const flags = asked.isWritable ? base : base & ~(VM_MAYWRITE | VM_SHARED);
  return place(mm, request, flags, limits, null, asked.region, { fd: asked.fd, offset: 0 });
}
