// SPDX-License-Identifier: Apache-2.0

/**
 * SigSet: a set of signals 1..64 as two 32-bit words (never BigInt, never allocated per test).
 *
 * Linux: include/linux/signal.h (sigset_t)
 */
import { EFAULT } from '../../platform/abi/linux/errno.ts';
import type { UserMemory } from '../../platform/platform.ts';

/** Size of the kernel's sigset_t, the only sigsetsize accepted. */
export const SIGSET_SIZE = 8;

const scratch = new Uint8Array(8);
const words = new Int32Array(scratch.buffer);

export class SigSet {
  /** Signals 1..32, bit signo-1 (int32). */
  lo: number;
  /** Signals 33..64 (int32). */
  hi: number;

  constructor(lo = 0, hi = 0) {
    this.lo = lo | 0;
    this.hi = hi | 0;
  }
  has(signo: number): boolean {
    return signo <= 32 ? ((this.lo >>> (signo - 1)) & 1) === 1 : ((this.hi >>> (signo - 33)) & 1) === 1;
  }
  add(signo: number): void {
    if (signo <= 32) this.lo |= 1 << (signo - 1);
    else this.hi |= 1 << (signo - 33);
  }
  delete(signo: number): void {
    if (signo <= 32) this.lo &= ~(1 << (signo - 1));
    else this.hi &= ~(1 << (signo - 33));
  }
  clear(): void {
    this.lo = 0;
    this.hi = 0;
  }
  get isEmpty(): boolean {
    return (this.lo | this.hi) === 0;
  }
  clone(): SigSet {
    return new SigSet(this.lo, this.hi);
  }
  copyFrom(other: SigSet): void {
    this.lo = other.lo;
    this.hi = other.hi;
  }
  union(other: SigSet): void {
    this.lo |= other.lo;
    this.hi |= other.hi;
  }
  subtract(other: SigSet): void {
    this.lo &= ~other.lo;
    this.hi &= ~other.hi;
  }
  /** Removes SIGKILL and SIGSTOP, which cannot be blocked. */
  dropUnblockable(): void {
    this.lo &= ~((1 << 8) | (1 << 18));
  }
  /** 16 hex digits as in /proc/pid/status. */
  toHex(): string {
    return (this.hi >>> 0).toString(16).padStart(8, '0') + (this.lo >>> 0).toString(16).padStart(8, '0');
  }
}

/** Lowest signal number in (lo, hi), or 0. */
export function lowestSignal(lo: number, hi: number): number {
  if (lo !== 0) return 32 - Math.clz32(lo & -lo);
  if (hi !== 0) return 64 - Math.clz32(hi & -hi);
  return 0;
}

/** Reads a sigset_t. Errors: EFAULT. */
export function readSigSet(memory: UserMemory, addr: number, out: SigSet): number {
  if (memory.copyIn(addr, scratch, 0, 8) !== 8) return EFAULT;
  out.lo = words[0] as number;
  out.hi = words[1] as number;
  return 0;
}

/** Writes a sigset_t. Errors: EFAULT. */
export function writeSigSet(memory: UserMemory, addr: number, set: SigSet): number {
  words[0] = set.lo;
  words[1] = set.hi;
  return memory.copyOut(addr, scratch, 0, 8) === 8 ? 0 : EFAULT;
}
