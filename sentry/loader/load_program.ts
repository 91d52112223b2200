// SPDX-License-Identifier: Apache-2.0

/**
 * loadProgram: builds the new memory image execve(2) asks for: scripts, ELF executable, interpreter, stack.
 *
 * Linux:      fs/exec.c, fs/binfmt_elf.c, fs/binfmt_script.c
 * Invariants: nothing of the caller's is changed: on error the fresh address space is released and the caller goes on.
 */
import { ENOSYS, type Errno } from '../../platform/abi/linux/errno.ts';
import type { Platform } from '../../platform/platform.ts';
import type { MemoryLimits, MemoryManager, MemoryServices } from '../mm/memory_manager.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import type { ByteString } from '../vfs/inode.ts';

/** What execve(2) gives. The caller keeps its references; loadProgram takes its own. */
export interface LoadRequest {
  readonly platform: Platform;
  readonly services: MemoryServices;
  /** The calling task: credentials for permission checks and mmap. */
  readonly ctx: IoContext;
  /** Opened for execution: regular file, x permission and noexec already checked by the opener. */
  readonly file: FileDescription;
  /** As execve saw it (AT_EXECFN, $0 of scripts); "/dev/fd/N/..." for execveat as Linux builds it. */
  readonly filename: ByteString;
  readonly argv: readonly ByteString[];
  readonly envp: readonly ByteString[];
  readonly limits: MemoryLimits;
  /** Ids for AT_UID, AT_EUID, AT_GID, AT_EGID. `secure` (AT_SECURE) follows from the file finally executed: see LoadedProgram. */
  readonly ids: { uid: number; euid: number; gid: number; egid: number };
  /** AT_SECURE: called with the file whose set-id bits count, once it is known. May also adjust `ids` for the aux vector by returning them. */
  readonly credentialsFor: (executable: FileDescription) => { secure: boolean; uid: number; euid: number; gid: number; egid: number };
  /** Opens a script interpreter or ELF interpreter for execution (path walk, x permission, noexec). */
  readonly openInterpreter: (path: ByteString) => FileDescription | Errno;
  /** personality(ADDR_NO_RANDOMIZE). */
  readonly noRandomize?: boolean;
  /** A script's path would not exist after close-on-exec (execveat of an O_CLOEXEC descriptor): ENOENT for scripts. */
  readonly scriptUnreachable?: boolean;
}

export interface LoadedProgram {
  /** One user; addressSpace.leader is the thread to run: registers are set. */
  readonly mm: MemoryManager;
  /** The ELF file that runs (a script's interpreter), also mm.executable; its set-id bits count. The reference is mm's. */
  readonly executable: FileDescription;
  /** Task name: last component of the path executed, at most 15 bytes. */
  readonly comm: string;
}

export function loadProgram(_request: LoadRequest): LoadedProgram | Errno {
  return ENOSYS;
}
