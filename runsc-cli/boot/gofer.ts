// SPDX-License-Identifier: Apache-2.0

/**
 * The Gofer process: the only one that can name host files. Serves the trees of the configuration from a root of its own
 * (gofer_confinement.ts).
 */
import { type GoferRoot, runGofer } from '../../gofer/server/server.ts';
import { exitNow, open, write } from '../../platform/ffi/lifecycle.ts';
import { install } from '../../platform/seccomp/allow_list.ts';
import { EXIT_OWN_FAILURE } from '../errors.ts';
import { mayBindLowPorts, type SandboxConfig } from '../sandbox/config.ts';
import { writeCodeCache } from './code_cache.ts';
import { type ChildDescriptors, debugLine } from './process_entry.ts';

export { setCodeCacheMaker } from './code_cache.ts';

const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
const O_DIRECTORY = 0o200000;

/** Serves until the Sentry is gone. */
export function goferMain(config: SandboxConfig, fds: ChildDescriptors, filter: Uint8Array, roots: readonly GoferRoot[]): number {
  const log = (message: string): void => debugLine(fds, config.debug, message);
  const procFdDir = open('/proc/self/fd', O_PATH_CLOEXEC | O_DIRECTORY);
  const confined = install(filter);
  if (confined < 0) {
    write(2, Buffer.from(`runsc-ts: gofer: seccomp: errno ${-confined}\n`));
    exitNow(1);
  }
  try {
    const status = runGofer({ socketFd: fds.goferServer, roots, procFdDir, allowsLowPorts: mayBindLowPorts(config), log });
    writeCodeCache();
    return status;
  } catch (error) {
    debugLine(fds, true, `gofer: ${error instanceof Error ? error.stack : String(error)}`);
    return EXIT_OWN_FAILURE;
  }
}
