// SPDX-License-Identifier: Apache-2.0

/**
 * io_submit: carries out requests at once, as Linux does with everything that is in its page cache; only polls stay pending.
 *
 * Linux:      fs/aio.c (io_submit_one)
 * Invariants: what is wrong with a request itself is io_submit's error; what its operation returns arrives as an event.
 */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINTR,
  EINVAL,
  EOPNOTSUPP,
  ERESTART_RESTARTBLOCK,
  ERESTARTSYS,
  ESPIPE,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { O_APPEND, RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOWAIT, RWF_SYNC } from '../../platform/abi/linux/fcntl.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLRDNORM } from '../../platform/abi/linux/poll.ts';
import { S_IFDIR, S_IFIFO, S_IFMT } from '../../platform/abi/linux/stat.ts';
import { EventFile } from '../../sentry/fs/anon/eventfd.ts';
import { type AioContext, findContext, type PendingRequest } from '../../sentry/kernel/aio/aio.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { IoSequence } from '../../sentry/vfs/io.ts';
import type { Blocking, SyscallReturn } from '../../sentry/wait/blocking.ts';
import type { Waiter, WaitQueue } from '../../sentry/wait/wait_queue.ts';
import { flatIo, vectorIo } from './iovec.ts';
import { ioFile } from './path_args.ts';
import { readFile, writeFile } from './read_write.ts';

const IOCB_CMD_PREAD = 0;
const IOCB_CMD_PWRITE = 1;
const IOCB_CMD_FSYNC = 2;
const IOCB_CMD_FDSYNC = 3;
const IOCB_CMD_POLL = 5;
const IOCB_CMD_PREADV = 7;
const IOCB_CMD_PWRITEV = 8;
const IOCB_FLAG_RESFD = 1;
const IOCB_FLAG_IOPRIO = 2;
const IOPRIO_CLASS_SHIFT = 13;
const RWF_KNOWN = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND;
/** sizeof(struct iocb) */
const IOCB_SIZE = 64;

/** A struct iocb as read, and the files it names. */
interface Request {
  readonly addr: number;
  readonly view: DataView;
  /** data and address of the iocb: the first half of its event. */
  readonly event: Uint8Array;
  readonly opcode: number;
  readonly file: FileDescription;
  readonly resultFile: EventFile | null;
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}

export function sys_io_submit(t: Task, id: number, count: number, array: number): SyscallReturn {
  if (count < 0) return EINVAL;
  const context = findContext(t, id);
  if (context === null) return EINVAL;
  return submitFrom(t, context, array, 0, Math.min(count, context.slots));
}

/** Submits requests from `first` on. Returns how many of all were, or the first one's error. */
function submitFrom(t: Task, context: AioContext, array: number, first: number, count: number): SyscallReturn {
  for (let i = first; i < count; i++) {
    const result = submitOne(t, context, array + i * 8);
    if (typeof result !== 'number') return goOn(t, context, result, array, i + 1, count);
    if (result < 0) return i > 0 ? i : result;
  }
  return count;
}

/** A request that blocks (reading an empty pipe) holds up the rest, as in Linux. */
function* goOn(t: Task, context: AioContext, blocking: Blocking, array: number, next: number, count: number): Blocking {
  const result = yield* blocking;
  if (result < 0) return next > 1 ? next - 1 : result;
  if (context.isDead) return next;
  const rest = submitFrom(t, context, array, next, count);
  return typeof rest === 'number' ? rest : yield* rest;
}

function submitOne(t: Task, context: AioContext, pointer: number): SyscallReturn {
  const addr = t.memory.readU64(pointer);
  if (addr < 0) return EFAULT;
  const bytes = new Uint8Array(IOCB_SIZE);
  if (t.memory.copyIn(addr, bytes, 0, IOCB_SIZE) !== IOCB_SIZE) return EFAULT;
  const view = new DataView(bytes.buffer);
  if (view.getUint32(48, true) !== 0 || view.getUint32(52, true) !== 0) return EINVAL;
  if (view.getInt32(36, true) < 0) return EINVAL;
  if (!context.hasRoom) return EAGAIN;
  const file = ioFile(t, view.getInt32(20, true));
  if (file === null) return EBADF;
  let resultFile: EventFile | null = null;
  if ((view.getUint32(56, true) & IOCB_FLAG_RESFD) !== 0) {
    const found = t.fdTable.get(view.getInt32(60, true));
    if (found === null) return EBADF;
    if (!(found instanceof EventFile)) return EINVAL;
    resultFile = found;
  }
  if (t.memory.writeU32(addr + 8, 0) !== 0) return EFAULT;
  const event = new Uint8Array(16);
  event.set(bytes.subarray(0, 8));
  const eventView = new DataView(event.buffer);
  eventView.setUint32(8, addr % 4294967296, true);
  eventView.setUint32(12, Math.floor(addr / 4294967296), true);
  return start(t, context, { addr, view, event, opcode: view.getUint16(16, true), file, resultFile });
}

function start(t: Task, context: AioContext, request: Request): SyscallReturn {
  switch (request.opcode) {
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PREADV:
    case IOCB_CMD_PWRITE:
    case IOCB_CMD_PWRITEV:
      return startTransfer(t, context, request);
    case IOCB_CMD_FSYNC:
    case IOCB_CMD_FDSYNC: {
      const { view } = request;
      if (u64(view, 24) !== 0 || u64(view, 32) !== 0 || u64(view, 40) !== 0 || view.getInt32(12, true) !== 0)
        return EINVAL;
      const result = request.file.fsync(t, request.opcode === IOCB_CMD_FDSYNC);
      // A file that cannot be synchronised has no such operation: EINVAL from io_submit itself.
      if (result === EINVAL) return EINVAL;
      finish(context, request, result);
      return 0;
    }
    case IOCB_CMD_POLL:
      return startPoll(context, request);
    default:
      return EINVAL;
  }
}

