// SPDX-License-Identifier: Apache-2.0

/**
 * FileDescription: an open file (open(2)'s "open file description"); descriptors and mappings refer to it.
 *
 * Linux:      include/linux/fs.h (struct file, file_operations); gVisor: vfs.FileDescription
 * Invariants: no operation blocks: one that would returns WOULD_BLOCK (EAGAIN) whatever O_NONBLOCK says, and the
 *             syscall handler waits on waitQueue. State changes that could end such a wait must wake waitQueue with the
 *             EPOLL* bits that became true. Reference counted: release() runs when the last reference goes.
 */
import {
  EBADF,
  EINVAL,
  EISDIR,
  ENODEV,
  ENOTDIR,
  ENOTTY,
  EPERM,
  EOPNOTSUPP,
  ESPIPE,
  type Errno,
  WOULD_BLOCK,
} from '../../platform/abi/linux/errno.ts';
import type { Credentials } from '../auth/credentials.ts';
import { WaitQueue } from '../wait/wait_queue.ts';
import type { IoContext } from './context.ts';
import { dropFileLocks } from './file_locks.ts';
import { dropLease } from './leases.ts';
import type { ByteString, Inode } from './inode.ts';
import type { IoSequence } from './io.ts';
import { type Path, pathGet, pathPut } from './mount.ts';
import { fsNotify, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, notifyUse } from './notify.ts';

const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_RDONLY = 0;
const O_NONBLOCK = 0o4000;
const O_PATH = 0o10000000;

/** EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM: what a plain file always is. */
const ALWAYS_READY = 0x145;

/** What a mapping of a file is made of: a host descriptor of the Sentry's and where in it. fd -1: anonymous memory. */
export interface HostMapping {
  fd: number;
  offset: number;
}

/** Receives directory entries: returns false to stop (buffer full; the entry is not consumed). */
export type DirEmit = (name: ByteString, ino: number, dtype: number, nextOffset: number) => boolean;

export abstract class FileDescription {
  readonly path: Path;
  readonly inode: Inode;
  /** O_ACCMODE and status flags as F_GETFL shows them (without O_CLOEXEC, O_CREAT...). */
  flags: number;
  /** Credentials at open time. */
  readonly creds: Credentials;
  /** File position; unused by files without one. */
  position = 0;
  /** Woken with EPOLL* bits on changes. Files that are always ready never wake it. */
  readonly waitQueue = new WaitQueue();
  /** This open made the file (F_CREATED_QUERY). */
  wasCreated = false;
  /** F_SETOWN/F_SETSIG state and the like, owned by fcntl. */
  async: unknown = null;
  /** Sends SIGURG to the owner of F_SETOWN; set with the owner. */
  urgentSignal: (() => void) | null = null;
  /** Epoll items and other watchers that must be told when the last descriptor goes. */
  readonly onLastClose = new Set<() => void>();
  /** What is done with it is told to nobody: it came with an event of fanotify, or serves another open file. */
  isSilent = false;
  private refs = 1;
  private isWriter = false;
  private isReader = false;

  constructor(path: Path, inode: Inode, flags: number, creds: Credentials) {
    this.path = path;
    this.inode = inode;
    this.flags = flags;
    this.creds = creds;
    pathGet(path);
  }

  get isDirectory(): boolean {
    return (this.inode.mode & 0o170000) === 0o040000;
  }
  get isReadable(): boolean {
    return (this.flags & O_ACCMODE) !== O_WRONLY && (this.flags & O_PATH) === 0;
  }
  get isWritable(): boolean {
    return (this.flags & O_ACCMODE) !== O_RDONLY && (this.flags & O_PATH) === 0;
  }
  get isNonblocking(): boolean {
    return (this.flags & O_NONBLOCK) !== 0;
  }
  /** Has read() or write() at all; those without answer EINVAL before they look at the buffer. */
  get hasRead(): boolean {
    return this.isDirectory || this.read !== FileDescription.prototype.read;
  }
  get hasWrite(): boolean {
    return this.isDirectory || this.write !== FileDescription.prototype.write;
  }
  /** True when pread/pwrite/lseek make sense (regular files, directories, block devices). */
  get isSeekable(): boolean {
    return true;
  }

