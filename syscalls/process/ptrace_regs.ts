// SPDX-License-Identifier: Apache-2.0

/**
 * The registers of a stopped tracee: general, floating point, debug; as struct user, as register sets.
 *
 * Linux:      arch/x86/kernel/ptrace.c, kernel/ptrace.c (ptrace_regset)
 * Invariants: what a tracer writes is checked as Linux does: segment selectors of ring 3, bases of the user half, eflags without the
 *             privileged bits. Register order is struct user_regs_struct's throughout.
 */
import { EFAULT, EINVAL, EIO } from '../../platform/abi/linux/errno.ts';
import { NT_PRFPREG, NT_PRSTATUS, NT_X86_XSTATE } from '../../platform/abi/linux/ptrace.ts';
import type { PlatformThread } from '../../platform/platform.ts';
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
  REG_SS,
  REGS_SIZE,
  Registers,
} from '../../platform/registers.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const TASK_SIZE = 0x7ffffffff000;
/** sizeof(struct user) in the kernel, and where its debug registers are. */
const USER_SIZE = 928;
const DEBUG_REGISTERS = 848;
/** CF PF AF ZF SF TF DF OF RF NT AC ID-less: what a tracer may change. */
const EFLAGS_MASK = 0x54dd5;
const FPU_SIZE = 512;

const scratch = new Uint8Array(16384);
const view = new DataView(scratch.buffer);
const candidate = new Registers(new Uint8Array(REGS_SIZE));

function threadOf(tracee: Task): PlatformThread {
  return tracee.thread as PlatformThread;
}

/** A selector of ring 3, or none where that is allowed. */
function isSelector(value: number, mayBeNull: boolean): boolean {
  return value <= 0xffff && ((mayBeNull && value === 0) || (value & 3) === 3);
}

/** Are the candidate's values such as application code may have? */
function isAcceptable(regs: Registers): boolean {
  for (const reg of [REG_CS, REG_SS]) if (!isSelector(regs.u32(reg) & 0xffff, false)) return false;
  for (const reg of [REG_DS, REG_ES, REG_FS, REG_GS]) if (!isSelector(regs.u32(reg) & 0xffff, true)) return false;
  return regs.u64(REG_FS_BASE) < TASK_SIZE && regs.u64(REG_GS_BASE) < TASK_SIZE;
}

/** Installs the candidate. Returns 0 or EIO. */
function install(tracee: Task): number {
  if (!isAcceptable(candidate)) return EIO;
  const { registers } = threadOf(tracee);
  const flags = (candidate.u32(REG_EFLAGS) & EFLAGS_MASK) | (registers.u32(REG_EFLAGS) & ~EFLAGS_MASK);
  candidate.set(REG_EFLAGS, flags >>> 0);
  const oldCall = registers.i64(REG_ORIG_RAX);
  registers.copyFrom(candidate);
  // A debugger that redirects the thread says so by taking the call away: nothing is restarted then.
  if (candidate.i64(REG_ORIG_RAX) !== oldCall) tracee.syscallNr = candidate.i32(REG_ORIG_RAX);
  return 0;
}

/** Writes all general registers to `addr` in the tracer. Returns 0 or EFAULT. */
export function getRegisters(t: Task, tracee: Task, addr: number): number {
  return t.memory.copyOut(addr, threadOf(tracee).registers.bytes, 0, REGS_SIZE) === REGS_SIZE ? 0 : EFAULT;
}

/** Reads all general registers from the tracer. Errors: EFAULT, EIO. */
export function setRegisters(t: Task, tracee: Task, addr: number, length = REGS_SIZE): number {
  candidate.copyFrom(threadOf(tracee).registers);
  if (t.memory.copyIn(addr, candidate.bytes, 0, length) !== length) return EFAULT;
  return install(tracee);
}

