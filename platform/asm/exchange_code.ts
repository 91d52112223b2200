// SPDX-License-Identifier: Apache-2.0

/**
 * One turn of a traced thread as machine code of the Sentry's own: set its result, let it run, wait for the next stop of anyone, and
 * when it is the same thread at its next system call, read its registers. One call instead of four is what makes a system call of the
 * application cost no more than a bare tracer's.
 *
 * Invariants: it touches nothing but the two addresses it is given.
 */
import { Assembler, R10, RAX, RBP, RBX, RCX, RDI, RDX, RSI } from './assembler.ts';
import { PTRACE_GETREGS, PTRACE_POKEUSER, PTRACE_SYSEMU } from '../abi/linux/ptrace.ts';
import { REG_CS, REG_RAX, REG_RCX, REG_RIP } from '../registers.ts';

const SYS_WAIT4 = 61;
const SYS_PTRACE = 101;
/** Stopped by SIGTRAP | 0x80, no event: a system call. */
const SYSCALL_STATUS = 0x857f;
const USER_CS = 0x33;

/** What exchange() returns when the thread is at its next system call: neither a tid, 0 nor an errno. */
export const EXCHANGED = -4096;

/**
 * int64 exchange(tid, registers, setRax, status, waitOptions, waitFor): EXCHANGED when `tid` is at its next system call (made by `syscall` in 64-bit code)
 * and `registers` are its registers; else what wait4(waitFor) returned, its status at `status`.
 */
export function exchangeCode(): number[] {
  const a = new Assembler();
  // rbx: tid, rbp: registers, r12: status, r13: wait options, r14: whom to wait for
  a.bytes(0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56); // push rbx, rbp, r12, r13, r14
  a.mov(RBX, RDI).mov(RBP, RSI).bytes(0x49, 0x89, 0xcc, 0x4d, 0x89, 0xc5, 0x4d, 0x89, 0xce); // mov r12, rcx; mov r13, r8; mov r14, r9
  a.testSelf(RDX).jz('resume');
  a.movImm32(RDI, PTRACE_POKEUSER)
    .mov(RSI, RBX)
    .movImm32(RDX, REG_RAX * 8)
    .load(R10, RBP, REG_RAX * 8);
  a.movImm32(RAX, SYS_PTRACE).syscall();
  a.label('resume').movImm32(RDI, PTRACE_SYSEMU).mov(RSI, RBX).zero(RDX).zero(R10);
  a.movImm32(RAX, SYS_PTRACE).syscall();
  a.bytes(0x4c, 0x89, 0xf7, 0x4c, 0x89, 0xe6, 0x4c, 0x89, 0xea).zero(R10); // mov rdi, r14; mov rsi, r12; mov rdx, r13
  a.movImm32(RAX, SYS_WAIT4).syscall();
  a.bytes(0x48, 0x39, 0xd8).jnz('done'); // cmp rax, rbx
  a.bytes(0x41, 0x81, 0x3c, 0x24, SYSCALL_STATUS & 255, SYSCALL_STATUS >> 8, 0, 0).jnz('done'); // cmp dword [r12], imm32
  a.movImm32(RDI, PTRACE_GETREGS).mov(RSI, RBX).zero(RDX).mov(R10, RBP);
  a.movImm32(RAX, SYS_PTRACE).syscall();
  a.loadWide(RCX, RBP, REG_CS * 8)
    .cmpImm32(RCX, USER_CS)
    .jnz('odd');
  a.load(RCX, RBP, REG_RCX * 8).loadWide(RDX, RBP, REG_RIP * 8);
  a.bytes(0x48, 0x39, 0xd1).jnz('odd'); // cmp rcx, rdx
  a.bytes(0x48, 0xc7, 0xc0, 0x00, 0xf0, 0xff, 0xff).jmp('done'); // mov rax, EXCHANGED
  a.label('odd').mov(RAX, RBX);
  a.label('done').bytes(0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b).ret(); // pop r14, r13, r12, rbp, rbx
  return [...a.assemble()];
}
