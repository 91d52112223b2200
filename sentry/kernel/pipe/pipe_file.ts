// SPDX-License-Identifier: Apache-2.0

/**
 * The open ends of a pipe or FIFO, how they are made, and the blocking rules of opening a FIFO.
 *
 * Linux:      fs/pipe.c (fifo_open, do_pipe2, pipe_ioctl); pipe(7), fifo(7)
 * Invariants: pipe.readers and pipe.writers count files, not descriptors; a FIFO's pipe is inode.body.attachment while any is open.
 */
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '../../../platform/abi/linux/capability.ts';
import { ENOTTY, ENXIO, EPIPE, type Errno } from '../../../platform/abi/linux/errno.ts';
import { O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../../../platform/abi/linux/fcntl.ts';
import { S_IFIFO } from '../../../platform/abi/linux/stat.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { WaitQueue } from '../../wait/wait_queue.ts';
import { AnonInode, pipefs } from '../../vfs/anon_mount.ts';
import { touchModified } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { Pipe } from './pipe.ts';

const FIONREAD = 0x541b;
const SIGPIPE = 13;

function isPrivileged(creds: Credentials): boolean {
  return creds.hasCap(CAP_SYS_RESOURCE) || creds.hasCap(CAP_SYS_ADMIN);
}

/** An open end of a pipe (or both, O_RDWR on a FIFO). */
export class PipeFile extends FileDescription {
  readonly pipe: Pipe;
  override readonly waitQueue: WaitQueue;
  override readonly writesAll: boolean = true;
  override readonly readersTakeTurns = true;
  /** pipe.writerOpens when this reader was opened without a writer: end of file is no hang-up before one came. */
  private readonly bornAtWriterOpen: number;
  /** What a blocking open waits to leave behind; -1: complete. */
  private awaited = -1;

  constructor(path: Path, inode: Inode, flags: number, creds: Credentials, pipe: Pipe, isFifo: boolean) {
    super(path, inode, flags, creds);
    this.pipe = pipe;
    this.waitQueue = pipe.queue;
    if (this.isReadable) {
      pipe.readerOpens++;
      pipe.readers++;
    }
    if (this.isWritable) {
      pipe.writerOpens++;
      pipe.writers++;
    }
    pipe.wakeAll();
    const mustWait = isFifo && (flags & O_NONBLOCK) === 0;
    if (mustWait && !this.isWritable && pipe.writers === 0) this.awaited = pipe.writerOpens;
    if (mustWait && !this.isReadable && pipe.readers === 0) this.awaited = pipe.readerOpens;
    this.bornAtWriterOpen = isFifo && !mustWait && pipe.writers === 0 ? pipe.writerOpens : -1;
  }

  override get isSeekable(): boolean {
    return false;
  }

  override pendingOpen(): WaitQueue | null {
    if (this.awaited < 0) return null;
    const now = this.isReadable ? this.pipe.writerOpens : this.pipe.readerOpens;
    if (now === this.awaited) return this.pipe.queue;
    this.awaited = -1;
    return null;
  }

  protected override release(): void {
    const pipe = this.pipe;
    if (this.isReadable) pipe.readers--;
    if (this.isWritable) pipe.writers--;
    if (pipe.readers === 0 && pipe.writers === 0) {
      this.inode.body.attachment = null;
      pipe.release();
    } else if (pipe.readers === 0 || pipe.writers === 0) {
      pipe.wakeAll();
    }
  }

  override read(_ctx: IoContext, io: IoSequence): number {
    return this.pipe.read(io);
  }

  override write(ctx: IoContext, io: IoSequence): number {
    if (io.remaining === 0) return 0;
    if (this.pipe.readers === 0) {
      ctx.raiseSignal(SIGPIPE);
      return EPIPE;
    }
    const n = this.pipe.write(io, (this.flags & O_DIRECT) !== 0);
    if (n > 0) touchModified(this.inode);
    return n;
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    return cmd === FIONREAD ? ctx.memory.writeU32(arg, this.pipe.byteCount) : ENOTTY;
  }

  override poll(): number {
    const sawWriter = this.pipe.writerOpens !== this.bornAtWriterOpen;
    return this.pipe.pollBits(this.isReadable, this.isWritable, sawWriter);
  }

  override get canPoll(): boolean {
    return true;
  }

  /** F_GETPIPE_SZ. */
  get pipeSize(): number {
    return this.pipe.capacity;
  }
  /** F_SETPIPE_SZ. Returns the new size or errno. */
  setPipeSize(ctx: IoContext, bytes: number): number {
    return this.pipe.resize(bytes, isPrivileged(ctx.creds), ctx.creds.hasCap(CAP_SYS_RESOURCE));
  }

  override linkText(): ByteString | null {
    return this.inode.fs === pipefs.fs ? `pipe:[${this.inode.ino}]` : null;
  }
}

/** The inode of a pipe without a name; /proc/pid/fd/N opens it again like a FIFO, but never waits. */
class PipeInode extends AnonInode {
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return openPipe(ctx, path, this, flags, false);
  }
}

function openPipe(ctx: IoContext, path: Path, inode: Inode, flags: number, isFifo: boolean): FileDescription | Errno {
  const existing = inode.body.attachment as Pipe | null;
  if (
    isFifo &&
    (flags & O_ACCMODE) === O_WRONLY &&
    (flags & O_NONBLOCK) !== 0 &&
    (existing === null || existing.readers === 0)
  )
    return ENXIO;
  const pipe = existing ?? new Pipe(isPrivileged(ctx.creds));
  inode.body.attachment = pipe;
  const mayWait = isFifo && (flags & O_ACCMODE) !== O_RDWR;
  return new PipeFile(path, inode, flags, ctx.creds, pipe, mayWait);
}

/** Opens the FIFO `inode`. A blocking open without a partner is complete when pendingOpen() is null. Errors: ENXIO. */
export function openFifo(ctx: IoContext, path: Path, inode: Inode, flags: number): FileDescription | Errno {
  return openPipe(ctx, path, inode, flags, true);
}

/** pipe2(2): makes a pipe. `flags`: O_NONBLOCK and O_DIRECT. Returns its read end and write end. */
export function makePipe(ctx: IoContext, flags: number): [PipeFile, PipeFile] {
  const inode = new PipeInode(pipefs.fs, S_IFIFO | 0o600, ctx.creds.fsuid, ctx.creds.fsgid);
  const pipe = new Pipe(isPrivileged(ctx.creds));
  inode.body.attachment = pipe;
  const path = pipefs.place(inode);
  const kept = flags & (O_NONBLOCK | O_DIRECT);
  return [
    new PipeFile(path, inode, O_RDONLY | (kept & O_NONBLOCK), ctx.creds, pipe, false),
    new PipeFile(path, inode, O_WRONLY | kept, ctx.creds, pipe, false),
  ];
}
