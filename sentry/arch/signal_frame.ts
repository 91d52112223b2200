// SPDX-License-Identifier: Apache-2.0

/**
 * The x86-64 signal frame: what a handler finds on its stack, and what rt_sigreturn reads back.
 *
 * Linux:      arch/x86/kernel/signal_64.c, arch/x86/kernel/fpu/signal.c, arch/x86/include/uapi/asm/sigcontext.h
 * Invariants: everything read back is hostile: only application-changeable flag bits, fixed segments, and an FPU image that
 *             the platform validates.
 */
import { EFAULT } from '../../platform/abi/linux/errno.ts';
import { SA_SIGINFO } from '../../platform/abi/linux/signal.ts';
import type { PlatformThread, UserMemory } from '../../platform/platform.ts';
import {
  REG_CS,
  REG_EFLAGS,
  REG_ORIG_RAX,
  REG_R10,
  REG_R11,
  REG_R12,
  REG_R13,
  REG_R14,
  REG_R15,
  REG_R8,
  REG_R9,
  REG_RAX,
  REG_RBP,
  REG_RBX,
  REG_RCX,
  REG_RDI,
  REG_RDX,
  REG_RIP,
  REG_RSI,
  REG_RSP,
  REG_SS,
  type Registers,
} from '../../platform/registers.ts';
import { SIGINFO_SIZE, type SigInfo } from './siginfo.ts';
import type { SigSet } from './sigset.ts';

const RED_ZONE = 128;
/** pretcode, ucontext, siginfo. */
const UCONTEXT = 8;
const UC_FLAGS = UCONTEXT;
const UC_STACK = UCONTEXT + 16;
const UC_MCONTEXT = UCONTEXT + 40;
const UC_SIGMASK = UCONTEXT + 296;
const INFO = UCONTEXT + 304;
const FRAME_SIZE = INFO + SIGINFO_SIZE;
const SC_FLAGS = UC_MCONTEXT + 136;
const SC_SEGMENTS = UC_MCONTEXT + 144;
const SC_ERR = UC_MCONTEXT + 152;
const SC_TRAPNO = UC_MCONTEXT + 160;
const SC_OLDMASK = UC_MCONTEXT + 168;
const SC_CR2 = UC_MCONTEXT + 176;
const SC_FPSTATE = UC_MCONTEXT + 184;

/** Registers of struct sigcontext_64 in order, before flags. */
const SC_REGISTERS = [
  REG_R8,
  REG_R9,
  REG_R10,
  REG_R11,
  REG_R12,
  REG_R13,
  REG_R14,
  REG_R15,
  REG_RDI,
  REG_RSI,
  REG_RBP,
  REG_RBX,
  REG_RDX,
  REG_RAX,
  REG_RCX,
  REG_RSP,
  REG_RIP,
] as const;

const UC_FP_XSTATE = 1;
const UC_SIGCONTEXT_SS = 2;
const UC_STRICT_RESTORE_SS = 4;
const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;
const FXSAVE_SIZE = 512;
const SW_RESERVED = 464;
const USER_CS = 0x33;
const USER_SS = 0x2b;
const EFLAGS_TF = 0x100;
const EFLAGS_DF = 0x400;
const EFLAGS_RF = 0x10000;
/** Flags an application may change through sigreturn (FIX_EFLAGS). */
const FIX_EFLAGS = 0x50dd5;
const TWO_32 = 4294967296;
/** Largest XSAVE image accepted back. */
const MAX_XSTATE = 16384;

const frame = new Uint8Array(FRAME_SIZE);
const frameView = new DataView(frame.buffer);

/** The last fault of a thread, for err, trapno and cr2 of the context. */
export interface FaultRecord {
  trapno: number;
  err: number;
  addr: number;
}

