// SPDX-License-Identifier: Apache-2.0

/**
 * The page fault error code of a signal frame, found again from the faulting instruction: a platform reports signal and
 * address, not the processor's error code.
 *
 * Linux:   arch/x86/include/asm/trap_pf.h
 * Differs: an instruction that both reads and writes memory is taken to have faulted on the write, which is what the
 *          processor reports for all but movs with a bad source.
 */

const PF_PRESENT = 1;
const PF_WRITE = 2;
const PF_USER = 4;
const PF_INSTRUCTION = 0x10;

const NOP = 0x90;
const LEGACY_PREFIXES = new Set([0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65]);
/** One-byte opcodes that store whatever their ModRM says. */
const STORES = new Set([
  0x00, 0x01, 0x08, 0x09, 0x10, 0x11, 0x18, 0x19, 0x20, 0x21, 0x28, 0x29, 0x30, 0x31, 0x86, 0x87, 0x88, 0x89, 0x8c,
  0x8f, 0xa2, 0xa3, 0xaa, 0xab, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55,
  0x56, 0x57, 0x68, 0x6a, 0x9c, 0xe8,
]);
/** Two-byte (0f) opcodes, with or without VEX or EVEX, that store. */
const STORES_0F = new Set([
  0x11, 0x13, 0x17, 0x29, 0x2b, 0x7e, 0x7f, 0xa4, 0xa5, 0xab, 0xac, 0xad, 0xb0, 0xb1, 0xb3, 0xbb, 0xc0, 0xc1, 0xc3,
  0xc7, 0xd6, 0xe7,
]);

function storesOneByte(opcode: number, reg: number): boolean {
  if (STORES.has(opcode)) return true;
  if (opcode === 0x80 || opcode === 0x81 || opcode === 0x83) return reg !== 7;
  if (opcode === 0xf6 || opcode === 0xf7) return reg === 2 || reg === 3;
  return (opcode === 0xfe || opcode === 0xff) && (reg <= 1 || reg === 2 || reg === 3);
}

function storesTwoByte(opcode: number, reg: number): boolean {
  if (STORES_0F.has(opcode) || (opcode >= 0x90 && opcode <= 0x9f)) return true;
  if (opcode === 0xba) return reg >= 5;
  return opcode === 0xae && (reg === 0 || reg === 3 || reg === 4);
}

/** Does the instruction at the start of `code` write memory? `isDestination`: the bad address is where rdi points (movs). */
export function writesMemory(code: Uint8Array, isDestination: boolean): boolean {
  let at = 0;
  const byte = (offset: number): number => code[offset] ?? NOP;
  const reg = (offset: number): number => (byte(offset) >> 3) & 7;
  while (at < code.length && LEGACY_PREFIXES.has(byte(at))) at++;
  if (byte(at) === 0xc5) return storesTwoByte(byte(at + 2), reg(at + 3));
  if (byte(at) === 0xc4) return (byte(at + 1) & 0x1f) === 1 && storesTwoByte(byte(at + 3), reg(at + 4));
  if (byte(at) === 0x62) return (byte(at + 1) & 7) === 1 && storesTwoByte(byte(at + 4), reg(at + 5));
  if ((byte(at) & 0xf0) === 0x40) at++;
  const opcode = byte(at);
  if (opcode === 0x0f) return storesTwoByte(byte(at + 1), reg(at + 2));
  if (opcode === 0xa4 || opcode === 0xa5) return isDestination;
  return storesOneByte(opcode, reg(at + 1));
}

/** The error code of a page fault at `addr` by the instruction `code` at `rip`. `isPresent`: the page is mapped. */
export function pageFaultCode(
  code: Uint8Array,
  rip: number,
  addr: number,
  isPresent: boolean,
  isDestination: boolean,
): number {
  const present = isPresent ? PF_PRESENT : 0;
  if (addr === rip || code.length === 0) return PF_USER | PF_INSTRUCTION | present;
  return PF_USER | present | (writesMemory(code, isDestination) ? PF_WRITE : 0);
}
