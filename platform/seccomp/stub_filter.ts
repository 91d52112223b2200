// SPDX-License-Identifier: Apache-2.0

/**
 * What a stub may ask of the host: the calls of the command list, from the command loop, and nothing else.
 *
 * Application system calls never reach a filter (PTRACE_SYSEMU skips them before), so this is the second wall: it holds when the
 * Sentry makes a mistake. Two programs, both must allow: one by libseccomp (which calls, with which arguments), one by hand (from which
 * instruction), because libseccomp cannot test the instruction pointer.
 *
 * Linux: kernel/seccomp.c; seccomp(2)
 */
import { SCMP_ACT_KILL_PROCESS, SCMP_CMP_EQ, buildSeccompFilter } from '../ffi/libseccomp.ts';
import type { SeccompRule } from '../ffi/libseccomp.ts';
import { FORK_FLAGS, THREAD_FLAGS, USERFAULT_FLAGS } from '../ptrace/address_space.ts';
import { compiled } from './compiled.ts';

const SYS_GETTIMEOFDAY = 96;
const SYS_TIME = 201;
const SYS_GETCPU = 309;

/** Each call with the reason it is needed. */
const RULES: readonly SeccompRule[] = [
  { nr: 9 }, // mmap: AddressSpace.map
  { nr: 10 }, // mprotect: AddressSpace.protect
  { nr: 11 }, // munmap: AddressSpace.unmap
  { nr: 25 }, // mremap: AddressSpace.remap
  { nr: 26 }, // msync: AddressSpace.sync
  { nr: 27 }, // mincore: AddressSpace.mincore
  { nr: 28 }, // madvise: AddressSpace.advise
  { nr: 56, args: [{ arg: 0, op: SCMP_CMP_EQ, a: FORK_FLAGS }] }, // clone: fork
  { nr: 56, args: [{ arg: 0, op: SCMP_CMP_EQ, a: THREAD_FLAGS }] }, // clone: newThread
  { nr: 60 }, // exit: a thread too many
  { nr: 157, args: [{ arg: 0, op: SCMP_CMP_EQ, a: 1 }] }, // prctl PR_SET_PDEATHSIG: not inherited across fork
  { nr: 157, args: [{ arg: 0, op: SCMP_CMP_EQ, a: 15 }] }, // prctl PR_SET_NAME: what ps and top on the host show
  { nr: 334 }, // rseq: PtraceThread.setSequences
  { nr: 323, args: [{ arg: 0, op: SCMP_CMP_EQ, a: USERFAULT_FLAGS }] }, // userfaultfd: AddressSpace.userFaults
  { nr: 324 }, // membarrier: AddressSpace.barrier
  // The three calls the vsyscall page stands for: the host emulates them for old static programs.
  { nr: SYS_GETTIMEOFDAY },
  { nr: SYS_TIME },
  { nr: SYS_GETCPU },
];

const BPF_LD_W_ABS = 0x20;
const BPF_JEQ = 0x15;
const BPF_RET = 0x06;
const RET_ALLOW = 0x7fff0000;
const RET_KILL_PROCESS = 0x80000000;
const OFFSET_NR = 0;
const OFFSET_IP_LOW = 8;
const OFFSET_IP_HIGH = 12;
const VSYSCALL_HIGH = 0xffffffff;

/** Encodes one struct sock_filter. */
function instruction(code: number, jt: number, jf: number, k: number): number[] {
  return [code & 255, code >> 8, jt, jf, k & 255, (k >>> 8) & 255, (k >>> 16) & 255, (k >>> 24) & 255];
}

/** Allows calls made by the command loop's `syscall` (return address `ip`), and those of the vsyscall page. */
export function instructionPointerFilter(ip: number): Uint8Array {
  const low = ip % 4294967296;
  const high = Math.floor(ip / 4294967296);
  return Uint8Array.from([
    ...instruction(BPF_LD_W_ABS, 0, 0, OFFSET_IP_HIGH),
    ...instruction(BPF_JEQ, 0, 2, high), // not ours: try the vsyscall page
    ...instruction(BPF_LD_W_ABS, 0, 0, OFFSET_IP_LOW),
    ...instruction(BPF_JEQ, 5, 6, low),
    ...instruction(BPF_JEQ, 0, 5, VSYSCALL_HIGH),
    ...instruction(BPF_LD_W_ABS, 0, 0, OFFSET_NR),
    ...instruction(BPF_JEQ, 2, 0, SYS_GETTIMEOFDAY),
    ...instruction(BPF_JEQ, 1, 0, SYS_TIME),
    ...instruction(BPF_JEQ, 0, 1, SYS_GETCPU),
    ...instruction(BPF_RET, 0, 0, RET_ALLOW),
    ...instruction(BPF_RET, 0, 0, RET_KILL_PROCESS),
  ]);
}

/** The allow-list's program. Errors: throws SeccompError when libseccomp is missing. */
export function buildCallFilter(): Uint8Array {
  return buildSeccompFilter(RULES, SCMP_ACT_KILL_PROCESS);
}

/**
 * The programs to install in the first stub, in order. `ip`: address behind the command loop's `syscall`.
 * Errors: throws SeccompError when libseccomp is missing.
 */
export function stubFilter(ip: number): Uint8Array[] {
  return [instructionPointerFilter(ip), compiled('stub', buildCallFilter)];
}
