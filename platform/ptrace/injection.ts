// SPDX-License-Identifier: Apache-2.0

/**
 * What the Sentry does with a stopped thread in its stub's place: lists of host calls, an atomic exchange, words written through page
 * protection.
 *
 * Linux:      kernel/ptrace.c, arch/x86/kernel/ptrace.c
 * Invariants: only stopped threads are used; the thread's cached registers stay the application's and are marked to be restored.
 */
import { EFAULT, EINTR, ESRCH } from '../abi/linux/errno.ts';
import {
  PTRACE_CONT,
  PTRACE_EVENT_STOP,
  PTRACE_PEEKDATA,
  PTRACE_PEEKUSER,
  PTRACE_POKEDATA,
  PTRACE_SETREGS,
} from '../abi/linux/ptrace.ts';
import type { StubCode } from '../asm/stub_code.ts';
import { allocateNative } from '../ffi/native.ts';
import { ptrace, wait4 } from '../ffi/ptrace.ts';
import {
  REG_CS,
  REG_EFLAGS,
  REG_ORIG_RAX,
  REG_R10,
  REG_RAX,
  REG_RBX,
  REG_RDI,
  REG_RDX,
  REG_RIP,
  REG_RSI,
  REG_SS,
  REGS_SIZE,
  Registers,
} from '../registers.ts';
import type { CommandPage } from './commands.ts';
import type { Sequences } from './sequences.ts';
import { isEnd, SIGTRAP, type StopReader } from './stops.ts';
import { type PtraceThread, USER_CS, USER_EFLAGS, USER_SS } from './thread.ts';

const WALL = 0x40000000;

/** Whoever keeps the books of threads. */
export interface ThreadKeeper {
  readonly commands: CommandPage;
  /** `thread` is about to run code for us: puts it on the right processor. */
  place(thread: PtraceThread): void;
  /** `thread` ended instead. `status`: wait4's. */
  noteExit(thread: PtraceThread, status: number): void;
}

export class Injection {
  readonly commands: CommandPage;
  private readonly stub: StubCode;
  private readonly stubBase: number;
  private readonly stops: StopReader;
  private readonly sequences: Sequences;
  private readonly keeper: ThreadKeeper;
  private readonly status = allocateNative(16);
  private readonly peeked = allocateNative(16);
  private readonly bigWord = new BigInt64Array(this.peeked.bytes.buffer, this.peeked.bytes.byteOffset, 1);
  private readonly frame = allocateNative(REGS_SIZE);
  private readonly registers = new Registers(this.frame.bytes.subarray(0, REGS_SIZE));

  constructor(stub: StubCode, stubBase: number, stops: StopReader, sequences: Sequences, keeper: ThreadKeeper) {
    this.commands = keeper.commands;
    this.stub = stub;
    this.stubBase = stubBase;
    this.stops = stops;
    this.sequences = sequences;
    this.keeper = keeper;
  }

  /** Performs the command list on a stopped thread. Returns the last call's result (the first failure's when one failed), or ESRCH. */
  run(thread: PtraceThread): number {
    this.commands.seal();
    return this.enter(thread, this.stubBase + this.stub.loop, this.commands.addr, 0, 0);
  }

  /** lock cmpxchg on application memory. Returns the value found, or EFAULT. */
  compareExchange(thread: PtraceThread, addr: number, expected: number, desired: number): number {
    this.registers.copyFrom(thread.registers);
    this.registers.set(REG_RAX, expected >>> 0);
    const r = this.enter(thread, this.stubBase + this.stub.cmpxchg, 0, addr, desired >>> 0);
    return r < 0 ? EFAULT : r % 4294967296;
  }

  /** One host call whose arguments go through registers alone: the application can read the command page. */
  call(thread: PtraceThread, nr: number, a: number, b: number, c: number, d: number): number {
    this.commands.clear();
    this.commands.add(0);
    this.commands.seal();
    const regs = this.registers;
    regs.copyFrom(thread.registers);
    regs.set(REG_RAX, nr);
    regs.set(REG_RDX, c);
    regs.set(REG_R10, d);
    return this.enter(thread, this.stubBase + this.stub.loopSyscall, this.commands.addr, a, b, false);
  }

