// SPDX-License-Identifier: Apache-2.0

/**
 * fanotify(7): marks on files, mounts and filesystems; events carry an open descriptor of the file.
 *
 * Linux:      fs/notify/fanotify/, fs/notify/mark.c
 * Invariants: fsNotify.pathHook is set while there is a group. A mark on an inode pins its dentry, one on a mount keeps nothing busy.
 *             An event of the queue pins its path. The descriptor that comes with an event causes none.
 * Differs:    no permission events and no events about names (FAN_REPORT_FID and its kin).
 */
import { EINVAL, ENOENT, ENOSPC, ENOTTY, WOULD_BLOCK, isErrno } from '../../../platform/abi/linux/errno.ts';
import * as fan from '../../../platform/abi/linux/fanotify.ts';
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import { EPOLLIN, EPOLLRDNORM } from '../../../platform/abi/linux/poll.ts';
import { S_IFDIR, S_IFMT } from '../../../platform/abi/linux/stat.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { RLIMIT_NOFILE } from '../../kernel/process/rlimits.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { type Mount, type Path, pathGet, pathPut } from '../../vfs/mount.ts';
import { fsNotify } from '../../vfs/notify.ts';
import { openExisting } from '../../vfs/open.ts';
import { AnonFile } from './anon_file.ts';

const FIONREAD = 0x541b;
/** How far back an event is merged with one of the same file by the same process. */
const MERGE_LOOK_BACK = 128;
const USER_EVENTS =
  fan.FAN_ACCESS | fan.FAN_MODIFY | fan.FAN_CLOSE_WRITE | fan.FAN_CLOSE_NOWRITE | fan.FAN_OPEN | fan.FAN_OPEN_EXEC;

export const fanotifyUse = { groups: 0, marks: 0 };

/** What a mark is on. */
export type Marked = Inode | Mount | Filesystem;

interface Mark {
  readonly on: Marked;
  /** Keeps a marked inode. */
  readonly path: Path | null;
  mask: number;
  ignored: number;
  ignoredSurvivesModify: boolean;
}

interface QueuedEvent {
  mask: number;
  readonly path: Path | null;
  readonly by: Task | null;
}

const groups = new Set<FanotifyFile>();

/** vfs calls this for everything done with an open file. */
function deliver(path: Path, mask: number): void {
  for (const group of groups) group.onUse(path, mask);
}

const record = Buffer.alloc(fan.FAN_EVENT_METADATA_LEN);

export class FanotifyFile extends AnonFile {
  private readonly kernel: Kernel;
  /** fanotify_init's flags, and those of the descriptors that come with events. */
  private readonly groupFlags: number;
  private readonly eventFlags: number;
  private readonly marks = new Map<Marked, Mark>();
  private readonly queue: QueuedEvent[] = [];

  constructor(t: Task, groupFlags: number, eventFlags: number) {
    super('[fanotify]', O_RDWR | ((groupFlags & fan.FAN_NONBLOCK) !== 0 ? O_NONBLOCK : 0), t.creds);
    this.kernel = t.kernel;
    this.groupFlags = groupFlags;
    this.eventFlags = eventFlags;
    fanotifyUse.groups++;
    groups.add(this);
    fsNotify.hook ??= () => {};
    fsNotify.pathHook = deliver;
  }

  protected override release(): void {
    fanotifyUse.groups--;
    groups.delete(this);
    if (groups.size === 0) fsNotify.pathHook = null;
    for (const mark of [...this.marks.values()]) this.drop(mark);
    for (const { path } of this.queue.splice(0)) if (path !== null) pathPut(path);
    super.release();
  }

  // -------------------------------------------------------------------------------------------------------------
  // Marks

