// SPDX-License-Identifier: Apache-2.0

/**
 * start, kill, pause: what moves a container from one state to the next.
 */
import { kill as killProcess, poll } from '../../platform/ffi/lifecycle.ts';
import type { RuntimeLog } from '../console/log.ts';
import { RunscError } from '../errors.ts';
import { ask, ControlClient } from './control_client.ts';
import { destroy } from './destroy.ts';
import { runHooks } from './hooks.ts';
import { isAlive } from './process_identity.ts';
import { runStartHooks } from './start_hooks.ts';
import type { Container } from './state.ts';

const SIGKILL = 9;

/** Runs the user's process of a created container. Throws RunscError. */
export function startContainer(container: Container, log: RuntimeLog): void {
  const { status, record, process } = container;
  if (status === 'stopped') throw new RunscError('cannot start a container that has stopped');
  if (status !== 'created') throw new RunscError('cannot start an already running container');
  try {
    runStartHooks(container);
    // The Sentry writes down that it runs: a start that was killed before can be repeated.
    if (ask(container.directory, { type: 'start' }) === null && isAlive(process)) throw new RunscError('the sandbox does not answer');
    runHooks(record.hooks, 'poststart', { ...container.describe(), status: 'running' });
  } catch (error) {
    if (record.hooks.startContainer !== undefined || record.hooks.poststart !== undefined) destroy(container, log);
    throw error;
  }
}

/** Sends a signal from outside. Throws RunscError: "container not running". */
export function killContainer(container: Container, signo: number, isAll: boolean): void {
  const { status, process } = container;
  if (status === 'stopped' || process === null) {
    if (isAll) return;
    throw new RunscError('container not running');
  }
  if (signo === 0) return;
  const reply = ask(container.directory, { type: 'kill', signo, target: isAll ? 'all' : 'init' });
  if (reply !== null) return;
  if (!isAlive(process)) {
    if (isAll) return;
    throw new RunscError('container not running');
  }
  // It neither takes commands nor ends: SIGKILL works on anything.
  if (signo !== SIGKILL) throw new RunscError('the sandbox does not answer');
  killProcess(process.pid, SIGKILL);
}

/** Stops all processes of a running container where they are, or lets them go on. Throws RunscError. */
export function setPaused(container: Container, paused: boolean): void {
  const { status, record } = container;
  if (status === 'stopped') throw new RunscError('container not running');
  const from = paused ? ['running', 'created'] : ['paused'];
  if (!from.includes(status)) throw new RunscError(paused ? `container not running or created: ${status}` : 'container not paused');
  if (ask(container.directory, { type: paused ? 'pause' : 'resume' }) === null) throw new RunscError('container not running');
  record.phase = paused ? 'paused' : 'created';
  container.save();
}

/** Waits until a container has ended. Returns the status of its init. */
export function awaitExit(container: Container): number {
  const client = container.status === 'stopped' ? null : ControlClient.connect(container.directory);
  const reply = client?.trySend({ type: 'wait' }) === true ? client.receive(-1) : null;
  client?.close();
  if (reply?.type === 'exit') return reply.signo !== 0 ? 128 + reply.signo : reply.status;
  // It is ending, and no longer answers: what it ended with it has written down when it is gone. Killed from outside, it has not.
  while (isAlive(container.process)) poll([], 5);
  return container.exitStatus() ?? 128 + SIGKILL;
}
