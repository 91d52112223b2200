// SPDX-License-Identifier: Apache-2.0

/**
 * epoll(7): an interest list, a ready list, and waiting that costs what is ready, not what is watched.
 *
 * Linux:      fs/eventpoll.c
 * Invariants: every item is on its file's wait queue and in the interest list from ctl ADD until ctl DEL, the last close of
 *             its file, or the close of the epoll. The ready list may hold items that are no longer ready (collect() drops
 *             them), never misses one that became ready. Epolls watching epolls form no cycle and no chain above 5.
 */
import { EEXIST, EINVAL, ELOOP, ENOENT, ENOSPC, EPERM } from '../../../platform/abi/linux/errno.ts';
import { O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import {
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLRDNORM,
  EPOLLWAKEUP,
} from '../../../platform/abi/linux/poll.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { WaitQueue, Waiter } from '../../wait/wait_queue.ts';
import { AnonFile } from './anon_file.ts';

const PRIVATE_BITS = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;
const EXCLUSIVE_OK = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
const MAX_NESTS = 4;
/** Bound on the wake-up paths from one file, so that a wake-up stays cheap. */
const MAX_PATHS = 500;

let watches = 0;

/** One watched (descriptor, file) pair. */
export class EpollItem implements Waiter {
  readonly epoll: EpollFile;
  readonly fd: number;
  readonly file: FileDescription;
  /** EPOLL* asked for, as a 32-bit integer; only PRIVATE_BITS left after a one-shot fired. */
  events: number;
  dataLo: number;
  dataHi: number;
  isQueued = false;
  next: EpollItem | null = null;
  prev: EpollItem | null = null;
  readonly onClosed: () => void;

  constructor(epoll: EpollFile, fd: number, file: FileDescription, events: number, dataLo: number, dataHi: number) {
    this.epoll = epoll;
    this.fd = fd;
    this.file = file;
    this.events = events | EPOLLERR | EPOLLHUP;
    this.dataLo = dataLo;
    this.dataHi = dataHi;
    this.onClosed = () => epoll.drop(this);
  }

  notify(_queue: WaitQueue, mask: number): boolean {
    if ((this.events & ~PRIVATE_BITS) === 0 || (mask & this.events & ~PRIVATE_BITS) === 0) return false;
    const isWaitedFor = !this.epoll.waitQueue.isEmpty;
    this.epoll.queueItem(this);
    return this.isExclusive && isWaitedFor;
  }
  get isExclusive(): boolean {
    return (this.events & EPOLLEXCLUSIVE) !== 0;
  }

  /** What is ready of what was asked for. */
  ready(): number {
    return (this.events & ~PRIVATE_BITS) === 0 ? 0 : this.file.poll() & this.events & ~PRIVATE_BITS;
  }
}

/** Ready events as collect() found them. */
export interface ReadyEvent {
  item: EpollItem;
  events: number;
}

export class EpollFile extends AnonFile {
  private readonly items = new Map<number, EpollItem[]>();
  private head: EpollItem | null = null;
  private tail: EpollItem | null = null;
  private queued = 0;

  constructor(creds: Credentials) {
    super('[eventpoll]', O_RDWR, creds);
  }

  protected override release(): void {
    for (const list of [...this.items.values()]) for (const item of list.slice()) this.drop(item);
  }

  /** EPOLL_CTL_ADD. Errors: EEXIST, EINVAL, ELOOP, ENOSPC, EPERM. */
  add(fd: number, file: FileDescription, events: number, dataLo: number, dataHi: number): number {
    if (!file.canPoll) return EPERM;
    if (file === this) return EINVAL;
    const isEpoll = file instanceof EpollFile;
    if ((events & EPOLLEXCLUSIVE) !== 0 && (isEpoll || (events & ~EXCLUSIVE_OK) !== 0)) return EINVAL;
    if (
      isEpoll &&
      (reaches(file, this, new Set()) || chainDepth(file, new Map()) + this.depthAbove(new Map()) > MAX_NESTS)
    )
      return ELOOP;
    if (this.find(fd, file) !== null) return EEXIST;
    if (isEpoll && this.countAbove(MAX_PATHS) < 0) return EINVAL;
    if (watches >= sysctlHooks.epoll.maxUserWatches) return ENOSPC;
    watches++;
    const item = new EpollItem(this, fd, file, events, dataLo, dataHi);
    const list = this.items.get(fd);
    if (list === undefined) this.items.set(fd, [item]);
    else list.push(item);
    file.onLastClose.add(item.onClosed);
    file.waitQueue.add(item);
    if (item.ready() !== 0) this.queueItem(item);
    return 0;
  }

  /** EPOLL_CTL_MOD. Errors: ENOENT, EINVAL (EPOLLEXCLUSIVE). */
  modify(fd: number, file: FileDescription, events: number, dataLo: number, dataHi: number): number {
    if ((events & EPOLLEXCLUSIVE) !== 0) return EINVAL;
    const item = this.find(fd, file);
    if (item === null) return ENOENT;
    if ((item.events & EPOLLEXCLUSIVE) !== 0) return EINVAL;
    item.events = events | EPOLLERR | EPOLLHUP;
    item.dataLo = dataLo;
    item.dataHi = dataHi;
    if (item.ready() !== 0) this.queueItem(item);
    return 0;
  }

  /** EPOLL_CTL_DEL. Errors: ENOENT. */
  remove(fd: number, file: FileDescription): number {
    const item = this.find(fd, file);
    if (item === null) return ENOENT;
    this.drop(item);
    return 0;
  }

  /** Takes an item out of everything. */
  drop(item: EpollItem): void {
    const list = this.items.get(item.fd);
    const at = list?.indexOf(item) ?? -1;
    if (list === undefined || at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) this.items.delete(item.fd);
    watches--;
    item.file.waitQueue.remove(item);
    item.file.onLastClose.delete(item.onClosed);
    this.unqueue(item);
  }

  /** An item became (or may be) ready. */
  queueItem(item: EpollItem): void {
    if (!item.isQueued) this.append(item);
    this.waitQueue.wake(EPOLLIN | EPOLLRDNORM);
  }

  /** Takes up to `max` ready events off the ready list. The caller reports them and then calls settle() or giveBack(). */
  collect(max: number): ReadyEvent[] {
    const out: ReadyEvent[] = [];
    for (let left = this.queued; left > 0 && out.length < max; left--) {
      const item = this.head as EpollItem;
      this.unqueue(item);
      const events = item.ready();
      if (events !== 0) out.push({ item, events });
    }
    return out;
  }

  /** The events were reported: one-shot items go silent, level-triggered ones stay on the list. */
  settle(reported: readonly ReadyEvent[]): void {
    for (const { item } of reported) {
      if ((item.events & EPOLLONESHOT) !== 0) item.events &= PRIVATE_BITS;
      else if ((item.events & EPOLLET) === 0 && !item.isQueued) this.append(item);
    }
  }

  /** The events could not be reported: all stay ready. */
  giveBack(collected: readonly ReadyEvent[]): void {
    for (const { item } of collected) if (!item.isQueued) this.append(item);
  }

  override poll(): number {
    for (let left = this.queued; left > 0; left--) {
      const item = this.head as EpollItem;
      if (item.ready() !== 0) return EPOLLIN | EPOLLRDNORM;
      this.unqueue(item);
    }
    return 0;
  }

  override fdinfo(): string {
    let text = '';
    for (const list of this.items.values()) {
      for (const { fd, events, file, dataLo, dataHi } of list) {
        const data = dataHi === 0 ? dataLo.toString(16) : dataHi.toString(16) + dataLo.toString(16).padStart(8, '0');
        text += `tfd: ${String(fd).padStart(8)} events: ${(events >>> 0).toString(16).padStart(8)} data: ${data.padStart(16)} `;
        text += ` pos:${file.position} ino:${file.inode.ino.toString(16)} sdev:${file.inode.fs.dev.toString(16)}\n`;
      }
    }
    return text;
  }

  /** The epolls this one watches. */
  *watchedEpolls(): Iterable<EpollFile> {
    for (const list of this.items.values())
      for (const item of list) if (item.file instanceof EpollFile) yield item.file;
  }

  /** How many epolls are stacked on top of this one. */
  private depthAbove(known: Map<EpollFile, number>): number {
    const seen = known.get(this);
    if (seen !== undefined) return seen;
    let depth = 0;
    for (const watcher of this.waitQueue.waiters()) {
      if (watcher instanceof EpollItem) depth = Math.max(depth, 1 + watcher.epoll.depthAbove(known));
    }
    known.set(this, depth);
    return depth;
  }

  /** Takes the number of wake-up paths through the epolls above this one off `budget`; negative when there are more. */
  private countAbove(budget: number): number {
    let left = budget - 1;
    for (const watcher of this.waitQueue.waiters()) {
      if (left < 0) break;
      if (watcher instanceof EpollItem) left = watcher.epoll.countAbove(left);
    }
    return left;
  }

  private find(fd: number, file: FileDescription): EpollItem | null {
    return this.items.get(fd)?.find((item) => item.file === file) ?? null;
  }

  private append(item: EpollItem): void {
    item.isQueued = true;
    item.prev = this.tail;
    item.next = null;
    if (this.tail === null) this.head = item;
    else this.tail.next = item;
    this.tail = item;
    this.queued++;
  }

  private unqueue(item: EpollItem): void {
    if (!item.isQueued) return;
    item.isQueued = false;
    if (item.prev === null) this.head = item.next;
    else item.prev.next = item.next;
    if (item.next === null) this.tail = item.prev;
    else item.next.prev = item.prev;
    item.next = null;
    item.prev = null;
    this.queued--;
  }
}

/** Does `from` watch `target`, directly or through others? */
function reaches(from: EpollFile, target: EpollFile, seen: Set<EpollFile>): boolean {
  if (seen.has(from)) return false;
  seen.add(from);
  for (const epoll of from.watchedEpolls()) if (epoll === target || reaches(epoll, target, seen)) return true;
  return false;
}

/** Length of the longest chain of epolls starting at `epoll`. */
function chainDepth(epoll: EpollFile, known: Map<EpollFile, number>): number {
  const seen = known.get(epoll);
  if (seen !== undefined) return seen;
  let depth = 0;
  for (const next of epoll.watchedEpolls()) depth = Math.max(depth, chainDepth(next, known));
  known.set(epoll, depth + 1);
  return depth + 1;
}
