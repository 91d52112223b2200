// SPDX-License-Identifier: Apache-2.0

/**
 * Application memory through process_vm_readv/writev.
 *
 * Linux:      mm/process_vm_access.c
 * Invariants: addresses are hostile; nothing at or above the stub's pages is reachable; a partial copy is exact to the page.
 */
import { EFAULT, ENAMETOOLONG } from '../abi/linux/errno.ts';
import type { Errno } from '../abi/linux/errno.ts';
import { process_vm_read, process_vm_read_at, process_vm_write, process_vm_write_at } from '../ffi/memory.ts';
import { allocateNative } from '../ffi/native.ts';
import type { UserMemory } from '../platform.ts';
import { PAGE_SIZE } from './layout.ts';

const TWO_32 = 4294967296;
/** First read of a string: most paths fit, and a short copy costs the same as a tiny one. */
const STRING_CHUNK = 256;
const ZERO_SIZE = 16384;

/** Scratch all address spaces share: copies are synchronous. */
const scratch = allocateNative(PAGE_SIZE);
const text = Buffer.from(scratch.bytes.buffer, scratch.bytes.byteOffset, PAGE_SIZE) as Buffer & {
  latin1Slice(start: number, end: number): string;
};
const zeros = allocateNative(ZERO_SIZE);

// Pages read while no application thread runs: a handler that reads a vector of strings, or a path and then a structure, costs one
// copy a page instead of one an item. Direct mapped by page number; all entries end when anything may change memory.
const CACHED_PAGES = 8;
const cachedPages = allocateNative(CACHED_PAGES * PAGE_SIZE);
const cachedText = Buffer.from(
  cachedPages.bytes.buffer,
  cachedPages.bytes.byteOffset,
  CACHED_PAGES * PAGE_SIZE,
) as Buffer & {
  latin1Slice(start: number, end: number): string;
};
const cachedAddr = new Float64Array(CACHED_PAGES);
const cachedPid = new Int32Array(CACHED_PAGES);
const cachedEpoch = new Float64Array(CACHED_PAGES);
let epoch = 1;
/** The page of the last word read from outside the cache: read twice, it is worth having. */
let missedPage = -1;
let missedEpoch = 0;

/** Forgets cached reads: an application thread is about to run, or memory was changed. */
export function forgetReads(): void {
  epoch++;
}

/** What needs a stopped thread. */
export interface StoppedAccess {
  /** True while no application thread runs. */
  isQuiet(): boolean;
  compareExchange(addr: number, expected: number, desired: number): number;
  poke(addr: number, src: Uint8Array, offset: number, length: number): number;
}

export class PtraceUserMemory implements UserMemory {
  private pid: number;
  /** One past the highest address an application can own. */
  private readonly limit: number;
  private readonly stopped: StoppedAccess;

  constructor(pid: number, limit: number, stopped: StoppedAccess) {
    this.pid = pid;
    this.limit = limit;
    this.stopped = stopped;
  }

  /** The process is gone and its pid may become somebody else's: every access faults from now on. */
  detach(): void {
    forgetReads();
    this.pid = -1;
  }

  /** Bytes of [addr, addr+length) below the limit; 0 when addr is out of range. */
  private clamp(addr: number, length: number): number {
    if (!(addr >= 0 && addr < this.limit)) return 0;
    return addr + length > this.limit ? this.limit - addr : length;
  }

  /** Offset in cachedPages of the page holding `addr`, reading it when `load`; -1 when it is not there. */
  private cachedPage(addr: number, load: boolean): number {
    const page = addr - (addr % PAGE_SIZE);
    const slot = (page / PAGE_SIZE) % CACHED_PAGES;
    if (cachedEpoch[slot] === epoch && cachedAddr[slot] === page && cachedPid[slot] === this.pid)
      return slot * PAGE_SIZE;
    if (!load || !this.stopped.isQuiet()) return -1;
    cachedEpoch[slot] = 0;
    if (process_vm_read_at(this.pid, cachedPages.addr + slot * PAGE_SIZE, PAGE_SIZE, page) !== PAGE_SIZE) return -1;
    cachedEpoch[slot] = epoch;
    cachedAddr[slot] = page;
    cachedPid[slot] = this.pid;
    return slot * PAGE_SIZE;
  }

  /** As cachedPage(), for words: a page is loaded when it is asked for a second time. */
  private cachedWord(addr: number): number {
    const page = addr - (addr % PAGE_SIZE);
    const again = missedPage === page && missedEpoch === epoch;
    const at = this.cachedPage(addr, again);
    if (at >= 0) return at + (addr - page);
    missedPage = page;
    missedEpoch = epoch;
    return -1;
  }

