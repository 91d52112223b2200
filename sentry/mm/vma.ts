// SPDX-License-Identifier: Apache-2.0

/**
 * Vma: one range of an address space with one set of properties, and what may be joined with what.
 *
 * Linux:      include/linux/mm.h (VM_*), mm/vma.c (can_vma_merge_*)
 * Invariants: start < end, both page aligned. A Vma in a VmaSet holds one reference of its file or region. `flags` is a
 *             signed 32-bit value of Linux's VM_* bits (VM_MERGEABLE is the sign bit).
 */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../platform/abi/linux/mman.ts';
import type { FileDescription } from '../vfs/file_description.ts';

export const VM_READ = 0x1;
export const VM_WRITE = 0x2;
export const VM_EXEC = 0x4;
export const VM_SHARED = 0x8;
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
export const VM_MAYSHARE = 0x80;
export const VM_GROWSDOWN = 0x100;
export const VM_PFNMAP = 0x400;
export const VM_LOCKED = 0x2000;
export const VM_IO = 0x4000;
export const VM_SEQ_READ = 0x8000;
export const VM_RAND_READ = 0x10000;
export const VM_DONTCOPY = 0x20000;
export const VM_DONTEXPAND = 0x40000;
export const VM_LOCKONFAULT = 0x80000;
export const VM_ACCOUNT = 0x100000;
export const VM_NORESERVE = 0x200000;
export const VM_WIPEONFORK = 0x2000000;
export const VM_DONTDUMP = 0x4000000;
export const VM_HUGEPAGE = 0x20000000;
export const VM_NOHUGEPAGE = 0x40000000;
export const VM_MERGEABLE = 0x80000000 | 0;

export const VM_ACCESS_FLAGS = VM_READ | VM_WRITE | VM_EXEC;
const VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP;

/** Memory that several address spaces share without an open file: MAP_SHARED|MAP_ANONYMOUS, System V segments. */
export class SharedRegion {
  /** Unique in the sandbox: names the region in futex keys. */
  readonly id: number;
  /** Inode number shown in /proc/pid/maps: a segment's id, or `id`. */
  readonly ino: number;
  /** As in /proc/pid/maps, "/dev/zero (deleted)" or "/SYSV00000000 (deleted)". */
  readonly name: string;
  /** Vmas mapping it, over all address spaces. */
  mappings = 0;
  /** Told after each change of `mappings`: true when one was added. */
  onChange: ((opened: boolean) => void) | null = null;

  private static lastId = 0;

  constructor(name: string, ino?: number) {
    this.id = ++SharedRegion.lastId;
    this.ino = ino ?? this.id;
    this.name = name;
  }
}

/** Where pages are to come from (mbind(2), set_mempolicy(2)); with one node nothing depends on it. */
export interface MemoryPolicy {
  /** MPOL_* with its flags. */
  readonly mode: number;
  /** True when node 0 is in its set. */
  readonly hasNode: boolean;
}

function samePolicy(a: MemoryPolicy | null, b: MemoryPolicy | null): boolean {
  return a === b || (a !== null && b !== null && a.mode === b.mode && a.hasNode === b.hasNode);
}

export class Vma {
  start: number;
  end: number;
  flags: number;
  readonly file: FileDescription | null;
  readonly region: SharedRegion | null;
  /** Byte offset in the file or region; for private anonymous memory the address it was first mapped at. */
  offset: number;
  /** PR_SET_VMA_ANON_NAME, or a fixed name such as "[vdso]". */
  name: string | null;
  /** mseal(2). */
  sealed = false;
  /** mbind(2); null: the task's. */
  policy: MemoryPolicy | null = null;
  /**
   * Anonymous memory that came through a fork: the address space it first came to (0: none). It does not join with memory
   * of another origin (Linux compares anon_vma).
   */
  origin = 0;

  constructor(
    start: number,
    end: number,
    flags: number,
    file: FileDescription | null,
    region: SharedRegion | null,
    offset: number,
    name: string | null = null,
  ) {
    this.start = start;
    this.end = end;
    this.flags = flags;
    this.file = file;
    this.region = region;
    this.offset = offset;
    this.name = name;
  }

  get length(): number {
    return this.end - this.start;
  }
  /** Private memory with no file behind it. */
  get isAnonymous(): boolean {
    return this.file === null && this.region === null;
  }
  /** Offset of `addr` in what is mapped. */
  offsetAt(addr: number): number {
    return this.offset + (addr - this.start);
  }
  /** PROT_* bits. */
  get prot(): number {
    return this.flags & VM_ACCESS_FLAGS;
  }
  /** A piece of this Vma with the same properties. The copy holds no reference until it is put into a set. */
  slice(start: number, end: number): Vma {
    const piece = new Vma(start, end, this.flags, this.file, this.region, this.offsetAt(start), this.name);
    piece.sealed = this.sealed;
    piece.policy = this.policy;
    piece.origin = this.origin;
    return piece;
  }
}

/** True when `b`, which starts where `a` ends, may become part of it (can_vma_merge_after). */
export function canMerge(a: Vma, b: Vma): boolean {
  return (
    a.end === b.start &&
    a.flags === b.flags &&
    a.file === b.file &&
    a.region === b.region &&
    a.offset + (a.end - a.start) === b.offset &&
    a.name === b.name &&
    a.sealed === b.sealed &&
    samePolicy(a.policy, b.policy) &&
    a.origin === b.origin &&
    (a.flags & VM_SPECIAL) === 0
  );
}

/** VM_READ|WRITE|EXEC of PROT_* bits (the values coincide). */
export function protFlags(prot: number): number {
  return prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

/** Linux's is_data_mapping: private writable memory that is not a stack. */
export function isDataMapping(flags: number): boolean {
  return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE;
}

/** Linux's accountable_mapping: memory that counts as committed. */
export function isAccountable(flags: number): boolean {
  return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE;
}
