// SPDX-License-Identifier: Apache-2.0

/**
 * Starts a sandbox and waits for it: what `do` and `run` have in common.
 */
import type { RuntimeLog } from '../console/log.ts';
import { RunscError } from '../errors.ts';
import type { SandboxConfig } from './config.ts';
import { waitInForeground } from './foreground.ts';
import { SignalPipe } from './signals.ts';
import { startSandbox } from './start.ts';

/** Runs a sandbox to its end. Returns the exit status; throws RunscError. `started` is told the Sentry's pid. */
export function runForeground(config: SandboxConfig, context: { log: RuntimeLog }, started?: (pid: number) => void): number {
  const signals = SignalPipe.open();
  if (typeof signals === 'number') throw new RunscError(`signal handlers could not be set (errno ${-signals})`);
  const running = startSandbox(config, context.log);
  started?.(running.sentryPid);
  return waitInForeground(running, signals);
}
