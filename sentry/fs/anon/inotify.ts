// SPDX-License-Identifier: Apache-2.0

/**
 * inotify(7): watches on inodes and the queue of what happened to them.
 *
 * Linux:      fs/notify/inotify/
 * Invariants: inode.marks is null or the non-empty set of its watches. A watch pins its dentry, so that the inode object
 *             stays the one events are about. The queue never exceeds max_queued_events + 1 (the overflow event).
 * Differs:    of changes made outside the sandbox only those in bind mounts are seen (sentry/fs/gofer/host_watches.ts).
 */
import { EEXIST, EFAULT, EINVAL, ENOSPC, ENOTTY, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import { O_NONBLOCK, O_RDONLY } from '../../../platform/abi/linux/fcntl.ts';
import { EPOLLIN, EPOLLRDNORM } from '../../../platform/abi/linux/poll.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { type Path, pathGet, pathPut } from '../../vfs/mount.ts';
import { fsNotify, IN_DELETE_SELF, IN_MOVED_FROM, IN_MOVED_TO } from '../../vfs/notify.ts';
import { AnonFile } from './anon_file.ts';

export const IN_ALL_EVENTS = 0xfff;
export const IN_UNMOUNT = 0x2000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
export const IN_ONLYDIR = 0x01000000;
export const IN_DONT_FOLLOW = 0x02000000;
export const IN_EXCL_UNLINK = 0x04000000;
export const IN_MASK_CREATE = 0x10000000;
export const IN_MASK_ADD = 0x20000000;
export const IN_ONESHOT = 0x80000000;
const FIONREAD = 0x541b;
/** sizeof(struct inotify_event) without the name; names are padded to a multiple of it. */
const HEADER = 16;

/** What /proc/pid/fdinfo shows of a mask. */
const SHOWN_BITS = IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT;

export const inotifyLimits = sysctlHooks.inotify;
export const inotifyUse = { instances: 0, watches: 0 };

/** Who is told of the events of a watch. */
interface EventSink {
  onEvent(watch: Watch, mask: number, name: ByteString, cookie: number): void;
}

interface Watch {
  readonly owner: EventSink;
  readonly wd: number;
  readonly inode: Inode;
  /** Null once the file has been removed. */
  path: Path | null;
  mask: number;
}

interface QueuedEvent {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: ByteString;
}

function eventSize(event: QueuedEvent): number {
  return event.name === '' ? HEADER : HEADER + Math.ceil((event.name.length + 1) / HEADER) * HEADER;
}

/** vfs calls this for every event on an inode that has marks. */
function deliver(inode: Inode, mask: number, name: ByteString, cookie: number, isUnlinked: boolean): void {
  inode.notified(mask, name);
  for (const watch of [...(inode.marks as Set<Watch>)]) {
    if (isUnlinked && (watch.mask & IN_EXCL_UNLINK) !== 0) continue;
    watch.owner.onEvent(watch, mask, name, cookie);
  }
}

function unpin(watch: Watch): void {
  const { path } = watch;
  if (path === null) return;
  watch.path = null;
  path.mount.refs++;
  pathPut(path);
}

const instances = new Set<InotifyFile>();

/** vfs calls this when the last mount of a filesystem went. */
function unmounted(fs: Filesystem): void {
  for (const instance of [...instances]) instance.onUnmount(fs);
}

/** vfs calls this when a file has been removed. */
function letGo(inode: Inode): void {
  for (const watch of [...(inode.marks as Set<Watch>)]) unpin(watch);
}

/** From now on vfs says what happens. */
function listen(): void {
  fsNotify.hook = deliver;
  fsNotify.letGo = letGo;
  fsNotify.unmounted = unmounted;
}

/** In the mask of a DirectoryMark: an entry got another name in the same directory. */
export const DN_RENAME_WITHIN = 0x10000;

/** dnotify's mark on a directory: tells of events of its entries, once or until end(). */
export class DirectoryMark implements EventSink {
  isLive = true;
  private movedFrom = -1;
  private readonly watch: Watch;
  private isLasting: boolean;
  private readonly tell: () => void;

  constructor(inode: Inode, mask: number, isLasting: boolean, tell: () => void) {
    this.watch = { owner: this, wd: 0, inode, path: null, mask };
    this.isLasting = isLasting;
    this.tell = tell;
    listen();
    const marks = (inode.marks as Set<Watch> | null) ?? new Set<Watch>();
    marks.add(this.watch);
    inode.marks = marks;
    if (marks.size === 1) inode.watchedChanged(true);
  }
  add(mask: number, isLasting: boolean): void {
    this.watch.mask |= mask;
    this.isLasting ||= isLasting;
  }
  onEvent(watch: Watch, mask: number, _name: ByteString, cookie: number): void {
    // A rename within the directory is both halves of one move.
    const isRename = (mask & IN_MOVED_TO) !== 0 && cookie === this.movedFrom;
    if ((mask & IN_MOVED_FROM) !== 0) this.movedFrom = cookie;
    const happened = (mask & IN_ALL_EVENTS) | (isRename ? DN_RENAME_WITHIN : 0);
    if ((happened & watch.mask) === 0) return;
    this.tell();
    if (!this.isLasting) this.end();
  }
  end(): void {
    if (!this.isLive) return;
    this.isLive = false;
    unmark(this.watch);
  }
}

/** Takes a watch off its inode. */
function unmark(watch: Watch): void {
  const marks = watch.inode.marks as Set<Watch> | null;
  marks?.delete(watch);
  if (marks?.size === 0) {
    watch.inode.marks = null;
    watch.inode.watchedChanged(false);
  }
}

export class InotifyFile extends AnonFile {
  override get canFasync(): boolean {
    return true;
  }
  private readonly watches = new Map<number, Watch>();
  private queue: QueuedEvent[] = [];
  private queuedBytes = 0;
  private lastWd = 0;

  constructor(flags: number, creds: Credentials) {
    super('inotify', O_RDONLY | (flags & O_NONBLOCK), creds);
    inotifyUse.instances++;
    listen();
    instances.add(this);
  }

  protected override release(): void {
    inotifyUse.instances--;
    instances.delete(this);
    for (const watch of this.watches.values()) this.detach(watch);
    this.watches.clear();
  }

  /** inotify_add_watch(2) on a place already walked to and permitted. Returns the watch descriptor. Errors: EEXIST, ENOSPC. */
  addWatch(path: Path, mask: number): number {
    const inode = path.dentry.inode as Inode;
    const marks = (inode.marks as Set<Watch> | null) ?? new Set<Watch>();
    for (const watch of marks) {
      if (watch.owner !== this) continue;
      if ((mask & IN_MASK_CREATE) !== 0) return EEXIST;
      watch.mask = (mask & IN_MASK_ADD) !== 0 ? watch.mask | mask : mask;
      return watch.wd;
    }
    if (inotifyUse.watches >= inotifyLimits.maxUserWatches) return ENOSPC;
    inotifyUse.watches++;
    const watch: Watch = { owner: this, wd: ++this.lastWd, inode, path: pathGet(path), mask };
    // A watch does not keep its mount busy.
    path.mount.refs--;
    marks.add(watch);
    inode.marks = marks;
    if (marks.size === 1) inode.watchedChanged(true);
    this.watches.set(watch.wd, watch);
    return watch.wd;
  }

  /** inotify_rm_watch(2). Errors: EINVAL. */
  removeWatch(wd: number): number {
    const watch = this.watches.get(wd);
    if (watch === undefined) return EINVAL;
    this.drop(watch);
    return 0;
  }

  onEvent(watch: Watch, mask: number, name: ByteString, cookie: number): void {
    if ((mask & ((watch.mask & IN_ALL_EVENTS) | IN_UNMOUNT)) !== 0) {
      this.push({ wd: watch.wd, mask, cookie, name });
      if ((watch.mask & IN_ONESHOT) !== 0) {
        this.drop(watch);
        return;
      }
    }
    if ((mask & (IN_DELETE_SELF | IN_UNMOUNT)) !== 0 && this.watches.has(watch.wd)) this.drop(watch);
  }

  /** Every watch in `fs` ends with IN_UNMOUNT. */
  onUnmount(fs: Filesystem): void {
    for (const watch of [...this.watches.values()]) if (watch.inode.fs === fs) this.onEvent(watch, IN_UNMOUNT, '', 0);
  }

  override read(_ctx: IoContext, io: IoSequence): number {
    if (this.queue.length === 0) return WOULD_BLOCK;
    if (eventSize(this.queue[0] as QueuedEvent) > io.remaining) return EINVAL;
    let done = 0;
    let taken = 0;
    for (const event of this.queue) {
      const size = eventSize(event);
      if (size > io.remaining) break;
      const n = io.put(encode(event, size), 0, size);
      if (n < size) {
        if (done > 0) break;
        // The event is gone all the same.
        this.queue.shift();
        this.queuedBytes -= size;
        return EFAULT;
      }
      done += size;
      taken++;
    }
    this.queue.splice(0, taken);
    this.queuedBytes -= done;
    return done;
  }

  override poll(): number {
    return this.queue.length > 0 ? EPOLLIN | EPOLLRDNORM : 0;
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    return cmd === FIONREAD ? ctx.memory.writeU32(arg, this.queuedBytes) : ENOTTY;
  }

  override fdinfo(): string {
    let text = '';
    for (const { wd, inode, mask } of this.watches.values()) {
      text += `inotify wd:${wd.toString(16)} ino:${inode.ino.toString(16)} sdev:${inode.fs.dev.toString(16)} mask:${((mask & SHOWN_BITS) >>> 0).toString(16)} ignored_mask:0 \n`;
    }
    return text;
  }

  private push(event: QueuedEvent): void {
    const last = this.queue[this.queue.length - 1];
    if (
      last !== undefined &&
      last.wd === event.wd &&
      last.mask === event.mask &&
      last.name === event.name &&
      last.cookie === event.cookie
    )
      return;
    if (this.queue.length >= inotifyLimits.maxQueuedEvents) {
      if (last?.mask === IN_Q_OVERFLOW) return;
      this.enqueue({ wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' });
    } else this.enqueue(event);
  }

  private enqueue(event: QueuedEvent): void {
    this.queue.push(event);
    this.queuedBytes += eventSize(event);
    this.waitQueue.wake(EPOLLIN | EPOLLRDNORM);
  }

  private drop(watch: Watch): void {
    this.watches.delete(watch.wd);
    this.detach(watch);
    this.push({ wd: watch.wd, mask: IN_IGNORED, cookie: 0, name: '' });
  }

  private detach(watch: Watch): void {
    inotifyUse.watches--;
    unmark(watch);
    unpin(watch);
  }
}

function encode(event: QueuedEvent, size: number): Uint8Array {
  const bytes = Buffer.alloc(size);
  bytes.writeInt32LE(event.wd, 0);
  bytes.writeUInt32LE(event.mask >>> 0, 4);
  bytes.writeUInt32LE(event.cookie, 8);
  bytes.writeUInt32LE(size - HEADER, 12);
  if (size > HEADER) bytes.write(event.name, HEADER, 'latin1');
  return bytes;
}
