// SPDX-License-Identifier: Apache-2.0

/**
 * Seccomp inside the sandbox: strict mode and filters that applications put on themselves.
 *
 * Linux:      kernel/seccomp.c; seccomp(2)
 * Invariants: a filter chain is immutable and shared by children; it only ever grows, newest first. All filters run, the most
 *             restrictive verdict counts.
 */
import { ENOSYS } from '../../../platform/abi/linux/errno.ts';
import { SIGKILL, SIGSYS } from '../../../platform/abi/linux/signal.ts';
import {
  REG_R10,
  REG_R8,
  REG_R9,
  REG_RAX,
  REG_RDI,
  REG_RDX,
  REG_RIP,
  REG_RSI,
  type Registers,
} from '../../../platform/registers.ts';
import { PTRACE_EVENT_SECCOMP } from '../../../platform/abi/linux/ptrace.ts';
import { makeSigInfo } from '../../arch/siginfo.ts';
import { dieOfSignal, forceSignal } from '../signal/deliver.ts';
import { ATTENTION_EXIT, type Task } from '../task.ts';
import { KEEP_REGISTERS } from '../task_run.ts';
import { auditSeccomp } from './audit.ts';
import { type BpfProgram, parseFilter, runFilter, takeLookedAtArguments } from './bpf.ts';

export const SECCOMP_MODE_STRICT = 1;
export const SECCOMP_MODE_FILTER = 2;
export const SECCOMP_RET_KILL_PROCESS = 0x80000000;
export const SECCOMP_RET_KILL_THREAD = 0;
export const SECCOMP_RET_TRAP = 0x00030000;
export const SECCOMP_RET_ERRNO = 0x00050000;
export const SECCOMP_RET_TRACE = 0x7ff00000;
export const SECCOMP_RET_LOG = 0x7ffc0000;
export const SECCOMP_RET_ALLOW = 0x7fff0000;
const ACTION_MASK = 0xffff0000;
const AUDIT_ARCH_X86_64 = 0xc000003e;
const SYS_SECCOMP = 1;
const MAX_ERRNO = 4095;

export interface SeccompFilter {
  readonly program: BpfProgram;
  readonly previous: SeccompFilter | null;
  /** Instructions in the chain so far, with Linux's penalty of 4 a filter. */
  readonly totalLength: number;
  /** SECCOMP_FILTER_FLAG_LOG: kept for who asks (PTRACE_SECCOMP_GET_METADATA); there is no log. */
  readonly logs: boolean;
}

export interface SeccompState {
  readonly mode: number;
  readonly filter: SeccompFilter | null;
  /** By number: 1 where every filter allows the call whatever its arguments are (Linux: struct action_cache). Made by the first check. */
  allowed?: Uint8Array;
}

/** Calls with numbers from here on are not remembered. */
const CACHED_CALLS = 512;

/** The state of a process under one filter (struct sock_filter[]) from outside; null: not a program. */
export function filterState(bytes: Uint8Array): SeccompState | null {
  const program = parseFilter(bytes);
  return program === null ? null : { mode: SECCOMP_MODE_FILTER, filter: { program, previous: null, totalLength: program.length / 4, logs: false } };
}

/** read, write, rt_sigreturn, exit. */
const STRICT_CALLS = [0, 1, 15, 60];

/** The verdict may run the call. */
export const SECCOMP_PASS = 1;
/** The tracer decides; the filter's 16 bits of data are added. */
export const SECCOMP_TRACE = 0x10000;

const data = new Uint32Array(16);
const ARGUMENTS = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9];

function fillData(nr: number, regs: Registers): void {
  data[0] = nr;
  data[1] = AUDIT_ARCH_X86_64;
  data[2] = regs.u32(REG_RIP);
  data[3] = regs.hi32(REG_RIP);
  for (let i = 0; i < 6; i++) {
    data[4 + i * 2] = regs.u32(ARGUMENTS[i] as number);
    data[5 + i * 2] = regs.hi32(ARGUMENTS[i] as number);
  }
}

/**
 * Judges a system call of a task with seccomp on. Returns SECCOMP_PASS, or the result with which the call ends (a signal may have
 * been raised, or the task's death begun).
 */
export function checkSeccomp(t: Task, state: SeccompState, nr: number, regs: Registers, isAgain = false): number {
  if (state.allowed !== undefined && state.allowed[nr] === 1) return SECCOMP_PASS;
  if (state.mode === SECCOMP_MODE_STRICT) {
    if (STRICT_CALLS.includes(nr)) return SECCOMP_PASS;
    dieOfSignal(t, SIGKILL, false);
    return KEEP_REGISTERS;
  }
  fillData(nr, regs);
  let verdict = SECCOMP_RET_ALLOW;
  takeLookedAtArguments();
  for (let filter = state.filter; filter !== null; filter = filter.previous) {
    const found = runFilter(filter.program, data);
    // Actions are ordered as signed numbers: KILL_PROCESS is the lowest.
    if (((found & ACTION_MASK) | 0) < ((verdict & ACTION_MASK) | 0)) verdict = found;
  }
  if ((verdict & ACTION_MASK) === SECCOMP_RET_ALLOW && nr < CACHED_CALLS && !takeLookedAtArguments()) {
    state.allowed ??= new Uint8Array(CACHED_CALLS);
    state.allowed[nr] = 1;
  }
  // What the tracer has let through is not shown to it again.
  if (isAgain && (verdict & ACTION_MASK) >>> 0 === SECCOMP_RET_TRACE) return SECCOMP_PASS;
  return act(t, verdict, nr, regs);
}

function act(t: Task, verdict: number, nr: number, regs: Registers): number {
  switch ((verdict & ACTION_MASK) >>> 0) {
    case SECCOMP_RET_ALLOW:
      return SECCOMP_PASS;
    case SECCOMP_RET_LOG:
      auditSeccomp(t, nr, regs, verdict, 'goes on');
      return SECCOMP_PASS;
    case SECCOMP_RET_ERRNO:
      return -Math.min(verdict & 0xffff, MAX_ERRNO);
    case SECCOMP_RET_TRAP: {
      const info = makeSigInfo(SIGSYS, SYS_SECCOMP);
      info.errno = verdict & 0xffff;
      info.addr = regs.u64(REG_RIP);
      info.status = nr;
      new DataView(info.bytes.buffer).setUint32(28, AUDIT_ARCH_X86_64, true);
      regs.set(REG_RAX, nr);
      forceSignal(t, info);
      return KEEP_REGISTERS;
    }
    case SECCOMP_RET_TRACE:
      return t.ptrace?.wants(PTRACE_EVENT_SECCOMP) === true ? SECCOMP_TRACE + (verdict & 0xffff) : ENOSYS;
    case SECCOMP_RET_KILL_THREAD:
      auditSeccomp(t, nr, regs, verdict, 'dies');
      if (t.threadGroup.tasks.size > 1) {
        t.exitStatus = SIGSYS;
        t.attention |= ATTENTION_EXIT;
        return KEEP_REGISTERS;
      }
      dieOfSignal(t, SIGSYS, true);
      return KEEP_REGISTERS;
    default:
      auditSeccomp(t, nr, regs, verdict, 'dies');
      dieOfSignal(t, SIGSYS, true);
      return KEEP_REGISTERS;
  }
}
