// SPDX-License-Identifier: Apache-2.0

/**
 * One application thread: a traced host thread of a stub.
 *
 * Linux:      kernel/ptrace.c, arch/x86/kernel/ptrace.c
 * Invariants: `registers` is the application's register set from the stop until resume(), also while the thread performs commands
 *             for us; the host's copy is written back, when it differs, at resume().
 */
import { EINVAL } from '../abi/linux/errno.ts';
import {
  PTRACE_INTERRUPT,
  PTRACE_POKEUSER,
  PTRACE_SETREGS,
  PTRACE_SYSEMU,
  PTRACE_SYSEMU_SINGLESTEP,
} from '../abi/linux/ptrace.ts';
import { ptrace } from '../ffi/ptrace.ts';
import type { AddressSpace, PlatformThread } from '../platform.ts';
import {
  REG_CS,
  REG_DS,
  REG_EFLAGS,
  REG_ES,
  REG_FS,
  REG_FS_BASE,
  REG_GS,
  REG_GS_BASE,
  REG_ORIG_RAX,
  REG_RAX,
  REG_SS,
  Registers,
} from '../registers.ts';
import type { NativeMemory } from '../ffi/native.ts';
import { TASK_SIZE } from './layout.ts';
import type { PtraceAddressSpace } from './address_space.ts';
import type { Tracer } from './tracer.ts';

/** Runs application code. */
export const RUNNING = 0;
/** Stopped, and the kernel knows (or it was just born). */
export const STOPPED = 1;
/** Stopped, its event not yet delivered. */
export const QUEUED = 2;
/** Stopped without an owner, for reuse. */
export const PARKED = 3;
/** Gone, or about to be. */
export const DEAD = 4;

export const USER_CS = 0x33;
export const USER_SS = 0x2b;
/** offsetof(struct user, u_debugreg) */
const DEBUG_REGISTERS = 848;
/** Interrupts enabled and the bit that is always one. */
export const USER_EFLAGS = 0x202;

export class PtraceThread implements PlatformThread {
  readonly addressSpace: AddressSpace;
  readonly hostTid: number;
  readonly registers: Registers;
  /** The memory behind `registers`. */
  readonly slot: NativeMemory;
  owner: unknown = null;
  state = STOPPED;
  /** The event a stop means, until it is delivered. */
  eventKind = 0;
  eventSigno = 0;
  eventCode = 0;
  eventAddr = 0;
  /** How the thread runs: PTRACE_SYSEMU or PTRACE_SYSEMU_SINGLESTEP. */
  private request = PTRACE_SYSEMU;
  /** PTRACE_INTERRUPT was sent and its stop not yet seen. */
  interruptSent = false;
  /** The kernel still waits for that stop. */
  interruptWanted = false;
  /** The thread goes to the parking place at its next stop. */
  parkAtStop = false;
  /** Host comm to set together with the next command. */
  pendingName: string | null = null;
  /** A hardware breakpoint may be set. */
  hasDebugRegisters = false;
  /** Processor restriction as last applied; see CpuPolicy. */
  pinnedTo = -1;
  /** The application's struct rseq as the host knows it, its length and the application's signature; 0: none. See Sequences. */
  rseqAddr = 0;
  rseqLength = 0;
  rseqSignature = 0;
  /** What the application said of a critical section was wrong. */
  hasBadSequence = false;
  /** The application's own restriction to processors; null: none. */
  allowed: NativeMemory | null = null;
  /** On the list of Crowd. */
  isMoving = false;
  private readonly tracer: Tracer;

  constructor(tracer: Tracer, addressSpace: AddressSpace, hostTid: number, slot: NativeMemory) {
    this.tracer = tracer;
    this.addressSpace = addressSpace;
    this.hostTid = hostTid;
    this.slot = slot;
    this.registers = new Registers(slot.bytes.subarray(0, 216));
  }

  get isStopped(): boolean {
    return this.state !== RUNNING && this.state !== QUEUED;
  }

  /** Sets the registers execve leaves: all zero, flat segments. */
  clearRegisters(): void {
    this.registers.clear();
    this.registers.set(REG_CS, USER_CS);
    this.registers.set(REG_SS, USER_SS);
    this.registers.set(REG_EFLAGS, USER_EFLAGS);
    this.registers.set(REG_ORIG_RAX, -1);
  }

  resume(): void {
    if (this.state !== STOPPED) return;
    this.request = PTRACE_SYSEMU;
    this.tracer.resume(this);
  }