export interface FrameRequest {
  readonly thread: PlatformThread;
  readonly memory: UserMemory;
  readonly info: SigInfo;
  readonly handler: number;
  readonly restorer: number;
  /** SA_*. */
  readonly flags: number;
  /** Mask to restore by sigreturn. */
  readonly mask: SigSet;
  /** Top of the alternate stack to switch to, or 0 to stay on the current one. */
  readonly altStackTop: number;
  /** Lowest address the frame may reach (base of the alternate stack in use); 0: no bound. */
  readonly stackBase: number;
  readonly altStackAddr: number;
  readonly altStackFlags: number;
  readonly altStackSize: number;
  readonly fault: FaultRecord;
  /** Enabled XSAVE features (host.info.xfeatures). */
  readonly xfeatures: number;
}

/**
 * Writes a frame and points the registers at the handler. Returns 0, or EFAULT when the stack cannot take it (nothing but
 * stack memory has changed then).
 */
export function pushSignalFrame(request: FrameRequest): number {
  const { thread, memory } = request;
  const regs = thread.registers;
  const start = request.altStackTop !== 0 ? request.altStackTop : regs.u64(REG_RSP) - RED_ZONE;
  const fp = thread.getFpState();
  const fpAddr = Math.floor((start - (fp.length + 4)) / 64) * 64;
  const sp = Math.floor((fpAddr - FRAME_SIZE) / 16) * 16 - 8;
  if (sp < request.stackBase || sp <= 0) return EFAULT;
  if (writeFpState(memory, fpAddr, fp, request.xfeatures) !== 0) return EFAULT;
  fillFrame(request, regs, fpAddr);
  if (memory.copyOut(sp, frame, 0, FRAME_SIZE) !== FRAME_SIZE) return EFAULT;
  regs.set(REG_RDI, request.info.signo);
  regs.set(REG_RAX, 0);
  regs.set(REG_RSI, sp + INFO);
  regs.set(REG_RDX, sp + UCONTEXT);
  regs.set(REG_RIP, request.handler);
  regs.set(REG_RSP, sp);
  regs.set(REG_CS, USER_CS);
  regs.set(REG_SS, USER_SS);
  regs.set(REG_EFLAGS, regs.u32(REG_EFLAGS) & ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF));
  regs.set(REG_ORIG_RAX, -1);
  thread.resetFpState();
  return 0;
}

function fillFrame(request: FrameRequest, regs: Registers, fpAddr: number): void {
  frame.fill(0);
  put64(0, request.restorer);
  put64(UC_FLAGS, UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS);
  put64(UC_STACK, request.altStackAddr);
  frameView.setUint32(UC_STACK + 8, request.altStackFlags >>> 0, true);
  put64(UC_STACK + 16, request.altStackSize);
  let at = UC_MCONTEXT;
  for (const reg of SC_REGISTERS) {
    frameView.setUint32(at, regs.u32(reg), true);
    frameView.setUint32(at + 4, regs.hi32(reg), true);
    at += 8;
  }
  put64(SC_FLAGS, regs.u32(REG_EFLAGS));
  frameView.setUint16(SC_SEGMENTS, USER_CS, true);
  frameView.setUint16(SC_SEGMENTS + 6, USER_SS, true);
  put64(SC_ERR, request.fault.err);
  put64(SC_TRAPNO, request.fault.trapno);
  frameView.setInt32(SC_OLDMASK, request.mask.lo, true);
  frameView.setInt32(SC_OLDMASK + 4, request.mask.hi, true);
  put64(SC_CR2, request.fault.addr);
  put64(SC_FPSTATE, fpAddr);
  frameView.setInt32(UC_SIGMASK, request.mask.lo, true);
  frameView.setInt32(UC_SIGMASK + 4, request.mask.hi, true);
  if ((request.flags & SA_SIGINFO) !== 0) frame.set(request.info.bytes, INFO);
}

function put64(at: number, value: number): void {
  const hi = Math.floor(value / TWO_32);
  frameView.setUint32(at, value - hi * TWO_32, true);
  frameView.setInt32(at + 4, hi, true);
}