  copyIn(addr: number, dst: Uint8Array, offset: number, length: number): number {
    if (length <= 0) return 0;
    const wanted = this.clamp(addr, length);
    if (wanted === 0) return EFAULT;
    const n = process_vm_read(this.pid, dst, offset, wanted, addr);
    return n > 0 ? n : EFAULT;
  }

  /** Reads one of the stub's own pages. Returns bytes copied or a negative errno. */
  readStub(addr: number, dst: Uint8Array, offset: number, length: number): number {
    return process_vm_read(this.pid, dst, offset, length, addr);
  }

  copyOut(addr: number, src: Uint8Array, offset: number, length: number): number {
    if (length <= 0) return 0;
    const wanted = this.clamp(addr, length);
    if (wanted === 0) return EFAULT;
    forgetReads();
    const n = process_vm_write(this.pid, src, offset, wanted, addr);
    return n > 0 ? n : EFAULT;
  }

  readCString(addr: number, maxBytes: number): string | Errno {
    let result = '';
    let at = addr;
    let left = maxBytes;
    let chunk = STRING_CHUNK;
    while (left > 0) {
      const toPageEnd = PAGE_SIZE - (at % PAGE_SIZE);
      const wanted = this.clamp(at, Math.min(chunk, toPageEnd, left));
      if (wanted === 0) return EFAULT;
      const cached = this.cachedPage(at, true);
      const n = cached >= 0 ? wanted : process_vm_read_at(this.pid, scratch.addr, wanted, at);
      if (n <= 0) return EFAULT;
      const bytes = cached >= 0 ? cachedPages.bytes : scratch.bytes;
      const start = cached >= 0 ? cached + (at % PAGE_SIZE) : 0;
      let end = start;
      while (end < start + n && bytes[end] !== 0) end++;
      const piece = cached >= 0 ? cachedText.latin1Slice(start, end) : text.latin1Slice(start, end);
      if (end < start + n) return result === '' ? piece : result + piece;
      result += piece;
      at += n;
      left -= n;
      chunk = PAGE_SIZE;
    }
    return ENAMETOOLONG;
  }

  readU32(addr: number): number {
    if (this.clamp(addr, 4) !== 4) return EFAULT;
    const cached = addr % 4 === 0 ? this.cachedWord(addr) : -1;
    if (cached >= 0) return cachedPages.u32[cached / 4] as number;
    if (process_vm_read_at(this.pid, scratch.addr, 4, addr) !== 4) return EFAULT;
    return scratch.u32[0] as number;
  }

  readU64(addr: number): number {
    if (this.clamp(addr, 8) !== 8) return EFAULT;
    const cached = addr % 8 === 0 ? this.cachedWord(addr) : -1;
    if (cached >= 0)
      return (cachedPages.u32[cached / 4 + 1] as number) * TWO_32 + (cachedPages.u32[cached / 4] as number);
    if (process_vm_read_at(this.pid, scratch.addr, 8, addr) !== 8) return EFAULT;
    return (scratch.u32[1] as number) * TWO_32 + (scratch.u32[0] as number);
  }

  writeU32(addr: number, value: number): number {
    if (this.clamp(addr, 4) !== 4) return EFAULT;
    scratch.i32[0] = value;
    forgetReads();
    return process_vm_write_at(this.pid, scratch.addr, 4, addr) === 4 ? 0 : EFAULT;
  }

  writeU64(addr: number, value: number): number {
    if (this.clamp(addr, 8) !== 8) return EFAULT;
    const hi = Math.floor(value / TWO_32);
    scratch.i32[0] = value - hi * TWO_32;
    scratch.i32[1] = hi;
    forgetReads();
    return process_vm_write_at(this.pid, scratch.addr, 8, addr) === 8 ? 0 : EFAULT;
  }

  zero(addr: number, length: number): number {
    let done = 0;
    forgetReads();
    while (done < length) {
      const wanted = this.clamp(addr + done, Math.min(length - done, ZERO_SIZE));
      const n = wanted === 0 ? 0 : process_vm_write_at(this.pid, zeros.addr, wanted, addr + done);
      if (n <= 0) return done > 0 ? done : EFAULT;
      done += n;
      if (n < wanted) return done;
    }
    return done;
  }

  compareExchangeU32(addr: number, expected: number, desired: number): number {
    // A lock prefix across cache lines is a split lock, which hosts punish: only aligned words, as futexes are.
    if (this.clamp(addr, 4) !== 4 || addr % 4 !== 0) return EFAULT;
    forgetReads();
    return this.stopped.compareExchange(addr, expected, desired);
  }

  forceCopyOut(addr: number, src: Uint8Array, offset: number, length: number): number {
    if (length <= 0) return 0;
    const wanted = this.clamp(addr, length);
    forgetReads();
    return wanted === 0 ? EFAULT : this.stopped.poke(addr, src, offset, wanted);
  }
}
