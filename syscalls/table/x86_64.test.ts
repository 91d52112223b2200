// SPDX-License-Identifier: Apache-2.0

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Registers, REG_R10, REG_RDI, REG_RDX, REG_RSI } from '../../platform/registers.ts';
import { Int, Offset, Size, UInt } from '../args/kinds.ts';
import { decoderFor } from './decode.ts';
import { row } from './row.ts';
import { supportTable } from './support.ts';
import { allRows, buildSyscallTable } from './x86_64.ts';

const HEADER = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h';

describe('the system call table', () => {
  it.skipIf(!existsSync(HEADER))('has a row of the right name for every number of the C header', () => {
    const numbers = [...readFileSync(HEADER, 'utf8').matchAll(/#define __NR_(\w+) (\d+)/g)];
    expect(numbers.length).toBeGreaterThan(300);
    for (const [, name, number] of numbers) expect(allRows()[Number(number)]?.name).toBe(name);
  });

  it('says why for every call that is not fully supported', () => {
    for (const line of supportTable()) if (line.support !== 'full') expect(line.note, line.name).not.toBe('');
  });

  it('is dense: unused numbers are functions too', () => {
    const { functions } = buildSyscallTable();
    for (let nr = 0; nr < functions.length; nr++) expect(typeof functions[nr]).toBe('function');
  });

  it("decoders read each argument with its kind's view", () => {
    const regs = new Registers();
    for (const reg of [REG_RDI, REG_RSI, REG_RDX, REG_R10]) regs.setHalves(reg, -1, -1);
    const seen: number[] = [];
    const fn = decoderFor(row(0, 'test', [Int, UInt, Offset, Size], (_t, a, b, c, d) => seen.push(a, b, c, d)));
    fn(null as never, regs);
    expect(seen).toEqual([-1, 4294967295, -1, 2 ** 64]);
  });
});
