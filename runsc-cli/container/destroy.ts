// SPDX-License-Identifier: Apache-2.0

/**
 * Ends whatever runs of a container and removes what was made for it.
 */
import { kill, poll, waitPid } from '../../platform/ffi/lifecycle.ts';
import { removeCgroups } from '../cgroup/cgroup.ts';
import { stopUnit } from '../cgroup/systemd.ts';
import type { RuntimeLog } from '../console/log.ts';
import { RunscError } from '../errors.ts';
import { ControlClient } from './control_client.ts';
import { runHooksAnyway } from './hooks.ts';
import { isAlive, isFromEarlierBoot, type ProcessIdentity } from './process_identity.ts';
import type { Container } from './state.ts';

const SIGKILL = 9;
const WNOHANG = 1;
const END_MS = 10_000;

/** Kills a process and waits until it is gone (a zombie is: its parent, who may be slow, reaps it). */
export function endProcess(process: ProcessIdentity | null): void {
  const deadline = Date.now() + END_MS;
  while (process !== null && isAlive(process)) {
    kill(process.pid, SIGKILL);
    waitPid(process.pid, WNOHANG);
    if (Date.now() > deadline) throw new RunscError(`process ${process.pid} does not end`);
    poll([], 2);
  }
}

/** Its waiter is dead: the pod's Sentry ends its processes and then listens for it no more. */
function awaitRelease({ directory, record }: Container): void {
  const deadline = Date.now() + END_MS;
  while (isAlive(record.sentry) && Date.now() < deadline) {
    const client = ControlClient.connect(directory);
    if (client === null) return;
    client.close();
    poll([], 2);
  }
}

/** Ends and removes a container whose lock is held, then runs its poststop hooks. Throws RunscError. */
export function destroy(container: Container, log: RuntimeLog): void {
  const { record } = container;
  endProcess(container.process);
  if (record.pod !== null) awaitRelease(container);
  endProcess(record.gofer);
  const isStale = isFromEarlierBoot(container.process);
  if (record.systemdUnit !== '' && !isStale) stopUnit(record.systemdUnit, process.geteuid?.() !== 0);
  const left = isStale ? '' : removeCgroups(record.cgroups);
  const { pid: _pid, ...state } = container.describe();
  container.remove();
  runHooksAnyway(record.hooks, 'poststop', { ...state, status: 'stopped' }, (message) => log.debug('warn', message));
  if (left !== '') throw new RunscError(`cgroup ${left}: device or resource busy`);
}
