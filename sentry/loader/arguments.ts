// SPDX-License-Identifier: Apache-2.0

/**
 * How much argv and envp may hold.
 *
 * Linux: fs/exec.c (bprm_stack_limits, copy_strings); execve(2)
 */
import { E2BIG } from '../../platform/abi/linux/errno.ts';
import type { ByteString } from '../vfs/inode.ts';

/** Longest single string, with its NUL. */
export const MAX_ARG_STRLEN = 131072;
const ARG_MAX = 131072;
const SIX_MIB = 6 * 1024 * 1024;

/** Returns 0, or E2BIG when strings and pointers exceed a quarter of RLIMIT_STACK (at least 128 KiB, at most 6 MiB). */
export function checkArguments(
  filename: ByteString,
  argv: readonly ByteString[],
  envp: readonly ByteString[],
  stackLimit: number,
): number {
  const limit = Math.max(Math.min(SIX_MIB, Math.floor(stackLimit / 4)), ARG_MAX);
  let used = (Math.max(argv.length, 1) + envp.length) * 8;
  if (used >= limit) return E2BIG;
  used += filename.length + 1;
  for (const text of argv) {
    if (text.length >= MAX_ARG_STRLEN) return E2BIG;
    used += text.length + 1;
  }
  for (const text of envp) {
    if (text.length >= MAX_ARG_STRLEN) return E2BIG;
    used += text.length + 1;
  }
  return used > limit ? E2BIG : 0;
}
