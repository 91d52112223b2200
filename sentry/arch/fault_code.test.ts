// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';
import { pageFaultCode, writesMemory } from './fault_code.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

describe('writesMemory()', () => {
  it.each([
    ['89 07', true, 'mov %eax,(%rdi)'],
    ['8b 07', false, 'mov (%rdi),%eax'],
    ['48 89 07', true, 'mov %rax,(%rdi)'],
    ['c7 07 01 00 00 00', true, 'movl $1,(%rdi)'],
    ['83 3f 00', false, 'cmpl $0,(%rdi)'],
    ['83 07 01', true, 'addl $1,(%rdi)'],
    ['f0 0f b1 17', true, 'lock cmpxchg'],
    ['f3 48 ab', true, 'rep stos'],
    ['0f b6 07', false, 'movzbl (%rdi),%eax'],
    ['0f 11 07', true, 'movups %xmm0,(%rdi)'],
    ['0f 10 07', false, 'movups (%rdi),%xmm0'],
    ['c5 fe 7f 07', true, 'vmovdqu %ymm0,(%rdi)'],
    ['c5 fe 6f 07', false, 'vmovdqu (%rdi),%ymm0'],
    ['f6 07 01', false, 'testb $1,(%rdi)'],
    ['ff 07', true, 'incl (%rdi)'],
    ['', false, 'nothing'],
  ])('%s is %s: %s', (code, expected) => {
    expect(writesMemory(bytes(code), false)).toBe(expected);
  });
  it('movs writes when the destination is the bad address', () => {
    expect(writesMemory(bytes('48 a5'), true)).toBe(true);
    expect(writesMemory(bytes('48 a5'), false)).toBe(false);
  });
});

describe('pageFaultCode()', () => {
  it('tells fetches, reads and writes, present pages and absent ones', () => {
    expect(pageFaultCode(bytes('8b 07'), 1, 2, false, false)).toBe(4);
    expect(pageFaultCode(bytes('89 07'), 1, 2, true, false)).toBe(7);
    expect(pageFaultCode(bytes(''), 5, 5, false, false)).toBe(0x14);
  });
});
