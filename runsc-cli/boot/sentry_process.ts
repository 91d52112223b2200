// SPDX-License-Identifier: Apache-2.0

/**
 * The Sentry process around the kernel: its confinement, and how it tells the command line what became of the container.
 *
 * Invariants: the platform's first stub is made before the seccomp filter is installed; nothing of the guest runs before it is.
 */
import { dup2, write } from '../../platform/ffi/lifecycle.ts';
import { CLONE_NEWNS, CLONE_NEWUSER, type Granted } from '../../platform/host/spawn/namespaces.ts';
import { becomeDumpable, becomeUser, keepOnly } from '../../platform/host/spawn/privileges.ts';
import { enterSentryRoot } from '../../platform/host/spawn/roots.ts';
import { compile, install } from '../../platform/seccomp/allow_list.ts';
import { sentryCalls } from '../../platform/seccomp/sentry_filter.ts';
import { encodeMessage, type FromSentry } from '../../sentry/control/messages/lifecycle.ts';
import { EXIT_OWN_FAILURE, messageOf } from '../errors.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { mark } from '../sandbox/timing.ts';
import { codeCacheDescriptors, writeCodeCache } from './code_cache.ts';
import { flushMemfs } from './filesystems.ts';
import { returnVolumes, volumeDescriptors } from '../sandbox/volumes.ts';
import { type ChildDescriptors, debugLine, settleChild } from './process_entry.ts';
import { Sandbox, StartError } from './sentry.ts';

/** Enters the empty root and gives up every privilege. '' or what failed. */
export function prepareSentry(config: SandboxConfig, fds: ChildDescriptors, granted: Granted, socket: number): string {
  if (fds.stdio !== null) fds.stdio.forEach((fd, i) => dup2(fd, i));
  settleChild([0, 1, 2, fds.goferClient, fds.controlSentry, fds.debug, fds.listener, fds.exitFile, ...fds.preserved, socket, ...codeCacheDescriptors(), ...volumeDescriptors()], socket >= 0 ? 'forked' : 'booted');
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
  const dropped = keepOnly([]);
  return dropped < 0 ? `capabilities: errno ${-dropped}` : '';
}

/** Runs the container to its end. Returns the process's exit status. */
export function sentryMain(config: SandboxConfig, fds: ChildDescriptors, filter: Uint8Array): number {
  const tell = (message: FromSentry): void => void write(fds.controlSentry, encodeMessage(message));
  try {
    mark('  sentry: main');
    const sandbox = new Sandbox(config, fds);
    mark('  sentry: platform');
    const confined = install(filter);
    if (confined < 0) throw new StartError(`seccomp: errno ${-confined}`, EXIT_OWN_FAILURE);
    mark('  sentry: filter installed');
    sandbox.start();
    mark('  sentry: init loaded');
    tell({ type: 'started' });
    const outcome = sandbox.run((state) => tell({ type: state }));
    const status = outcome.type === 'exit' ? (outcome.signo !== 0 ? 128 + outcome.signo : outcome.status) : EXIT_OWN_FAILURE;
    if (fds.exitFile >= 0) write(fds.exitFile, Buffer.from(String(status)));
    sandbox.tellWaiters(outcome);
    mark('  sentry: init exited');
    flushMemfs();
    returnVolumes();
    // Before the outcome is told: the command line ends this process as soon as it knows.
    sandbox.warm();
    writeCodeCache();
    tell(outcome);
    sandbox.shutdown();
    return status;
  } catch (error) {
    const isExpected = error instanceof StartError;
    if (!isExpected) debugLine(fds, true, `sentry: ${error instanceof Error ? error.stack : String(error)}`);
    tell({ type: 'error', message: isExpected ? error.message : `internal error in the sentry: ${messageOf(error)}`, status: isExpected ? error.exitStatus : EXIT_OWN_FAILURE });
    return EXIT_OWN_FAILURE;
  }
}

/** The Sentry's compiled allow-list. Errors: throws SeccompError. */
export function sentryFilter(config: SandboxConfig): Uint8Array {
  return compile(sentryCalls(config.network));
}
