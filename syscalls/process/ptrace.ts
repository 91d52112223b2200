// SPDX-License-Identifier: Apache-2.0

/**
 * ptrace(2): attaching, looking into a stopped tracee, letting it go.
 *
 * Linux:      kernel/ptrace.c, arch/x86/kernel/ptrace.c; ptrace(2)
 * Invariants: all requests but the attaching ones, PTRACE_KILL and PTRACE_INTERRUPT need a tracee of the calling thread that is
 *             stopped (ESRCH). Raw call: PEEK requests store the word at `data`.
 */
import { EFAULT, EINVAL, EIO, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import * as pt from '../../platform/abi/linux/ptrace.ts';
import { NSIG, SI_USER, SIGKILL } from '../../platform/abi/linux/signal.ts';
import type { PlatformThread } from '../../platform/platform.ts';
import {
  REG_FS_BASE,
  REG_GS_BASE,
  REG_ORIG_RAX,
  REG_R10,
  REG_R8,
  REG_R9,
  REG_RAX,
  REG_RDI,
  REG_RDX,
  REG_RIP,
  REG_RSI,
  REG_RSP,
} from '../../platform/registers.ts';
import { makeSigInfo, SigInfo, SIGINFO_SIZE } from '../../sentry/arch/siginfo.ts';
import { readSigSet, SigSet } from '../../sentry/arch/sigset.ts';
import { attach, detach, traceMe, trap } from '../../sentry/kernel/ptrace/attach.ts';
import { resumeTraced } from '../../sentry/kernel/ptrace/stops.ts';
import type { TraceState, TraceStop } from '../../sentry/kernel/ptrace/trace_state.ts';
import { sendToTask } from '../../sentry/kernel/signal/send.ts';
import { ATTENTION_TRAP, TASK_TRACED, type Task } from '../../sentry/kernel/task.ts';
import {
  getFloatRegisters,
  getRegisters,
  peekUser,
  pokeUser,
  setFloatRegisters,
  setRegisters,
  transferRegisterSet,
} from './ptrace_regs.ts';
import { mayHaveOptions, readFilter, readFilterMetadata } from './ptrace_seccomp.ts';

const OPTIONS_MASK = 0xff | pt.PTRACE_O_EXITKILL | pt.PTRACE_O_SUSPEND_SECCOMP;
const ARCH_SET_GS = 0x1001;
const ARCH_SET_FS = 0x1002;
const ARCH_GET_FS = 0x1003;
const ARCH_GET_GS = 0x1004;
const AUDIT_ARCH_X86_64 = 0xc000003e;
const TASK_SIZE = 0x7ffffffff000;

const word = new Uint8Array(8);
const wordView = new DataView(word.buffer);

export function sys_ptrace(t: Task, request: number, pid: number, addr: number, data: number): number {
  if (request === pt.PTRACE_TRACEME) return traceMe(t);
  const tracee = t.pidNs.tasks.get(pid);
  if (tracee === undefined) return ESRCH;
  if (request === pt.PTRACE_ATTACH) return attach(t, tracee, false, 0);
  if (request === pt.PTRACE_SEIZE) {
    if (addr !== 0 || data > 0xffffffff || (data & ~OPTIONS_MASK) !== 0) return EIO;
    return mayHaveOptions(t, data) || attach(t, tracee, true, data);
  }
  const trace = tracee.ptrace;
  if (trace === null || trace.tracer !== t) return ESRCH;
  if (request === pt.PTRACE_KILL) {
    sendToTask(tracee, makeSigInfo(SIGKILL, SI_USER));
    return 0;
  }
  if (request === pt.PTRACE_INTERRUPT) {
    if (!trace.isSeized) return EIO;
    trap(tracee);
    return 0;
  }
  if (tracee.state !== TASK_TRACED || trace.isListening || trace.stop === null) return ESRCH;
  return onStopped(t, tracee, trace, request, addr, data);
}

function onStopped(t: Task, tracee: Task, trace: TraceState, request: number, addr: number, data: number): number {
  switch (request) {
    case pt.PTRACE_CONT:
    case pt.PTRACE_SYSCALL:
    case pt.PTRACE_SINGLESTEP:
    case pt.PTRACE_SYSEMU:
    case pt.PTRACE_SYSEMU_SINGLESTEP:
      return letGo(tracee, trace, request, data);
    case pt.PTRACE_DETACH:
      if (data > NSIG) return EIO;
      detach(tracee, data);
      return 0;
    case pt.PTRACE_LISTEN:
      return listen(tracee, trace);
    case pt.PTRACE_PEEKTEXT:
    case pt.PTRACE_PEEKDATA:
      if (tracee.memory.copyIn(addr, word, 0, 8) !== 8) return EIO;
      return t.memory.copyOut(data, word, 0, 8) === 8 ? 0 : EFAULT;
    case pt.PTRACE_POKETEXT:
    case pt.PTRACE_POKEDATA:
      putRegister(t);
      return tracee.memory.forceCopyOut(addr, word, 0, 8) === 8 ? 0 : EIO;
    case pt.PTRACE_PEEKUSER:
      return peekUser(t, tracee, addr, data);
    case pt.PTRACE_POKEUSER:
      return pokeUser(tracee, addr, t.regs.u32(REG_R10), t.regs.hi32(REG_R10));
    case pt.PTRACE_GETREGS:
      return getRegisters(t, tracee, data);
    case pt.PTRACE_SETREGS:
      return setRegisters(t, tracee, data);
    case pt.PTRACE_GETFPREGS:
      return getFloatRegisters(t, tracee, data);
    case pt.PTRACE_SETFPREGS:
      return setFloatRegisters(t, tracee, data);
    case pt.PTRACE_GETREGSET:
    case pt.PTRACE_SETREGSET:
      return transferRegisterSet(t, tracee, addr, data, request === pt.PTRACE_SETREGSET);
    case pt.PTRACE_ARCH_PRCTL:
      return archPrctl(t, tracee, data, addr);
    default:
      return onState(t, tracee, trace, trace.stop as TraceStop, request, addr, data);
  }
}

/** Requests about signals, options and events. */
function onState(
  t: Task,
  tracee: Task,
  trace: TraceState,
  stop: TraceStop,
  request: number,
  addr: number,
  data: number,
): number {
  switch (request) {
    case pt.PTRACE_SETOPTIONS:
    case pt.PTRACE_OLDSETOPTIONS:
      if (data > 0xffffffff || (data & ~OPTIONS_MASK) !== 0) return EINVAL;
      if (mayHaveOptions(t, data) !== 0) return EPERM;
      trace.options = data;
      return 0;
    case pt.PTRACE_GETEVENTMSG:
      return t.memory.writeU64(data, trace.eventMessage);
    case pt.PTRACE_GETSIGINFO:
      if (stop.info === null) return EINVAL;
      return t.memory.copyOut(data, stop.info.bytes, 0, SIGINFO_SIZE) === SIGINFO_SIZE ? 0 : EFAULT;
    case pt.PTRACE_SETSIGINFO: {
      const info = new SigInfo();
      if (t.memory.copyIn(data, info.bytes, 0, SIGINFO_SIZE) !== SIGINFO_SIZE) return EFAULT;
      if (stop.info === null) return EINVAL;
      stop.info = info;
      return 0;
    }
    case pt.PTRACE_GETSIGMASK: {
      if (addr !== 8) return EINVAL;
      const mask = tracee.savedMask ?? tracee.blocked;
      wordView.setInt32(0, mask.lo, true);
      wordView.setInt32(4, mask.hi, true);
      return t.memory.copyOut(data, word, 0, 8) === 8 ? 0 : EFAULT;
    }
    case pt.PTRACE_SETSIGMASK: {
      if (addr !== 8) return EINVAL;
      const mask = new SigSet();
      const err = readSigSet(t.memory, data, mask);
      if (err === 0) tracee.setBlocked(mask);
      return err;
    }
    case pt.PTRACE_PEEKSIGINFO:
      return peekSignals(t, tracee, addr, data);
    case pt.PTRACE_GET_SYSCALL_INFO:
      return syscallInfo(t, tracee, trace, stop, addr, data);
    case pt.PTRACE_GET_RSEQ_CONFIGURATION:
      return rseqConfiguration(t, tracee, addr, data);
    case pt.PTRACE_SECCOMP_GET_FILTER:
      return readFilter(t, tracee, addr, data);
    case pt.PTRACE_SECCOMP_GET_METADATA:
      return readFilterMetadata(t, tracee, addr, data);
    default:
      return EIO;
  }
}

/** The fourth argument as all 64 bits, into `word`. */
function putRegister(t: Task): void {
  wordView.setUint32(0, t.regs.u32(REG_R10), true);
  wordView.setUint32(4, t.regs.hi32(REG_R10), true);
}

function letGo(tracee: Task, trace: TraceState, request: number, signo: number): number {
  if (signo > NSIG) return EIO;
  trace.mode =
    request === pt.PTRACE_SYSCALL
      ? 'syscall'
      : request === pt.PTRACE_SYSEMU || request === pt.PTRACE_SYSEMU_SINGLESTEP
        ? 'sysemu'
        : 'run';
  trace.isStepping = request === pt.PTRACE_SINGLESTEP || request === pt.PTRACE_SYSEMU_SINGLESTEP;
  (trace.stop as TraceStop).signal = signo;
  resumeTraced(tracee);
  return 0;
}

/** PTRACE_LISTEN: only out of the stop that PTRACE_SEIZE brought. */
function listen(tracee: Task, trace: TraceState): number {
  const { code } = trace.stop as TraceStop;
  if (!trace.isSeized || code >>> 8 !== pt.PTRACE_EVENT_STOP) return EIO;
  trace.isListening = true;
  if ((tracee.attention & ATTENTION_TRAP) !== 0) resumeTraced(tracee);
  return 0;
}

function archPrctl(t: Task, tracee: Task, operation: number, addr: number): number {
  const { registers } = tracee.thread as PlatformThread;
  switch (operation) {
    case ARCH_GET_FS:
      return t.memory.writeU64(addr, registers.u64(REG_FS_BASE));
    case ARCH_GET_GS:
      return t.memory.writeU64(addr, registers.u64(REG_GS_BASE));
    case ARCH_SET_FS:
    case ARCH_SET_GS:
      if (addr >= TASK_SIZE) return EPERM;
      registers.set(operation === ARCH_SET_FS ? REG_FS_BASE : REG_GS_BASE, addr);
      return 0;
    default:
      return EINVAL;
  }
}

const PEEKSIGINFO_SHARED = 1;

/** PTRACE_PEEKSIGINFO: struct { u64 off; u32 flags; s32 nr } at addr. Returns how many were copied. */
function peekSignals(t: Task, tracee: Task, addr: number, data: number): number {
  const offset = t.memory.readU64(addr);
  const flags = t.memory.readU32(addr + 8);
  const count = t.memory.readU32(addr + 12);
  if (offset < 0 || flags < 0 || count < 0) return EFAULT;
  if ((flags & ~PEEKSIGINFO_SHARED) !== 0 || (count | 0) < 0) return EINVAL;
  const pending = (flags & PEEKSIGINFO_SHARED) !== 0 ? tracee.threadGroup.sharedPending : tracee.pending;
  const infos = pending.queued().slice(offset, offset + count);
  let done = 0;
  for (const info of infos) {
    if (t.memory.copyOut(data + done * SIGINFO_SIZE, info.bytes, 0, SIGINFO_SIZE) !== SIGINFO_SIZE)
      return done > 0 ? done : EFAULT;
    done++;
  }
  return done;
}

const ARGUMENTS = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9];
const SYSCALL_INFO_NONE = 0;
const SYSCALL_INFO_ENTRY = 1;
const SYSCALL_INFO_EXIT = 2;
const SYSCALL_INFO_SECCOMP = 3;
const infoBytes = new Uint8Array(88);
const infoView = new DataView(infoBytes.buffer);

