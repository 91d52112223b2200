// SPDX-License-Identifier: Apache-2.0

/**
 * A very small x86-64 assembler: named instructions in, bytes out. Only what the stub needs.
 *
 * Invariants: output is position independent except for 64-bit immediates the caller gives.
 */

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;
export const R8 = 8;
export const R9 = 9;
export const R10 = 10;
export const R11 = 11;
export const R12 = 12;
export const R13 = 13;
export const R14 = 14;
export const R15 = 15;

export class Assembler {
  private readonly out: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly fixups: { at: number; label: string }[] = [];

  /** Offset of the next instruction. */
  get offset(): number {
    return this.out.length;
  }

  /** Names the next instruction. */
  label(name: string): this {
    this.labels.set(name, this.out.length);
    return this;
  }

  /** Offset of a label; it must exist. */
  at(name: string): number {
    const offset = this.labels.get(name);
    if (offset === undefined) throw new Error(`no label ${name}`);
    return offset;
  }

  /** Pads with int3 to a multiple of `alignment`. */
  align(alignment: number): this {
    while (this.out.length % alignment !== 0) this.out.push(0xcc);
    return this;
  }

  bytes(...values: number[]): this {
    this.out.push(...values);
    return this;
  }

  private u32(value: number): this {
    return this.bytes(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, (value >>> 24) & 255);
  }

  private rexW(reg: number, rm: number): number {
    return 0x48 | (reg >= 8 ? 4 : 0) | (rm >= 8 ? 1 : 0);
  }

  /** mov dst, imm64 */
  movImm64(dst: number, value: number): this {
    this.bytes(this.rexW(0, dst), 0xb8 | (dst & 7));
    return this.u32(value % 4294967296).u32(Math.floor(value / 4294967296));
  }

  /** mov dst(32 bits, zero extended), imm32 */
  movImm32(dst: number, value: number): this {
    if (dst >= 8) this.bytes(0x41);
    return this.bytes(0xb8 | (dst & 7)).u32(value);
  }

  /** mov dst, src */
  mov(dst: number, src: number): this {
    return this.bytes(this.rexW(src, dst), 0x89, 0xc0 | ((src & 7) << 3) | (dst & 7));
  }

  /** mov dst, [base + disp] (base not rsp, r12) */
  load(dst: number, base: number, disp: number): this {
    return this.bytes(this.rexW(dst, base), 0x8b, 0x40 | ((dst & 7) << 3) | (base & 7), disp & 255);
  }

  /** As load(), for displacements of 128 and more. */
  loadWide(dst: number, base: number, disp: number): this {
    return this.bytes(this.rexW(dst, base), 0x8b, 0x80 | ((dst & 7) << 3) | (base & 7)).u32(disp);
  }

  /** xor dst, dst (32 bits) */
  zero(dst: number): this {
    if (dst >= 8) this.bytes(0x45);
    return this.bytes(0x31, 0xc0 | ((dst & 7) << 3) | (dst & 7));
  }

  /** add dst, imm8 */
  addImm8(dst: number, value: number): this {
    return this.bytes(this.rexW(0, dst), 0x83, 0xc0 | (dst & 7), value & 255);
  }

  /** cmp dst, imm32 (sign extended) */
  cmpImm32(dst: number, value: number): this {
    return this.bytes(this.rexW(0, dst), 0x81, 0xf8 | (dst & 7)).u32(value);
  }

  /** test dst (low byte), imm8 */
  testImm8(dst: number, value: number): this {
    return this.bytes(0x40 | (dst >= 8 ? 1 : 0), 0xf6, 0xc0 | (dst & 7), value & 255);
  }

  /** test dst, dst */
  testSelf(dst: number): this {
    return this.bytes(this.rexW(dst, dst), 0x85, 0xc0 | ((dst & 7) << 3) | (dst & 7));
  }

  syscall(): this {
    return this.bytes(0x0f, 0x05);
  }

  int3(): this {
    return this.bytes(0xcc);
  }

  ret(): this {
    return this.bytes(0xc3);
  }

  /** lock cmpxchg [base], src (32 bits; base and src below r8, base not rsp/rbp) */
  lockCmpxchg32(base: number, src: number): this {
    return this.bytes(0xf0, 0x0f, 0xb1, (src << 3) | base);
  }

  private branch(opcode: readonly number[], label: string): this {
    this.bytes(...opcode);
    this.fixups.push({ at: this.out.length, label });
    return this.u32(0);
  }

  jmp(label: string): this {
    return this.branch([0xe9], label);
  }

  /** Jump if zero / equal. */
  jz(label: string): this {
    return this.branch([0x0f, 0x84], label);
  }

  /** Jump if not zero / not equal. */
  jnz(label: string): this {
    return this.branch([0x0f, 0x85], label);
  }

  /** Jump if below (unsigned). */
  jb(label: string): this {
    return this.branch([0x0f, 0x82], label);
  }

  /** The machine code, branches resolved. */
  assemble(): Uint8Array {
    const code = Uint8Array.from(this.out);
    const view = new DataView(code.buffer);
    for (const { at, label } of this.fixups) view.setInt32(at, this.at(label) - (at + 4), true);
    return code;
  }
}
