// SPDX-License-Identifier: Apache-2.0

/**
 * splice, tee, vmsplice: moving bytes into and out of pipes.
 *
 * Linux: fs/splice.c
 */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EPIPE,
  ERESTARTSYS,
  ESPIPE,
  WOULD_BLOCK,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { O_APPEND, O_DIRECT } from '../../platform/abi/linux/fcntl.ts';
import type { Pipe } from '../../sentry/kernel/pipe/pipe.ts';
import { PipeFile } from '../../sentry/kernel/pipe/pipe_file.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import { BufferIo } from '../../sentry/vfs/io.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';
import { MAX_RW_COUNT, vectorIo } from './iovec.ts';
import { ioFile } from './path_args.ts';
import { readFile } from './read_write.ts';
import { readOffset } from './offset_arg.ts';

const SPLICE_F_NONBLOCK = 2;
const SPLICE_F_ALL = 15;
const SIGPIPE = 13;

/** Tries `attempt` until it does not block, waiting on the queues of both ends. */
function until(from: FileDescription, to: FileDescription, nonblocking: boolean, attempt: () => number): SyscallReturn {
  const first = attempt();
  return first !== WOULD_BLOCK || nonblocking ? first : untilBlocking(from, to, attempt);
}

function* untilBlocking(from: FileDescription, to: FileDescription, attempt: () => number): Blocking {
  from.incRef();
  to.incRef();
  try {
    for (;;) {
      const queues = from.waitQueue === to.waitQueue ? [from.waitQueue] : [from.waitQueue, to.waitQueue];
      const reason = yield { queues, deadlineNs: Number.POSITIVE_INFINITY };
      const n = attempt();
      if (n !== WOULD_BLOCK) return n;
      if (reason === WAKE_SIGNAL) return ERESTARTSYS;
    }
  } finally {
    from.decRef();
    to.decRef();
  }
}

/** A pipe without readers refuses bytes. */
function broken(t: Task, pipe: Pipe): number {
  if (pipe.readers > 0) return 0;
  t.raiseSignal(SIGPIPE);
  return EPIPE;
}

/** File (or socket) to pipe. `pos` -1: the file's own position. */
function fill(t: Task, file: FileDescription, pos: number, to: PipeFile, want: number): number {
  const refused = broken(t, to.pipe);
  if (refused !== 0) return refused;
  let isEnd = false;
  let at = pos;
  const n = to.pipe.produce(want, (to.flags & O_DIRECT) !== 0, (ring, offset, length) => {
    const io = new BufferIo(ring.subarray(offset, offset + length));
    const got = at < 0 ? file.read(t, io) : file.pread(t, io, at);
    if (got > 0 && at >= 0) at += got;
    if (got === 0) isEnd = true;
    return got;
  });
  return n === EFAULT && isEnd ? 0 : n;
}

/** sendfile(2) from a stream into a pipe. */
export function fillPipe(t: Task, from: FileDescription, to: PipeFile, count: number, nonblocking: boolean): SyscallReturn {
  const want = Math.min(count, MAX_RW_COUNT);
  if (want === 0) return 0;
  return until(from, to, nonblocking || from.isNonblocking, () => fill(t, from, -1, to, want));
}

/** Pipe to file (or socket). */
function drain(t: Task, from: PipeFile, file: FileDescription, pos: number, want: number): number {
  if (from.pipe.isEmpty) return from.pipe.writers === 0 ? 0 : WOULD_BLOCK;
  let at = pos;
  return from.pipe.consume(want, (ring, offset, length) => {
    const io = new BufferIo(ring.subarray(offset, offset + length));
    const put = at < 0 ? file.write(t, io) : file.pwrite(t, io, at);
    if (put > 0 && at >= 0) at += put;
    return put;
  });
}

/** Writes the advanced offset back after a transfer of n bytes. */
function settle(t: Task, file: FileDescription, addr: number, pos: number, n: number): number {
  return addr !== 0 && n > 0 && !file.ignoresOffset && t.memory.writeU64(addr, pos + n) !== 0 ? EFAULT : n;
}