  step(): void {
    if (this.state !== STOPPED) return;
    this.request = PTRACE_SYSEMU_SINGLESTEP;
    this.tracer.resume(this);
    this.tracer.settle();
  }

  /** Lets the host thread run as it last did, registers brought up to date. */
  restart(): void {
    if (this.registers.dirty) this.writeRegisters();
    this.state = RUNNING;
    // ESRCH: killed meanwhile; its death is reported by wait().
    ptrace(this.request, this.hostTid, 0, 0);
  }

  /** Nothing but rax differs from the host's registers. A pending stop makes the host look for its own restart codes: such a value must not meet a live orig_rax. */
  get needsOnlyRax(): boolean {
    return !this.registers.dirtyBeyondRax && this.registers.i64(REG_RAX) > -512;
  }

  /** Brings the host's registers up to date. */
  writeRegisters(): void {
    const regs = this.registers;
    if (this.needsOnlyRax) {
      ptrace(PTRACE_POKEUSER, this.hostTid, REG_RAX * 8, regs.i64(REG_RAX));
    } else {
      regs.set(REG_ORIG_RAX, -1);
      if (ptrace(PTRACE_SETREGS, this.hostTid, 0, this.slot.addr) === -5) this.repairRegisters();
    }
    regs.clean();
  }

  /** EIO: a segment selector or base the host refuses (they come from signal frames). Falls back to the flat ones. */
  private repairRegisters(): void {
    const regs = this.registers;
    regs.set(REG_CS, USER_CS);
    regs.set(REG_SS, USER_SS);
    for (const reg of [REG_DS, REG_ES, REG_FS, REG_GS]) regs.set(reg, 0);
    for (const reg of [REG_FS_BASE, REG_GS_BASE]) if (regs.u64(reg) >= TASK_SIZE) regs.set(reg, 0);
    ptrace(PTRACE_SETREGS, this.hostTid, 0, this.slot.addr);
  }

  interrupt(): void {
    if (this.state !== RUNNING) return;
    this.interruptWanted = true;
    if (this.interruptSent) return;
    this.interruptSent = true;
    this.tracer.settle();
    ptrace(PTRACE_INTERRUPT, this.hostTid, 0, 0);
  }

  getDebugRegister(index: number): number {
    return this.tracer.injection.peekUser(this.hostTid, DEBUG_REGISTERS + index * 8);
  }

  /** The host checks lengths and kinds; an address must be the application's, as the stub's own code must not trap. */
  setDebugRegister(index: number, value: number): number {
    const { maxAddr, reserved } = this.addressSpace.layout;
    if (index < 4) {
      if (value + 8 > maxAddr) return EINVAL;
      for (const { start, end } of reserved) if (value + 8 > start && value < end) return EINVAL;
    }
    this.hasDebugRegisters = true;
    return ptrace(PTRACE_POKEUSER, this.hostTid, DEBUG_REGISTERS + index * 8, value);
  }

  /** Takes all hardware breakpoints away. */
  clearDebugRegisters(): void {
    if (!this.hasDebugRegisters) return;
    this.hasDebugRegisters = false;
    ptrace(PTRACE_POKEUSER, this.hostTid, DEBUG_REGISTERS + 7 * 8, 0);
  }

  setSequences(addr: number, length: number, signature: number): number {
    return this.tracer.sequences.register(this, addr, length, signature);
  }

  unsetSequences(): number {
    return this.tracer.sequences.unregister(this);
  }

  abortSequence(): number {
    return this.rseqAddr === 0 ? 0 : this.tracer.sequences.settle(this);
  }

  getFpState(): Uint8Array {
    return this.tracer.fpState.get(this.hostTid);
  }

  setFpState(image: Uint8Array): number {
    if (image.length < 512) return EINVAL;
    return this.tracer.fpState.set(this.hostTid, image);
  }

  resetFpState(): void {
    this.tracer.fpState.reset(this.hostTid);
  }

  setAffinity(mask: Uint8Array): void {
    this.tracer.policy?.restrict(this, mask);
  }

  setName(comm: string): void {
    this.pendingName = comm.slice(0, 15);
  }

  showName(): void {
    if (this.pendingName !== null) (this.addressSpace as PtraceAddressSpace).flush();
  }

  cpuTimes(out: Float64Array): void {
    this.tracer.cpuTimes(this, out);
  }

  release(): void {
    this.tracer.releaseThread(this);
  }
}
