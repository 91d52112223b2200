// SPDX-License-Identifier: Apache-2.0

/**
 * Owes: the #! line's rules; hostile ELF headers never throw and never map outside the address space; the initial stack's
 * layout; argument limits; a static program is mapped with its bss cleared.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { E2BIG, ENOEXEC, isErrno } from '../../platform/abi/linux/errno.ts';
import type { Platform } from '../../platform/platform.ts';
import { REG_RIP, REG_RSP } from '../../platform/registers.ts';
import { rootCredentials } from '../auth/credentials.ts';
import { UserNamespace } from '../auth/user_namespace.ts';
import type { ProgramRequest, ReadyProgram } from '../kernel/program_loader.ts';
import { MemoryManager } from '../mm/memory_manager.ts';
import { FakeAddressSpace, fakeHost } from '../mm/testing/fake_address_space.ts';
import { AnonInode, AnonMount } from '../vfs/anon_mount.ts';
import type { IoContext } from '../vfs/context.ts';
import { FileDescription, type HostMapping } from '../vfs/file_description.ts';
import type { IoSequence } from '../vfs/io.ts';
import { checkArguments } from './arguments.ts';
import { type ElfImage, parseElf } from './elf.ts';
import { loadProgram } from './load_program.ts';
import { buildInitialStack } from './initial_stack.ts';
import { type Fixup, mapImage } from './map_image.ts';
import { parseScript } from './script.ts';

const creds = rootCredentials(new UserNamespace());
const ctx = { creds } as unknown as IoContext;
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

class BytesFile extends FileDescription {
  private readonly content: Uint8Array;
  constructor(content: Uint8Array) {
    const mount = new AnonMount(99, 'testfs', 0, 8);
    const path = mount.place(new AnonInode(mount.fs, 0o100755, 0, 0), 'prog');
    super(path, path.dentry.inode!, 0, creds);
    this.content = content;
  }
  override pread(_ctx: IoContext, io: IoSequence, offset: number): number {
    return offset >= this.content.length
      ? 0
      : io.put(this.content, offset, Math.min(io.remaining, this.content.length - offset));
  }
  override mmap(_ctx: IoContext, offset: number): HostMapping {
    return { fd: 7, offset };
  }
}

/** A static executable: code at 0x400000, data with bss at 0x500ff0. */
function staticElf(): Uint8Array {
  const out = new Uint8Array(0x3000).fill(0xcc);
  const view = new DataView(out.buffer);
  out.fill(0, 0, 0x200);
  view.setUint32(0, 0x464c457f, true);
  out.set([2, 1, 1], 4);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setBigUint64(24, 0x400100n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  const put = (at: number, flags: number, offset: number, vaddr: number, file: number, mem: number): void => {
    view.setUint32(at, 1, true);
    view.setUint32(at + 4, flags, true);
    const words = [offset, vaddr, vaddr, file, mem, 4096];
    for (let i = 0; i < words.length; i++) view.setBigUint64(at + 8 + i * 8, BigInt(words[i]!), true);
  };
  put(64, 5, 0, 0x400000, 0x1000, 0x1000);
  put(120, 6, 0x1ff0, 0x500ff0, 0x20, 0x5000);
  return out;
}

describe('parseScript()', () => {
  const script = (text: string): unknown => parseScript(bytes(text));
  it('splits at the first blank and trims', () => {
    expect(script('#!/bin/sh\n')).toEqual({ interpreter: '/bin/sh', argument: null });
    expect(script('#! \t/bin/sh  -e x \t\n')).toEqual({ interpreter: '/bin/sh', argument: '-e x' });
    expect(script('#!/bin/sh')).toEqual({ interpreter: '/bin/sh', argument: null });
  });
  it('returns ENOEXEC for no or a cut-off interpreter', () => {
    expect(script('#!\n')).toBe(ENOEXEC);
    expect(script('#!   \n')).toBe(ENOEXEC);
    expect(script(`#!/${'a'.repeat(300)}\n`)).toBe(ENOEXEC);
    expect(script(`#!/bin/sh ${'a'.repeat(300)}\n`)).toEqual({
      interpreter: '/bin/sh',
      argument: 'a'.repeat(255 - 10),
    });
  });
});

describe('parseElf()', () => {
  it('reads a real program', () => {
    const file = readFileSync('/bin/true');
    const image = parseElf(file.subarray(0, 4096), (o, n) => file.subarray(o, o + n)) as ElfImage;
    expect(image.interpreter).toBe('/lib64/ld-linux-x86-64.so.2');
    expect(image.segments.length).toBeGreaterThan(1);
    expect(image.phdrAddress).toBe(64);
  });
  it('survives random bytes in the headers, and mapping what it accepted stays inside the address space', () => {
    const file = readFileSync('/bin/true').subarray(0, 8192);
    let seed = 99;
    const rnd = (n: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 4294967296) * n);
    };
    let accepted = 0;
    for (let round = 0; round < 4000; round++) {
      const copy = new Uint8Array(file);
      for (let i = 0; i < 1 + rnd(6); i++) copy[rnd(64 + 13 * 56)] = rnd(4) === 0 ? 0xff : rnd(256);
      const image = parseElf(copy.subarray(0, 4096), (o, n) =>
        copy.subarray(Math.min(o, copy.length), Math.min(o + n, copy.length)),
      );
      if (isErrno(image)) continue;
      accepted++;
      const space = new BoundedSpace();
      const mm = new MemoryManager(space, { host: fakeHost() });
      mm.mmapBase = 0x7f0000000000;
      const fixups: Fixup[] = [];
      const mapped = mapImage(mm, ctx, new BytesFile(copy), image, 'anywhere', fixups);
      expect(isErrno(mapped) || mapped.end <= space.layout.maxAddr).toBe(true);
    }
    expect(accepted).toBeGreaterThan(100);
  });
});

