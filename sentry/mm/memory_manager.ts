// SPDX-License-Identifier: Apache-2.0

/**
 * MemoryManager: the map of one application address space (Linux's mm_struct), mirrored into the platform's stub.
 *
 * Linux:      include/linux/mm_types.h, mm/mmap.c, mm/mremap.c, mm/mprotect.c
 * Invariants: what the Vma set says and what the stub has mapped agree after every call that returns. Host memory does
 *             paging, copy-on-write and zeroing; this class decides addresses, limits and permissions.
 */
import type { Errno } from '../../platform/abi/linux/errno.ts';
import { isErrno } from '../../platform/abi/linux/errno.ts';
import type { AddressSpace, HostServices, MapOp, PlatformThread, UserMemory } from '../../platform/platform.ts';
import type { UserNamespace } from '../auth/user_namespace.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import type { Path } from '../vfs/mount.ts';
import { setBrk } from './brk.ts';
import { growStack } from './fault.ts';
import { madvise } from './madvise.ts';
import { mapsText } from './maps_text.ts';
import type { MemoryBudget } from './memory_budget.ts';
import { mmap } from './mmap.ts';
import { mprotect } from './mprotect.ts';
import { mremap } from './mremap.ts';
import { munmap } from './munmap.ts';
import { GrowingMemory } from './growing_memory.ts';
import { smapsText } from './smaps_text.ts';
import { VM_DONTCOPY, VM_LOCKED, VM_LOCKONFAULT, VM_MAYSHARE, VM_WRITE } from './vma.ts';
import { VmaSet } from './vma_set.ts';

/** sysctl vm.max_map_count. */
export const mapLimits = { maxMapCount: 65530 };
/** What the host allows a stub: more is not on offer. */
const HOST_MAP_COUNT = 65530;
/** Most mappings of one process now. */
export function maxMapCount(): number {
  return Math.min(mapLimits.maxMapCount, HOST_MAP_COUNT);
}

/** What mmap(2) asks for, decoded. `file` null: anonymous. */
export interface MapRequest {
  addr: number;
  length: number;
  prot: number;
  /** MAP_* as given. */
  flags: number;
  file: FileDescription | null;
  offset: number;
}

/** Limits the caller's task has, in bytes (Infinity: none). */
export interface MemoryLimits {
  readonly addressSpace: number;
  readonly data: number;
  readonly stack: number;
  readonly memlock: number;
}

export const NO_LIMITS: MemoryLimits = {
  addressSpace: Number.POSITIVE_INFINITY,
  data: Number.POSITIVE_INFINITY,
  stack: Number.POSITIVE_INFINITY,
  memlock: Number.POSITIVE_INFINITY,
};

/** What all address spaces of one sandbox share. */
export interface MemoryServices {
  readonly host: HostServices;
  /** The sandbox's memory cap; absent: none. */
  readonly budget?: MemoryBudget;
}

/** prctl(PR_SET_MM)-like fields shown in /proc/pid/stat and used by brk. */
export interface MmLayout {
  startCode: number;
  endCode: number;
  startData: number;
  endData: number;
  startBrk: number;
  brk: number;
  startStack: number;
  argStart: number;
  argEnd: number;
  envStart: number;
  envEnd: number;
}

