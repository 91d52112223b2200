// SPDX-License-Identifier: Apache-2.0

/**
 * A further container in a pod's sandbox: a Gofer of its own, handed to the Sentry that runs, and a waiter that stands for the container
 * outside as the Sentry does for one that has a sandbox of its own.
 *
 * Invariants: when it fails nothing is left. The waiter ends with the container's status, and the container ends with the waiter.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { close, kill, waitPid } from '../../platform/ffi/lifecycle.ts';
import type { PodNamespaces } from '../../sentry/control/messages/commands.ts';
import type { RuntimeLog } from '../console/log.ts';
import type { Pty } from '../console/pty.ts';
import { RunscError, startFailure } from '../errors.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { FOREGROUND, startGofer } from '../sandbox/start.ts';
import { type CgroupPlace, placeIn } from './cgroups.ts';
import { ControlClient, listenIn } from './control_client.ts';
import { forkWaiter } from './exec_waiter.ts';
import { hostPids } from './host_pids.ts';
import type { Container } from './state.ts';

const SIGKILL = 9;
/** A message carries no more descriptors than that. */
const MAX_PRESERVED = 32;
/** Loading a program from a slow disk takes a while. */
const CREATE_MS = 60_000;

export interface PodContainerPlan {
  readonly sandbox: Container;
  readonly config: SandboxConfig;
  readonly namespaces: PodNamespaces;
  readonly pty: Pty | null;
  readonly preserved: readonly number[];
  readonly isDetached: boolean;
  /** The container's own cgroups. */
  readonly place: CgroupPlace;
}

export interface StartedPodContainer {
  readonly waiter: number;
  readonly gofer: number;
}

/** Makes the container, held before its first instruction. Throws RunscError. */
export function startInPod(container: Container, plan: PodContainerPlan, log: RuntimeLog): StartedPodContainer {
  const { sandbox, config, preserved, isDetached } = plan;
  if (preserved.length > MAX_PRESERVED) throw new RunscError(`more than ${MAX_PRESERVED} descriptors cannot be passed to a container of a pod`);
  const client = ControlClient.connect(sandbox.directory);
  if (client === null) throw new RunscError(`sandbox ${sandbox.id} is not running`);
  // The Gofer is where the Sentry is: what it keeps must not count as the container's memory, nor be chosen when that runs out.
  const place = placeIn(sandbox.record.cgroupsPath);
  const onBorn = (pid: number, isPlaced: boolean): void => {
    if (!isPlaced) place.join(pid);
  };
  let gofer: ReturnType<typeof startGofer> | null = null;
  try {
    gofer = startGofer(config, log, { ...FOREGROUND, isDetached, onBorn, onLoad: (stage) => place.enter(stage) }, () => placeMemory(client, plan));
    handOver(container, client, gofer.client, plan);
    return { waiter: forkWaiter(container, client, plan.pty, isDetached ? 'detached' : 'foreground'), gofer: gofer.pid };
  } catch (error) {
    if (gofer !== null) {
      kill(gofer.pid, SIGKILL);
      waitPid(gofer.pid, 0);
    }
    throw error;
  } finally {
    // The waiter has its own; without one the container ends here.
    client.close();
    place.close();
  }
}

/** Whatever holds the container's memory descends from one process, which belongs into the container's own cgroup: its limits hold for them all. */
function placeMemory(client: ControlClient, { sandbox, place }: PodContainerPlan): void {
  client.send({ type: 'prepare' });
  const reply = client.receive();
  if (reply?.type === 'failed') throw new RunscError(reply.message);
  if (reply?.type !== 'prepared') throw new RunscError('the sandbox ended before the container was created');
  for (const pid of hostPids(sandbox.record.sentry?.pid ?? 0, [reply.stub])) place.join(pid);
}

/** Sends the Sentry all that the container is made of and waits until its program is loaded. Closes `gofer`. */
function handOver(container: Container, client: ControlClient, gofer: number, plan: PodContainerPlan): void {
  const { config, namespaces, pty, preserved } = plan;
  const own = [gofer];
  let statusFile = -1;
  try {
    own.push(listenIn(container.directory));
    statusFile = openSync(join(container.directory, 'status'), constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
    const stdio = pty === null ? [0, 1, 2] : [pty.slave, pty.slave, pty.slave];
    client.send({ type: 'create', id: container.id, config, namespaces, hasTerminal: pty !== null }, [...own, statusFile, ...stdio, ...preserved]);
  } finally {
    for (const fd of own) close(fd);
    if (statusFile >= 0) closeSync(statusFile);
  }
  const reply = client.receive(CREATE_MS);
  if (reply?.type === 'failed') throw new RunscError(startFailure(reply.message));
  if (reply?.type !== 'started') throw new RunscError('the sandbox ended before the container was created');
}