  private enter(thread: PtraceThread, rip: number, rbx: number, rdi: number, rsi: number, isFresh = rbx !== 0): number {
    if (thread.rseqAddr !== 0 && !this.sequences.prepare(thread)) return EFAULT;
    const regs = this.registers;
    if (isFresh) regs.copyFrom(thread.registers);
    regs.set(REG_RIP, rip);
    regs.set(REG_RBX, rbx);
    regs.set(REG_RDI, rdi);
    regs.set(REG_RSI, rsi);
    regs.set(REG_ORIG_RAX, -1);
    regs.set(REG_CS, USER_CS);
    regs.set(REG_SS, USER_SS);
    regs.set(REG_EFLAGS, USER_EFLAGS);
    ptrace(PTRACE_SETREGS, thread.hostTid, 0, this.frame.addr);
    thread.registers.markDirty();
    return this.continueToTrap(thread);
  }

  /** Runs stub code up to its int3. */
  private continueToTrap(thread: PtraceThread): number {
    const tid = thread.hostTid;
    this.keeper.place(thread);
    for (;;) {
      ptrace(PTRACE_CONT, tid, 0, 0);
      let r = wait4(tid, this.status.addr, WALL);
      while (r === EINTR) r = wait4(tid, this.status.addr, WALL);
      const status = this.status.i32[0] as number;
      if (r < 0) return ESRCH;
      if (isEnd(status)) {
        this.keeper.noteExit(thread, status);
        return ESRCH;
      }
      const signo = (status >> 8) & 0xff;
      const event = status >>> 16;
      if (event === 0 && signo === SIGTRAP) {
        ptrace(PTRACE_PEEKUSER, tid, REG_RAX * 8, this.peeked.addr);
        return (this.peeked.i32[1] as number) * 4294967296 + (this.peeked.u32[0] as number);
      }
      if (event === PTRACE_EVENT_STOP) thread.interruptSent = false;
      else if (this.stops.isFault(tid, signo)) {
        if (!this.stops.isAboutSequence(thread, signo)) return EFAULT;
        // Killed: its end is told when its siblings' ends have been collected.
        return this.sequences.attacked(thread) ? ESRCH : EFAULT;
      }
    }
  }

  /** A word of a stopped thread's struct user; 0 when it cannot be had. */
  peekUser(tid: number, offset: number): number {
    if (ptrace(PTRACE_PEEKUSER, tid, offset, this.peeked.addr) < 0) return 0;
    return (this.peeked.u32[1] as number) * 4294967296 + (this.peeked.u32[0] as number);
  }

  /** Writes through page protection, word by word. Returns bytes written or EFAULT. */
  poke(thread: PtraceThread, addr: number, src: Uint8Array, offset: number, length: number): number {
    let done = 0;
    while (done < length) {
      const word = addr + done - ((addr + done) % 8);
      const skip = addr + done - word;
      const count = Math.min(8 - skip, length - done);
      if (ptrace(PTRACE_PEEKDATA, thread.hostTid, word, this.peeked.addr) < 0) return done > 0 ? done : EFAULT;
      this.peeked.bytes.set(src.subarray(offset + done, offset + done + count), skip);
      const value = (this.peeked.i32[1] as number) * 4294967296 + (this.peeked.u32[0] as number);
      if (this.pokeWord(thread.hostTid, word, value) < 0) return done > 0 ? done : EFAULT;
      done += count;
    }
    return done;
  }

  /** A word does not always fit a Number: writes its halves as two overlapping words when it must. */
  private pokeWord(tid: number, word: number, value: number): number {
    if (Number.isSafeInteger(value)) return ptrace(PTRACE_POKEDATA, tid, word, value);
    return ptrace(PTRACE_POKEDATA, tid, word, this.bigWord[0] as never);
  }
}