export class MemoryManager {
  readonly addressSpace: AddressSpace;
  /** User memory as syscalls see it: grows stacks on demand, then as the platform. */
  readonly memory: UserMemory;
  readonly services: MemoryServices;
  readonly vmas: VmaSet;
  /** Unique in the sandbox; part of private futex keys. */
  readonly id: number;
  /** The executable (for /proc/pid/exe), referenced; null before the first execve. */
  executable: FileDescription | null = null;
  /** The auxiliary vector as written to the stack (for /proc/pid/auxv). */
  auxv: Uint8Array = new Uint8Array(0);
  layout: MmLayout = {
    startCode: 0,
    endCode: 0,
    startData: 0,
    endData: 0,
    startBrk: 0,
    brk: 0,
    startStack: 0,
    argStart: 0,
    argEnd: 0,
    envStart: 0,
    envEnd: 0,
  };
  /** User namespace of the last execve: whose capabilities see an undumpable process; null: the initial one. */
  userNs: UserNamespace | null = null;
  /** /proc/pid/coredump_filter */
  coreFilter = 0x33;
  /** membarrier(2) registrations: MEMBARRIER_CMD_REGISTER_* bits. */
  barriers = 0;
  /** Asynchronous I/O contexts, owned by the kernel; null: none. Released with the address space. */
  aio: { release(): void } | null = null;
  /** The vdso's clocks are overwritten: a time namespace has others. */
  asksForClocks = false;
  /** PR_SET_DUMPABLE. */
  dumpable = 1;
  /** Where the search for free addresses starts, going down. */
  mmapBase: number;
  /** Limits of the task that last changed the map: what stack growth inside a copy obeys. */
  limits: MemoryLimits = NO_LIMITS;
  /** VM_LOCKED (and VM_LOCKONFAULT) after mlockall(MCL_FUTURE). */
  futureFlags = 0;
  /** Tasks using this mm; at zero it is released. */
  private users = 1;
  /** Changes collected by beginBatch(); null outside. */
  private batch: MapOp[] | null = null;

  private static lastId = 0;

  constructor(addressSpace: AddressSpace, services: MemoryServices) {
    this.addressSpace = addressSpace;
    this.services = services;
    this.id = ++MemoryManager.lastId;
    this.vmas = new VmaSet(addressSpace.layout.reserved);
    this.mmapBase = addressSpace.layout.maxAddr;
    this.memory = new GrowingMemory(addressSpace.memory, (addr) => growStack(this, addr, this.limits));
    services.budget?.add(addressSpace);
  }

  incUsers(): void {
    this.users++;
  }
  /** Drops one user; the last one releases all mappings, their files and the address space. */
  decUsers(): void {
    if (--this.users === 0) this.release();
  }
  get userCount(): number {
    return this.users;
  }

  /** mmap(2). Returns the address or errno. `ctx` is needed with a file, and for MAP_LOCKED. */
  mmap(request: MapRequest, limits: MemoryLimits, ctx: IoContext | null = null): number {
    this.limits = limits;
    return mmap(this, request, limits, ctx);
  }
  munmap(addr: number, length: number): number {
    return munmap(this, addr, length);
  }
  mprotect(addr: number, length: number, prot: number): number {
    return mprotect(this, addr, length, prot);
  }
  mremap(
    oldAddr: number,
    oldLength: number,
    newLength: number,
    flags: number,
    newAddr: number,
    limits: MemoryLimits,
  ): number {
    this.limits = limits;
    return mremap(this, { oldAddr, oldLength, newLength, flags, newAddr }, limits);
  }
  madvise(addr: number, length: number, advice: number): number {
    return madvise(this, addr, length, advice);
  }
  /** brk(2): returns the resulting break. */
  setBrk(addr: number, limits: MemoryLimits): number {
    this.limits = limits;
    return setBrk(this, addr, limits);
  }

  /** Sets what /proc/pid/exe shows, which nobody may write to meanwhile (ETXTBSY). Takes a reference. */
  setExecutable(file: FileDescription): void {
    file.incRef();
    file.inode.executing++;
    this.dropExecutable();
    this.executable = file;
  }
  private dropExecutable(): void {
    if (this.executable === null) return;
    this.executable.inode.executing--;
    this.executable.decRef();
    this.executable = null;
  }

  /** Copies the whole map for fork(2); the copy's address space leader is the child's first thread. */
  fork(from: PlatformThread): MemoryManager | Errno {
    const space = this.addressSpace.fork(from);
    if (isErrno(space)) return space;
    const child = new MemoryManager(space, this.services);
    for (const vma of this.vmas) {
      if ((vma.flags & VM_DONTCOPY) !== 0) {
        space.unmap(vma.start, vma.length);
        continue;
      }
      const copy = vma.slice(vma.start, vma.end);
      copy.flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
      if (copy.origin === 0 && copy.isAnonymous && (copy.flags & VM_WRITE) !== 0) copy.origin = child.id;
      child.vmas.insert(copy);
    }
    if (this.executable !== null) child.setExecutable(this.executable);
    child.auxv = this.auxv;
    child.layout = { ...this.layout };
    child.dumpable = this.dumpable;
    child.barriers = this.barriers;
    child.asksForClocks = this.asksForClocks;
    child.coreFilter = this.coreFilter;
    child.userNs = this.userNs;
    child.mmapBase = this.mmapBase;
    child.limits = this.limits;
    return child;
  }

