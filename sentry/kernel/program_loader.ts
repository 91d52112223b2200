// SPDX-License-Identifier: Apache-2.0

/**
 * What execve needs of the loader (ELF, #!, initial stack), which lives in sentry/loader and is injected.
 *
 * Linux: include/linux/binfmts.h (struct linux_binprm)
 */
import type { Errno } from '../../platform/abi/linux/errno.ts';
import type { AddressSpace, Platform } from '../../platform/platform.ts';
import type { MemoryLimits, MemoryManager, MemoryServices } from '../mm/memory_manager.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import type { ByteString } from '../vfs/inode.ts';

/** Ids for the auxiliary vector. */
export interface AuxIds {
  uid: number;
  euid: number;
  gid: number;
  egid: number;
}

/** Same shape as sentry/loader's LoadRequest. */
export interface ProgramRequest {
  readonly platform: Platform;
  /** Where its address space comes from; absent: the platform's own. */
  readonly nursery?: AddressSpace;
  readonly services: MemoryServices;
  readonly ctx: IoContext;
  readonly file: FileDescription;
  readonly filename: ByteString;
  readonly argv: readonly ByteString[];
  readonly envp: readonly ByteString[];
  readonly limits: MemoryLimits;
  readonly ids: AuxIds;
  readonly credentialsFor: (executable: FileDescription) => AuxIds & { secure: boolean };
  readonly openInterpreter: (path: ByteString) => FileDescription | Errno;
  readonly noRandomize?: boolean;
  readonly scriptUnreachable?: boolean;
}

/** Same shape as sentry/loader's LoadedProgram. */
export interface ReadyProgram {
  readonly mm: MemoryManager;
  readonly executable: FileDescription;
  readonly comm: ByteString;
}

/**
 * Builds a fresh address space for a program; nothing of the caller changes. The address space's leader is stopped with its
 * registers set for the entry. Errors: those of execve(2) that concern the file, the arguments and memory.
 */
export type ProgramLoader = (request: ProgramRequest) => ReadyProgram | Errno;