  /** splice(2) and sendfile(2) can read from it. */
  get splicesOut(): boolean {
    return !this.isDirectory;
  }
  /** splice(2) and sendfile(2) can write to it. */
  get splicesIn(): boolean {
    return !this.isDirectory;
  }
  /** True: reads and writes leave an offset where it is (memory devices). */
  readonly ignoresOffset: boolean = false;
  /** True: a blocking write(2) that was cut short goes on until all is written (pipes, stream sockets, ttys). */
  readonly writesAll: boolean = false;
  /** True: of several blocked readers only one is woken for what comes, and a read that leaves something wakes the next (pipes). */
  readonly readersTakeTurns: boolean = false;
  /** SO_RCVTIMEO and SO_SNDTIMEO in ns: how long a blocking read or write waits. */
  get readTimeoutNs(): number {
    return Number.POSITIVE_INFINITY;
  }
  /** The time of a read begins again when something of it has come (a terminal's VTIME). */
  get restartsReadTimeout(): boolean {
    return false;
  }
  /** What a blocking read gives that cannot wait longer: WOULD_BLOCK, or what has come so far. */
  readCutShort(_ctx: IoContext, _io: IoSequence, _why: 'timeout' | 'signal'): number {
    return WOULD_BLOCK;
  }
  get writeTimeoutNs(): number {
    return Number.POSITIVE_INFINITY;
  }
  /** Has poll(): epoll_ctl(2) answers EPERM for files without (regular files, directories, block devices). */
  get canPoll(): boolean {
    const type = this.inode.mode & 0o170000;
    return type !== 0o100000 && type !== 0o040000 && type !== 0o060000;
  }

  /** O_DIRECT can be set (FMODE_CAN_ODIRECT). */
  get canDirect(): boolean {
    const type = this.inode.mode & 0o170000;
    return type === 0o100000 || type === 0o010000 || type === 0o060000;
  }
  /** Has a way to send SIGIO (f_op->fasync): terminals, pipes, sockets. */
  get canFasync(): boolean {
    const type = this.inode.mode & 0o170000;
    return this.canPoll && (type === 0o010000 || type === 0o140000 || type === 0o020000);
  }

