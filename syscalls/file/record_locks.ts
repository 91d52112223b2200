// SPDX-License-Identifier: Apache-2.0

/**
 * fcntl's record locks (POSIX and open-file-description) and flock(2): decoding and waiting.
 *
 * Linux: fs/locks.c (fcntl_setlk, fcntl_getlk, flock_to_posix_lock); struct flock in include/uapi/asm-generic/fcntl.h
 */
import { EAGAIN, EBADF, EFAULT, EINVAL, EOVERFLOW, ERESTARTSYS } from '../../platform/abi/linux/errno.ts';
import {
  F_GETLK,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_RDLCK,
  F_SETLKW,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_MAND,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from '../../platform/abi/linux/fcntl.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import {
  LOCK_TO_EOF,
  beginLockWait,
  dropRecordLocks,
  endLockWait,
  findConflict,
  isLockType,
  locksOf,
  setFlock,
  setRecordLock,
} from '../../sentry/vfs/file_locks.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';
import { ioFile } from './path_args.ts';

/** struct flock: type, whence (16 bits each), pad, start, len (64 bits each), pid, pad. */
const FLOCK_SIZE = 32;
const raw = new Uint8Array(FLOCK_SIZE);
const view = new DataView(raw.buffer);

interface LockRange {
  type: number;
  start: number;
  end: number;
  pid: number;
}

function readI64(offset: number): number {
  return view.getInt32(offset + 4, true) * 0x100000000 + view.getUint32(offset, true);
}
function writeI64(offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setInt32(offset + 4, Math.floor(value / 0x100000000), true);
}

/** Reads struct flock and makes its range absolute. Returns errno or the range. */
function readRange(t: Task, file: FileDescription, addr: number): LockRange | number {
  if (t.memory.copyIn(addr, raw, 0, FLOCK_SIZE) !== FLOCK_SIZE) return EFAULT;
  const type = view.getInt16(0, true);
  const whence = view.getInt16(2, true);
  const length = readI64(16);
  let start = readI64(8);
  if (whence === SEEK_CUR) start += file.position;
  else if (whence === SEEK_END) {
    file.inode.refreshAttributes();
    start += file.inode.size;
  } else if (whence !== SEEK_SET) return EINVAL;
  if (start > 2 ** 63 - 1) return EOVERFLOW;
  if (start < 0) return EINVAL;
  let end = LOCK_TO_EOF;
  if (length > 0) {
    end = start + length - 1;
    if (end >= 2 ** 63) return EOVERFLOW;
  } else if (length < 0) {
    if (start + length < 0) return EINVAL;
    end = start - 1;
    start += length;
  }
  if (!isLockType(type)) return EINVAL;
  return { type, start: Math.min(start, LOCK_TO_EOF), end: Math.min(end, LOCK_TO_EOF), pid: view.getInt32(24, true) };
}

/** F_GETLK, F_OFD_GETLK. */
export function getLock(t: Task, file: FileDescription, cmd: number, addr: number): number {
  const range = readRange(t, file, addr);
  if (typeof range === 'number') return range;
  if (range.type === F_UNLCK && cmd === F_GETLK) return EINVAL;
  const isOfd = cmd === F_OFD_GETLK;
  if (isOfd && range.pid !== 0) return EINVAL;
  const lock = findConflict(file.inode, isOfd ? file : t.fdTable, range.type, range.start, range.end);
  if (lock === null) {
    view.setInt16(0, F_UNLCK, true);
  } else {
    view.setInt16(0, lock.type, true);
    view.setInt16(2, SEEK_SET, true);
    writeI64(8, lock.start);
    writeI64(16, lock.end === LOCK_TO_EOF ? 0 : lock.end - lock.start + 1);
    view.setInt32(24, lock.pid, true);
  }
  return t.memory.copyOut(addr, raw, 0, FLOCK_SIZE) === FLOCK_SIZE ? 0 : EFAULT;
}

/** F_SETLK, F_SETLKW and their OFD twins. */
export function setLock(t: Task, file: FileDescription, cmd: number, addr: number): SyscallReturn {
  const range = readRange(t, file, addr);
  if (typeof range === 'number') return range;
  const isOfd = cmd === F_OFD_SETLK || cmd === F_OFD_SETLKW;
  if (isOfd && range.pid !== 0) return EINVAL;
  if (range.type === F_RDLCK && !file.isReadable) return EBADF;
  if (range.type === F_WRLCK && !file.isWritable) return EBADF;
  const owner = isOfd ? file : t.fdTable;
  const pid = isOfd ? -1 : t.threadGroup.pid;
  const result = setRecordLock(file.inode, owner, pid, range.type, range.start, range.end);
  const waits = cmd === F_SETLKW || cmd === F_OFD_SETLKW;
  return result === EAGAIN && waits ? lockBlocking(t, file, owner, pid, range) : result;
}

function* lockBlocking(t: Task, file: FileDescription, owner: object, pid: number, range: LockRange): Blocking {
  const { inode } = file;
  file.incRef();
  try {
    for (;;) {
      const conflict = findConflict(inode, owner, range.type, range.start, range.end);
      if (conflict !== null) {
        if (owner !== file) {
          const err = beginLockWait(owner, conflict);
          if (err !== 0) return err;
        }
        const reason = yield { queues: [locksOf(inode).queue], deadlineNs: Number.POSITIVE_INFINITY };
        endLockWait(owner);
        if (reason === WAKE_SIGNAL) return ERESTARTSYS;
        continue;
      }
      const result = setRecordLock(inode, owner, pid, range.type, range.start, range.end);
      if (result === EAGAIN) continue;
      // The descriptor may have been closed meanwhile: then nothing may stay locked.
      if (result === 0 && owner === t.fdTable && file.refCount === 1) dropRecordLocks(inode, owner);
      return result;
    }
  } finally {
    endLockWait(owner);
    file.decRef();
  }
}

export function sys_flock(t: Task, fd: number, operation: number): SyscallReturn {
  const kind = operation & ~LOCK_NB;
  // Mandatory locks are gone: asking for one does nothing, not even look at the descriptor.
  if ((operation & LOCK_MAND) !== 0) return 0;
  const file = ioFile(t, fd);
  if (kind !== LOCK_SH && kind !== LOCK_EX && kind !== LOCK_UN) return EINVAL;
  if (file === null) return EBADF;
  const wanted = kind === LOCK_SH ? 'shared' : kind === LOCK_EX ? 'exclusive' : 'none';
  const { pid } = t.threadGroup;
  const result = setFlock(file.inode, file, wanted, pid);
  return result === EAGAIN && (operation & LOCK_NB) === 0 ? flockBlocking(file, wanted, pid) : result;
}

function* flockBlocking(file: FileDescription, wanted: 'shared' | 'exclusive' | 'none', pid: number): Blocking {
  file.incRef();
  try {
    for (;;) {
      const reason = yield { queues: [locksOf(file.inode).queue], deadlineNs: Number.POSITIVE_INFINITY };
      const result = setFlock(file.inode, file, wanted, pid);
      if (result !== EAGAIN) return result;
      if (reason === WAKE_SIGNAL) return ERESTARTSYS;
    }
  } finally {
    file.decRef();
  }
}
