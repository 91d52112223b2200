// SPDX-License-Identifier: Apache-2.0

/**
 * The waiter: a forked process that stands outside for one that was exec'd inside, or for a container in a pod's sandbox, holds its connection
 * and forwards signals.
 *
 * Invariants: it ends with the process's status, and the process dies with it. It keeps no descriptor but the connection (and the
 *             terminal that it forwards signals for). Whoever forks it has called makeForkable().
 */
import { ioctl } from '../../platform/ffi/files.ts';
import { keepOnlyDescriptors } from '../../platform/ffi/forkable.ts';
import { close, closeAllExcept, exitNow, kill, pipe, poll, prctl, read, setsid, waitPid, write } from '../../platform/ffi/lifecycle.ts';
import { forkChild } from '../../platform/host/spawn/fork_child.ts';
import { closeEntrances, enterCgroups, joinCgroups, openEntrances } from '../cgroup/cgroup.ts';
import type { Pty } from '../console/pty.ts';
import { EXIT_OWN_FAILURE, RunscError } from '../errors.ts';
import { SignalPipe, targetOf } from '../sandbox/signals.ts';
import type { ControlClient } from './control_client.ts';
import type { Container } from './state.ts';

const O_CLOEXEC = 0o2000000;
const POLLIN = 1;
const TIOCSCTTY = 0x540e;
const SIGKILL = 9;
const PR_SET_PDEATHSIG = 1;

/** Forks the process that holds the connection from now on. Throws RunscError. */
export function forkWaiter(container: Container, client: ControlClient, pty: Pty | null, life: 'detached' | 'foreground' = 'detached'): number {
  const { cgroupsPath } = container.record;
  const entrances = cgroupsPath === '' ? [] : openEntrances(cgroupsPath);
  const entered = pipe(O_CLOEXEC);
  if (typeof entered === 'number') throw new RunscError(`pipe: errno ${-entered}`);
  const waiter = forkChild(() => {
    if (life === 'foreground') prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (enterCgroups(entrances, 'early') && enterCgroups(entrances, 'late')) write(entered[1], Buffer.from('y'));
    return waiterMain(client, pty);
  });
  close(entered[1]);
  closeEntrances(entrances);
  // It closes its end when it has entered, or could not.
  const isPlaced = waiter < 0 || cgroupsPath === '' || read(entered[0], Buffer.alloc(1)) === 1;
  close(entered[0]);
  if (waiter < 0) throw new RunscError(`fork: errno ${-waiter}`);
  try {
    if (!isPlaced) joinCgroups(cgroupsPath, waiter);
  } catch (error) {
    kill(waiter, SIGKILL);
    waitPid(waiter, 0);
    throw error;
  }
  return waiter;
}

function waiterMain(client: ControlClient, pty: Pty | null): number {
  setsid();
  if (pty !== null) ioctl(pty.slave, TIOCSCTTY, 0);
  const signals = SignalPipe.open(false);
  const keep = [client.fd, ...(typeof signals === 'number' ? [] : signals.fds)];
  if (keepOnlyDescriptors(keep) < 0) closeAllExcept(keep);
  return waitFor(client, typeof signals === 'number' ? null : signals) ?? exitNow(EXIT_OWN_FAILURE + SIGKILL);
}

/** Forwards signals until the process has ended. Returns its status; null: the sandbox ended without telling it. */
export function waitFor(client: ControlClient, signals: SignalPipe | null): number | null {
  const entries = [{ fd: client.fd, events: POLLIN, revents: 0 }];
  if (signals !== null) entries.push({ fd: signals.fd, events: POLLIN, revents: 0 });
  for (;;) {
    poll(entries, -1);
    if (entries[0]?.revents !== 0) {
      const end = client.receive(0);
      if (end?.type === 'exit') return end.signo !== 0 ? 128 + end.signo : end.status;
      if (end === null) {
        close(client.fd);
        return null;
      }
    }
    if (signals === null || entries[1]?.revents === 0) continue;
    for (const signo of signals.take()) {
      const target = targetOf(signo);
      // One that comes too late is nobody's.
      if (signo !== 17) client.trySend({ type: 'signal', signo, target: target === 'init' ? 'process' : target });
    }
  }
}
