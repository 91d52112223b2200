// SPDX-License-Identifier: Apache-2.0

/**
 * Pipe: the ring of page-sized slots between the readers and the writers of a pipe or FIFO.
 *
 * Linux:      fs/pipe.c, include/linux/pipe_fs_i.h
 * Invariants: slot i holds bytes [i * 4096 + off, + len) of one contiguous ring, so neighbouring full slots move in one copy.
 *             A write of at most PIPE_BUF bytes lands in one slot or not at all. head - tail slots are in use.
 */
import { EBUSY, EFAULT, EINVAL, EPERM, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '../../../platform/abi/linux/poll.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';

export const PIPE_BUF = 4096;
const PAGE = 4096;
const DEFAULT_SLOTS = 16;
/** A pipe made beyond the page budget gets this many slots (PIPE_MIN_DEF_BUFFERS). */
const POOR_SLOTS = 2;

/** Words of /proc/sys/fs that an administrator in the sandbox may change. */
export const pipeLimits = { maxSize: 1048576, userPagesSoft: 16384, userPagesHard: 0 };

/** Pages promised to pipes that are open now. */
let pagesPromised = 0;
/** Beyond this many new pipes are poor and none can grow, whoever asks: the rings are the Sentry's memory. */
const PAGES_MAX = 65536;

const MERGEABLE = 1;
const PACKET = 2;

const RING_POOL_MAX = 16;
const ringPool: Uint8Array[] = [];

function allocRing(slots: number): Uint8Array {
  return (slots === DEFAULT_SLOTS && ringPool.pop()) || Buffer.allocUnsafeSlow(slots * PAGE);
}

function freeRing(ring: Uint8Array): void {
  if (ring.length === DEFAULT_SLOTS * PAGE && ringPool.length < RING_POOL_MAX) ringPool.push(ring);
}

/** Moves up to `length` bytes between ring[offset..] and somewhere else; returns bytes moved or errno. */
export type RingMover = (ring: Uint8Array, offset: number, length: number) => number;

export class Pipe {
  readers = 0;
  writers = 0;
  /** Opens ever of each kind: what a blocking FIFO open waits to see change. */
  readerOpens = 0;
  writerOpens = 0;
  /** Both directions: readers wait with EPOLLIN, writers with EPOLLOUT. */
  readonly queue = new WaitQueue();
  private ring: Uint8Array | null = null;
  private slots: number;
  private offs: Int32Array;
  private lens: Int32Array;
  private kinds: Uint8Array;
  private head = 0;
  private tail = 0;
  private bytes = 0;

  constructor(isPrivileged: boolean) {
    const poor =
      pagesPromised + DEFAULT_SLOTS > PAGES_MAX ||
      (!isPrivileged && pipeLimits.userPagesSoft > 0 && pagesPromised + DEFAULT_SLOTS > pipeLimits.userPagesSoft);
    const most = isPrivileged ? DEFAULT_SLOTS : Math.min(DEFAULT_SLOTS, Math.max(1, Math.floor(pipeLimits.maxSize / PAGE)));
    this.slots = poor ? POOR_SLOTS : most;
    pagesPromised += this.slots;
    this.offs = new Int32Array(this.slots);
    this.lens = new Int32Array(this.slots);
    this.kinds = new Uint8Array(this.slots);
  }

  /** Lets go of the ring when nobody has the pipe open. */
  release(): void {
    if (this.ring !== null) freeRing(this.ring);
    this.ring = null;
    pagesPromised -= this.slots;
    this.slots = 0;
    this.head = 0;
    this.tail = 0;
    this.bytes = 0;
  }

  /** FIONREAD. */
  get byteCount(): number {
    return this.bytes;
  }
  /** F_GETPIPE_SZ. */
  get capacity(): number {
    return this.slots * PAGE;
  }
  get isEmpty(): boolean {
    return this.head === this.tail;
  }
  get isFull(): boolean {
    return this.head - this.tail >= this.slots;
  }

  /** EPOLL* bits for a file; `sawWriter`: a writer was there since it was opened. */
  pollBits(isReader: boolean, isWriter: boolean, sawWriter: boolean): number {
    let bits = 0;
    if (isReader) {
      if (!this.isEmpty) bits |= EPOLLIN | EPOLLRDNORM;
      if (this.writers === 0 && sawWriter) bits |= EPOLLHUP;
    }
    if (isWriter) {
      if (!this.isFull) bits |= EPOLLOUT | EPOLLWRNORM;
      if (this.readers === 0) bits |= EPOLLERR;
    }
    return bits;
  }

  /** Reads what is there. Returns bytes, 0 at end of file, WOULD_BLOCK, EFAULT. */
  read(io: IoSequence): number {
    if (io.remaining === 0) return 0;
    if (this.isEmpty) return this.writers === 0 ? 0 : WOULD_BLOCK;
    return this.consume(io.remaining, (ring, offset, length) => {
      const n = io.put(ring, offset, length);
      return n === length ? n : this.wholeBuffers(n);
    });
  }

  /** A copy that failed after `copied` bytes: only the buffers it had taken completely count. Returns their bytes, EFAULT when there are none. */
  private wholeBuffers(copied: number): number {
    let whole = 0;
    for (let at = this.tail; at < this.head; at++) {
      const next = whole + (this.lens[at % this.slots] as number);
      if (next > copied) break;
      whole = next;
    }
    return whole === 0 ? EFAULT : whole;
  }

  /** Readers are woken one at a time: when something is left, it is the next one's turn. */
  private passOn(): void {
    if (!this.isEmpty) this.queue.wakeNext(EPOLLIN | EPOLLRDNORM);
  }

  /**
   * Writes as much as fits, all of it or nothing when at most PIPE_BUF bytes are left. Precondition: there are readers.
   * Returns bytes, WOULD_BLOCK, EFAULT.
   */
  write(io: IoSequence, isPacket: boolean): number {
    return this.produce(io.remaining, isPacket, (ring, offset, length) => {
      const n = io.take(ring, offset, length);
      // Of a copy that failed only whole pages count.
      return n === length ? n : n < PAGE ? EFAULT : n - (n % PAGE);
    });
  }

  /**
   * Lets `move` fill free room with up to `want` bytes and wakes readers. Returns bytes moved, WOULD_BLOCK when there is no
   * room, or move's errno when nothing moved.
   */
  produce(want: number, isPacket: boolean, move: RingMover): number {
    if (want === 0) return 0;
    if (this.ring === null) this.ring = allocRing(this.slots);
    let done = 0;
    const tailBytes = want & (PAGE - 1);
    if (tailBytes !== 0 && !isPacket && !this.isEmpty) {
      const n = this.merge(tailBytes, move);
      if (n < 0) return n;
      done = n;
      if (n !== 0 && n < tailBytes) want = n;
    }
    while (done < want && !this.isFull) {
      const n = this.append(want - done, isPacket, move);
      if (n <= 0) {
        if (done === 0) return n === 0 ? EFAULT : n;
        break;
      }
      done += n;
      if (n % PAGE !== 0) break;
    }
    if (done === 0) return WOULD_BLOCK;
    this.queue.wake(EPOLLIN | EPOLLRDNORM);
    return done;
  }

  /** Lets `move` take up to `want` bytes from the front and wakes writers. Returns bytes moved, or move's errno when none. */
  consume(want: number, move: RingMover): number {
    const wasFull = this.isFull;
    let done = 0;
    while (done < want && !this.isEmpty) {
      const slot = this.tail % this.slots;
      const isPacket = this.kinds[slot] === PACKET;
      const run = this.runLength(slot, want - done);
      const n = move(this.ring as Uint8Array, slot * PAGE + (this.offs[slot] as number), run);
      if (n < 0) {
        if (done === 0) {
          this.passOn();
          return n;
        }
        break;
      }
      done += n;
      if (isPacket && n === run) {
        this.dropBytes(this.lens[slot] as number);
        break;
      }
      this.dropBytes(n);
      if (n < run) break;
    }
    if (wasFull && !this.isFull) this.queue.wake(EPOLLOUT | EPOLLWRNORM);
    this.passOn();
    return done;
  }

  /** Copies up to `want` bytes from the front of this pipe to `to` without consuming (tee). Returns bytes or WOULD_BLOCK. */
  teeTo(to: Pipe, want: number): number {
    if (this.isEmpty) return this.writers === 0 ? 0 : WOULD_BLOCK;
    let done = 0;
    for (let at = this.tail; at < this.head && done < want && !to.isFull; at++) {
      const slot = at % this.slots;
      const length = Math.min(this.lens[slot] as number, want - done);
      done += to.copySlot(
        this.ring as Uint8Array,
        slot * PAGE + (this.offs[slot] as number),
        length,
        this.kinds[slot] as number,
      );
    }
    if (done === 0) return WOULD_BLOCK;
    to.queue.wake(EPOLLIN | EPOLLRDNORM);
    return done;
  }

  /** Moves up to `want` bytes from this pipe to `to` (splice between pipes). Returns bytes, 0 at end of file, WOULD_BLOCK. */
  spliceTo(to: Pipe, want: number): number {
    const n = this.teeTo(to, want);
    if (n <= 0) return n;
    const wasFull = this.isFull;
    this.dropBytes(n);
    if (wasFull && !this.isFull) this.queue.wake(EPOLLOUT | EPOLLWRNORM);
    this.passOn();
    return n;
  }

  /** F_SETPIPE_SZ. Returns the new capacity. Errors: EINVAL, EPERM (over pipe-max-size), EBUSY (more is used). */
  resize(bytes: number, isPrivileged: boolean, mayPassMax: boolean): number {
    if (bytes < 0 || bytes > 0x80000000) return EINVAL;
    let slots = 1;
    while (slots * PAGE < bytes) slots *= 2;
    if (slots * PAGE > 0x40000000) return EINVAL;
    if (slots > this.slots && !mayPassMax && slots * PAGE > pipeLimits.maxSize) return EPERM;
    if (slots > this.slots && !isPrivileged) {
      const soft = pipeLimits.userPagesSoft;
      if (soft > 0 && pagesPromised - this.slots + slots > soft) return EPERM;
    }
    // A gigabyte of kernel memory for each pipe is not on offer, even to root.
    if (slots * PAGE > Math.max(pipeLimits.maxSize, 1 << 24)) return EPERM;
    if (slots > this.slots && pagesPromised - this.slots + slots > PAGES_MAX) return EPERM;
    const used = this.head - this.tail;
    if (slots < used) return EBUSY;
    this.rebuild(slots, used);
    return slots * PAGE;
  }

  /** Tells everyone that the last reader or writer went. */
  wakeAll(): void {
    this.queue.wake(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
  }

  private merge(length: number, move: RingMover): number {
    const slot = (this.head - 1) % this.slots;
    const end = (this.offs[slot] as number) + (this.lens[slot] as number);
    if (this.kinds[slot] !== MERGEABLE || end + length > PAGE) return 0;
    const n = move(this.ring as Uint8Array, slot * PAGE + end, length);
    if (n < 0) return n;
    this.lens[slot] = (this.lens[slot] as number) + n;
    this.bytes += n;
    return n;
  }

  private append(want: number, isPacket: boolean, move: RingMover): number {
    const slot = this.head % this.slots;
    const free = Math.min(this.slots - (this.head - this.tail), this.slots - slot);
    const n = move(this.ring as Uint8Array, slot * PAGE, Math.min(want, (isPacket ? 1 : free) * PAGE));
    if (n <= 0) return n;
    for (let at = slot, left = n; left > 0; at++, left -= PAGE) {
      this.offs[at] = 0;
      this.lens[at] = Math.min(left, PAGE);
      this.kinds[at] = isPacket ? PACKET : MERGEABLE;
      this.head++;
    }
    this.bytes += n;
    return n;
  }

  private copySlot(from: Uint8Array, offset: number, length: number, kind: number): number {
    if (this.ring === null) this.ring = allocRing(this.slots);
    const slot = this.head % this.slots;
    this.ring.set(from.subarray(offset, offset + length), slot * PAGE);
    this.offs[slot] = 0;
    this.lens[slot] = length;
    // A page that came by splice is never appended to: it may be shared with its source.
    this.kinds[slot] = kind === PACKET ? PACKET : 0;
    this.head++;
    this.bytes += length;
    return length;
  }

  /** Bytes from the front of `slot` that lie in a row, at most `want`. */
  private runLength(slot: number, want: number): number {
    let length = this.lens[slot] as number;
    if (this.kinds[slot] === PACKET) return Math.min(length, want);
    let left = this.head - this.tail - 1;
    for (let at = slot; length < want && left > 0; left--) {
      if ((this.offs[at] as number) + (this.lens[at] as number) !== PAGE) break;
      if (++at >= this.slots || this.offs[at] !== 0 || this.kinds[at] === PACKET) break;
      length += this.lens[at] as number;
    }
    return Math.min(length, want);
  }

  private dropBytes(count: number): void {
    this.bytes -= count;
    let left = count;
    while (left > 0) {
      const slot = this.tail % this.slots;
      const length = this.lens[slot] as number;
      if (left < length) {
        this.offs[slot] = (this.offs[slot] as number) + left;
        this.lens[slot] = length - left;
        return;
      }
      left -= length;
      this.tail++;
    }
    if (this.head === this.tail) {
      this.head = 0;
      this.tail = 0;
    }
  }

  private rebuild(slots: number, used: number): void {
    const offs = new Int32Array(slots);
    const lens = new Int32Array(slots);
    const kinds = new Uint8Array(slots);
    const old = this.ring;
    const ring = old === null ? null : allocRing(slots);
    for (let i = 0; i < used; i++) {
      const slot = (this.tail + i) % this.slots;
      const from = slot * PAGE + (this.offs[slot] as number);
      offs[i] = this.offs[slot] as number;
      lens[i] = this.lens[slot] as number;
      kinds[i] = this.kinds[slot] as number;
      (ring as Uint8Array).set(
        (old as Uint8Array).subarray(from, from + (lens[i] as number)),
        i * PAGE + (offs[i] as number),
      );
    }
    if (old !== null) freeRing(old);
    const wasFull = this.isFull;
    pagesPromised += slots - this.slots;
    this.ring = ring;
    this.slots = slots;
    this.offs = offs;
    this.lens = lens;
    this.kinds = kinds;
    this.tail = 0;
    this.head = used;
    if (wasFull && !this.isFull) this.queue.wake(EPOLLOUT | EPOLLWRNORM);
  }
}
