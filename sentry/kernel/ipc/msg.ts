// SPDX-License-Identifier: Apache-2.0

/**
 * Message queues.
 *
 * Linux:      ipc/msg.c
 * Invariants: a receiver that waits gets a message handed over by the sender, in order of arrival; senders that wait are woken
 *             when there is room and try again.
 */
import { E2BIG, EIDRM } from '../../../platform/abi/linux/errno.ts';
import { MSG_EXCEPT, MSG_NOERROR, MSGMNB } from '../../../platform/abi/linux/ipc.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';
import { hold, letGo } from './held_memory.ts';
import { IpcObject } from './ipc_ids.ts';

export interface Message {
  readonly type: number;
  readonly data: Uint8Array;
}

/** A task inside msgrcv: `message` or `error` is set when it is over. */
export interface Receiver {
  readonly type: number;
  readonly flags: number;
  readonly size: number;
  readonly pid: number;
  readonly queue: WaitQueue;
  message: Message | null;
  error: number;
}

export class MessageQueue extends IpcObject {
  private readonly messages: Message[] = [];
  bytes = 0;
  maxBytes: number;
  stime = 0;
  rtime = 0;
  lspid = 0;
  lrpid = 0;
  private readonly receivers: Receiver[] = [];
  /** Senders waiting for room. */
  readonly roomQueue = new WaitQueue();

  constructor(key: number, mode: number, creds: Credentials, seconds: number, maxBytes: number = MSGMNB) {
    super(key, mode, creds);
    this.maxBytes = maxBytes;
    this.ctime = seconds;
  }

  get count(): number {
    return this.messages.length;
  }
  hasRoom(size: number): boolean {
    return size + this.bytes <= this.maxBytes && 1 + this.messages.length <= this.maxBytes;
  }

  /** Puts a message in, or into a waiting receiver's hands. The caller has checked hasRoom(). */
  send(message: Message, pid: number, seconds: number): void {
    this.lspid = pid;
    this.stime = seconds;
    if (this.handOver(message, seconds)) return;
    this.messages.push(message);
    this.bytes += message.data.length;
    hold(message.data.length);
  }

  private handOver(message: Message, seconds: number): boolean {
    for (let i = 0; i < this.receivers.length; ) {
      const receiver = this.receivers[i]!;
      if (!matches(message, receiver.type, receiver.flags)) {
        i++;
        continue;
      }
      this.receivers.splice(i, 1);
      const isTooBig = message.data.length > receiver.size && (receiver.flags & MSG_NOERROR) === 0;
      if (isTooBig) receiver.error = E2BIG;
      else receiver.message = message;
      receiver.queue.wake();
      if (isTooBig) continue;
      this.lrpid = receiver.pid;
      this.rtime = seconds;
      return true;
    }
    return false;
  }

  /** Index of the message msgrcv would take, -1 when none. */
  private indexFor(type: number, flags: number): number {
    if (type >= 0) return this.messages.findIndex((m) => matches(m, type, flags));
    let best = -1;
    for (let i = 0; i < this.messages.length; i++) {
      const m = this.messages[i]!;
      if (matches(m, type, flags) && (best < 0 || m.type < this.messages[best]!.type)) best = i;
    }
    return best;
  }

  /** Takes a message. Returns null when there is none; E2BIG when it does not fit. */
  receive(type: number, flags: number, size: number, pid: number, seconds: number): Message | number | null {
    const at = this.indexFor(type, flags);
    if (at < 0) return null;
    const message = this.messages[at]!;
    if (message.data.length > size && (flags & MSG_NOERROR) === 0) return E2BIG;
    this.messages.splice(at, 1);
    this.bytes -= message.data.length;
    letGo(message.data.length);
    this.lrpid = pid;
    this.rtime = seconds;
    this.roomQueue.wake();
    return message;
  }

  /** MSG_COPY: the message at a position, left where it is. */
  peek(position: number): Message | null {
    return this.messages[position] ?? null;
  }

  /** Queues a task that found nothing. */
  wait(receiver: Receiver): void {
    this.receivers.push(receiver);
  }
  cancel(receiver: Receiver): void {
    const at = this.receivers.indexOf(receiver);
    if (at >= 0) this.receivers.splice(at, 1);
  }

  /** IPC_RMID. */
  destroy(): void {
    for (const receiver of this.receivers.splice(0)) {
      receiver.error = EIDRM;
      receiver.queue.wake();
    }
    for (const message of this.messages) letGo(message.data.length);
    this.messages.length = 0;
    this.bytes = 0;
    this.roomQueue.wake();
  }
}

/** Does msgrcv(type, flags) want this message? */
function matches(message: Message, type: number, flags: number): boolean {
  if (type === 0) return true;
  if (type < 0) return message.type <= -type;
  return (flags & MSG_EXCEPT) !== 0 ? message.type !== type : message.type === type;
}
