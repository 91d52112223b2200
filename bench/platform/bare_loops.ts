// SPDX-License-Identifier: Apache-2.0

/**
 * Loops over the ptrace platform's lowest level, for bare_sysemu.ts.
 */
import { PTRACE_GETREGS, PTRACE_POKEUSER, PTRACE_SYSEMU } from '../../platform/abi/linux/ptrace.ts';
import { isErrno } from '../../platform/abi/linux/errno.ts';
import { allocateNative } from '../../platform/ffi/native.ts';
import { ptrace, wait4 } from '../../platform/ffi/ptrace.ts';
import { createPtracePlatform } from '../../platform/ptrace/platform.ts';
import type { PtracePlatform } from '../../platform/ptrace/platform.ts';
import type { AddressSpace } from '../../platform/platform.ts';
import { REG_RAX, REG_RIP } from '../../platform/registers.ts';

/** The result every call returns. */
export const POKE_RESULT = 42;

const CODE = 0x400000;
const DATA = 0x10000000;
const DIRTY = 64 << 20;
const WALL = 0x40000000;
/** mov eax, 110; syscall; jmp back */
const GETPPID_LOOP = Uint8Array.of(0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7);

function fresh(platform: PtracePlatform): AddressSpace {
  const space = platform.newAddressSpace();
  if (isErrno(space)) throw new Error(`newAddressSpace: ${space}`);
  space.map(CODE, 4096, 7, 'private', -1, 0, 0);
  space.memory.copyOut(CODE, GETPPID_LOOP, 0, GETPPID_LOOP.length);
  return space;
}

/** Microseconds a call of a bare PTRACE_SYSEMU loop, tracer and tracee on one processor. */
export function bareLoop(calls: number, result: number): number {
  const platform = createPtracePlatform();
  const space = fresh(platform);
  const thread = space.leader;
  thread.registers.set(REG_RIP, CODE);
  thread.resume();
  platform.wait(Number.POSITIVE_INFINITY);
  const tid = thread.hostTid;
  const regs = allocateNative(256);
  const status = allocateNative(16);
  const loop = (n: number): void => {
    for (let i = 0; i < n; i++) {
      ptrace(PTRACE_SYSEMU, tid, 0, 0);
      if (wait4(tid, status.addr, WALL) !== tid) throw new Error('wait4');
      ptrace(PTRACE_GETREGS, tid, 0, regs.addr);
      ptrace(PTRACE_POKEUSER, tid, REG_RAX * 8, result);
    }
  };
  loop(2000);
  const start = process.hrtime.bigint();
  loop(calls);
  const us = Number(process.hrtime.bigint() - start) / calls / 1000;
  platform.shutdown();
  return us;
}

/** Microseconds a fork and kill of a stub with 64 MB dirty. */
export function bareFork(times: number): number {
  const platform = createPtracePlatform();
  const space = fresh(platform);
  space.map(DATA, DIRTY, 3, 'private', -1, 0, 0);
  const page = new Uint8Array(65536).fill(1);
  for (let at = 0; at < DIRTY; at += page.length) space.memory.copyOut(DATA + at, page, 0, page.length);
  const once = (): void => {
    const copy = space.fork(space.leader);
    if (isErrno(copy)) throw new Error(`fork: ${copy}`);
    copy.release();
  };
  once();
  const start = process.hrtime.bigint();
  for (let i = 0; i < times; i++) once();
  const us = Number(process.hrtime.bigint() - start) / times / 1000;
  platform.shutdown();
  return us;
}
