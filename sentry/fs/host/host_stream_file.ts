// SPDX-License-Identifier: Apache-2.0

/**
 * Pipes, sockets, terminals and other streams given as descriptors.
 *
 * Invariants: a call on the host never waits: pipes and sockets are asked not to (RWF_NOWAIT); on anything else a call is made only after
 *             poll(2) said it would not wait, and writes go in pieces of PIPE_BUF bytes, which is what a writable one takes.
 */
import { EAGAIN, EBADF, EOPNOTSUPP, EPIPE, ENOTTY, ESPIPE } from '../../../platform/abi/linux/errno.ts';
import { majorOf } from '../../../platform/abi/linux/stat.ts';
import type { HostFiles } from '../../../platform/platform.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { HostInode } from './host_filesystem.ts';
import { HostWatch } from './host_watch.ts';

const POLLIN = 1;
const POLLPRI = 2;
const POLLOUT = 4;
const POLLERR = 8;
const POLLHUP = 16;
const POLLRDNORM = 0x40;
const POLLWRNORM = 0x100;
const POLLRDHUP = 0x2000;
const SIGPIPE = 13;
const FIONREAD = 0x541b;
const PIPE_BUF = 4096;
/** /dev/null, /dev/zero and their kin. */
const MEM_MAJOR = 1;
const READ_CHUNK = 65536;
const O_NONBLOCK = 0o4000;
const scratch = new Uint8Array(READ_CHUNK);
const word = new Uint8Array(8);

/** The one watch of an inode's descriptor, shared by its open files. */
function watchOf(inode: HostInode): HostWatch {
  if (inode.watch === null) inode.watch = new HostWatch(inode.fs.services.platform, inode.hostFd);
  return inode.watch;
}

export class HostStreamFile extends FileDescription {
  declare readonly inode: HostInode;

  override get isSeekable(): boolean {
    return false;
  }

  override read(_ctx: IoContext, io: IoSequence): number {
    return this.readAtMost(io, READ_CHUNK);
  }

  /** Reads up to `limit` bytes, READ_CHUNK at most. */
  protected readAtMost(io: IoSequence, limit: number): number {
    if (!this.isReadable) return EBADF;
    if (io.remaining === 0) return 0;
    const inode = this.inode;
    const want = Math.min(io.remaining, limit, READ_CHUNK);
    if (inode.takesNow) {
      const n = inode.fs.services.files.readNow(inode.hostFd, scratch, 0, want);
      if (n === EAGAIN) return this.notReady(POLLIN);
      if (n !== EOPNOTSUPP) return n <= 0 ? n : io.put(scratch, 0, n);
      inode.takesNow = false;
    }
    if (!this.isReady(POLLIN)) return this.notReady(POLLIN);
    const n = inode.fs.services.files.read(inode.hostFd, scratch, 0, want);
    if (n === EAGAIN) return this.notReady(POLLIN);
    return n <= 0 ? n : io.put(scratch, 0, n);
  }

  /** /dev/null and its like are always ready: epoll does not take them. */
  override get canPoll(): boolean {
    return majorOf(this.inode.rdev) !== MEM_MAJOR && super.canPoll;
  }
  override write(ctx: IoContext, io: IoSequence): number {
    if (!this.isWritable) return EBADF;
    const inode = this.inode;
    const { files } = inode.fs.services;
    if (inode.takesNow) {
      const n = this.writeNow(ctx, io);
      if (n !== EOPNOTSUPP) return n;
      inode.takesNow = false;
    }
    // A description that is non-blocking by itself takes what it can; another one is asked before each piece.
    const neverWaits = (inode.hostFlags & O_NONBLOCK) !== 0 || majorOf(inode.rdev) === MEM_MAJOR;
    let done = 0;
    while (io.remaining > 0) {
      if (!neverWaits && !this.isReady(POLLOUT)) return done > 0 ? done : this.notReady(POLLOUT);
      const taken = io.take(scratch, 0, Math.min(io.remaining, READ_CHUNK));
      if (taken < 0) return done > 0 ? done : taken;
      const n = this.writePieces(files, taken, neverWaits ? READ_CHUNK : PIPE_BUF);
      if (n < taken) io.rewind(taken - Math.max(n, 0));
      if (n < 0) return done > 0 ? done : this.writeFailed(ctx, n);
      done += n;
      if (n < taken) break;
    }
    return done;
  }