/** The result as an event shows it. */
function finish(context: AioContext, request: Request, result: number): void {
  const shown = result <= ERESTARTSYS && result >= ERESTART_RESTARTBLOCK ? EINTR : result;
  if (!context.isDead) context.complete(request.event, shown);
  request.resultFile?.signal();
}

// -----------------------------------------------------------------------------------------------------------------
// Reading and writing

function startTransfer(t: Task, context: AioContext, request: Request): SyscallReturn {
  const { view, file, opcode } = request;
  const rwFlags = view.getInt32(12, true);
  const priority = view.getUint16(18, true);
  if ((view.getUint32(56, true) & IOCB_FLAG_IOPRIO) !== 0 && priority >> IOPRIO_CLASS_SHIFT > 3) return EINVAL;
  if ((rwFlags & ~RWF_KNOWN) !== 0) return EOPNOTSUPP;
  const isWrite = opcode === IOCB_CMD_PWRITE || opcode === IOCB_CMD_PWRITEV;
  if (isWrite ? !file.isWritable : !file.isReadable) return EBADF;
  // No read_iter or write_iter.
  if ((file.inode.mode & S_IFMT) === S_IFDIR || (isWrite && file instanceof EventFile)) return EINVAL;
  const isVector = opcode === IOCB_CMD_PREADV || opcode === IOCB_CMD_PWRITEV;
  const addr = u64(view, 24);
  const length = u64(view, 32);
  const io = isVector ? vectorIo(t, addr, length) : flatIo(t, addr, length);
  if (isErrno(io)) return io;
  const offset = view.getInt32(44, true) * 4294967296 + view.getUint32(40, true);
  if (file.isSeekable && offset < 0) return EINVAL;
  const result = transfer(t, request, io, isWrite, offset, rwFlags);
  if (typeof result === 'number') finish(context, request, result);
  // It would have to wait, and is not to: nothing has been begun.
  else if ((rwFlags & RWF_NOWAIT) !== 0) finish(context, request, EAGAIN);
  else return finishLater(t, context, request, result);
  return 0;
}

function transfer(
  t: Task,
  request: Request,
  io: IoSequence,
  isWrite: boolean,
  offset: number,
  rwFlags: number,
): SyscallReturn {
  const { file } = request;
  if (!file.isSeekable) return isWrite ? writeFile(t, file, io) : readFile(t, file, io);
  if (!isWrite) return file.pread(t, io, offset);
  const saved = file.flags;
  if ((rwFlags & RWF_APPEND) !== 0) file.flags |= O_APPEND;
  // With O_APPEND the offset is ignored: that is what write() does, but it also moves the position.
  const position = file.position;
  const appends = (file.flags & O_APPEND) !== 0;
  const n = appends ? file.write(t, io) : file.pwrite(t, io, offset);
  if (appends) file.position = position;
  file.flags = saved;
  if (n > 0 && (rwFlags & (RWF_SYNC | RWF_DSYNC)) !== 0) file.fsync(t, (rwFlags & RWF_SYNC) === 0);
  return n === ESPIPE ? EINVAL : n;
}

function* finishLater(_t: Task, context: AioContext, request: Request, blocking: Blocking): Blocking {
  const { resultFile } = request;
  resultFile?.incRef();
  context.inFlight++;
  try {
    finish(context, request, yield* blocking);
    return 0;
  } finally {
    context.inFlight--;
    resultFile?.decRef();
  }
}

// -----------------------------------------------------------------------------------------------------------------
// Polling

class PendingPoll implements PendingRequest, Waiter {
  readonly iocb: number;
  private readonly context: AioContext;
  private readonly request: Request;
  private readonly events: number;

  constructor(context: AioContext, request: Request, events: number) {
    this.context = context;
    this.request = request;
    this.iocb = request.addr;
    this.events = events;
    request.file.incRef();
    request.resultFile?.incRef();
    context.pending.add(this);
    request.file.waitQueue.add(this, events);
  }

  notify(_queue: WaitQueue, _mask: number): boolean {
    const { file } = this.request;
    const ready = file.poll() & this.events;
    if (ready === 0) return false;
    // A pipe's wake-up says POLLRDNORM as well, and that is what is shown.
    const isPipe = (file.inode.mode & S_IFMT) === S_IFIFO;
    this.end(isPipe && (ready & EPOLLIN) !== 0 ? ready | EPOLLRDNORM : ready);
    return true;
  }
  cancel(): void {
    this.end(0);
  }
  private end(result: number): void {
    const { file, resultFile } = this.request;
    if (!this.context.pending.delete(this)) return;
    file.waitQueue.remove(this);
    finish(this.context, this.request, result);
    file.decRef();
    resultFile?.decRef();
  }
}

function startPoll(context: AioContext, request: Request): number {
  const { view, file } = request;
  const wanted = u64(view, 24);
  if (wanted > 0xffff) return EINVAL;
  if (u64(view, 32) !== 0 || u64(view, 40) !== 0 || view.getInt32(12, true) !== 0) return EINVAL;
  const events = wanted | EPOLLERR | EPOLLHUP;
  const ready = file.poll() & events;
  if (ready !== 0) {
    finish(context, request, ready);
    return 0;
  }
  if (!file.canPoll) return EINVAL;
  new PendingPoll(context, request, events);
  return 0;
}
