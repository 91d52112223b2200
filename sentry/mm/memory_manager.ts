// SPDX-License-Identifier: Apache-2.0

/**
 * MemoryManager: the map of one application address space (Linux's mm_struct), mirrored into the platform's stub.
 *
 * Linux:      include/linux/mm_types.h, mm/mmap.c, mm/mremap.c, mm/mprotect.c
 * Invariants: what the Vma tree says and what the stub has mapped agree after every call that returns. Host memory does
 *             paging, copy-on-write and zeroing; this class decides addresses, limits and permissions.
 */
import type { Errno } from '../../platform/abi/linux/errno.ts';
import { ENOSYS } from '../../platform/abi/linux/errno.ts';
import type { AddressSpace, HostServices, PlatformThread, UserMemory } from '../../platform/platform.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';

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

/** What all address spaces of one sandbox share. */
export interface MemoryServices {
  readonly host: HostServices;
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
  /** The executable (for /proc/pid/exe), referenced; null before the first execve. */
  executable: FileDescription | null = null;
  /** The auxiliary vector as written to the stack (for /proc/pid/auxv). */
  auxv: Uint8Array = new Uint8Array(0);
  layout: MmLayout = {
    startCode: 0, endCode: 0, startData: 0, endData: 0, startBrk: 0, brk: 0, startStack: 0, argStart: 0, argEnd: 0, envStart: 0, envEnd: 0,
  };
  /** PR_SET_DUMPABLE. */
  dumpable = 1;
  /** Tasks using this mm; at zero it is released. */
  private users = 1;
  readonly services: MemoryServices;

  constructor(addressSpace: AddressSpace, services: MemoryServices) {
    this.addressSpace = addressSpace;
    this.services = services;
    this.memory = addressSpace.memory;
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
  mmap(_request: MapRequest, _limits: MemoryLimits, _ctx: IoContext | null = null): number {
    return ENOSYS;
  }
  munmap(_addr: number, _length: number): number {
    return ENOSYS;
  }
  mprotect(_addr: number, _length: number, _prot: number): number {
    return ENOSYS;
  }
  mremap(_oldAddr: number, _oldLength: number, _newLength: number, _flags: number, _newAddr: number, _limits: MemoryLimits): number {
    return ENOSYS;
  }
  madvise(_addr: number, _length: number, _advice: number): number {
    return ENOSYS;
  }
  /** brk(2): returns the resulting break. */
  setBrk(_addr: number, _limits: MemoryLimits): number {
    return this.layout.brk;
  }
  /** Copies the whole map for fork(2); the copy's address space leader is the child's first thread. */
  fork(_from: PlatformThread): MemoryManager | Errno {
    return ENOSYS;
  }
  /** A fault at addr: true when the map was changed so that the access can be tried again (stack growth). */
  handleFault(_addr: number, _limits: MemoryLimits): boolean {
    return false;
  }
  /**
   * A key naming the futex word at addr: the same for all address spaces that share the page, or private to this mm.
   * Null: not mapped (EFAULT).
   */
  futexKey(_addr: number, _isPrivate: boolean): string | null {
    return null;
  }
  /** Text of /proc/pid/maps, smaps is the same plus fields. */
  mapsText(): string {
    return '';
  }
  /** Bytes mapped. */
  get virtualSize(): number {
    return 0;
  }

  private release(): void {
    this.executable?.decRef();
    this.executable = null;
    this.addressSpace.release();
  }
}