  private writeNow(ctx: IoContext, io: IoSequence): number {
    const inode = this.inode;
    let done = 0;
    while (io.remaining > 0) {
      const taken = io.take(scratch, 0, Math.min(io.remaining, READ_CHUNK));
      if (taken < 0) return done > 0 ? done : taken;
      const n = inode.fs.services.files.writeNow(inode.hostFd, scratch, 0, taken);
      if (n < taken) io.rewind(taken - Math.max(n, 0));
      if (n < 0) return done > 0 || n === EOPNOTSUPP ? done || n : this.writeFailed(ctx, n);
      done += n;
      if (n < taken) break;
    }
    return done;
  }

  /** Writes scratch[0..length] in pieces, asking before each but the first. Returns bytes written, or errno when none were. */
  private writePieces(files: HostFiles, length: number, piece: number): number {
    let at = 0;
    while (at < length) {
      if (at > 0 && !this.isReady(POLLOUT)) return at;
      const want = Math.min(piece, length - at);
      const n = files.write(this.inode.hostFd, scratch, at, want);
      if (n < 0) return at > 0 ? at : n;
      at += n;
      if (n < want) break;
    }
    return at;
  }

  private writeFailed(ctx: IoContext, errno: number): number {
    if (errno === EPIPE) ctx.raiseSignal(SIGPIPE);
    return errno === EAGAIN ? this.notReady(POLLOUT) : errno;
  }

  override pread(): number {
    return ESPIPE;
  }
  override pwrite(): number {
    return ESPIPE;
  }

  /** Would a call for `events` go through now (an error or hang-up included)? */
  protected isReady(events: number): boolean {
    const revents = this.inode.fs.services.files.poll(this.inode.hostFd, events);
    return revents < 0 || (revents & (events | POLLERR | POLLHUP)) !== 0;
  }

  /** Sees to it that readiness wakes the waiters; returns EAGAIN. */
  protected notReady(events: number): number {
    watchOf(this.inode).arm(events, this.waitQueue);
    return EAGAIN;
  }

  override poll(): number {
    let interest = POLLPRI | POLLRDHUP;
    if (this.isReadable) interest |= POLLIN;
    if (this.isWritable) interest |= POLLOUT;
    const revents = this.inode.fs.services.files.poll(this.inode.hostFd, interest);
    if (revents < 0) return POLLERR;
    const missing = interest & ~revents & (POLLIN | POLLOUT | POLLRDHUP);
    if (missing !== 0 && (revents & (POLLHUP | POLLERR)) === 0) this.notReady(missing);
    let ready = revents;
    if ((revents & POLLIN) !== 0) ready |= POLLRDNORM;
    if ((revents & POLLOUT) !== 0) ready |= POLLWRNORM;
    return ready;
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    if (cmd !== FIONREAD) return ENOTTY;
    const r = this.inode.fs.services.files.ioctl(this.inode.hostFd, FIONREAD, word);
    if (r < 0) return r;
    return ctx.memory.writeU32(arg, new DataView(word.buffer).getUint32(0, true));
  }

  /** Pipes and sockets have no data to sync; terminals neither. Linux: EINVAL. */
  override linkText(): ByteString | null {
    const { inode } = this;
    if (inode.kind === 'pipe') return `pipe:[${inode.ino}]`;
    // /dev/null and its kin are what they are everywhere.
    const known = inode.rdev === 0x103 ? '/dev/null' : inode.rdev === 0x105 ? '/dev/zero' : null;
    return known ?? `host:[${inode.ino}]`;
  }

  protected override release(): void {
    this.inode.watch?.forget(this.waitQueue);
    this.inode.closed();
  }
}
