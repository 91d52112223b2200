// SPDX-License-Identifier: Apache-2.0

/**
 * mmap(2), munmap(2), mprotect(2), mremap(2), brk(2), remap_file_pages(2) and protection keys.
 *
 * Linux: arch/x86/kernel/sys_x86_64.c, mm/mmap.c, mm/mprotect.c, mm/mremap.c
 */
import { EBADF, EINVAL, ENOMEM, ENOSPC, EPERM } from '../../platform/abi/linux/errno.ts';
import { O_PATH } from '../../platform/abi/linux/fcntl.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_SHARED,
  PAGE_SIZE,
  PKEY_DISABLE_ACCESS,
  PKEY_DISABLE_WRITE,
} from '../../platform/abi/linux/mman.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { hasSealed, pageAlign } from '../../sentry/mm/munmap.ts';
import { VM_SHARED } from '../../sentry/mm/vma.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';

export function sys_mmap(
  t: Task,
  addr: number,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
): number {
  if (offset % PAGE_SIZE !== 0) return EINVAL;
  let file: FileDescription | null = null;
  if ((flags & MAP_ANONYMOUS) === 0) {
    file = t.fdTable.get(fd);
    if (file === null || (file.flags & O_PATH) !== 0) return EBADF;
  }
  return t.mm.mmap({ addr, length, prot: prot | 0, flags: flags | 0, file, offset }, t.memoryLimits, t);
}

export function sys_munmap(t: Task, addr: number, length: number): number {
  return t.mm.munmap(addr, length);
}

export function sys_mprotect(t: Task, addr: number, length: number, prot: number): number {
  if (prot > 0xffffffff) return EINVAL;
  return t.mm.mprotect(addr, length, prot | 0);
}

export function sys_mremap(
  t: Task,
  oldAddr: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddr: number,
): number {
  if (flags > 0xffffffff) return EINVAL;
  return t.mm.mremap(oldAddr, oldLength, newLength, flags | 0, newAddr, t.memoryLimits);
}

export function sys_brk(t: Task, addr: number): number {
  return t.mm.setBrk(addr, t.memoryLimits);
}

/** Deprecated: maps other pages of the same shared mapping, as Linux emulates it with mmap. */
export function sys_remap_file_pages(
  t: Task,
  start: number,
  size: number,
  prot: number,
  pgoff: number,
  flags: number,
): number {
  if (prot !== 0) return EINVAL;
  const from = start - (start % PAGE_SIZE);
  const length = size - (size % PAGE_SIZE);
  if (from + length <= from || pgoff * PAGE_SIZE + length >= 2 ** 63) return EINVAL;
  const vma = t.mm.vmas.find(from);
  if (vma === null || (vma.flags & VM_SHARED) === 0 || vma.end < from + length || vma.file === null) return EINVAL;
  const request = {
    addr: from,
    length,
    prot: vma.prot,
    flags: MAP_SHARED | MAP_FIXED | (flags & 0x10000),
    file: vma.file,
    offset: pgoff * PAGE_SIZE,
  };
  const { file } = vma;
  file.incRef();
  const result = t.mm.mmap(request, t.memoryLimits, t);
  file.decRef();
  return Math.min(result , 0);
}

/** mseal(2). */
export function sys_mseal(t: Task, start: number, length: number, flags: number): number {
  if (flags !== 0 || start % PAGE_SIZE !== 0) return EINVAL;
  const bytes = pageAlign(length);
  if (start + bytes >= 2 ** 64) return EINVAL;
  if (bytes === 0) return 0;
  if (!t.mm.vmas.covers(start, start + bytes)) return ENOMEM;
  t.mm.vmas.update(start, start + bytes, (vma) => {
    vma.sealed = true;
  });
  return hasSealed(t.mm, start, start + bytes) ? 0 : EPERM;
}

export function sys_pkey_mprotect(t: Task, addr: number, length: number, prot: number, pkey: number): number {
  if (pkey !== -1 && pkey !== 0) return EINVAL;
  return sys_mprotect(t, addr, length, prot);
}

/** The sandbox offers no protection keys, as a processor without them. */
export function sys_pkey_alloc(_t: Task, flags: number, access: number): number {
  if (flags !== 0 || access > (PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE)) return EINVAL;
  return ENOSPC;
}

export function sys_pkey_free(_t: Task, _pkey: number): number {
  return EINVAL;
}
