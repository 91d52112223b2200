// SPDX-License-Identifier: Apache-2.0

/**
 * POSIX message queues: the inode that holds the messages, and its open files.
 *
 * Linux:      ipc/mqueue.c; mq_overview(7)
 * Invariants: messages are in order of priority, highest first, and of arrival within one. Whoever changes the queue wakes
 *             `changed` (blocked senders and receivers try again) and the open files (poll).
 */
import { SI_MESGQ } from '../../../platform/abi/linux/signal.ts';
import { EPOLLIN, EPOLLOUT } from '../../../platform/abi/linux/poll.ts';
import { S_IFREG } from '../../../platform/abi/linux/stat.ts';
import { makeSigInfo } from '../../arch/siginfo.ts';
import { hold, letGo } from '../../kernel/ipc/held_memory.ts';
import type { ThreadGroup } from '../../kernel/process/thread_group.ts';
import { sendToGroup } from '../../kernel/signal/send.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { PseudoInode } from '../../vfs/pseudo_file.ts';
import { seekTo } from '../../vfs/seekable_file.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';

const EPOLLRDNORM = 0x40;
const EPOLLWRNORM = 0x100;
/** st_size of a queue (FILENT_SIZE). */
const STATUS_SIZE = 80;

/** Codes in the last byte of a SIGEV_THREAD cookie (ipc/mqueue.c). */
export const NOTIFY_WOKENUP = 1;
export const NOTIFY_REMOVED = 2;

export interface QueuedMessage {
  readonly priority: number;
  readonly data: Uint8Array;
}

/** mq_notify: who is told of a message that arrives in an empty queue. `signo` 0: SIGEV_NONE. */
export interface Notification {
  readonly group: ThreadGroup;
  readonly signo: number;
  readonly valueLo: number;
  readonly valueHi: number;
  /** SIGEV_THREAD: sends the caller's cookie with this code (NOTIFY_*). */
  readonly tell?: (code: number) => void;
  /** Takes the reference that tell() gives back. */
  readonly hold?: () => void;
}

export class QueueInode extends PseudoInode {
  readonly maxMessages: number;
  readonly maxSize: number;
  readonly messages: QueuedMessage[] = [];
  bytes = 0;
  readonly changed = new WaitQueue();
  /** Tasks blocked in mq_receive: they come before a notification. */
  receiversWaiting = 0;
  notification: Notification | null = null;
  private readonly openFiles = new Set<QueueFile>();
  /** Called when the queue is gone for good. */
  private readonly onEvict: () => void;

  constructor(
    fs: Filesystem,
    permissions: number,
    uid: number,
    gid: number,
    limits: { maxMessages: number; maxSize: number },
    onEvict: () => void,
  ) {
    super(fs, S_IFREG | permissions);
    this.uid = uid;
    this.gid = gid;
    this.size = STATUS_SIZE;
    this.maxMessages = limits.maxMessages;
    this.maxSize = limits.maxSize;
    this.onEvict = onEvict;
  }

  get isFull(): boolean {
    return this.messages.length >= this.maxMessages;
  }

  /** Adds a message; the caller has checked isFull. `sender` is named in a notification. */
  send(message: QueuedMessage, sender: Task): void {
    let at = this.messages.length;
    while (at > 0 && this.messages[at - 1]!.priority < message.priority) at--;
    this.messages.splice(at, 0, message);
    this.bytes += message.data.length;
    hold(message.data.length);
    if (this.messages.length === 1 && this.receiversWaiting === 0) this.notify(sender);
    this.wake();
  }
  /** Takes the first message, or null. */
  receive(): QueuedMessage | null {
    const message = this.messages.shift() ?? null;
    if (message === null) return null;
    this.bytes -= message.data.length;
    letGo(message.data.length);
    this.wake();
    return message;
  }

  /** Ends the notification a process asked for. */
  endNotification(): void {
    const asked = this.notification;
    this.notification = null;
    asked?.tell?.(NOTIFY_REMOVED);
  }

  private notify(sender: Task): void {
    const asked = this.notification;
    if (asked === null) return;
    this.notification = null;
    asked.tell?.(NOTIFY_WOKENUP);
    if (asked.signo === 0) return;
    const info = makeSigInfo(asked.signo, SI_MESGQ, sender.threadGroup.pidIn(asked.group.pidNs), sender.creds.ruid);
    info.setValue(asked.valueLo, asked.valueHi);
    sendToGroup(asked.group, info);
  }
  private wake(): void {
    this.changed.wake();
    for (const file of this.openFiles) file.waitQueue.wake(file.poll());
  }

  override open(ctx: IoContext, path: Path, flags: number): FileDescription {
    const file = new QueueFile(path, this, flags, ctx.creds);
    this.openFiles.add(file);
    return file;
  }
  closed(file: QueueFile): void {
    this.openFiles.delete(file);
  }
  override evict(): void {
    for (const message of this.messages.splice(0)) letGo(message.data.length);
    this.onEvict();
  }
}

/** An open queue. read(2) shows its status. */
export class QueueFile extends FileDescription {
  get queue(): QueueInode {
    return this.inode as QueueInode;
  }
  override get canPoll(): boolean {
    return true;
  }
  override poll(): number {
    const { queue } = this;
    return (queue.messages.length > 0 ? EPOLLIN | EPOLLRDNORM : 0) | (queue.isFull ? 0 : EPOLLOUT | EPOLLWRNORM);
  }
  private statusText(): string {
    const { queue } = this;
    const asked = queue.notification;
    const notify = asked === null ? 0 : asked.signo === 0 ? 1 : 0;
    return `QSIZE:${String(queue.bytes).padEnd(10)} NOTIFY:${String(notify).padEnd(5)} SIGNO:${String(asked?.signo ?? 0).padEnd(5)} NOTIFY_PID:${String(asked?.group.pid ?? 0).padEnd(6)}\n`;
  }
  override pread(_ctx: IoContext, io: IoSequence, offset: number): number {
    const text = Buffer.from(this.statusText(), 'latin1');
    return offset >= text.length ? 0 : io.put(text, offset, Math.min(io.remaining, text.length - offset));
  }
  override read(ctx: IoContext, io: IoSequence): number {
    const n = this.pread(ctx, io, this.position);
    if (n > 0) this.position += n;
    return n;
  }
  override seek(_ctx: IoContext, offset: number, whence: number): number {
    const target = seekTo(this.position, offset, whence, () => STATUS_SIZE);
    if (target >= 0) this.position = target;
    return target;
  }
  /** Closing any descriptor of the queue ends this process's notification. */
  override flush(ctx: IoContext): number {
    const { queue } = this;
    if (queue.notification !== null && queue.notification.group === (ctx as Task).threadGroup) queue.endNotification();
    return 0;
  }
  protected override release(): void {
    this.queue.closed(this);
  }
}
