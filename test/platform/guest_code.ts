// SPDX-License-Identifier: Apache-2.0

/**
 * Tiny hand-assembled application programs for platform tests, and the calls to place them in an address space.
 */
import { isErrno } from '../../platform/abi/linux/errno.ts';
import type { Errno } from '../../platform/abi/linux/errno.ts';
import type { AddressSpace, PlatformThread } from '../../platform/platform.ts';
import { REG_RIP, REG_RSP } from '../../platform/registers.ts';
import type { PtracePlatform } from '../../platform/ptrace/platform.ts';

export const CODE = 0x400000;
export const DATA = 0x500000;
export const DATA_SIZE = 0x10000;

const PROT_RWX = 7;
const PROT_RW = 3;

/** mov eax, nr; syscall; jmp back */
export const syscallLoop = (nr: number): number[] => [0xb8, nr, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];
/** jmp self */
export const busyLoop = (): number[] => [0xeb, 0xfe];
/** mov rax, [0]: a fault at address 0 */
export const readNull = (): number[] => [0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0];
/** mov eax, nr; int 0x80 */
export const int80 = (nr: number): number[] => [0xb8, nr, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xfe];

/** A value, or the end of the test. */
export function must<T>(value: T | Errno, what: string): Exclude<T, Errno> {
  if (isErrno(value as Errno)) throw new Error(`${what}: errno ${-(value as Errno)}`);
  return value as Exclude<T, Errno>;
}

/** A fresh address space with `code` at CODE and a data area, its leader about to run it. */
export function load(
  platform: PtracePlatform,
  code: readonly number[],
): { space: AddressSpace; thread: PlatformThread } {
  const space = must(platform.newAddressSpace(), 'newAddressSpace');
  const r = space.apply([
    { op: 'map', addr: CODE, length: 4096, prot: PROT_RWX, sharing: 'private', fd: -1, offset: 0, flags: 0 },
    { op: 'map', addr: DATA, length: DATA_SIZE, prot: PROT_RW, sharing: 'private', fd: -1, offset: 0, flags: 0 },
  ]);
  if (r !== 0) throw new Error(`apply: ${r}`);
  place(space, CODE, code);
  const thread = space.leader;
  thread.registers.set(REG_RIP, CODE);
  thread.registers.set(REG_RSP, DATA + DATA_SIZE - 64);
  return { space, thread };
}

/** Writes bytes into an address space. */
export function place(space: AddressSpace, addr: number, bytes: readonly number[]): void {
  const n = space.memory.copyOut(addr, Uint8Array.from(bytes), 0, bytes.length);
  if (n !== bytes.length) throw new Error(`copyOut: ${n}`);
}
