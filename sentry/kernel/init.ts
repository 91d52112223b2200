// SPDX-License-Identifier: Apache-2.0

/**
 * Starting the container's processes: its init, and later ones from outside (exec).
 *
 * Linux: init/main.c (kernel_init); for exec: setns(2) and fork from a runtime
 */
import type { Errno } from '../../platform/abi/linux/errno.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { ByteString } from '../vfs/inode.ts';
import type { MountNamespace } from '../vfs/mount.ts';
import type { FdTable } from './fd_table.ts';
import type { Rlimits } from './process/rlimits.ts';

/** A process started from outside. All strings are byte strings. */
export interface ProcessOptions {
  /** argv[0] is the program unless `executable` is given: a name without "/" is looked up in envp's PATH. */
  argv: readonly ByteString[];
  executable?: ByteString;
  envp: readonly ByteString[];
  cwd: ByteString;
  mountNs: MountNamespace;
  creds: Credentials;
  rlimits: Rlimits;
  /** Descriptors; ownership moves to the process. */
  fdTable: FdTable;
  umask?: number;
  noNewPrivs?: boolean;
  oomScoreAdj?: number;
}

/** Why a process could not be started: `message` names what is wrong, for the person who started it. */
export interface LaunchFailure {
  readonly errno: Errno;
  readonly message: string;
}
