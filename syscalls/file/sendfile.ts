// SPDX-License-Identifier: Apache-2.0

/**
 * sendfile and copy_file_range: from file to file through one kernel buffer.
 *
 * Linux:      fs/read_write.c (do_sendfile, vfs_copy_file_range)
 * Invariants: the shared buffer is never trusted across a wait: what was not written is read again.
 */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EISDIR,
  EOVERFLOW,
  ERESTARTSYS,
  ESPIPE,
  EXDEV,
  WOULD_BLOCK,
} from '../../platform/abi/linux/errno.ts';
import { O_APPEND } from '../../platform/abi/linux/fcntl.ts';
import { S_IFDIR, S_IFMT, S_IFREG } from '../../platform/abi/linux/stat.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import { BufferIo } from '../../sentry/vfs/io.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL } from '../../sentry/wait/blocking.ts';
import { MAX_RW_COUNT } from './iovec.ts';
import { readOffset } from './offset_arg.ts';
import { ioFile } from './path_args.ts';
import { PipeFile } from '../../sentry/kernel/pipe/pipe_file.ts';
import { WRITE_MASK } from './read_write.ts';
import { fillPipe } from './splice.ts';

const CHUNK = 1 << 17;
const chunk = Buffer.allocUnsafeSlow(CHUNK);

/** A transfer under way. */
class Transfer {
  readonly from: FileDescription;
  readonly to: FileDescription;
  /** Position in `from`. */
  pos: number;
  /** Position in `to`; -1: its own. */
  toPos: number;
  left: number;
  done = 0;

  constructor(from: FileDescription, to: FileDescription, pos: number, toPos: number, count: number) {
    this.from = from;
    this.to = to;
    this.pos = pos;
    this.toPos = toPos;
    this.left = Math.min(count, MAX_RW_COUNT);
  }

  /** Moves until all is done or something stops it. Returns 0 when finished, WOULD_BLOCK, or errno. */
  run(t: Task): number {
    while (this.left > 0) {
      const read = this.from.pread(t, new BufferIo(chunk, Math.min(CHUNK, this.left)), this.pos);
      if (read <= 0) return read;
      if (!this.to.splicesIn) return EINVAL;
      const io = new BufferIo(chunk, read);
      const written = this.toPos >= 0 ? this.to.pwrite(t, io, this.toPos) : this.to.write(t, io);
      if (written < 0) return written;
      if (!this.from.ignoresOffset) this.pos += written;
      this.left -= written;
      this.done += written;
      if (this.toPos >= 0) this.toPos += written;
      if (written < read && !this.to.writesAll) return 0;
    }
    return 0;
  }
}

/** sendfile(2). */
export function sys_sendfile(t: Task, outFd: number, inFd: number, offsetAddr: number, count: number): SyscallReturn {
  let pos = -1;
  if (offsetAddr !== 0) {
    const given = readOffset(t, offsetAddr);
    if (given === null) return EFAULT;
    pos = given;
  }
  const result = sendFrom(t, outFd, inFd, offsetAddr, pos, count);
  // The offset is written back whatever the outcome.
  if (typeof result === 'number' && result < 0 && offsetAddr !== 0 && t.memory.writeU64(offsetAddr, pos) !== 0)
    return EFAULT;
  return result;
}

function sendFrom(
  t: Task,
  outFd: number,
  inFd: number,
  offsetAddr: number,
  pos: number,
  count: number,
): SyscallReturn {
  const from = ioFile(t, inFd);
  if (from === null || !from.isReadable) return EBADF;
  if (offsetAddr !== 0 && !from.isSeekable) return ESPIPE;
  if (offsetAddr !== 0 && pos < 0) return EINVAL;
  const to = ioFile(t, outFd);
  if (to === null || !to.isWritable) return EBADF;
  if (!from.splicesOut || from instanceof PipeFile) return EINVAL;
  // Only into a pipe can bytes go that cannot be read again.
  if (!from.isSeekable && to instanceof PipeFile) return fillPipe(t, from, to, count, to.isNonblocking);
  if (!from.isSeekable || (to.flags & O_APPEND) !== 0) return EINVAL;
  const transfer = new Transfer(from, to, offsetAddr === 0 ? from.position : pos, -1, count);
  const result = transfer.run(t);
  if (result === WOULD_BLOCK && !to.isNonblocking) return sendBlocking(t, transfer, offsetAddr);
  return finishSend(t, transfer, offsetAddr, result);
}