  /** FAN_MARK_ADD. `path`: where it was found. Returns 0 or ENOSPC. */
  addMark(on: Marked, path: Path, mask: number, flags: number): number {
    let mark = this.marks.get(on);
    if (mark === undefined) {
      const isUnlimited = (this.groupFlags & fan.FAN_UNLIMITED_MARKS) !== 0;
      if (!isUnlimited && fanotifyUse.marks >= sysctlHooks.fanotify.maxUserMarks) return ENOSPC;
      fanotifyUse.marks++;
      const isInode = on === path.dentry.inode;
      if (isInode) {
        pathGet(path);
        path.mount.refs--;
      }
      mark = { on, path: isInode ? path : null, mask: 0, ignored: 0, ignoredSurvivesModify: false };
      this.marks.set(on, mark);
    }
    if ((flags & (fan.FAN_MARK_IGNORED_MASK | fan.FAN_MARK_IGNORE)) === 0) mark.mask |= mask;
    else {
      mark.ignored |= mask;
      if ((flags & fan.FAN_MARK_IGNORED_SURV_MODIFY) !== 0) mark.ignoredSurvivesModify = true;
    }
    return 0;
  }

  /** FAN_MARK_REMOVE. Returns 0 or ENOENT. */
  removeMark(on: Marked, mask: number, flags: number): number {
    const mark = this.marks.get(on);
    if (mark === undefined) return ENOENT;
    if ((flags & (fan.FAN_MARK_IGNORED_MASK | fan.FAN_MARK_IGNORE)) === 0) mark.mask &= ~mask;
    else mark.ignored &= ~mask;
    if (mark.mask === 0 && mark.ignored === 0) this.drop(mark);
    return 0;
  }

  /** FAN_MARK_FLUSH: all marks of one kind. */
  flushMarks(isKind: (on: Marked) => boolean): void {
    for (const mark of [...this.marks.values()]) if (isKind(mark.on)) this.drop(mark);
  }

