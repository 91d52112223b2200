// SPDX-License-Identifier: Apache-2.0

/**
 * eventfd(2): a 64-bit counter one can wait for.
 *
 * Linux:      fs/eventfd.c
 * Invariants: the counter is hi * 2^32 + lo and at most 2^64 - 2 by writes.
 */
import { EFAULT, EINVAL, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import { EPOLLERR, EPOLLIN, EPOLLOUT } from '../../../platform/abi/linux/poll.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { AnonFile } from './anon_file.ts';

const TWO_32 = 4294967296;
const MAX = 0xffffffff;
const scratch = new Uint8Array(8);
const words = new Uint32Array(scratch.buffer);
let lastId = 0;

export class EventFile extends AnonFile {
  private lo: number;
  private hi = 0;
  private readonly isSemaphore: boolean;
  private readonly id = lastId++;

  /** `flags`: O_NONBLOCK or 0. */
  constructor(initial: number, isSemaphore: boolean, flags: number, creds: Credentials) {
    super('[eventfd]', O_RDWR | (flags & O_NONBLOCK), creds);
    this.lo = initial;
    this.isSemaphore = isSemaphore;
  }

  override read(_ctx: IoContext, io: IoSequence): number {
    if (io.remaining < 8) return EINVAL;
    if (this.lo === 0 && this.hi === 0) return WOULD_BLOCK;
    words[0] = this.isSemaphore ? 1 : this.lo;
    words[1] = this.isSemaphore ? 0 : this.hi;
    if (!this.isSemaphore) {
      this.lo = 0;
      this.hi = 0;
    } else if (this.lo-- === 0) {
      this.lo = MAX;
      this.hi--;
    }
    this.waitQueue.wake(EPOLLOUT);
    return io.put(scratch, 0, 8) === 8 ? 8 : EFAULT;
  }

  override write(_ctx: IoContext, io: IoSequence): number {
    if (io.remaining !== 8) return EINVAL;
    const n = io.take(scratch, 0, 8);
    if (n < 8) return EFAULT;
    const addLo = words[0] as number;
    const addHi = words[1] as number;
    if (addLo === MAX && addHi === MAX) return EINVAL;
    if (!this.add(addLo, addHi)) {
      io.rewind(8);
      return WOULD_BLOCK;
    }
    return 8;
  }

  /** Adds to the counter and wakes readers; false when it would reach 2^64 - 1. */
  private add(addLo: number, addHi: number): boolean {
    const sum = this.lo + addLo;
    const lo = sum % TWO_32;
    const hi = this.hi + addHi + (sum >= TWO_32 ? 1 : 0);
    if (hi > MAX || (hi === MAX && lo === MAX)) return false;
    this.lo = lo;
    this.hi = hi;
    this.waitQueue.wake(EPOLLIN);
    return true;
  }

  /** The kernel's own signal (asynchronous I/O): adds one. Only this can fill the counter to 2^64 - 1, which polls as an error. */
  signal(): void {
    if (this.add(1, 0)) return;
    this.lo = MAX;
    this.hi = MAX;
    this.waitQueue.wake(EPOLLIN | EPOLLERR);
  }

  override poll(): number {
    let bits = 0;
    if (this.lo !== 0 || this.hi !== 0) bits |= EPOLLIN;
    if (this.hi === MAX && this.lo === MAX) bits |= EPOLLERR;
    if (this.hi < MAX || this.lo < MAX - 1) bits |= EPOLLOUT;
    return bits;
  }

  override fdinfo(): string {
    const hex = this.hi === 0 ? this.lo.toString(16) : this.hi.toString(16) + this.lo.toString(16).padStart(8, '0');
    return `eventfd-count: ${hex.padStart(16)}\neventfd-id: ${this.id}\neventfd-semaphore: ${this.isSemaphore ? 1 : 0}\n`;
  }
}