  /** Opened for writing by path: the file cannot be executed until this is released (ETXTBSY). Called once, by open. */
  countAsWriter(): void {
    this.isWriter = true;
    this.inode.writers++;
    this.path.mount.writers++;
    this.path.mount.fs.writers++;
  }
  /** Opened by path for reading only: somebody else cannot get a write lease. Called once, by open. */
  countAsReader(): void {
    this.isReader = true;
    this.inode.readers++;
  }
  incRef(): void {
    this.refs++;
  }
  /** Drops a reference; at zero the file is released. */
  decRef(): void {
    if (--this.refs === 0) {
      if (this.isWriter) {
        this.inode.writers--;
        this.path.mount.writers--;
        this.path.mount.fs.writers--;
      } else if (this.isReader) this.inode.readers--;
      for (const callback of this.onLastClose) callback();
      if (this.inode.body.locks !== null) {
        dropFileLocks(this.inode, this);
        dropLease(this.inode, this);
      }
      const { marks } = this.inode;
      if (marks !== null || fsNotify.pathHook !== null || this.path.dentry.parent?.inode?.marks != null)
        notifyUse(this, this.isWritable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
      this.release();
      pathPut(this.path);
    }
  }
  get refCount(): number {
    return this.refs;
  }
  /** Lets go of everything. Called once. */
  protected release(): void {}

  /**
   * open(2) that has to wait (a FIFO without its other end): the queue whose wake-ups may end the wait, or null when the
   * open is complete. The handler asks again after each wake-up; on a signal it drops the file and unwinds.
   */
  pendingOpen(): WaitQueue | null {
    return null;
  }

  /** close(2) of one descriptor (not the last reference necessarily). Returns 0 or errno. */
  flush(_ctx: IoContext): number {
    return 0;
  }

  /** Reads at the file position and advances it. Returns bytes (0: end of file), WOULD_BLOCK or errno. */
  read(_ctx: IoContext, _io: IoSequence): number {
    return this.isDirectory ? EISDIR : EINVAL;
  }
  /** Writes at the file position (end of file with O_APPEND) and advances it. */
  write(_ctx: IoContext, _io: IoSequence): number {
    return EINVAL;
  }
  /** Reads at `offset` without touching the position. */
  pread(_ctx: IoContext, _io: IoSequence, _offset: number): number {
    return this.isDirectory ? EISDIR : ESPIPE;
  }
  pwrite(_ctx: IoContext, _io: IoSequence, _offset: number): number {
    return ESPIPE;
  }
  /** lseek(2). Returns the new position or errno. */
  seek(_ctx: IoContext, _offset: number, _whence: number): number {
    return ESPIPE;
  }
  /** Emits directory entries from the position on, "." and ".." included, and advances it. Returns 0 or errno. */
  readdir(_ctx: IoContext, _emit: DirEmit): number {
    return ENOTDIR;
  }
  /** ioctl(2); `arg` as an unsigned 64-bit Number (usually an address in ctx.memory). */
  ioctl(_ctx: IoContext, _cmd: number, _arg: number): number {
    return ENOTTY;
  }
  /** Current readiness: EPOLL* bits. */
  poll(): number {
    return ALWAYS_READY;
  }
  /** Descriptor to map for [offset, offset+length) (page aligned). Errors: ENODEV, EACCES. `sharing` 'shared' with writable prot needs a writable descriptor. */
  mmap(
    _ctx: IoContext,
    _offset: number,
    _length: number,
    _prot: number,
    _sharing: 'private' | 'shared',
  ): HostMapping | Errno {
    return ENODEV;
  }
  fsync(_ctx: IoContext, _dataOnly: boolean): number {
    return EINVAL;
  }
  /** fallocate(2); mode FALLOC_FL_*. */
  fallocate(_ctx: IoContext, _mode: number, _offset: number, _length: number): number {
    return EOPNOTSUPP;
  }
  /** Told when F_SETFL changes flags (O_NONBLOCK, O_APPEND, O_ASYNC...). Returns 0 or errno. */
  setStatusFlags(flags: number): number {
    this.flags = flags;
    return 0;
  }
  /** F_ADD_SEALS. Errors: EINVAL for files that cannot be sealed, EPERM. */
  addSeals(_seals: number): number {
    return this.isWritable ? EINVAL : EPERM;
  }
  /** F_GET_SEALS. */
  getSeals(): number {
    return EINVAL;
  }
  /** Extra lines of /proc/pid/fdinfo/N after pos, flags, mnt_id (each ending in \n). */
  fdinfo(): string {
    return '';
  }
  /** Text of the /proc/pid/fd/N link when it is not a path ("pipe:[7]", "socket:[9]", "anon_inode:[eventpoll]"); null: path. */
  linkText(): ByteString | null {
    return null;
  }
}

/** An O_PATH descriptor: names a place, does no I/O. */
export class PathDescription extends FileDescription {
  override read(): number {
    return EBADF;
  }
  override write(): number {
    return EBADF;
  }
  override pread(): number {
    return EBADF;
  }
  override pwrite(): number {
    return EBADF;
  }
  override seek(): number {
    return EBADF;
  }
  override readdir(): number {
    return EBADF;
  }
  override ioctl(): number {
    return EBADF;
  }
  override mmap(): Errno {
    return EBADF;
  }
  override fsync(): number {
    return EBADF;
  }
}
