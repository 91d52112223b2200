// SPDX-License-Identifier: Apache-2.0

/**
 * What can go wrong before or around a container, as exceptions that the edge (main.ts) prints in one line.
 */

/** Our own failure, as `do` reports it. */
export const EXIT_OWN_FAILURE = 128;
export const EXIT_NOT_EXECUTABLE = 126;
export const EXIT_NOT_FOUND = 127;
/** What runc's verbs return on any error. */
export const EXIT_ERROR = 1;
/** What runc returns for a command it does not know. */
export const EXIT_UNKNOWN_COMMAND = 3;

/** An error whose message is a complete line for a person; `exitStatus` null: the verb's own choice. */
export class RunscError extends Error {
  readonly exitStatus: number | null;
  constructor(message: string, exitStatus: number | null = null) {
    super(message);
    this.exitStatus = exitStatus;
  }
}

/** A wrong command line. */
export class UsageError extends RunscError {
  constructor(message: string) {
    super(message, EXIT_ERROR);
  }
}

const SHOWN = 200;

/** Cuts what is too long for a message. */
export function shorten(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}... (${text.length} characters)`;
}

/** The text of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A system error's reason in errno words ("no such file or directory"), without Node's decoration. */
export function systemReason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return SYSTEM_REASONS[code] ?? messageOf(error);
}

const SYSTEM_REASONS: Record<string, string> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  EEXIST: 'file exists',
  ELOOP: 'too many levels of symbolic links',
  EROFS: 'read-only file system',
  ENOSPC: 'no space left on device',
  ENAMETOOLONG: 'file name too long',
  EBUSY: 'device or resource busy',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EMFILE: 'too many open files',
  EDQUOT: 'disk quota exceeded',
  ENODEV: 'no such device',
  ENOTEMPTY: 'directory not empty',
};

/** Words for the errnos that starting a program can end with. */
export function errnoWords(errno: number): string {
  const words: Record<number, string> = {
    1: 'operation not permitted', 2: 'no such file or directory', 5: 'input/output error', 7: 'argument list too long', 8: 'exec format error',
    11: 'resource temporarily unavailable', 12: 'out of memory', 13: 'permission denied', 16: 'device or resource busy', 17: 'file exists', 19: 'no such device', 20: 'not a directory', 21: 'is a directory',
    22: 'invalid argument', 24: 'too many open files', 26: 'text file busy', 28: 'no space left on device', 30: 'read-only file system', 36: 'file name too long',
    38: 'function not implemented', 40: 'too many levels of symbolic links', 91: 'protocol wrong type for socket', 104: 'connection reset by peer', 110: 'connection timed out', 111: 'connection refused',
  };
  const n = Math.abs(errno);
  return words[n] ?? `errno ${n}`;
}

/** What a Sentry says about a process that could not be started, in runc's words. */
export function startFailure(message: string): string {
  return /^(exec:|chdir to cwd) /.test(message) ? `unable to start container process: ${message}` : message;
}
