// SPDX-License-Identifier: Apache-2.0

/**
 * The Gofer process: the only one that can name host files. Serves the trees of the configuration from a root of its own.
 *
 * Invariants: before the first request is read it is pivoted into a root that holds only those trees, has no more than the
 *             capabilities below, can gain none, and is under its seccomp filter.
 */
import { runGofer, type GoferRoot } from '../../gofer/server/server.ts';
import { exitNow, open, write } from '../../platform/ffi/lifecycle.ts';
import { CLONE_NEWNS, type Granted } from '../../platform/host/spawn/namespaces.ts';
import { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SETFCAP, keepOnly } from '../../platform/host/spawn/privileges.ts';
import { enterGoferRoot } from '../../platform/host/spawn/roots.ts';
import { compile, install } from '../../platform/seccomp/allow_list.ts';
import { GOFER_CALLS } from '../../platform/seccomp/gofer_filter.ts';
import { EXIT_OWN_FAILURE } from '../errors.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { type ChildDescriptors, debugLine, settleChild } from './process_entry.ts';

const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
const O_DIRECTORY = 0o200000;
const CAPABILITIES = [CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SETFCAP];

/** Arranges the root and gives up privileges. '' or what failed. */
export function prepareGofer(config: SandboxConfig, fds: ChildDescriptors, granted: Granted, socket: number): string {
  settleChild([fds.goferServer, fds.debug, socket], socket >= 0 ? 'forked' : 'booted');
  for (const refusal of granted.refused) debugLine(fds, config.debug, `gofer: weaker confinement: ${refusal}`);
  isPivoted = (granted.namespaces & CLONE_NEWNS) !== 0;
  if (isPivoted) {
    const why = enterGoferRoot(config.trees);
    if (why !== '') return why;
  }
  roots = [];
  for (let i = 0; i < config.trees.length; i++) {
    const tree = config.trees[i] as SandboxConfig['trees'][number];
    const fd = open(isPivoted ? `/${i}` : tree.source, O_PATH_CLOEXEC);
    if (fd < 0) return `${tree.source}: errno ${-fd}`;
    roots.push({ fd, readonly: tree.readonly, hostUds: false });
  }
  const dropped = keepOnly(CAPABILITIES);
  return dropped < 0 ? `capabilities: errno ${-dropped}` : '';
}

let isPivoted = false;
let roots: GoferRoot[] = [];

/** Serves until the Sentry is gone. */
export function goferMain(config: SandboxConfig, fds: ChildDescriptors, filter: Uint8Array): number {
  const log = (message: string): void => debugLine(fds, config.debug, message);
  const procFdDir = open('/proc/self/fd', O_PATH_CLOEXEC | O_DIRECTORY);
  const confined = install(filter);
  if (confined < 0) {
    write(2, Buffer.from(`runsc-ts: gofer: seccomp: errno ${-confined}\n`));
    exitNow(1);
  }
  try {
    return runGofer({ socketFd: fds.goferServer, roots, procFdDir, log });
  } catch (error) {
    debugLine(fds, true, `gofer: ${error instanceof Error ? error.stack : String(error)}`);
    return EXIT_OWN_FAILURE;
  }
}

/** The Gofer's compiled allow-list. Errors: throws SeccompError. */
export function goferFilter(): Uint8Array {
  return compile(GOFER_CALLS);
}