/** An offset argument: -1 when absent; null for EFAULT. */
function offsetArg(t: Task, addr: number): number | null {
  return addr === 0 ? -1 : readOffset(t, addr);
}

export function sys_splice(
  t: Task,
  inFd: number,
  inOff: number,
  outFd: number,
  outOff: number,
  length: number,
  flags: number,
): SyscallReturn {
  if (length === 0) return 0;
  if ((flags & ~SPLICE_F_ALL) !== 0) return EINVAL;
  const from = ioFile(t, inFd);
  const to = ioFile(t, outFd);
  if (from === null || to === null) return EBADF;
  const inPipe = from instanceof PipeFile;
  const outPipe = to instanceof PipeFile;
  if ((inPipe && inOff !== 0) || (outPipe && outOff !== 0)) return ESPIPE;
  const pos = offsetArg(t, inOff !== 0 ? inOff : outOff);
  if (pos === null) return EFAULT;
  if (!from.isReadable || !to.isWritable) return EBADF;
  const want = Math.min(length, MAX_RW_COUNT);
  const nonblocking = (flags & SPLICE_F_NONBLOCK) !== 0;
  if (inPipe && outPipe) {
    if (from.pipe === to.pipe) return EINVAL;
    return until(
      from,
      to,
      nonblocking || from.isNonblocking || to.isNonblocking,
      () => broken(t, to.pipe) || from.pipe.spliceTo(to.pipe, want),
    );
  }
  if (!inPipe && !outPipe) return EINVAL;
  const addr = inPipe ? outOff : inOff;
  const file = inPipe ? to : from;
  if (addr !== 0 && !file.isSeekable) return EINVAL;
  if (addr !== 0 && (pos < 0 || pos + want >= 2 ** 63)) return EINVAL;
  if (inPipe) {
    if ((to.flags & O_APPEND) !== 0 || !to.splicesIn) return EINVAL;
    return until(from, to, nonblocking || from.isNonblocking || to.isNonblocking, () =>
      settle(t, to, addr, pos, drain(t, from, to, pos, want)),
    );
  }
  const pipeEnd = to as PipeFile;
  if (!from.splicesOut) return EINVAL;
  return until(from, to, nonblocking || from.isNonblocking || to.isNonblocking, () =>
    settle(t, from, addr, pos, fill(t, from, pos, pipeEnd, want)),
  );
}

export function sys_tee(t: Task, inFd: number, outFd: number, length: number, flags: number): SyscallReturn {
  if ((flags & ~SPLICE_F_ALL) !== 0) return EINVAL;
  if (length === 0) return 0;
  const from = ioFile(t, inFd);
  const to = ioFile(t, outFd);
  if (from === null || to === null || !from.isReadable || !to.isWritable) return EBADF;
  if (!(from instanceof PipeFile) || !(to instanceof PipeFile) || from.pipe === to.pipe) return EINVAL;
  const want = Math.min(length, MAX_RW_COUNT);
  const nonblocking = (flags & SPLICE_F_NONBLOCK) !== 0 || from.isNonblocking || to.isNonblocking;
  return until(from, to, nonblocking, () => broken(t, to.pipe) || from.pipe.teeTo(to.pipe, want));
}

export function sys_vmsplice(t: Task, fd: number, iov: number, count: number, flags: number): SyscallReturn {
  if ((flags & ~SPLICE_F_ALL) !== 0) return EINVAL;
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  const io = vectorIo(t, iov, count);
  if (isErrno(io)) return io;
  if (io.remaining === 0) return 0;
  if (!(file instanceof PipeFile)) return EBADF;
  const nonblocking = (flags & SPLICE_F_NONBLOCK) !== 0;
  if (file.isWritable) {
    // What finds room now is all: the rest is the caller's.
    return until(file, file, nonblocking, () => file.write(t, io));
  }
  const n = nonblocking ? file.read(t, io) : readFile(t, file, io);
  return n === WOULD_BLOCK ? EAGAIN : n;
}
