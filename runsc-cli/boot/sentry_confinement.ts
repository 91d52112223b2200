// SPDX-License-Identifier: Apache-2.0

/**
 * How the process that becomes the Sentry is confined before the kernel's code runs in it.
 */
import { dup2, sethostname } from '../../platform/ffi/lifecycle.ts';
import { CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWUTS, type Granted } from '../../platform/host/spawn/namespaces.ts';
import { becomeDumpable, becomeUser, keepOnly } from '../../platform/host/spawn/privileges.ts';
import { enterSentryRoot } from '../../platform/host/spawn/roots.ts';
import { compile } from '../../platform/seccomp/allow_list.ts';
import { compiled } from '../../platform/seccomp/compiled.ts';
import { sentryCalls } from '../../platform/seccomp/sentry_filter.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { volumeDescriptors } from '../sandbox/volumes.ts';
import { CACHE_FD } from './code_cache.ts';
import { cachedPart } from './parts.ts';
import { type ChildDescriptors, debugLine, settleChild } from './process_entry.ts';

/** Enters the empty root and gives up every privilege. '' or what failed. */
export function prepareSentry(config: SandboxConfig, fds: ChildDescriptors, granted: Granted, socket: number): string {
  if (fds.stdio !== null) fds.stdio.forEach((fd, i) => dup2(fd, i));
  settleChild([0, 1, 2, fds.goferClient, fds.controlSentry, fds.debug, fds.listener, fds.exitFile, fds.startRequests, fds.startAnswers, ...fds.preserved, socket, ...(cachedPart() === 'sentry' ? [CACHE_FD] : []), ...volumeDescriptors()], socket >= 0 ? 'forked' : 'booted');
  for (const refusal of granted.refused) debugLine(fds, config.debug, `sentry: weaker confinement: ${refusal}`);
  if ((granted.namespaces & CLONE_NEWUSER) !== 0) {
    const result = becomeUser(0, 0);
    if (result < 0) return `user: errno ${-result}`;
    becomeDumpable();
  }
  if ((granted.namespaces & CLONE_NEWNS) !== 0) {
    const why = enterSentryRoot();
    if (why !== '') return why;
  }
  // Who joins this namespace by path finds the container's name in it.
  if ((granted.namespaces & CLONE_NEWUTS) !== 0) sethostname(config.hostname);
  const dropped = keepOnly([]);
  return dropped < 0 ? `capabilities: errno ${-dropped}` : '';
}

const NETWORKS = ['none', 'host'] as const;
const HOST_UDS = ['none', 'open'] as const;

/** The Sentry's compiled allow-list. Errors: throws SeccompError. */
export function sentryFilter(config: SandboxConfig): Uint8Array {
  const { network, hostUds = 'none' } = config;
  return compiled(`sentry ${network} ${hostUds}`, () => compile(sentryCalls(network, hostUds)));
}

/** For the build: all that sentryFilter() may return, by name. */
export function allSentryFilters(): [string, Uint8Array][] {
  return NETWORKS.flatMap((network) => HOST_UDS.map((uds): [string, Uint8Array] => [`sentry ${network} ${uds}`, compile(sentryCalls(network, uds))]));
}
