// SPDX-License-Identifier: Apache-2.0

/**
 * Reading and writing: the read, write, pread, pwrite families and lseek.
 *
 * Linux:      fs/read_write.c
 * Invariants: the first try is a plain call; only what would block becomes a generator. A transfer that moved bytes returns
 *             their number whatever ends it.
 */
import {
  EBADF,
  EINVAL,
  EOPNOTSUPP,
  ERESTARTSYS,
  ESPIPE,
  EINTR,
  WOULD_BLOCK,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import {
  O_APPEND,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOAPPEND,
  RWF_NOWAIT,
  RWF_SYNC,
} from '../../platform/abi/linux/fcntl.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { IoSequence } from '../../sentry/vfs/io.ts';
import { IN_ACCESS, IN_MODIFY, notifyUse, fsNotify } from '../../sentry/vfs/notify.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { flatIo, vectorIo } from './iovec.ts';
import { ioFile } from './path_args.ts';

/** EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLPRI, EPOLLOUT | EPOLLWRNORM. */
export const READ_MASK = 0x1 | 0x40 | 0x2000 | 0x2;
export const WRITE_MASK = 0x4 | 0x100;

function deadline(t: Task, timeoutNs: number): number {
  return timeoutNs === Number.POSITIVE_INFINITY ? timeoutNs : t.kernel.clock.monotonicNs() + timeoutNs;
}

/** How a wait that a signal ended unwinds: with a socket timeout set it is not restarted. */
function interruption(timeoutNs: number): number {
  return timeoutNs === Number.POSITIVE_INFINITY ? ERESTARTSYS : EINTR;
}

/** Reads at the position; blocks as the file wants. */
export function readFile(t: Task, file: FileDescription, io: IoSequence): SyscallReturn {
  const n = file.read(t, io);
  if (n === WOULD_BLOCK && !file.isNonblocking) return readBlocking(t, file, io);
  if (n > 0 && fsNotify.hook !== null) notifyUse(file, IN_ACCESS);
  return t.io.read(n);
}

function* readBlocking(t: Task, file: FileDescription, io: IoSequence): Blocking {
  const timeoutNs = file.readTimeoutNs;
  const request = {
    queues: [file.waitQueue],
    mask: READ_MASK,
    deadlineNs: deadline(t, timeoutNs),
    exclusive: file.readersTakeTurns,
  };
  file.incRef();
  try {
    for (;;) {
      const reason = yield request;
      const n = file.read(t, io);
      if (n !== WOULD_BLOCK) return t.io.read(n);
      if (reason === WAKE_SIGNAL || reason === WAKE_TIMEOUT) {
        const part = file.readCutShort(t, io, reason === WAKE_SIGNAL ? 'signal' : 'timeout');
        if (part !== WOULD_BLOCK) return t.io.read(part);
      }
      if (reason === WAKE_SIGNAL) return interruption(timeoutNs);
      if (reason === WAKE_TIMEOUT || file.isNonblocking) return WOULD_BLOCK;
      if (file.restartsReadTimeout) request.deadlineNs = deadline(t, file.readTimeoutNs);
    }
  } finally {
    file.decRef();
  }
}

/** Writes at the position (or the end, O_APPEND); blocks as the file wants. */
export function writeFile(t: Task, file: FileDescription, io: IoSequence): SyscallReturn {
  const total = io.remaining;
  const n = file.write(t, io);
  if (n > 0 && fsNotify.hook !== null) notifyUse(file, IN_MODIFY);
  if (n === total || file.isNonblocking) return t.io.wrote(n);
  if (n === WOULD_BLOCK || (n > 0 && file.writesAll)) return writeBlocking(t, file, io, Math.max(0, n));
  return t.io.wrote(n);
}

function* writeBlocking(t: Task, file: FileDescription, io: IoSequence, already: number): Blocking {
  const timeoutNs = file.writeTimeoutNs;
  const request = { queues: [file.waitQueue], mask: WRITE_MASK, deadlineNs: deadline(t, timeoutNs) };
  let done = already;
  file.incRef();
  try {
    for (;;) {
      const reason = yield request;
      const n = file.write(t, io);
      if (n > 0) {
        done += n;
        if (io.remaining === 0 || !file.writesAll) return t.io.wrote(done);
        if (reason === WAKE_SIGNAL) return t.io.wrote(done);
        continue;
      }
      if (n !== WOULD_BLOCK) return t.io.wrote(done > 0 ? done : n);
      if (reason === WAKE_SIGNAL) return done > 0 ? done : interruption(timeoutNs);
      if (reason === WAKE_TIMEOUT || file.isNonblocking) return done > 0 ? done : WOULD_BLOCK;
    }
  } finally {
    file.decRef();
  }
}

export function sys_read(t: Task, fd: number, buf: number, count: number): SyscallReturn {
  const file = t.fdTable.get(fd);
  if (file === null || !file.isReadable) return EBADF;
  const io = flatIo(t, buf, count);
  if (isErrno(io)) return file.hasRead ? io : EINVAL;
  return readFile(t, file, io);
}

/** The vector of a read: the mode comes first, then the vector. Nothing to read is 0 at once. */
function readVector(t: Task, file: FileDescription, iov: number, count: number): IoSequence | number {
  if (!file.isReadable) return EBADF;
  if (!file.hasRead) return EINVAL;
  const io = vectorIo(t, iov, count);
  return !isErrno(io) && io.remaining === 0 ? 0 : io;
}
function writeVector(t: Task, file: FileDescription, iov: number, count: number): IoSequence | number {
  if (!file.isWritable) return EBADF;
  if (!file.hasWrite) return EINVAL;
  const io = vectorIo(t, iov, count);
  return !isErrno(io) && io.remaining === 0 ? 0 : io;
}

export function sys_write(t: Task, fd: number, buf: number, count: number): SyscallReturn {
  const file = t.fdTable.get(fd);
  if (file === null || !file.isWritable) return EBADF;
  const io = flatIo(t, buf, count);
  if (isErrno(io)) return file.hasWrite ? io : EINVAL;
  return writeFile(t, file, io);
}

export function sys_readv(t: Task, fd: number, iov: number, count: number): SyscallReturn {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  const io = readVector(t, file, iov, count);
  return typeof io === 'number' ? io : readFile(t, file, io);
}

export function sys_writev(t: Task, fd: number, iov: number, count: number): SyscallReturn {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  const io = writeVector(t, file, iov, count);
  return typeof io === 'number' ? io : writeFile(t, file, io);
}

/** Reads at `pos`, whatever the position is. Never waits. */
function readAt(t: Task, file: FileDescription, io: IoSequence, pos: number): number {
  const n = file.pread(t, io, pos);
  if (n > 0 && fsNotify.hook !== null) notifyUse(file, IN_ACCESS);
  return t.io.read(n);
}

/** Writes at `pos`, whatever the position is. Never waits. */
function writeAt(t: Task, file: FileDescription, io: IoSequence, pos: number): number {
  const n = file.pwrite(t, io, pos);
  if (n > 0 && fsNotify.hook !== null) notifyUse(file, IN_MODIFY);
  return t.io.wrote(n);
}

export function sys_pread64(t: Task, fd: number, buf: number, count: number, pos: number): SyscallReturn {
  if (pos < 0) return EINVAL;
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if (!file.isSeekable) return ESPIPE;
  if (!file.isReadable) return EBADF;
  const io = flatIo(t, buf, count);
  return isErrno(io) ? io : readAt(t, file, io, pos);
}

export function sys_pwrite64(t: Task, fd: number, buf: number, count: number, pos: number): SyscallReturn {
  if (pos < 0) return EINVAL;
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if (!file.isSeekable) return ESPIPE;
  if (!file.isWritable) return EBADF;
  const io = flatIo(t, buf, count);
  if (isErrno(io)) return io;
  return writeAt(t, file, io, pos);
}

export function sys_preadv(t: Task, fd: number, iov: number, count: number, pos: number, _high: number): SyscallReturn {
  return pos < 0 ? EINVAL : preadVector(t, fd, iov, count, pos);
}

export function sys_pwritev(
  t: Task,
  fd: number,
  iov: number,
  count: number,
  pos: number,
  _high: number,
): SyscallReturn {
  return pos < 0 ? EINVAL : pwriteVector(t, fd, iov, count, pos);
}

function preadVector(t: Task, fd: number, iov: number, count: number, pos: number): number {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if (!file.isSeekable) return ESPIPE;
  const io = readVector(t, file, iov, count);
  return typeof io === 'number' ? io : readAt(t, file, io, pos);
}

function pwriteVector(t: Task, fd: number, iov: number, count: number, pos: number): number {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if (!file.isSeekable) return ESPIPE;
  const io = writeVector(t, file, iov, count);
  return typeof io === 'number' ? io : writeAt(t, file, io, pos);
}

const RWF_READ = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND;

export function sys_preadv2(
  t: Task,
  fd: number,
  iov: number,
  count: number,
  pos: number,
  _high: number,
  flags: number,
): SyscallReturn {
  if (pos < -1) return EINVAL;
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if (pos !== -1 && !file.isSeekable) return ESPIPE;
  const io = readVector(t, file, iov, count);
  if (typeof io === 'number') return io;
  if ((flags & ~RWF_READ) !== 0) return EOPNOTSUPP;
  if (pos !== -1) return readAt(t, file, io, pos);
  return (flags & RWF_NOWAIT) === 0 ? readFile(t, file, io) : file.read(t, io);
}

/** What is wrong with a pwritev2 whose flags are: the flags are looked at last. */
function refusedWrite(t: Task, fd: number, iov: number, count: number, pos: number, err: number): number {
  if (pos < -1) return EINVAL;
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if (pos !== -1 && !file.isSeekable) return ESPIPE;
  const io = writeVector(t, file, iov, count);
  return typeof io === 'number' ? io : err;
}

export function sys_pwritev2(
  t: Task,
  fd: number,
  iov: number,
  count: number,
  pos: number,
  _high: number,
  flags: number,
): SyscallReturn {
  if ((flags & ~RWF_READ) !== 0) return refusedWrite(t, fd, iov, count, pos, EOPNOTSUPP);
  if ((flags & (RWF_APPEND | RWF_NOAPPEND)) === (RWF_APPEND | RWF_NOAPPEND))
    return refusedWrite(t, fd, iov, count, pos, EINVAL);
  if (pos < -1) return EINVAL;
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  const saved = file.flags;
  if ((flags & RWF_APPEND) !== 0) file.flags |= O_APPEND;
  if ((flags & RWF_NOAPPEND) !== 0) file.flags &= ~O_APPEND;
  if ((flags & RWF_NOWAIT) !== 0) file.flags |= 0o4000;
  const result = pos === -1 ? sys_writev(t, fd, iov, count) : pwriteVector(t, fd, iov, count, pos);
  file.flags = saved;
  if (typeof result === 'number' && result > 0 && (flags & (RWF_SYNC | RWF_DSYNC)) !== 0)
    file.fsync(t, (flags & RWF_SYNC) === 0);
  return result;
}

export function sys_lseek(t: Task, fd: number, offset: number, whence: number): number {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  if (whence > 4) return EINVAL;
  return file.seek(t, offset, whence);
}