  /** A fault at addr: true when the map was changed so that the access can be tried again (stack growth). */
  handleFault(addr: number, limits: MemoryLimits): boolean {
    this.limits = limits;
    return growStack(this, addr, limits);
  }

  /**
   * A key naming the futex word at addr: the same for all address spaces that share the page, or private to this mm.
   * Null: not mapped (EFAULT).
   */
  futexKey(addr: number, isPrivate: boolean): string | null {
    if (addr < 0 || addr >= this.addressSpace.layout.maxAddr) return null;
    // Private and shared waiters on the same word never meet.
    if (isPrivate) return `p${this.id}:${addr}`;
    const vma = this.vmas.find(addr);
    if (vma === null) return null;
    if ((vma.flags & VM_MAYSHARE) === 0) return `${this.id}:${addr}`;
    if (vma.region !== null) return `r${vma.region.id}:${vma.offsetAt(addr)}`;
    return vma.file === null ? null : `f${vma.file.inode.fs.dev}:${vma.file.inode.ino}:${vma.offsetAt(addr)}`;
  }

  /** Text of /proc/pid/maps; paths are shown as seen from `root`. */
  mapsText(root: Path | null = null): string {
    return mapsText(this, root);
  }
  /** Text of /proc/pid/smaps, or of smaps_rollup. */
  smapsText(root: Path | null = null, rollup = false): string {
    return smapsText(this, root, rollup);
  }
  /** Bytes mapped. */
  get virtualSize(): number {
    return this.vmas.total;
  }

  // Changes to the stub. Each returns 0 or errno; inside a batch they are collected and return 0.

  beginBatch(): void {
    this.batch = [];
  }
  /** Performs what was collected. On error the map no longer agrees with the stub: the caller must release this mm. */
  commitBatch(): number {
    const ops = this.batch;
    this.batch = null;
    return ops === null || ops.length === 0 ? 0 : this.addressSpace.apply(ops);
  }
  hostMap(
    addr: number,
    length: number,
    prot: number,
    isShared: boolean,
    fd: number,
    offset: number,
    flags: number,
  ): number {
    const sharing = isShared ? 'shared' : 'private';
    if (this.batch === null) return this.addressSpace.map(addr, length, prot, sharing, fd, offset, flags);
    this.batch.push({ op: 'map', addr, length, prot, sharing, fd, offset, flags });
    return 0;
  }
  /** Unmaps what the Vma set has in [start, end), never what the platform keeps there. */
  hostUnmap(start: number, end: number): number {
    if (!this.vmas.meetsReserved(start, end)) return this.unmapRange(start, end - start);
    for (let i = this.vmas.indexAfter(start); i < this.vmas.count; i++) {
      const vma = this.vmas.at(i)!;
      if (vma.start >= end) break;
      const from = Math.max(start, vma.start);
      const result = this.unmapRange(from, Math.min(end, vma.end) - from);
      if (result < 0) return result;
    }
    return 0;
  }
  hostProtect(addr: number, length: number, prot: number): number {
    if (this.batch === null) return this.addressSpace.protect(addr, length, prot);
    this.batch.push({ op: 'protect', addr, length, prot });
    return 0;
  }

  private unmapRange(addr: number, length: number): number {
    if (this.batch === null) return this.addressSpace.unmap(addr, length);
    this.batch.push({ op: 'unmap', addr, length });
    return 0;
  }

  private release(): void {
    this.aio?.release();
    this.aio = null;
    this.dropExecutable();
    this.vmas.clear();
    this.services.budget?.remove(this.addressSpace);
    this.addressSpace.release();
  }
}