/** PTRACE_GET_SYSCALL_INFO: `size` bytes of struct ptrace_syscall_info. Returns the size there is. */
function syscallInfo(t: Task, tracee: Task, trace: TraceState, stop: TraceStop, size: number, data: number): number {
  const regs = (tracee.thread as PlatformThread).registers;
  const put = (at: number, reg: number): void => {
    infoView.setUint32(at, regs.u32(reg), true);
    infoView.setUint32(at + 4, regs.hi32(reg), true);
  };
  infoBytes.fill(0);
  infoView.setUint32(4, AUDIT_ARCH_X86_64, true);
  put(8, REG_RIP);
  put(16, REG_RSP);
  let length = 24;
  let op = SYSCALL_INFO_NONE;
  if (stop.kind === 'entry' || stop.kind === 'seccomp') {
    op = stop.kind === 'entry' ? SYSCALL_INFO_ENTRY : SYSCALL_INFO_SECCOMP;
    infoView.setUint32(24, regs.u32(REG_ORIG_RAX), true);
    infoView.setUint32(28, regs.i32(REG_ORIG_RAX) < 0 ? 0xffffffff : 0, true);
    ARGUMENTS.forEach((reg, i) => {
      put(32 + i * 8, reg);
    });
    length = 80;
    if (op === SYSCALL_INFO_SECCOMP) {
      infoView.setUint32(80, trace.eventMessage, true);
      length = 84;
    }
  } else if (stop.kind === 'exit') {
    op = SYSCALL_INFO_EXIT;
    put(24, REG_RAX);
    const isError = regs.hi32(REG_RAX) === 0xffffffff && regs.i32(REG_RAX) >= -4095 && regs.i32(REG_RAX) < 0;
    infoBytes[32] = isError ? 1 : 0;
    length = 33;
  }
  infoBytes[0] = op;
  const copied = Math.min(size, length);
  return copied > 0 && t.memory.copyOut(data, infoBytes, 0, copied) !== copied ? EFAULT : length;
}

/** struct ptrace_rseq_configuration */
function rseqConfiguration(t: Task, tracee: Task, size: number, data: number): number {
  infoBytes.fill(0);
  infoView.setUint32(0, tracee.rseqAddr % 4294967296, true);
  infoView.setUint32(4, Math.floor(tracee.rseqAddr / 4294967296), true);
  infoView.setUint32(8, tracee.rseqLength, true);
  infoView.setUint32(12, tracee.rseqSignature >>> 0, true);
  const copied = Math.min(size, 24);
  return copied > 0 && t.memory.copyOut(data, infoBytes, 0, copied) !== copied ? EFAULT : 24;
}
