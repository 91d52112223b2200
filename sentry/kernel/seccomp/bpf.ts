// SPDX-License-Identifier: Apache-2.0

/**
 * Classic BPF as seccomp allows it: checking a program and running it over a seccomp_data.
 *
 * Linux:      kernel/seccomp.c (seccomp_check_filter), net/core/filter.c (bpf_check_classic, ___bpf_prog_run)
 * Invariants: a checked program only jumps forward within itself and ends in a return, so running it always ends. Programs come
 *             from the application and are interpreted, never turned into code.
 */

export const BPF_MAXINSNS = 4096;
const BPF_MEMWORDS = 16;
/** sizeof(struct seccomp_data) */
export const SECCOMP_DATA_SIZE = 64;

/** A checked program: four numbers an instruction: code, jt, jf, k. */
export type BpfProgram = Uint32Array;

const BPF_LD_W_ABS = 0x20;
const BPF_LD_W_LEN = 0x80;
const BPF_LDX_W_LEN = 0x81;
const BPF_LD_IMM = 0x00;
const BPF_LDX_IMM = 0x01;
const BPF_LD_MEM = 0x60;
const BPF_LDX_MEM = 0x61;
const BPF_ST = 0x02;
const BPF_STX = 0x03;
const BPF_JA = 0x05;
const BPF_RET_K = 0x06;
const BPF_RET_A = 0x16;
const BPF_TAX = 0x07;
const BPF_TXA = 0x87;
const BPF_NEG = 0x84;
const ALU = 0x04;
const JMP = 0x05;
const BPF_X = 0x08;
/** add sub mul div or and lsh rsh xor (mod is not allowed by seccomp). */
const ALU_OPS = [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0];
/** jeq jgt jge jset */
const JMP_OPS = [0x10, 0x20, 0x30, 0x40];

/** Decodes struct sock_filter[] and checks it. Null: not a program seccomp takes. */
export function parseFilter(bytes: Uint8Array): BpfProgram | null {
  const count = bytes.length / 8;
  if (count < 1 || count > BPF_MAXINSNS) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const program = new Uint32Array(count * 4);
  for (let pc = 0; pc < count; pc++) {
    program[pc * 4] = view.getUint16(pc * 8, true);
    program[pc * 4 + 1] = view.getUint8(pc * 8 + 2);
    program[pc * 4 + 2] = view.getUint8(pc * 8 + 3);
    program[pc * 4 + 3] = view.getUint32(pc * 8 + 4, true);
    if (!isValid(program, pc, count)) return null;
  }
  const last = program[(count - 1) * 4] as number;
  return last === BPF_RET_K || last === BPF_RET_A ? program : null;
}

/** A program as it was given: struct sock_filter[]. */
export function filterBytes(program: BpfProgram): Uint8Array {
  const count = program.length / 4;
  const bytes = new Uint8Array(count * 8);
  const view = new DataView(bytes.buffer);
  for (let pc = 0; pc < count; pc++) {
    view.setUint16(pc * 8, program[pc * 4] as number, true);
    view.setUint8(pc * 8 + 2, program[pc * 4 + 1] as number);
    view.setUint8(pc * 8 + 3, program[pc * 4 + 2] as number);
    view.setUint32(pc * 8 + 4, program[pc * 4 + 3] as number, true);
  }
  return bytes;
}

function isValid(program: Uint32Array, pc: number, count: number): boolean {
  const [code, jt, jf, k] = program.subarray(pc * 4, pc * 4 + 4) as unknown as [number, number, number, number];
  switch (code) {
    case BPF_LD_W_ABS:
      return k % 4 === 0 && k < SECCOMP_DATA_SIZE;
    case BPF_LD_MEM:
    case BPF_LDX_MEM:
    case BPF_ST:
    case BPF_STX:
      return k < BPF_MEMWORDS;
    case BPF_JA:
      return k < count - pc - 1;
    case BPF_LD_W_LEN:
    case BPF_LDX_W_LEN:
    case BPF_LD_IMM:
    case BPF_LDX_IMM:
    case BPF_RET_K:
    case BPF_RET_A:
    case BPF_TAX:
    case BPF_TXA:
    case BPF_NEG:
      return true;
    default:
  }
  const kind = code & 7;
  const operation = code & 0xf0;
  if ((code & ~0xff) !== 0) return false;
  if (kind === ALU && ALU_OPS.includes(operation))
    return (
      !(operation === 0x30 && (code & BPF_X) === 0 && k === 0) &&
      !((operation === 0x60 || operation === 0x70) && (code & BPF_X) === 0 && k >= 32)
    );
  if (kind === JMP && JMP_OPS.includes(operation)) return pc + jt + 1 < count && pc + jf + 1 < count;
  return false;
}

