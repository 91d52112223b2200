// SPDX-License-Identifier: Apache-2.0

/**
 * The receive queue of a Unix socket: packets with the descriptors and credentials that travel with them, charged to their sender.
 *
 * Linux:      include/linux/skbuff.h, net/core/sock.c (sock_wfree), include/net/scm.h
 * Invariants: a packet holds a reference of each file it carries until it is received or freed. `charge` is what its sender
 *             was charged: about Linux's truesize, so that buffers fill after as many writes.
 */
import type { FileDescription } from '../../vfs/file_description.ts';
import type { PeerCred } from '../socket.ts';
import { returnChunk } from '../chunk_pool.ts';
import { queueBudget } from '../queue_budget.ts';
import { noteInFlight, noteLanded } from './in_flight.ts';
import type { UnixSocket } from './unix_socket.ts';

/** sizeof(struct sk_buff) and of its shared info, as allocated. */
const SKB = 256;
const SHARED_INFO = 320;
/** Bytes that fit beside the shared info in a page's head. */
const HEAD_MAX = 3776;
const PAGE = 4096;
const NOTHING = new Uint8Array(0);

/** Linux's truesize of a packet of `length` bytes: what does not fit its head goes to whole pages. */
export function packetCharge(length: number): number {
  const paged = length <= HEAD_MAX ? 0 : Math.min(length, Math.ceil((length - HEAD_MAX) / PAGE) * PAGE);
  const head = Math.max(length - paged + SHARED_INFO, 512);
  return SKB + 2 ** (32 - Math.clz32(head - 1)) + Math.ceil(paged / PAGE) * PAGE;
}

/** What Linux would make one packet of each: charges of a stream write of `length` bytes sent in packets of `part`. */
export function streamCharge(length: number, part: number): number {
  const whole = Math.floor(length / part);
  const rest = length - whole * part;
  return whole * packetCharge(part) + (rest > 0 ? packetCharge(rest) : 0);
}

export class Packet {
  /** Its bytes are the first `length`; from the chunk pool. */
  data: Uint8Array;
  readonly length: number;
  /** Bytes already read (streams). */
  offset = 0;
  readonly sender: UnixSocket;
  readonly address: Uint8Array | null;
  files: readonly FileDescription[] | null;
  readonly creds: PeerCred | null;
  /** What its sender is still charged. */
  charge: number;
  /** Bytes after which part of the charge is given back: Linux would have made a packet of each part. */
  private readonly part: number;
  private readonly held: number;
  /** When it was sent, for a receiver that wants to know. */
  stamp: readonly [seconds: number, nanoseconds: number] | null = null;
  /** Its urgent byte was taken; it keeps its place as a mark. */
  isSpent = false;

  constructor(
    data: Uint8Array,
    length: number,
    sender: UnixSocket,
    files: readonly FileDescription[] | null,
    creds: PeerCred | null,
    part = length,
  ) {
    this.data = data;
    this.length = length;
    this.sender = sender;
    this.address = sender.boundAddress;
    this.creds = creds;
    this.files = files;
    this.part = part;
    this.charge = part < length ? streamCharge(length, part) : packetCharge(length);
    this.held = Math.max(this.charge, data.length);
    queueBudget.used += this.held;
    if (files !== null) {
      for (const file of files) file.incRef();
      noteInFlight(files);
    }
  }

  /** Hands the files over to a receiver (each with its reference). */
  takeFiles(): FileDescription[] | null {
    const files = this.files;
    if (files === null) return null;
    this.files = null;
    noteLanded(files);
    return [...files];
  }

  /** Copies of the files for MSG_PEEK, each with a reference of its own. */
  peekFiles(): FileDescription[] | null {
    if (this.files === null) return null;
    for (const file of this.files) file.incRef();
    return [...this.files];
  }

  /** Bytes were read: parts that are gone are no longer charged. */
  unchargeRead(): void {
    if (this.part >= this.length || this.offset >= this.length) return;
    const left = this.length - Math.floor(this.offset / this.part) * this.part;
    const freed = this.charge - streamCharge(left, this.part);
    if (freed <= 0) return;
    this.charge -= freed;
    this.sender.uncharge(freed);
  }

  /** It leaves the queue: the sender may send again. */
  release(): void {
    for (const file of this.takeFiles() ?? []) file.decRef();
    queueBudget.used -= this.held;
    returnChunk(this.data);
    this.data = NOTHING;
    this.sender.uncharge(this.charge);
  }
}

/** First in, first out, without moving what is left. */
export class PacketQueue {
  private items: (Packet | null)[] = [];
  private head = 0;
  /** Unread bytes. */
  bytes = 0;

  get length(): number {
    return this.items.length - this.head;
  }
  at(i: number): Packet | null {
    return this.items[this.head + i] ?? null;
  }
  push(packet: Packet): void {
    this.items.push(packet);
    this.bytes += packet.length;
  }
  /** Takes the first packet off; its unread bytes no longer count. */
  shift(): Packet | null {
    const packet = this.items[this.head] ?? null;
    if (packet === null) return null;
    this.items[this.head++] = null;
    this.bytes -= packet.length - packet.offset;
    if (this.head === this.items.length) {
      this.items.length = 0;
      this.head = 0;
    } else if (this.head > 1024 && this.head * 2 > this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    return packet;
  }
  /** The urgent byte of `packet` was taken out of its place. */
  spend(packet: Packet): void {
    packet.isSpent = true;
    this.bytes -= packet.length - packet.offset;
    packet.offset = packet.length;
  }
  /** Marks bytes of the first packet as read. */
  consume(count: number): void {
    const packet = this.at(0) as Packet;
    packet.offset += count;
    this.bytes -= count;
    packet.unchargeRead();
  }
  *[Symbol.iterator](): Iterator<Packet> {
    for (let i = this.head; i < this.items.length; i++) yield this.items[i] as Packet;
  }
}