function finishSend(t: Task, transfer: Transfer, offsetAddr: number, result: number): number {
  if (offsetAddr === 0) transfer.from.position = transfer.pos;
  else if (t.memory.writeU64(offsetAddr, transfer.pos) !== 0) return EFAULT;
  return transfer.done > 0 ? transfer.done : result;
}

function* sendBlocking(t: Task, transfer: Transfer, offsetAddr: number): Blocking {
  const { from, to } = transfer;
  from.incRef();
  to.incRef();
  try {
    for (;;) {
      const reason = yield { queues: [to.waitQueue], mask: WRITE_MASK, deadlineNs: Number.POSITIVE_INFINITY };
      const result = transfer.run(t);
      if (result !== WOULD_BLOCK) return finishSend(t, transfer, offsetAddr, result);
      if (reason === WAKE_SIGNAL) return finishSend(t, transfer, offsetAddr, ERESTARTSYS);
      if (to.isNonblocking) return finishSend(t, transfer, offsetAddr, EAGAIN);
    }
  } finally {
    from.decRef();
    to.decRef();
  }
}

/** What copy_file_range refuses about the two files. Returns 0 or errno. */
function copyable(from: FileDescription, to: FileDescription): number {
  const fromType = from.inode.mode & S_IFMT;
  const toType = to.inode.mode & S_IFMT;
  if (fromType === S_IFDIR || toType === S_IFDIR) return EISDIR;
  if (fromType !== S_IFREG || toType !== S_IFREG) return EINVAL;
  if (!from.isReadable || !to.isWritable || (to.flags & O_APPEND) !== 0) return EBADF;
  return from.inode.fs === to.inode.fs ? 0 : EXDEV;
}

export function sys_copy_file_range(
  t: Task,
  inFd: number,
  inOff: number,
  outFd: number,
  outOff: number,
  count: number,
  flags: number,
): SyscallReturn {
  const from = ioFile(t, inFd);
  const to = ioFile(t, outFd);
  if (from === null || to === null) return EBADF;
  const inPos = inOff === 0 ? from.position : readOffset(t, inOff);
  const outPos = outOff === 0 ? to.position : readOffset(t, outOff);
  if (inPos === null || outPos === null) return EFAULT;
  if (flags !== 0) return EINVAL;
  const refused = copyable(from, to);
  if (refused !== 0) return refused;
  for (const pos of [inPos, outPos]) if (pos < 0) return pos + count >= 0 ? EOVERFLOW : EINVAL;
  if (inPos + count >= 2 ** 63 || outPos + count >= 2 ** 63) return EOVERFLOW;
  from.inode.refreshAttributes();
  const length = Math.min(count, Math.max(0, from.inode.size - inPos));
  if (from.inode === to.inode && inPos < outPos + length && outPos < inPos + length) return EINVAL;
  if (length === 0) return 0;
  const transfer = new Transfer(from, to, inPos, outPos, length);
  const result = transfer.run(t);
  if (transfer.done > 0) {
    if (inOff === 0) from.position = transfer.pos;
    else if (t.memory.writeU64(inOff, transfer.pos) !== 0) return EFAULT;
    if (outOff === 0) to.position = transfer.toPos;
    else if (t.memory.writeU64(outOff, transfer.toPos) !== 0) return EFAULT;
  }
  return transfer.done > 0 ? transfer.done : result;
}
