// SPDX-License-Identifier: Apache-2.0

/**
 * What execve needs of the loader (ELF, #!, initial stack), which lives in sentry/loader and is injected.
 *
 * Linux: include/linux/binfmts.h (struct linux_binprm)
 */
import type { Errno } from '../../platform/abi/linux/errno.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { MemoryLimits, MemoryManager } from '../mm/memory_manager.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import type { ByteString } from '../vfs/inode.ts';

/** The credentials a program will run with, and what follows from the change. */
export interface ExecCredentials {
  readonly creds: Credentials;
  /** AT_SECURE: the program gained privilege from its file. */
  readonly isSecure: boolean;
}

export interface ExecRequest {
  /** Whose credentials, root and working directory open the files. */
  readonly ctx: IoContext;
  /** Already opened executable (execveat with AT_EMPTY_PATH, O_PATH|O_EXEC rules checked), or null: open `path`. The caller keeps its reference. */
  readonly file: FileDescription | null;
  /** Directory that a relative `path` starts from; null: ctx.cwd. */
  readonly directory: FileDescription | null;
  /** True: ELOOP when the last component is a symbolic link (AT_SYMLINK_NOFOLLOW). */
  readonly noFollow: boolean;
  /** Name as the caller gave it; AT_EXECFN and what a `#!` interpreter gets (or /dev/fd/N). */
  readonly path: ByteString;
  readonly argv: readonly ByteString[];
  readonly envp: readonly ByteString[];
  /** RLIMIT_STACK and friends of the caller. */
  readonly limits: MemoryLimits;
  /** Called once with the binary that will run (the `#!` interpreter, not the script), before the stack is built. */
  credentialsFor(file: FileDescription): ExecCredentials;
}

/** A program ready to run: mm.addressSpace.leader is stopped with its registers (rip, rsp, all others zero) and FPU set for the entry. */
export interface LoadedProgram {
  readonly mm: MemoryManager;
  readonly credentials: ExecCredentials;
  /** Last component of the path run (of the script for `#!`), at most 15 bytes. */
  readonly comm: ByteString;
}

export interface ProgramLoader {
  /**
   * Builds a fresh address space for a program. Nothing of the caller changes.
   * Errors: all of execve(2)'s that concern the file, the arguments and memory: ENOENT, EACCES, ENOEXEC, ELOOP, E2BIG, ENOMEM, EFAULT...
   */
  load(request: ExecRequest): LoadedProgram | Errno;
}
