// SPDX-License-Identifier: Apache-2.0

/**
 * Restartable sequences: the application's struct rseq is registered with the host, which keeps cpu_id in it, but never with the
 * application's signature.
 *
 * The host compares the signature before it moves a thread to an abort address. With a secret one it never does: it raises SIGSEGV
 * instead, which stops the thread, and the abort is made here. If the host made it, an application could claim the stub's command
 * loop as its critical section and have its own code run there while system calls are not held up.
 *
 * Linux:      kernel/rseq.c
 * Invariants: the secret reaches the host in a register, never through memory of the stub. Commands begin with rseq_cs cleared:
 *             SIGSEGV over a struct rseq while they run means that another thread put something there meanwhile.
 */
import { EFAULT, ENOSYS } from '../abi/linux/errno.ts';
import { allocateNative, rawSyscall } from '../ffi/native.ts';
import { kill } from '../ffi/process.ts';
import { REG_RIP } from '../registers.ts';
import type { PtraceAddressSpace } from './address_space.ts';
import { PAGE_SIZE, STUB_PAGES, TASK_SIZE } from './layout.ts';
import { DEAD } from './thread.ts';
import type { PtraceThread } from './thread.ts';

/** See Injection.call(). */
type Call = (thread: PtraceThread, nr: number, a: number, b: number, c: number, d: number) => number;

const SYS_RSEQ = 334;
const SYS_GETRANDOM = 318;
const RSEQ_FLAG_UNREGISTER = 1;
const SIGKILL = 9;
/** offsetof(struct rseq, rseq_cs) */
const RSEQ_CS = 8;
const CS_SIZE = 32;
/** Processes that may die for guessing at the secret before nobody is served any more: each guess is one in 2^32. */
const MAX_ATTACKS = 256;

export class Sequences {
  /** Parked threads are still registered; see endRetired(). */
  hasRetired = false;
  private readonly retired: PtraceThread[] = [];
  private readonly call: Call;
  private readonly stubBase: number;
  private secret = 0;
  private attacks = 0;
  private readonly descriptor = new Uint8Array(CS_SIZE);
  private readonly fields = new DataView(this.descriptor.buffer);

  constructor(stubBase: number, call: Call) {
    this.call = call;
    this.stubBase = stubBase;
  }

  /** See PlatformThread.setSequences(). */
  register(thread: PtraceThread, addr: number, length: number, signature: number): number {
    if (addr + length > this.stubBase) return EFAULT;
    if (this.attacks > MAX_ATTACKS) return ENOSYS;
    while (this.secret === 0) {
      const random = allocateNative(8);
      rawSyscall(SYS_GETRANDOM, random.addr, 4, 0);
      this.secret = random.u32[0] as number;
    }
    const r = this.call(thread, SYS_RSEQ, addr, length, 0, this.secret);
    if (r < 0) return r;
    thread.rseqAddr = addr;
    thread.rseqLength = length;
    thread.rseqSignature = signature >>> 0;
    return 0;
  }

  /** See PlatformThread.unsetSequences(). */
  unregister(thread: PtraceThread): number {
    const { rseqAddr, rseqLength } = thread;
    const r = this.call(thread, SYS_RSEQ, rseqAddr, rseqLength, RSEQ_FLAG_UNREGISTER, this.secret);
    if (r >= 0) thread.rseqAddr = 0;
    return Math.min(r, 0);
  }

  /** A forked thread has its parent's registration. */
  inherit(from: PtraceThread, to: PtraceThread): void {
    to.rseqAddr = from.rseqAddr;
    to.rseqLength = from.rseqLength;
    to.rseqSignature = from.rseqSignature;
    to.hasBadSequence = from.hasBadSequence;
  }

  /**
   * A thread was parked: the host must no longer write to its struct rseq. Done before the application does anything else, but not at
   * once: mostly its process is about to be killed.
   */
  retire(thread: PtraceThread): void {
    if (thread.rseqAddr === 0) return;
    this.retired.push(thread);
    this.hasRetired = true;
  }

  endRetired(): void {
    this.hasRetired = false;
    for (const thread of this.retired.splice(0)) {
      if (thread.state === DEAD || thread.rseqAddr === 0) continue;
      if (this.unregister(thread) < 0) (thread.addressSpace as PtraceAddressSpace).discard(thread);
    }
  }

  /** Before commands run on a thread: nothing may be left for the host to look at. False: none can run on it. */
  prepare(thread: PtraceThread): boolean {
    if (this.settle(thread) === 0) return true;
    thread.hasBadSequence = true;
    return thread.addressSpace.memory.writeU64(thread.rseqAddr + RSEQ_CS, 0) === 0;
  }

  /** The host raised SIGSEGV while commands ran. True: the process was killed for it; false: its struct rseq is out of reach. */
  attacked(thread: PtraceThread): boolean {
    if (thread.addressSpace.memory.writeU64(thread.rseqAddr + RSEQ_CS, 0) !== 0) return false;
    this.attacks++;
    kill(thread.addressSpace.hostPid, SIGKILL);
    return true;
  }

  /** The thread stopped on a SIGSEGV that may be the host's word about its struct rseq. True when all is well again. */
  tookStop(thread: PtraceThread): boolean {
    const { memory } = thread.addressSpace;
    const current = memory.readU64(thread.rseqAddr + RSEQ_CS);
    if (current > 0 && this.settle(thread) === 0) return true;
    if (current !== 0 || memory.writeU64(thread.rseqAddr + RSEQ_CS, 0) !== 0) thread.hasBadSequence = true;
    return false;
  }

  /** See PlatformThread.abortSequence(). Postcondition: on success rseq_cs is cleared. */
  settle(thread: PtraceThread): number {
    if (thread.hasBadSequence) return EFAULT;
    const { memory } = thread.addressSpace;
    const current = memory.readU64(thread.rseqAddr + RSEQ_CS);
    if (current === 0) return 0;
    if (current < 0 || memory.copyIn(current, this.descriptor, 0, CS_SIZE) !== CS_SIZE) return EFAULT;
    const start = this.word(8);
    const length = this.word(16);
    const abort = this.word(24);
    if (!this.isSound(start, length, abort)) return EFAULT;
    if (memory.readU32(abort - 4) !== thread.rseqSignature) return EFAULT;
    const offset = thread.registers.u64(REG_RIP) - start;
    const isInside = offset >= 0 && offset < length;
    if (isInside && this.fields.getUint32(4, true) !== 0) return EFAULT;
    if (memory.writeU64(thread.rseqAddr + RSEQ_CS, 0) !== 0) return EFAULT;
    if (isInside) thread.registers.set(REG_RIP, abort);
    return 0;
  }

  private word(at: number): number {
    return this.fields.getUint32(at, true) + this.fields.getUint32(at + 4, true) * 4294967296;
  }

  /** The checks of the host, and one of ours: nobody's critical section is in the stub. */
  private isSound(start: number, length: number, abort: number): boolean {
    const end = start + length;
    if (this.fields.getUint32(0, true) !== 0 || end >= TASK_SIZE || abort >= TASK_SIZE) return false;
    if (abort >= start && abort < end) return false;
    return end <= this.stubBase || start >= this.stubBase + STUB_PAGES * PAGE_SIZE;
  }
}
