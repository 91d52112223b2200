// SPDX-License-Identifier: Apache-2.0

/**
 * What a ptrace stop means: a system call, a fault of the application, an interrupt the kernel asked for, or nothing.
 *
 * Linux:      kernel/signal.c (ptrace_stop), kernel/ptrace.c (PTRACE_PEEKSIGINFO)
 * Invariants: only faults the processor raised count (si_code > 0): a signal somebody sent to the host thread is nothing to the application.
 */
import { PTRACE_EVENT_STOP, PTRACE_GETREGS, PTRACE_GETSIGINFO, PTRACE_PEEKSIGINFO } from '../abi/linux/ptrace.ts';
import { allocateNative } from '../ffi/native.ts';
import { ptrace } from '../ffi/ptrace.ts';
import { EVENT_FAULT, EVENT_INTERRUPTED, EVENT_SYSCALL } from '../platform.ts';
import { REG_CS, REG_ORIG_RAX, REG_RAX, REG_RCX, REG_RIP } from '../registers.ts';
import type { Sequences } from './sequences.ts';
import { type PtraceThread, USER_CS } from './thread.ts';

const SIGILL = 4;
export const SIGTRAP = 5;
const SIGBUS = 7;
const SIGFPE = 8;
const SIGSEGV = 11;
/** PTRACE_O_TRACESYSGOOD. */
const SYSCALL_STOP = SIGTRAP | 0x80;
const SI_KERNEL = 0x80;

/** Is it a signal by which the processor reports a fault? */
function isFaultSignal(signo: number): boolean {
  return signo === SIGSEGV || signo === SIGBUS || signo === SIGILL || signo === SIGFPE || signo === SIGTRAP;
}

/** Did the thread end, rather than stop? `status`: wait4's. */
export function isEnd(status: number): boolean {
  return (status & 0xff) !== 0x7f;
}

export class StopReader {
  private readonly siginfo = allocateNative(128);
  private readonly peekArgs = allocateNative(16);

  private readonly sequences: Sequences;

  constructor(sequences: Sequences) {
    this.sequences = sequences;
    this.peekArgs.u32[3] = 1; // one siginfo
  }

  /** Fills a stopped thread's register set from the host's. */
  readRegisters(thread: PtraceThread): void {
    ptrace(PTRACE_GETREGS, thread.hostTid, 0, thread.slot.addr);
    thread.registers.clean();
  }

  /** Is `signo`, for which the thread stopped, a fault of the code that ran? */
  isFault(tid: number, signo: number): boolean {
    return isFaultSignal(signo) && this.siginfoCode(tid) > 0;
  }

  /** After isFault(): may the host have raised it over the thread's struct rseq? */
  isAboutSequence(thread: PtraceThread, signo: number): boolean {
    return signo === SIGSEGV && thread.rseqAddr !== 0 && this.siginfo.i32[2] === SI_KERNEL;
  }

  private siginfoCode(tid: number): number {
    if (ptrace(PTRACE_GETSIGINFO, tid, 0, this.siginfo.addr) < 0) return 0;
    return this.siginfo.i32[2] as number;
  }

  /** Is a fault queued, for which the thread will stop as soon as it goes on? */
  hasPendingFault(tid: number): boolean {
    if (ptrace(PTRACE_PEEKSIGINFO, tid, this.peekArgs.addr, this.siginfo.addr) <= 0) return false;
    return isFaultSignal(this.siginfo.i32[0] as number) && (this.siginfo.i32[2] as number) > 0;
  }

  /**
   * Says what a stop means and reads the registers. False when it means nothing to the kernel and the thread is to go on:
   * host signals, late interrupt stops.
   */
  classify(thread: PtraceThread, status: number): boolean {
    const tid = thread.hostTid;
    const signo = (status >> 8) & 0xff;
    if (signo === SYSCALL_STOP) {
      this.readRegisters(thread);
      this.classifySyscall(thread);
    } else if (status >>> 16 === PTRACE_EVENT_STOP) {
      thread.interruptSent = false;
      // A fault that is already queued must be seen before the kernel changes the registers; it stops the thread again at once.
      if (!(thread.interruptWanted || thread.parkAtStop) || this.hasPendingFault(tid)) return false;
      this.readRegisters(thread);
      thread.eventKind = EVENT_INTERRUPTED;
    } else if (this.isFault(tid, signo)) {
      thread.eventKind = EVENT_FAULT;
      thread.eventSigno = signo;
      thread.eventCode = this.siginfo.i32[2] as number;
      thread.eventAddr = (this.siginfo.u32[5] as number) * 4294967296 + (this.siginfo.u32[4] as number);
      this.readRegisters(thread);
      if (this.isAboutSequence(thread, signo) && this.sequences.tookStop(thread)) {
        // The interrupt's own stop may have been passed over in favour of this one.
        if (!thread.interruptWanted && !thread.parkAtStop) return false;
        thread.eventKind = EVENT_INTERRUPTED;
      }
    } else return false;
    thread.interruptWanted = false;
    return true;
  }

  /**
   * `syscall` leaves the return address in rcx. Anything else is int 0x80 or 32-bit code, whose numbers mean something else: those
   * fault as on a kernel built without IA32 emulation.
   */
  private classifySyscall(thread: PtraceThread): void {
    const regs = thread.registers;
    if (
      regs.i32(REG_CS) === USER_CS &&
      regs.u32(REG_RCX) === regs.u32(REG_RIP) &&
      regs.hi32(REG_RCX) === regs.hi32(REG_RIP)
    ) {
      thread.eventKind = EVENT_SYSCALL;
      return;
    }
    thread.eventKind = EVENT_FAULT;
    thread.eventSigno = SIGSEGV;
    thread.eventCode = SI_KERNEL;
    thread.eventAddr = 0;
    regs.set(REG_RAX, regs.i64(REG_ORIG_RAX));
    regs.set(REG_ORIG_RAX, -1);
    regs.set(REG_RIP, regs.u64(REG_RIP) - 2);
  }
}
