// SPDX-License-Identifier: Apache-2.0

/**
 * Owes: random sequences agree with a page-array model; merging and splitting as in /proc/pid/maps; errno rules of mmap,
 * mprotect, mremap; brk; fork; stack growth; reserved ranges are never touched; sums equal a walk.
 */
import { describe, expect, it } from 'vitest';
import { EACCES, EEXIST, EFAULT, EINVAL, ENOMEM, EOVERFLOW } from '../../platform/abi/linux/errno.ts';
import {
  MADV_DONTFORK,
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../platform/abi/linux/mman.ts';
import { Credentials, rootCredentials } from '../auth/credentials.ts';
import { UserNamespace } from '../auth/user_namespace.ts';
import { AnonInode, AnonMount } from '../vfs/anon_mount.ts';
import type { IoContext } from '../vfs/context.ts';
import { FileDescription, type HostMapping } from '../vfs/file_description.ts';
import { MemoryManager, NO_LIMITS } from './memory_manager.ts';
import { FakeAddressSpace, fakeHost } from './testing/fake_address_space.ts';
import { isDataMapping, canMerge, VM_GROWSDOWN, VM_LOCKED } from './vma.ts';

const P = 4096;
const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_PRIVATE | MAP_ANONYMOUS;

function make(layout = {}): { mm: MemoryManager; space: FakeAddressSpace } {
  const space = new FakeAddressSpace(layout);
  const mm = new MemoryManager(space, { host: fakeHost() });
  mm.mmapBase = 0x7fff00000000;
  return { mm, space };
}
function map(mm: MemoryManager, addr: number, pages: number, prot = RW, flags = ANON): number {
  return mm.mmap({ addr, length: pages * P, prot, flags, file: null, offset: 0 }, NO_LIMITS);
}
function lines(mm: MemoryManager): string[] {
  return [...mm.vmas].map((v) => `${v.start / P}-${v.end / P}:${v.prot}`);
}

class MappableFile extends FileDescription {
  override mmap(): HostMapping {
    return { fd: 7, offset: 0 };
  }
}
function fileWith(flags: number, mountFlags = 0): FileDescription {
  const mount = new AnonMount(99, 'testfs', 0, 8);
  const path = mount.place(new AnonInode(mount.fs, 0o100644, 0, 0), 'f');
  path.mount.flags = mountFlags;
  const inode = path.dentry.inode!;
  inode.ino = 5;
  return new MappableFile(path, inode, flags, new Credentials(new UserNamespace()));
}
const ctx = { creds: rootCredentials(new UserNamespace()) } as unknown as IoContext;

describe('Vma set', () => {
  it('mmap() merges neighbours with equal properties and mprotect() splits and rejoins them', () => {
    const { mm } = make();
    expect(map(mm, 100 * P, 4, RW, ANON | MAP_FIXED)).toBe(100 * P);
    map(mm, 104 * P, 4, RW, ANON | MAP_FIXED);
    expect(lines(mm)).toEqual(['100-108:3']);
    expect(mm.mprotect(102 * P, 2 * P, PROT_READ)).toBe(0);
    expect(lines(mm)).toEqual(['100-102:3', '102-104:1', '104-108:3']);
    expect(mm.mprotect(102 * P, 2 * P, RW)).toBe(0);
    expect(lines(mm)).toEqual(['100-108:3']);
    expect(mm.munmap(103 * P, P)).toBe(0);
    expect(lines(mm)).toEqual(['100-103:3', '104-108:3']);
  });

  it('random sequences agree with a page array and with the host', () => {
    const { mm, space } = make({ reserved: [{ start: 140 * P, end: 141 * P }] });
    space.map(140 * P, P, 5, 'private', -1, 0, 0);
    const model = new Map<number, number>();
    let seed = 12345;
    const rnd = (n: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return Math.floor((seed / 4294967296) * n);
    };
    for (let step = 0; step < 6000; step++) {
      const at = 100 + rnd(80);
      const n = 1 + rnd(8);
      const prot = [PROT_NONE, PROT_READ, RW, PROT_READ | PROT_EXEC][rnd(4)] as number;
      const kind = rnd(6);
      if (kind <= 1) {
        const result = map(mm, at * P, n, prot, ANON | MAP_FIXED);
        if (at <= 140 && at + n > 140) expect(result).toBe(ENOMEM);
        else for (let i = 0; i < n; i++) model.set(at + i, prot);
      } else if (kind === 2) {
        expect(mm.munmap(at * P, n * P)).toBe(0);
        for (let i = 0; i < n; i++) model.delete(at + i);
      } else if (kind === 3) {
        let expected = 0;
        for (let i = 0; i < n && expected === 0; i++) {
          if (!model.has(at + i)) expected = ENOMEM;
          else model.set(at + i, prot);
        }
        expect(mm.mprotect(at * P, n * P, prot)).toBe(expected);
      } else if (kind === 4) {
        const to = 100 + rnd(80);
        const vma = mm.vmas.find(at * P);
        const overlap = at + n > to && to + n > at;
        const reserved = to <= 140 && to + n > 140;
        if (reserved) continue;
        const result = mm.mremap(at * P, n * P, n * P, MREMAP_MAYMOVE | MREMAP_FIXED, to * P, NO_LIMITS);
        if (vma === null) expect(result).toBe(EFAULT);
        else if (overlap) expect(result).toBe(EINVAL);
        else {
          expect(result).toBe(to * P);
          for (let i = 0; i < n; i++) {
            if (!model.has(at + i)) continue;
            model.set(to + i, model.get(at + i) as number);
            model.delete(at + i);
          }
        }
      } else {
        const grown = mm.mremap(at * P, P, n * P, 0, 0, NO_LIMITS);
        if (grown >= 0 && n > 1) for (let i = 1; i < n; i++) model.set(at + i, model.get(at) as number);
      }
      check(mm, space, model);
    }
    expect(space.pages.get(140)?.prot).toBe(5);
  });
});

function check(mm: MemoryManager, space: FakeAddressSpace, model: Map<number, number>): void {
  let pages = 0;
  let last = 0;
  const sums = { total: 0, data: 0, stack: 0, locked: 0 };
  const all = [...mm.vmas];
  all.forEach((vma, i) => {
    if (vma.start < last || vma.start >= vma.end) throw new Error('not sorted');
    last = vma.end;
    const next = all[i + 1];
    if (next !== undefined && canMerge(vma, next)) throw new Error('not merged');
    sums.total += vma.length;
    if (isDataMapping(vma.flags)) sums.data += vma.length;
    if ((vma.flags & VM_GROWSDOWN) !== 0) sums.stack += vma.length;
    if ((vma.flags & VM_LOCKED) !== 0) sums.locked += vma.length;
    for (let a = vma.start / P; a < vma.end / P; a++) {
      pages++;
      if (model.get(a) !== vma.prot) throw new Error(`page ${a}: vma ${vma.prot} model ${model.get(a)}`);
      if (space.pages.get(a)?.prot !== vma.prot)
        throw new Error(`page ${a}: vma ${vma.prot} host ${space.pages.get(a)?.prot}`);
    }
  });
  if (pages !== model.size) throw new Error(`pages ${pages}, model ${model.size}`);
  if (sums.total !== mm.vmas.total || sums.data !== mm.vmas.data) throw new Error('sums differ');
}

describe('mmap()', () => {
  it('searches downwards from the base, honours a free hint, and refuses a taken NOREPLACE', () => {
    const { mm } = make();
    const a = map(mm, 0, 2);
    expect(a).toBe(0x7fff00000000 - 2 * P);
    expect(map(mm, 0, 1)).toBe(a - P);
    expect(map(mm, 0x10000000, 1)).toBe(0x10000000);
    expect(map(mm, 0x10000000, 1, RW, ANON | MAP_FIXED_NOREPLACE)).toBe(EEXIST);
    expect(map(mm, 1, 1, RW, ANON)).toBe(0x10000);
  });
  it('returns Linux errnos for bad arguments', () => {
    const { mm } = make();
    expect(map(mm, 0, 0)).toBe(EINVAL);
    expect(map(mm, 0, 2 ** 45)).toBe(ENOMEM);
    expect(map(mm, 123, 1, RW, ANON | MAP_FIXED)).toBe(EINVAL);
    expect(map(mm, 0, 1, RW, MAP_ANONYMOUS)).toBe(EINVAL);
    expect(map(mm, 0x7ffffffff000, 1, RW, ANON | MAP_FIXED)).toBe(ENOMEM);
    expect(map(mm, 0, 1, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN)).toBe(EINVAL);
  });
  it('applies the open mode and mount of a file', () => {
    const { mm } = make();
    const ask = (file: FileDescription, prot: number, flags: number, offset = 0): number =>
      mm.mmap({ addr: 0, length: P, prot, flags, file, offset }, NO_LIMITS, ctx);
    expect(ask(fileWith(0), RW, MAP_SHARED)).toBe(EACCES);
    expect(ask(fileWith(1), PROT_READ, MAP_PRIVATE)).toBe(EACCES);
    expect(ask(fileWith(0, 8), PROT_READ | PROT_EXEC, MAP_PRIVATE)).toBe(-1);
    expect(ask(fileWith(0), PROT_READ, MAP_PRIVATE, 2 ** 63 - 4096)).toBe(EOVERFLOW);
    const readOnly = fileWith(0);
    const at = ask(readOnly, PROT_READ, MAP_SHARED);
    expect(at).toBeGreaterThan(0);
    expect(mm.mprotect(at, P, RW)).toBe(EACCES);
    expect(mm.mapsText()).toContain('r--s 00000000 00:08 5');
    expect(readOnly.refCount).toBe(2);
    expect(mm.munmap(at, P)).toBe(0);
    expect(readOnly.refCount).toBe(1);
    const writable = fileWith(2);
    const shared = ask(writable, PROT_READ, MAP_SHARED);
    expect(writable.inode.sharedWritableMappings).toBe(1);
    expect(mm.mprotect(shared, P, RW)).toBe(0);
  });
  it('obeys RLIMIT_AS and RLIMIT_DATA', () => {
    const { mm } = make();
    const ask = (limits: object, prot: number): number =>
      mm.mmap({ addr: 0, length: 4 * P, prot, flags: ANON, file: null, offset: 0 }, { ...NO_LIMITS, ...limits });
    expect(ask({ addressSpace: 3 * P }, RW)).toBe(ENOMEM);
    expect(ask({ data: 3 * P }, RW)).toBe(ENOMEM);
    expect(ask({ data: 3 * P }, PROT_READ)).toBeGreaterThan(0);
  });
});

describe('mremap()', () => {
  it('duplicates a shared mapping with old size 0 and leaves the old one with DONTUNMAP', () => {
    const { mm } = make();
    const shared = map(mm, 0x100000, 2, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED);
    const copy = mm.mremap(shared, 0, 2 * P, MREMAP_MAYMOVE, 0, NO_LIMITS);
    expect(copy).toBeGreaterThan(0);
    expect(mm.futexKey(copy + 8, false)).toBe(mm.futexKey(shared + 8, false));
    const anon = map(mm, 0x200000, 2, RW, ANON | MAP_FIXED);
    expect(mm.mremap(anon, 0, 2 * P, MREMAP_MAYMOVE, 0, NO_LIMITS)).toBe(EINVAL);
    const moved = mm.mremap(anon, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0, NO_LIMITS);
    expect(moved).toBeGreaterThan(0);
    expect(mm.vmas.find(anon)).not.toBeNull();
    expect(mm.mremap(anon, P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0, NO_LIMITS)).toBe(EINVAL);
  });
});

describe('brk, fork, stack', () => {
  it('setBrk() grows, shrinks and stops at the next mapping', () => {
    const { mm } = make();
    mm.layout.startBrk = mm.layout.brk = 0x1000000;
    expect(mm.setBrk(0, NO_LIMITS)).toBe(0x1000000);
    expect(mm.setBrk(0x1002345, NO_LIMITS)).toBe(0x1002345);
    expect(mm.mapsText()).toBe(`01000000-01003000 rw-p 00000000 00:00 0 `.padEnd(73) + '[heap]\n');
    map(mm, 0x1010000, 1, RW, ANON | MAP_FIXED);
    expect(mm.setBrk(0x1010000, NO_LIMITS)).toBe(0x1002345);
    expect(mm.setBrk(0x1000000, NO_LIMITS)).toBe(0x1000000);
    expect(mm.vmas.count).toBe(1);
    expect(mm.setBrk(0x2000000, { ...NO_LIMITS, data: 0x1000 })).toBe(0x1000000);
  });
  it('fork() copies all but DONTFORK and keeps shared keys', () => {
    const { mm, space } = make();
    const file = fileWith(0);
    mm.mmap({ addr: 0, length: P, prot: PROT_READ, flags: MAP_PRIVATE, file, offset: 0 }, NO_LIMITS, ctx);
    const shared = map(mm, 0x100000, 1, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED);
    const gone = map(mm, 0x200000, 1, RW, ANON | MAP_FIXED);
    expect(mm.madvise(gone, P, MADV_DONTFORK)).toBe(0);
    const child = mm.fork(space.leader) as MemoryManager;
    expect(child.vmas.count).toBe(2);
    expect(child.futexKey(shared, false)).toBe(mm.futexKey(shared, false));
    expect(child.futexKey(shared, true)).not.toBe(mm.futexKey(shared, true));
    expect(file.refCount).toBe(3);
    child.decUsers();
    mm.decUsers();
    expect(file.refCount).toBe(1);
    expect(space.isReleased).toBe(true);
  });
  it('handleFault() grows a stack down to its limit and a copy grows it too', () => {
    const { mm } = make();
    const top = 0x7ffe00000000;
    map(mm, top - 4 * P, 4, RW, ANON | MAP_FIXED | MAP_GROWSDOWN);
    const limits = { ...NO_LIMITS, stack: 1024 * 1024 };
    expect(mm.handleFault(top - 5 * P + 8, limits)).toBe(true);
    expect(mm.vmas.find(top - 5 * P)).not.toBeNull();
    expect(mm.handleFault(top - 1024 * 1024 - 8, limits)).toBe(false);
    expect(mm.memory.writeU32(top - 600 * 1024, 7)).toBe(0);
    expect(mm.memory.readU32(top - 600 * 1024)).toBe(7);
    expect(mm.memory.writeU32(top - 2000 * 1024, 7)).toBe(EFAULT);
    expect(mm.handleFault(top - 4 * P, limits)).toBe(false);
  });
  it('madvise() returns ENOMEM for holes after advising what is there', () => {
    const { mm, space } = make();
    map(mm, 100 * P, 1, RW, ANON | MAP_FIXED);
    map(mm, 102 * P, 1, RW, ANON | MAP_FIXED);
    space.calls.length = 0;
    expect(mm.madvise(100 * P, 3 * P, MADV_DONTNEED)).toBe(ENOMEM);
    expect(space.calls).toEqual([`advise ${(100 * P).toString(16)} 1000 4`, `advise ${(102 * P).toString(16)} 1000 4`]);
    expect(mm.madvise(100 * P, P, 77)).toBe(EINVAL);
  });
});
