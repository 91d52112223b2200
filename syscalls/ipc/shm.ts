// SPDX-License-Identifier: Apache-2.0

/**
 * shmget(2), shmat(2), shmdt(2), shmctl(2).
 *
 * Linux: ipc/shm.c
 */
import { EFAULT, EINVAL, ENOMEM, ENOSPC, EPERM, isErrno, type Errno } from '../../platform/abi/linux/errno.ts';
import * as I from '../../platform/abi/linux/ipc.ts';
import { SHM_UNLIMITED } from '../../sentry/kernel/ipc/ipc_limits.ts';
import { MAP_FIXED, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../platform/abi/linux/mman.ts';
import { SharedSegment } from '../../sentry/kernel/ipc/shm.ts';
import { sysvOf } from '../../sentry/kernel/ipc/sysv.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { mapRegion } from '../../sentry/mm/mmap.ts';
import { pageAlign, unmapRange } from '../../sentry/mm/munmap.ts';
import type { SharedRegion } from '../../sentry/mm/vma.ts';
import { applySet, clearScratch, copyScratch, put32, put64, putPerm, readSet } from './ipc_struct.ts';

const SHMID_DS_SIZE = 112;
const CAP_IPC_LOCK = 14;

export function sys_shmget(t: Task, key: number, size: number, flags: number): number {
  const { shm } = sysvOf(t.ipcNs);
  return shm.get(
    t.creds,
    key,
    flags,
    (found) => (size > found.size ? EINVAL : 0),
    () => newSegment(t, key, size, flags),
  );
}

/** No huge pages are to be had; what is wrong with the asking is said first. Sizes: the default, 2 MiB, 1 GiB. */
function hugeSegment(t: Task, flags: number): Errno {
  const log = (flags >>> 26) & 63;
  if (log !== 0 && log !== 21 && log !== 30) return EINVAL;
  return t.creds.hasCap(CAP_IPC_LOCK) ? ENOMEM : EPERM;
}

function newSegment(t: Task, key: number, size: number, flags: number): SharedSegment | Errno {
  const { shmmax, shmall } = t.ipcNs.limits;
  if (size < 1 || size >= I.SHMMAX || BigInt(size) > shmmax) return EINVAL;
  if (shmall !== SHM_UNLIMITED && BigInt(pagesOf(sysvOf(t.ipcNs).shm.all()) + pageAlign(size) / PAGE_SIZE) > shmall) return ENOSPC;
  if ((flags & I.SHM_HUGETLB) !== 0) return hugeSegment(t, flags);
  const { files } = t.kernel.host;
  const fd = files.memfdCreate('sysv-shm');
  if (fd < 0) return ENOMEM;
  if (files.ftruncate(fd, pageAlign(size)) < 0) {
    files.close(fd);
    return ENOMEM;
  }
  const { limits } = t.ipcNs;
  const home = { ids: sysvOf(t.ipcNs).shm, files, isForced: () => limits.shm_rmid_forced !== 0, seconds: () => t.kernel.clock.realtimeSeconds() };
  return new SharedSegment(key, flags & 0o777, t.creds, size, fd, t.threadGroup.pid, home);
}

export function sys_shmat(t: Task, shmid: number, shmaddr: number, flags: number): number {
  let addr = shmaddr;
  if (addr % PAGE_SIZE !== 0) {
    if ((flags & I.SHM_RND) === 0) return EINVAL;
    addr -= addr % PAGE_SIZE;
  }
  if (addr === 0 && (flags & I.SHM_REMAP) !== 0) return EINVAL;
  const isReadOnly = (flags & I.SHM_RDONLY) !== 0;
  const isExec = (flags & I.SHM_EXEC) !== 0;
  const segment = sysvOf(t.ipcNs).shm.find(shmid);
  if (isErrno(segment)) return segment;
  const denied = segment.permission(t.creds, (isReadOnly ? 0o444 : 0o666) | (isExec ? 0o111 : 0));
  if (denied < 0) return denied;
  const length = pageAlign(segment.size);
  if (addr !== 0 && (flags & I.SHM_REMAP) === 0 && t.mm.vmas.findIn(addr, addr + length) !== null) return EINVAL;
  const prot = PROT_READ | (isReadOnly ? 0 : PROT_WRITE) | (isExec ? PROT_EXEC : 0);
  const at = mapRegion(
    t.mm,
    {
      addr,
      length,
      prot,
      flags: addr === 0 ? 0 : MAP_FIXED,
      region: segment.region,
      fd: segment.fd,
      isWritable: !isReadOnly,
    },
    t.memoryLimits,
  );
  if (at >= 0) segment.lpid = t.threadGroup.pid;
  return at;
}

export function sys_shmdt(t: Task, addr: number): number {
  if (addr % PAGE_SIZE !== 0) return EINVAL;
  const segment = attachedAt(t, addr);
  if (segment === null) return EINVAL;
  for (let i = t.mm.vmas.indexAfter(addr); i < t.mm.vmas.count; ) {
    const vma = t.mm.vmas.at(i)!;
    if (vma.region !== segment.region || vma.start - addr !== vma.offset) {
      if (vma.start - addr >= pageAlign(segment.size)) break;
      i++;
      continue;
    }
    const result = unmapRange(t.mm, vma.start, vma.end);
    if (result < 0) return result;
  }
  segment.lpid = t.threadGroup.pid;
  return 0;
}

/** The segment of which a mapping made by shmat at `addr` is left. */
function attachedAt(t: Task, addr: number): SharedSegment | null {
  for (let i = t.mm.vmas.indexAfter(addr); i < t.mm.vmas.count; i++) {
    const vma = t.mm.vmas.at(i)!;
    const segment = vma.region === null ? null : segmentOf(t, vma.region);
    if (segment !== null && vma.start - addr === vma.offset) return segment;
    if (vma.start !== addr && segment === null) return null;
  }
  return null;
}

function segmentOf(t: Task, region: SharedRegion): SharedSegment | null {
  const segment = sysvOf(t.ipcNs).shm.find(region.ino);
  return !isErrno(segment) && segment.region === region ? segment : null;
}

export function sys_shmctl(t: Task, shmid: number, command: number, buf: number): number {
  const { shm } = sysvOf(t.ipcNs);
  const cmd = command & ~I.IPC_64;
  if (cmd < 0 || shmid < 0) return EINVAL;
  switch (cmd) {
    case I.IPC_INFO:
      return writeLimits(t, buf);
    case I.SHM_INFO:
      return writeInfo(t, buf);
    case I.IPC_STAT:
    case I.SHM_STAT:
    case I.SHM_STAT_ANY:
      return writeStat(t, cmd === I.IPC_STAT ? shm.find(shmid) : shm.at(shmid), cmd, buf);
    case I.IPC_RMID:
    case I.IPC_SET:
      return change(t, shmid, cmd, buf);
    case I.SHM_LOCK:
    case I.SHM_UNLOCK:
      return lock(t, shmid, cmd === I.SHM_LOCK);
    default:
      return EINVAL;
  }
}

function putHuge(at: number, value: bigint): void {
  put32(at, Number(value & 0xffffffffn));
  put32(at + 4, Number(value >> 32n));
}

function pagesOf(segments: readonly SharedSegment[]): number {
  return segments.reduce((sum, s) => sum + pageAlign(s.size) / PAGE_SIZE, 0);
}

function writeLimits(t: Task, buf: number): number {
  clearScratch();
  const { shmmax, shmall, shmmni } = t.ipcNs.limits;
  putHuge(0, shmmax);
  put64(8, 1);
  put64(16, shmmni);
  put64(24, shmmni);
  putHuge(32, shmall);
  const failed = copyScratch(t, buf, 72);
  return failed < 0 ? failed : Math.max(0, sysvOf(t.ipcNs).shm.highestIndex);
}

function writeInfo(t: Task, buf: number): number {
  const { shm } = sysvOf(t.ipcNs);
  clearScratch();
  put32(0, shm.count);
  put64(8, pagesOf(shm.all()));
  const failed = copyScratch(t, buf, 48);
  return failed < 0 ? failed : Math.max(0, shm.highestIndex);
}

function writeStat(t: Task, segment: SharedSegment | Errno, cmd: number, buf: number): number {
  if (isErrno(segment)) return segment;
  if (cmd !== I.SHM_STAT_ANY) {
    const denied = segment.permission(t.creds, 0o444);
    if (denied < 0) return denied;
  }
  clearScratch();
  putPerm(segment);
  put64(48, segment.size);
  put64(56, segment.atime);
  put64(64, segment.dtime);
  put64(72, segment.ctime);
  put32(80, segment.cpid);
  put32(84, segment.lpid);
  put64(88, segment.attachCount);
  const failed = copyScratch(t, buf, SHMID_DS_SIZE);
  return failed < 0 ? failed : cmd === I.IPC_STAT ? 0 : segment.id;
}

function change(t: Task, shmid: number, cmd: number, buf: number): number {
  const set = cmd === I.IPC_SET ? readSet(t, buf, SHMID_DS_SIZE) : null;
  if (cmd === I.IPC_SET && set === null) return EFAULT;
  const segment = sysvOf(t.ipcNs).shm.find(shmid);
  if (isErrno(segment)) return segment;
  const denied = segment.ownership(t.creds);
  if (denied < 0) return denied;
  if (set === null) segment.destroy();
  else applySet(segment, set, t.kernel.clock.realtimeSeconds());
  return 0;
}

function lock(t: Task, shmid: number, isLock: boolean): number {
  const segment = sysvOf(t.ipcNs).shm.find(shmid);
  if (isErrno(segment)) return segment;
  if (!t.creds.hasCap(CAP_IPC_LOCK)) {
    if (t.creds.euid !== segment.uid && t.creds.euid !== segment.cuid) return EPERM;
    if (isLock && t.memoryLimits.memlock === 0) return EPERM;
  }
  segment.mode = isLock ? segment.mode | I.SHM_LOCKED : segment.mode & ~I.SHM_LOCKED;
  return 0;
}