  private drop(mark: Mark): void {
    fanotifyUse.marks--;
    this.marks.delete(mark.on);
    if (mark.path === null) return;
    mark.path.mount.refs++;
    pathPut(mark.path);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Events

  /** Something was done with a file. */
  onUse(path: Path, mask: number): void {
    const { inode, parent } = path.dentry;
    if (inode === null || this.marks.size === 0) return;
    const isDir = (inode.mode & S_IFMT) === S_IFDIR;
    let wanted = 0;
    let ignored = 0;
    const ask = (on: Marked | null | undefined, isParent: boolean): void => {
      const mark = on == null ? undefined : this.marks.get(on);
      if (mark === undefined) return;
      if (!isParent && (mask & fan.FAN_MODIFY) !== 0 && !mark.ignoredSurvivesModify) mark.ignored = 0;
      if (!isParent || (mark.mask & fan.FAN_EVENT_ON_CHILD) !== 0) {
        if (!isDir || (mark.mask & fan.FAN_ONDIR) !== 0) wanted |= mark.mask;
      }
      if (!isParent) ignored |= mark.ignored;
    };
    ask(inode, false);
    ask(path.mount, false);
    ask(inode.fs, false);
    ask(parent?.inode, true);
    const told = mask & wanted & ~ignored & USER_EVENTS;
    if (told !== 0) this.push(path, told);
  }

  private push(path: Path, mask: number): void {
    const { queue } = this;
    const by = this.kernel.current;
    for (let i = queue.length - 1; i >= Math.max(0, queue.length - MERGE_LOOK_BACK); i--) {
      const event = queue[i] as QueuedEvent;
      if (event.path?.dentry !== path.dentry || event.path.mount !== path.mount || !this.isSame(event.by, by)) continue;
      event.mask |= mask;
      return;
    }
    const isUnlimited = (this.groupFlags & fan.FAN_UNLIMITED_QUEUE) !== 0;
    if (!isUnlimited && queue.length >= sysctlHooks.fanotify.maxQueuedEvents) {
      if (queue.at(-1)?.path !== null) this.queue.push({ mask: fan.FAN_Q_OVERFLOW, path: null, by: null });
      return;
    }
    queue.push({ mask, path: pathGet(path), by });
    this.waitQueue.wake(EPOLLIN | EPOLLRDNORM);
  }

  private isSame(a: Task | null, b: Task | null): boolean {
    return (this.groupFlags & fan.FAN_REPORT_TID) !== 0 ? a === b : a?.threadGroup === b?.threadGroup;
  }

  override poll(): number {
    return this.queue.length > 0 ? EPOLLIN | EPOLLRDNORM : 0;
  }

  override read(ctx: IoContext, io: IoSequence): number {
    if (this.queue.length === 0) return WOULD_BLOCK;
    if (io.remaining < fan.FAN_EVENT_METADATA_LEN) return EINVAL;
    let done = 0;
    while (this.queue.length > 0 && io.remaining >= fan.FAN_EVENT_METADATA_LEN) {
      const n = this.readOne(ctx as Task, io);
      if (n < 0) return done > 0 ? done : n;
      done += n;
    }
    return done;
  }

  private readOne(t: Task, io: IoSequence): number {
    const event = this.queue[0] as QueuedEvent;
    const fd = event.path === null ? fan.FAN_NOFD : this.openFor(t, event.path);
    this.queue.shift();
    if (event.path !== null) pathPut(event.path);
    if (fd < fan.FAN_NOFD) return fd;
    record.writeUInt32LE(fan.FAN_EVENT_METADATA_LEN, 0);
    record.writeUInt8(fan.FANOTIFY_METADATA_VERSION, 4);
    record.writeUInt8(0, 5);
    record.writeUInt16LE(fan.FAN_EVENT_METADATA_LEN, 6);
    record.writeUInt32LE(event.mask >>> 0, 8);
    record.writeUInt32LE(0, 12);
    record.writeInt32LE(fd, 16);
    record.writeInt32LE(this.numberOf(t, event.by), 20);
    const n = io.put(record, 0, record.length);
    if (n < 0 && fd >= 0) t.fdTable.get(fd)?.decRef();
    return n;
  }

  private numberOf(t: Task, by: Task | null): number {
    if (by === null) return 0;
    return (this.groupFlags & fan.FAN_REPORT_TID) !== 0 ? by.tidIn(t.pidNs) : by.threadGroup.pidIn(t.pidNs);
  }

  /** A descriptor of the file, about which nothing is told. Returns it or errno. */
  private openFor(t: Task, path: Path): number {
    const { hook, pathHook } = fsNotify;
    fsNotify.hook = null;
    fsNotify.pathHook = null;
    const file = openExisting(this.kernel.vfs, t, path, this.eventFlags & ~O_CLOEXEC);
    fsNotify.hook = hook;
    fsNotify.pathHook = pathHook;
    if (isErrno(file)) return file;
    file.isSilent = true;
    const fd = t.fdTable.install(file, (this.eventFlags & O_CLOEXEC) !== 0, t.threadGroup.rlimits.soft(RLIMIT_NOFILE));
    if (fd < 0) file.decRef();
    return fd;
  }

  override write(): number {
    return EINVAL;
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    return cmd === FIONREAD ? ctx.memory.writeU32(arg, this.queue.length * fan.FAN_EVENT_METADATA_LEN) : ENOTTY;
  }

  override fdinfo(): string {
    let text = `fanotify flags:${this.groupFlags.toString(16)} event-flags:${this.eventFlags.toString(16)}\n`;
    for (const { on, path, mask, ignored, ignoredSurvivesModify } of this.marks.values()) {
      const flags = ignoredSurvivesModify ? fan.FAN_MARK_IGNORED_SURV_MODIFY : 0;
      const masks = `mflags:${flags.toString(16)} mask:${(mask >>> 0).toString(16)} ignored_mask:${(ignored >>> 0).toString(16)}`;
      if (path !== null)
        text += `fanotify ino:${(on as Inode).ino.toString(16)} sdev:${(on as Inode).fs.dev.toString(16)} ${masks} \n`;
      else if ('mountpoint' in on) text += `fanotify mnt_id:${on.id.toString(16)} ${masks}\n`;
      else text += `fanotify sdev:${(on as Filesystem).dev.toString(16)} ${masks}\n`;
    }
    return text;
  }
}
