// SPDX-License-Identifier: Apache-2.0

/**
 * The Sentry process around the kernel: how it tells the command line what became of the container.
 *
 * Invariants: the platform's first stub is made before the seccomp filter is installed; nothing of the guest runs before it is.
 */
import { write } from '../../platform/ffi/lifecycle.ts';
import { install } from '../../platform/seccomp/allow_list.ts';
import { encodeMessage, type FromSentry } from '../../sentry/control/messages/lifecycle.ts';
import { EXIT_OWN_FAILURE, messageOf } from '../errors.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { mark } from '../sandbox/timing.ts';
import { adoptVolumes, returnVolumes, type SandboxVolumes } from '../sandbox/volumes.ts';
import { writeCodeCache } from './code_cache.ts';
import { flushMemfs } from './filesystems.ts';
import { type ChildDescriptors, debugLine } from './process_entry.ts';
import { Sandbox, StartError } from './sentry.ts';

/** Runs the container to its end. Returns the process's exit status. */
export function sentryMain(config: SandboxConfig, fds: ChildDescriptors, filter: Uint8Array, volumes: SandboxVolumes): number {
  const tell = (message: FromSentry): void => void write(fds.controlSentry, encodeMessage(message));
  try {
    mark('  sentry: main');
    adoptVolumes(volumes);
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
