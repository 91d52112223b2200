// SPDX-License-Identifier: Apache-2.0

/**
 * Synchronous faults of application code: stack growth, or a signal.
 *
 * Linux: arch/x86/mm/fault.c, arch/x86/kernel/traps.c
 */
import { SEGV_ACCERR, SI_KERNEL, SIGBUS, SIGFPE, SIGILL, SIGSEGV } from '../../platform/abi/linux/signal.ts';
import { REG_RDI, REG_RIP } from '../../platform/registers.ts';
import { pageFaultCode } from '../arch/fault_code.ts';
import { makeSigInfo } from '../arch/siginfo.ts';
import { forceSignal } from './signal/deliver.ts';
import type { Task } from './task.ts';
import { returnToUser } from './task_run.ts';

const X86_TRAP_DE = 0;
const X86_TRAP_BP = 3;
const X86_TRAP_UD = 6;
const X86_TRAP_GP = 13;
const X86_TRAP_PF = 14;
/** Longest instruction. */
const MAX_INSTRUCTION = 15;
/** si_code of SIGSEGV from a general protection fault. */
const GENERAL_PROTECTION = SI_KERNEL;

function trapNumber(signo: number, code: number): number {
  if (signo === SIGSEGV) return code === GENERAL_PROTECTION ? X86_TRAP_GP : X86_TRAP_PF;
  if (signo === SIGBUS) return X86_TRAP_PF;
  if (signo === SIGFPE) return X86_TRAP_DE;
  return signo === SIGILL ? X86_TRAP_UD : X86_TRAP_BP;
}

const instruction = new Uint8Array(MAX_INSTRUCTION);

function faultCode(t: Task, code: number, addr: number): number {
  const { regs } = t;
  const rip = regs.u64(REG_RIP);
  const n = Math.max(0, t.memory.copyIn(rip, instruction, 0, MAX_INSTRUCTION));
  return pageFaultCode(instruction.subarray(0, n), rip, addr, code === SEGV_ACCERR, regs.u64(REG_RDI) === addr);
}

/** A task stopped on a fault. */
export function handleFault(t: Task, signo: number, code: number, addr: number): void {
  if (signo === SIGSEGV && code > 0 && code !== SI_KERNEL && t.mm.handleFault(addr, t.memoryLimits)) {
    returnToUser(t);
    return;
  }
  const trapno = trapNumber(signo, code);
  t.fault = {
    trapno,
    err: trapno === X86_TRAP_PF ? faultCode(t, code, addr) : 0,
    addr: trapno === X86_TRAP_PF ? addr : 0,
  };
  const info = makeSigInfo(signo, code);
  if (code !== SI_KERNEL) info.addr = addr;
  forceSignal(t, info);
  returnToUser(t);
}
