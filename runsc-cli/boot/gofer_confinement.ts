// SPDX-License-Identifier: Apache-2.0

/**
 * How the process that becomes the Gofer is confined before its code runs.
 *
 * Invariants: before the first request is read it is pivoted into a root that holds only the configuration's trees, has no more than the
 *             capabilities below, can gain none, and is under its seccomp filter.
 */
import type { GoferRoot } from '../../gofer/server/server.ts';
import { open } from '../../platform/ffi/lifecycle.ts';
import { CLONE_NEWNS, type Granted } from '../../platform/host/spawn/namespaces.ts';
import { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_NET_BIND_SERVICE, CAP_SETFCAP, keepOnly } from '../../platform/host/spawn/privileges.ts';
import { enterGoferRoot } from '../../platform/host/spawn/roots.ts';
import { compile } from '../../platform/seccomp/allow_list.ts';
import { compiled } from '../../platform/seccomp/compiled.ts';
import { GOFER_CALLS } from '../../platform/seccomp/gofer_filter.ts';
import { mayBindLowPorts, type SandboxConfig } from '../sandbox/config.ts';
import { CACHE_FD } from './code_cache.ts';
import { cachedPart } from './parts.ts';
import { type ChildDescriptors, debugLine, settleChild } from './process_entry.ts';

const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
const CAPABILITIES = [CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SETFCAP];

let roots: GoferRoot[] = [];

/** What prepareGofer() opened: the trees to serve. */
export function goferRoots(): readonly GoferRoot[] {
  return roots;
}

/** Arranges the root and gives up privileges. '' or what failed. */
export function prepareGofer(config: SandboxConfig, fds: ChildDescriptors, granted: Granted, socket: number): string {
  settleChild([fds.goferServer, fds.debug, socket, ...(cachedPart() === 'gofer' ? [CACHE_FD] : [])], socket >= 0 ? 'forked' : 'booted');
  for (const refusal of granted.refused) debugLine(fds, config.debug, `gofer: weaker confinement: ${refusal}`);
  const isPivoted = (granted.namespaces & CLONE_NEWNS) !== 0;
  if (isPivoted) {
    const why = enterGoferRoot(config.trees);
    if (why !== '') return why;
  }
  roots = [];
  for (let i = 0; i < config.trees.length; i++) {
    const tree = config.trees[i] as SandboxConfig['trees'][number];
    const fd = open(isPivoted ? `/${i}` : tree.source, O_PATH_CLOEXEC);
    if (fd < 0) return `${tree.source}: errno ${-fd}`;
    roots.push({ fd, readonly: tree.readonly, hostUds: i > 0 && (config.hostUds ?? 'none') !== 'none', hostUdsBind: i > 0 && config.hostUds === 'all' });
  }
  const dropped = keepOnly(mayBindLowPorts(config) ? [...CAPABILITIES, CAP_NET_BIND_SERVICE] : CAPABILITIES);
  return dropped < 0 ? `capabilities: errno ${-dropped}` : '';
}

/** The Gofer's compiled allow-list. Errors: throws SeccompError. */
export function goferFilter(): Uint8Array {
  return compiled('gofer', buildGoferFilter);
}

/** For the build, and where that had no libseccomp. Errors: throws SeccompError. */
export function buildGoferFilter(): Uint8Array {
  return compile(GOFER_CALLS);
}