/** Records nothing per page, checks bounds. */
class BoundedSpace extends FakeAddressSpace {
  override map(addr: number, length: number): number {
    if (!(addr >= this.layout.minAddr && length > 0 && addr + length <= this.layout.maxAddr && addr % 4096 === 0))
      throw new Error(`map ${addr} ${length}`);
    return 0;
  }
}

describe('initial stack', () => {
  it('has argc, argv, envp and an aligned pointer', () => {
    const facts = {
      vdso: 0x1000,
      minSigStackSize: 3632,
      hwcap: 1,
      hwcap2: 2,
      platformName: 'x86_64',
      phdr: 3,
      phnum: 4,
      base: 5,
      entry: 6,
      uid: 7,
      euid: 8,
      gid: 9,
      egid: 10,
      isSecure: false,
    };
    const top = 0x7ffd00000000;
    const stack = buildInitialStack(top, '/bin/x', ['x', 'yy'], ['A=1'], facts, new Uint8Array(64).fill(9), 100);
    expect(stack.sp % 16).toBe(0);
    const view = new DataView(stack.bytes.buffer);
    const word = (i: number): number => Number(view.getBigUint64(i * 8, true));
    const text = (addr: number): string => {
      const at = addr - stack.sp;
      return Buffer.from(stack.bytes.subarray(at, stack.bytes.indexOf(0, at))).toString('latin1');
    };
    expect(word(0)).toBe(2);
    expect([text(word(1)), text(word(2)), word(3), text(word(4)), word(5)]).toEqual(['x', 'yy', 0, 'A=1', 0]);
    expect([word(6), word(7)]).toEqual([33, 0x1000]);
    const aux = new Map<number, number>();
    for (let i = 6; word(i) !== 0; i += 2) aux.set(word(i), word(i + 1));
    expect(text(aux.get(31)!)).toBe('/bin/x');
    expect(text(aux.get(15)!)).toBe('x86_64');
    expect(stack.bytes[aux.get(25)! - stack.sp]).toBe(9);
    expect(stack.envEnd).toBe(aux.get(31));
    expect(top - stack.sp).toBe(stack.bytes.length);
  });
  it('checkArguments() returns E2BIG for a long string or too much', () => {
    expect(checkArguments('/x', ['a'.repeat(131071)], [], 8 << 20)).toBe(0);
    expect(checkArguments('/x', ['a'.repeat(131072)], [], 8 << 20)).toBe(E2BIG);
    expect(checkArguments('/x', new Array(20).fill('a'.repeat(120000)), [], 8 << 20)).toBe(E2BIG);
    expect(checkArguments('/x', new Array(20).fill('a'.repeat(120000)), [], Number.POSITIVE_INFINITY)).toBe(0);
  });
});

describe('loadProgram()', () => {
  it('maps a static program in one batch with bss cleared', () => {
    const content = staticElf();
    const space = new FakeAddressSpace({}, new Map([[7, content]]));
    const platform = { newAddressSpace: () => space } as unknown as Platform;
    const file = new BytesFile(content);
    const request = {
      platform,
      services: { host: fakeHost() },
      ctx,
      file,
      filename: '/dir/a-rather-long-program-name',
      argv: ['p'],
      envp: [],
      limits: { addressSpace: Infinity, data: Infinity, stack: 8 << 20, memlock: 65536 },
      credentialsFor: () => ({ uid: 1, euid: 2, gid: 3, egid: 4, secure: false }),
    } as unknown as ProgramRequest;
    const loaded = loadProgram(request) as ReadyProgram;
    expect(space.applies).toBe(1);
    expect(loaded.comm).toBe('a-rather-long-p');
    const regs = space.leader.registers;
    expect(regs.u64(REG_RIP)).toBe(0x400100);
    expect(loaded.mm.memory.readU64(regs.u64(REG_RSP))).toBe(1);
    expect(loaded.mm.memory.readU32(0x501008)).toBe(0xcccccccc);
    expect(loaded.mm.memory.readU32(0x501010)).toBe(0);
    expect(loaded.mm.memory.readU32(0x505fec)).toBe(0);
    const lines = loaded.mm.mapsText().split('\n');
    expect(lines[0]).toContain('00400000-00401000 r-xp 00000000');
    expect(lines[1]).toContain('00500000-00502000 rw-p 00001000');
    expect(lines[2]).toContain('00502000-00506000 rw-p 00000000 00:00 0');
    expect(lines[3]).toMatch(/rw-p 00000000 00:00 0 +\[stack\]$/);
    expect(file.refCount).toBe(4);
    loaded.mm.decUsers();
    expect(file.refCount).toBe(1);
    expect(loadProgram({ ...request, file: new BytesFile(bytes('not a program')) })).toBe(ENOEXEC);
  });
});
