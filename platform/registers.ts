// SPDX-License-Identifier: Apache-2.0

/**
 * The general registers of one stopped application thread, in `struct user_regs_struct` order.
 *
 * Linux:      arch/x86/include/asm/user_64.h
 * Invariants: no BigInt; a register is read as the number kind the caller needs. `i64` is exact for |x| < 2^53 and
 *             sign-correct beyond, so pointers (< 2^47) and -1 are both exact.
 */

export const REG_R15 = 0;
export const REG_R14 = 1;
export const REG_R13 = 2;
export const REG_R12 = 3;
export const REG_RBP = 4;
export const REG_RBX = 5;
export const REG_R11 = 6;
export const REG_R10 = 7;
export const REG_R9 = 8;
export const REG_R8 = 9;
export const REG_RAX = 10;
export const REG_RCX = 11;
export const REG_RDX = 12;
export const REG_RSI = 13;
export const REG_RDI = 14;
export const REG_ORIG_RAX = 15;
export const REG_RIP = 16;
export const REG_CS = 17;
export const REG_EFLAGS = 18;
export const REG_RSP = 19;
export const REG_SS = 20;
export const REG_FS_BASE = 21;
export const REG_GS_BASE = 22;
export const REG_DS = 23;
export const REG_ES = 24;
export const REG_FS = 25;
export const REG_GS = 26;
export const REG_COUNT = 27;

/** Size of struct user_regs_struct in bytes. */
export const REGS_SIZE = REG_COUNT * 8;

const TWO_32 = 4294967296;

/**
 * A register set over raw bytes. The platform owns the bytes: it fills them when the thread stops and, when `dirty`
 * is set, writes them back before the thread runs again.
 */
export class Registers {
  readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  /** Set by every setter; the platform clears it after write-back. */
  dirty = false;
  /** Set by every setter of another register than rax: only then all of them need writing back. */
  dirtyBeyondRax = false;

  constructor(bytes: Uint8Array = new Uint8Array(REGS_SIZE)) {
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, REG_COUNT * 2);
  }

  /** Register as a signed 32-bit integer (int arguments, fds). */
  i32(reg: number): number {
    return this.words[reg * 2] as number;
  }

  /** Register as an unsigned 32-bit integer (flags, uid_t). */
  u32(reg: number): number {
    return (this.words[reg * 2] as number) >>> 0;
  }

  /** Upper half as an unsigned 32-bit integer. */
  hi32(reg: number): number {
    return (this.words[reg * 2 + 1] as number) >>> 0;
  }

  /** Register as a signed 64-bit integer in a Number; exact below 2^53 in magnitude. */
  i64(reg: number): number {
    return (this.words[reg * 2 + 1] as number) * TWO_32 + ((this.words[reg * 2] as number) >>> 0);
  }

  /** Register as an unsigned 64-bit integer in a Number; exact below 2^53. */
  u64(reg: number): number {
    return ((this.words[reg * 2 + 1] as number) >>> 0) * TWO_32 + ((this.words[reg * 2] as number) >>> 0);
  }

  /** Sets a register from a Number in -2^63..2^64-1 (two's complement; exact inputs stay exact). */
  set(reg: number, value: number): void {
    const hi = Math.floor(value / TWO_32);
    this.words[reg * 2] = value - hi * TWO_32;
    this.words[reg * 2 + 1] = hi;
    this.dirty = true;
    if (reg !== REG_RAX) this.dirtyBeyondRax = true;
  }

  /** Sets both halves of a register. */
  setHalves(reg: number, lo: number, hi: number): void {
    this.words[reg * 2] = lo;
    this.words[reg * 2 + 1] = hi;
    this.dirty = true;
    if (reg !== REG_RAX) this.dirtyBeyondRax = true;
  }

  /** Copies all registers from another set. */
  copyFrom(other: Registers): void {
    this.bytes.set(other.bytes);
    this.markDirty();
  }

  /** Clears every register to zero. */
  clear(): void {
    this.bytes.fill(0);
    this.markDirty();
  }

  /** Says that the bytes were changed (also behind the setters' back): all registers are to be written back. */
  markDirty(): void {
    this.dirty = true;
    this.dirtyBeyondRax = true;
  }

  /** Says that the thread has these registers. For the platform. */
  clean(): void {
    this.dirty = false;
    this.dirtyBeyondRax = false;
  }
}