/** Writes the XSAVE image with the software-reserved words that say how large it is. */
function writeFpState(memory: UserMemory, addr: number, image: Uint8Array, xfeatures: number): number {
  const size = image.length;
  const out = new Uint8Array(size + 4);
  out.set(image);
  const view = new DataView(out.buffer);
  view.setUint32(SW_RESERVED, FP_XSTATE_MAGIC1, true);
  view.setUint32(SW_RESERVED + 4, size + 4, true);
  view.setUint32(SW_RESERVED + 8, xfeatures >>> 0, true);
  view.setUint32(SW_RESERVED + 12, 0, true);
  view.setUint32(SW_RESERVED + 16, size, true);
  view.setUint32(size, FP_XSTATE_MAGIC2, true);
  return memory.copyOut(addr, out, 0, out.length) === out.length ? 0 : EFAULT;
}

/** What sigreturn found besides the registers, which it has installed. */
export interface ReturnedContext {
  maskLo: number;
  maskHi: number;
  stackAddr: number;
  stackFlags: number;
  stackSize: number;
}

/**
 * rt_sigreturn: reads the frame the stack pointer stands at, installs registers and FPU state, returns mask and alternate
 * stack in `out`. Errors: EFAULT (the caller forces SIGSEGV).
 */
export function popSignalFrame(thread: PlatformThread, memory: UserMemory, out: ReturnedContext): number {
  const regs = thread.registers;
  const sp = regs.u64(REG_RSP) - 8;
  if (sp < 0 || memory.copyIn(sp, frame, 0, INFO) !== INFO) return EFAULT;
  const fpAddr = get64(SC_FPSTATE);
  const fpResult = restoreFpState(thread, memory, fpAddr);
  if (fpResult !== 0) return fpResult;
  // restoreFpState does not touch `frame`.
  let at = UC_MCONTEXT;
  for (const reg of SC_REGISTERS) {
    regs.setHalves(reg, frameView.getInt32(at, true), frameView.getInt32(at + 4, true));
    at += 8;
  }
  const flags = frameView.getUint32(SC_FLAGS, true);
  regs.set(REG_EFLAGS, ((regs.u32(REG_EFLAGS) & ~FIX_EFLAGS) | (flags & FIX_EFLAGS)) >>> 0);
  regs.set(REG_CS, USER_CS);
  regs.set(REG_SS, USER_SS);
  regs.set(REG_ORIG_RAX, -1);
  out.maskLo = frameView.getInt32(UC_SIGMASK, true);
  out.maskHi = frameView.getInt32(UC_SIGMASK + 4, true);
  out.stackAddr = get64(UC_STACK);
  out.stackFlags = frameView.getUint32(UC_STACK + 8, true);
  out.stackSize = get64(UC_STACK + 16);
  return 0;
}

function get64(at: number): number {
  return frameView.getUint32(at, true) + frameView.getUint32(at + 4, true) * TWO_32;
}

function restoreFpState(thread: PlatformThread, memory: UserMemory, addr: number): number {
  if (addr === 0) {
    thread.resetFpState();
    return 0;
  }
  const current = thread.getFpState();
  const image = new Uint8Array(current.length);
  if (memory.copyIn(addr, image, 0, FXSAVE_SIZE) !== FXSAVE_SIZE) return EFAULT;
  const view = new DataView(image.buffer);
  const size = view.getUint32(SW_RESERVED + 16, true);
  const isExtended =
    view.getUint32(SW_RESERVED, true) === FP_XSTATE_MAGIC1 &&
    size >= FXSAVE_SIZE + 64 &&
    size <= Math.min(image.length, MAX_XSTATE) &&
    memory.readU32(addr + size) === FP_XSTATE_MAGIC2;
  if (isExtended) {
    const rest = size - FXSAVE_SIZE;
    if (memory.copyIn(addr + FXSAVE_SIZE, image, FXSAVE_SIZE, rest) !== rest) return EFAULT;
  } else view.setUint32(FXSAVE_SIZE, 3, true);
  image.fill(0, SW_RESERVED, FXSAVE_SIZE);
  return thread.setFpState(image) === 0 ? 0 : EFAULT;
}