const memory = new Uint32Array(BPF_MEMWORDS);

/** The last words of seccomp_data that all calls with one number have in common: nr and arch. */
const ARCH_OFFSET = 4;
let looked = false;

/** Did a filter look at more than the number and the architecture of the call since the last time this was asked? */
export function takeLookedAtArguments(): boolean {
  const result = looked;
  looked = false;
  return result;
}

/** What an arithmetic instruction (BPF_ADD ... BPF_XOR) makes of A and its operand; division by zero is the caller's business. */
export function alu(operation: number, a: number, operand: number): number {
  switch (operation) {
    case 0x00:
      return (a + operand) >>> 0;
    case 0x10:
      return (a - operand) >>> 0;
    case 0x20:
      return Math.imul(a, operand) >>> 0;
    case 0x30:
      return Math.floor(a / operand) >>> 0;
    case 0x40:
      return (a | operand) >>> 0;
    case 0x50:
      return (a & operand) >>> 0;
    case 0x60:
      return operand >= 32 ? 0 : (a << operand) >>> 0;
    case 0x70:
      return operand >= 32 ? 0 : a >>> operand;
    default:
      return (a ^ operand) >>> 0;
  }
}

/** Does a conditional jump (BPF_JEQ ... BPF_JSET) take its true branch? */
export function jumps(operation: number, a: number, operand: number): boolean {
  if (operation === 0x10) return a === operand;
  if (operation === 0x20) return a > operand;
  if (operation === 0x30) return a >= operand;
  return (a & operand) !== 0;
}

/** Runs a checked program over seccomp_data (16 words). Returns its verdict (SECCOMP_RET_*). */
export function runFilter(program: BpfProgram, data: Uint32Array): number {
  let a = 0;
  let x = 0;
  memory.fill(0);
  for (let at = 0; ; at += 4) {
    const code = program[at] as number;
    const k = program[at + 3] as number;
    switch (code) {
      case BPF_LD_W_ABS:
        a = data[k >> 2] as number;
        if (k > ARCH_OFFSET) looked = true;
        continue;
      case BPF_RET_K:
        return k;
      case BPF_RET_A:
        return a;
      case BPF_LD_IMM:
        a = k;
        continue;
      case BPF_LDX_IMM:
        x = k;
        continue;
      case BPF_LD_W_LEN:
        a = SECCOMP_DATA_SIZE;
        continue;
      case BPF_LDX_W_LEN:
        x = SECCOMP_DATA_SIZE;
        continue;
      case BPF_LD_MEM:
        a = memory[k] as number;
        continue;
      case BPF_LDX_MEM:
        x = memory[k] as number;
        continue;
      case BPF_ST:
        memory[k] = a;
        continue;
      case BPF_STX:
        memory[k] = x;
        continue;
      case BPF_TAX:
        x = a;
        continue;
      case BPF_TXA:
        a = x;
        continue;
      case BPF_NEG:
        a = -a >>> 0;
        continue;
      case BPF_JA:
        at += k * 4;
        continue;
      default:
    }
    const operand = (code & BPF_X) !== 0 ? x : k;
    if ((code & 7) === JMP)
      at += (jumps(code & 0xf0, a, operand) ? (program[at + 1] as number) : (program[at + 2] as number)) * 4;
    else {
      // Division by zero ends the program with 0 (kill).
      if ((code & 0xf0) === 0x30 && operand === 0) return 0;
      a = alu(code & 0xf0, a, operand);
    }
  }
}
