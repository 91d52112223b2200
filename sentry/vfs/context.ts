// SPDX-License-Identifier: Apache-2.0

/**
 * IoContext: all that vfs and the filesystems see of the task on whose behalf they act. Task implements it.
 */
import type { UserMemory } from '../../platform/platform.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { Path } from './mount.ts';

export interface IoContext {
  readonly creds: Credentials;
  /** The calling task's memory, for ioctl arguments. */
  readonly memory: UserMemory;
  /** Root directory of path walks. */
  readonly rootDir: Path;
  /** Current working directory. */
  readonly cwd: Path;
  /** umask(2), 0..0o777. */
  readonly umask: number;
  /** RLIMIT_FSIZE soft limit in bytes (Infinity: none). */
  readonly fileSizeLimit: number;
  /** Thread group id in the initial pid namespace (lock owners, F_GETLK). */
  readonly lockOwnerPid: number;
  /** Sends a signal to the calling thread (SIGPIPE, SIGXFSZ). */
  raiseSignal(signo: number): void;
}
