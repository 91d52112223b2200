// SPDX-License-Identifier: Apache-2.0

/**
 * GrowingMemory: user memory as system calls see it: a copy that runs off the low end of a stack grows the stack, as a
 * fault in application code would, and goes on.
 *
 * Linux:      mm/memory.c (lock_mm_and_find_vma): faults taken inside copy_to_user grow stacks too.
 * Invariants: when nothing faults, each call is one call of the platform's.
 */
import { EFAULT, type Errno } from '../../platform/abi/linux/errno.ts';
import type { UserMemory } from '../../platform/platform.ts';

export class GrowingMemory implements UserMemory {
  private readonly inner: UserMemory;
  /** Makes the stack reach down to addr; false when there is none to grow. */
  private readonly grow: (addr: number) => boolean;

  constructor(inner: UserMemory, grow: (addr: number) => boolean) {
    this.inner = inner;
    this.grow = grow;
  }

  copyIn(addr: number, dst: Uint8Array, offset: number, length: number): number {
    const n = this.inner.copyIn(addr, dst, offset, length);
    return n === length
      ? n
      : this.rest(addr, n, length, (at, done) => this.inner.copyIn(at, dst, offset + done, length - done));
  }
  copyOut(addr: number, src: Uint8Array, offset: number, length: number): number {
    const n = this.inner.copyOut(addr, src, offset, length);
    return n === length
      ? n
      : this.rest(addr, n, length, (at, done) => this.inner.copyOut(at, src, offset + done, length - done));
  }
  zero(addr: number, length: number): number {
    const n = this.inner.zero(addr, length);
    return n === length ? n : this.rest(addr, n, length, (at, done) => this.inner.zero(at, length - done));
  }
  forceCopyOut(addr: number, src: Uint8Array, offset: number, length: number): number {
    const n = this.inner.forceCopyOut(addr, src, offset, length);
    return n === length
      ? n
      : this.rest(addr, n, length, (at, done) => this.inner.forceCopyOut(at, src, offset + done, length - done));
  }
  readCString(addr: number, maxBytes: number): string | Errno {
    const text = this.inner.readCString(addr, maxBytes);
    return text !== EFAULT || !this.grow(addr) ? text : this.inner.readCString(addr, maxBytes);
  }
  readU32(addr: number): number {
    const value = this.inner.readU32(addr);
    return value >= 0 || !this.grow(addr) ? value : this.inner.readU32(addr);
  }
  readU64(addr: number): number {
    const value = this.inner.readU64(addr);
    return value >= 0 || !this.grow(addr) ? value : this.inner.readU64(addr);
  }
  writeU32(addr: number, value: number): number {
    const result = this.inner.writeU32(addr, value);
    return result >= 0 || !this.grow(addr) ? result : this.inner.writeU32(addr, value);
  }
  writeU64(addr: number, value: number): number {
    const result = this.inner.writeU64(addr, value);
    return result >= 0 || !this.grow(addr) ? result : this.inner.writeU64(addr, value);
  }
  compareExchangeU32(addr: number, expected: number, desired: number): number {
    const found = this.inner.compareExchangeU32(addr, expected, desired);
    return found >= 0 || !this.grow(addr) ? found : this.inner.compareExchangeU32(addr, expected, desired);
  }

  /** A copy stopped after `moved` bytes (or EFAULT): grows a stack at that place and goes on once. */
  private rest(addr: number, moved: number, length: number, again: (at: number, done: number) => number): number {
    if (length <= 0) return moved;
    const done = Math.max(moved , 0);
    if (!this.grow(addr + done)) return moved;
    const more = again(addr + done, done);
    return more < 0 ? moved : done + more;
  }
}
