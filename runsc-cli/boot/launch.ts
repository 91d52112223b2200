// SPDX-License-Identifier: Apache-2.0

/**
 * Why a program could not be started, in runc's words: clients read them (docs/oci contract: exit statuses 126 and 127).
 */
import { isErrno } from '../../platform/abi/linux/errno.ts';
import type { LaunchFailure } from '../../sentry/kernel/init.ts';
import { errnoWords, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, EXIT_OWN_FAILURE } from '../errors.ts';
import { StartError } from './start_error.ts';

const ENOENT = -2;
const EACCES = -13;
const ENOEXEC = -8;
const ENOTDIR = -20;

/** A JavaScript string as the kernel's byte string. */
export function byteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Says what is wrong with the program, with the exit status a shell would give. */
export function launchError(failure: LaunchFailure, program: string): StartError {
  const { errno } = failure;
  const cwd = /^cwd (".*"): [^:]*$/s.exec(failure.message)?.[1];
  if (cwd !== undefined) return new StartError(`chdir to cwd (${cwd}) set in config.json failed: ${errnoWords(errno)}`, EXIT_OWN_FAILURE);
  if (errno === ENOENT || errno === ENOTDIR) {
    const why = program.includes('/') ? `exec: "${program}": stat ${program}: ${errnoWords(errno)}` : `exec: "${program}": executable file not found in $PATH`;
    return new StartError(why, EXIT_NOT_FOUND);
  }
  if (errno === EACCES || errno === ENOEXEC || isErrno(errno)) return new StartError(`exec: "${program}": ${errnoWords(errno)}`, EXIT_NOT_EXECUTABLE);
  return new StartError(failure.message, EXIT_OWN_FAILURE);
}