/** PTRACE_PEEKUSER: a word of struct user is written to `data`. Errors: EIO, EFAULT. */
export function peekUser(t: Task, tracee: Task, offset: number, data: number): number {
  if (offset % 8 !== 0 || offset >= USER_SIZE) return EIO;
  scratch.fill(0, 0, 8);
  if (offset < REGS_SIZE) scratch.set(threadOf(tracee).registers.bytes.subarray(offset, offset + 8));
  else if (offset >= DEBUG_REGISTERS && offset < DEBUG_REGISTERS + 64) {
    const value = threadOf(tracee).getDebugRegister?.((offset - DEBUG_REGISTERS) / 8) ?? 0;
    view.setUint32(0, value % 4294967296, true);
    view.setUint32(4, Math.floor(value / 4294967296), true);
  }
  return t.memory.copyOut(data, scratch, 0, 8) === 8 ? 0 : EFAULT;
}

/** PTRACE_POKEUSER: `value` as the register holds it. Errors: EIO, EINVAL. */
export function pokeUser(tracee: Task, offset: number, lo: number, hi: number): number {
  if (offset % 8 !== 0 || offset >= USER_SIZE) return EIO;
  if (offset < REGS_SIZE) {
    candidate.copyFrom(threadOf(tracee).registers);
    candidate.setHalves(offset / 8, lo, hi);
    return install(tracee);
  }
  if (offset < DEBUG_REGISTERS || offset >= DEBUG_REGISTERS + 64) return EIO;
  const value = hi * 4294967296 + lo;
  const set = threadOf(tracee).setDebugRegister;
  if (set === undefined) return value === 0 ? 0 : EIO;
  return set.call(tracee.thread, (offset - DEBUG_REGISTERS) / 8, value);
}

/** PTRACE_GETFPREGS: the FXSAVE image. */
export function getFloatRegisters(t: Task, tracee: Task, addr: number): number {
  return t.memory.copyOut(addr, threadOf(tracee).getFpState(), 0, FPU_SIZE) === FPU_SIZE ? 0 : EFAULT;
}

/** PTRACE_SETFPREGS: replaces the FXSAVE part of the state. Errors: EFAULT, EINVAL. */
export function setFloatRegisters(t: Task, tracee: Task, addr: number, length = FPU_SIZE): number {
  const image = Uint8Array.from(threadOf(tracee).getFpState());
  if (t.memory.copyIn(addr, image, 0, length) !== length) return EFAULT;
  // The software part is not the tracer's; both legacy components are in use from now on.
  if (image.length > FPU_SIZE) image[FPU_SIZE] = (image[FPU_SIZE] as number) | 3;
  return threadOf(tracee).setFpState(image);
}

function setExtendedState(t: Task, tracee: Task, addr: number, length: number): number {
  const full = threadOf(tracee).getFpState().length;
  if (length !== full) return EFAULT;
  const image = new Uint8Array(full);
  if (t.memory.copyIn(addr, image, 0, full) !== full) return EFAULT;
  return threadOf(tracee).setFpState(image);
}

/** PTRACE_GETREGSET and PTRACE_SETREGSET: `iov` is a struct iovec of the tracer. Errors: EFAULT, EINVAL, EIO. */
export function transferRegisterSet(t: Task, tracee: Task, type: number, iov: number, writes: boolean): number {
  const base = t.memory.readU64(iov);
  const given = t.memory.readU64(iov + 8);
  if (base < 0 || given < 0) return EFAULT;
  let bytes: Uint8Array;
  if (type === NT_PRSTATUS) bytes = threadOf(tracee).registers.bytes;
  else if (type === NT_PRFPREG) bytes = threadOf(tracee).getFpState().subarray(0, FPU_SIZE);
  else if (type === NT_X86_XSTATE) bytes = threadOf(tracee).getFpState();
  else return EINVAL;
  if (given % 8 !== 0) return EINVAL;
  const length = Math.min(given, bytes.length);
  let result = 0;
  if (!writes) result = length > 0 && t.memory.copyOut(base, bytes, 0, length) !== length ? EFAULT : 0;
  else if (type === NT_PRSTATUS) result = setRegisters(t, tracee, base, length);
  else if (type === NT_PRFPREG) result = setFloatRegisters(t, tracee, base, length);
  else result = setExtendedState(t, tracee, base, length);
  return result < 0 ? result : t.memory.writeU64(iov + 8, length);
}
