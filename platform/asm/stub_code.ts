// SPDX-License-Identifier: Apache-2.0

/**
 * The code page every stub keeps: all the host code an application address space contains.
 *
 * - `spawn` is called by the Sentry itself: a raw clone whose child never returns, but runs the command list.
 * - `loop` performs a list of system calls read from the command page and ends in int3: ten mappings cost one stop.
 * - `cmpxchg` is an atomic compare-exchange on application memory.
 * - `bell` sleeps in poll and traps when something is ready, so that one wait4 waits for descriptors as well.
 *
 * Invariants: the page is read-execute, the command page is read-only for the stub: an application that jumps here gains nothing,
 *             its `syscall` stops like any other.
 */
import { Assembler, R10, R12, R13, R14, R8, R9, RAX, RBX, RDI, RDX, RSI } from './assembler.ts';

/** One command: nr, six arguments, flags; 8 bytes each. */
export const COMMAND_SIZE = 64;
/** Go on although the call failed. */
export const COMMAND_IGNORE_ERROR = 1;
/** The last command of the list. */
export const COMMAND_LAST = 2;

const SYS_POLL = 7;
const SYS_CLONE = 56;

export interface StubCode {
  readonly code: Uint8Array;
  /** Entry points, as offsets into the page. */
  readonly spawn: number;
  readonly loop: number;
  readonly cmpxchg: number;
  readonly bell: number;
  /** The `syscall` instruction of loop: a call whose arguments are in registers already. */
  readonly loopSyscall: number;
  /** Addresses (offsets) just behind the `syscall` instructions of loop: what a seccomp filter sees as instruction pointer. */
  readonly loopReturn: number;
}

/** Assembles the page for a command page at `commandsAddr`. */
export function buildStubCode(commandsAddr: number): StubCode {
  const a = new Assembler();
  a.label('spawn');
  // rdi: clone flags
  a.zero(RSI).zero(RDX).zero(R10).zero(R8).movImm32(RAX, SYS_CLONE).syscall();
  a.testSelf(RAX).jz('child').ret();
  a.label('child').movImm64(RBX, commandsAddr);
  a.label('loop');
  a.load(RAX, RBX, 0).load(RDI, RBX, 8).load(RSI, RBX, 16).load(RDX, RBX, 24);
  a.load(R10, RBX, 32).load(R8, RBX, 40).load(R9, RBX, 48).syscall();
  a.label('loopReturn').load(R14, RBX, 56);
  a.cmpImm32(RAX, -4095).jb('succeeded');
  a.testImm8(R14, COMMAND_IGNORE_ERROR).jz('done');
  a.label('succeeded').testImm8(R14, COMMAND_LAST).jnz('done');
  a.addImm8(RBX, COMMAND_SIZE).jmp('loop');
  a.label('done').int3().jmp('done');
  a.align(16);
  a.label('cmpxchg').lockCmpxchg32(RDI, RSI).int3().jmp('cmpxchg');
  a.align(16);
  // r12: address of the pollfd array, r13: its length
  a.label('bell')
    .movImm32(RAX, SYS_POLL)
    .mov(RDI, R12)
    .mov(RSI, R13)
    .movImm64(RDX, 0xffffffff)
    .syscall()
    .int3()
    .jmp('bell');
  const code = a.assemble();
  return {
    code,
    spawn: a.at('spawn'),
    loop: a.at('loop'),
    cmpxchg: a.at('cmpxchg'),
    bell: a.at('bell'),
    loopSyscall: a.at('loopReturn') - 2,
    loopReturn: a.at('loopReturn'),
  };
}
