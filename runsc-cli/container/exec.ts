// SPDX-License-Identifier: Apache-2.0

/**
 * Runs a process in a container over a connection of its own to the sandbox, held by the process that stands for it outside: this
 * command, or with --detach one of its own (the exec waiter), whose pid is the one that clients wait for and kill.
 *
 * Invariants: whoever holds the connection ends with the process's status, and the process dies with it. The waiter keeps no
 *             descriptor but the connection (and the terminal that it forwards signals for).
 */
import { closeAllExcept, exitNow, poll, setsid } from '../../platform/ffi/lifecycle.ts';
import { ioctl } from '../../platform/ffi/files.ts';
import { hasForkFlags, keepOnlyDescriptors, makeForkable } from '../../platform/ffi/forkable.ts';
import { forkChild } from '../../platform/host/spawn/fork_child.ts';
import { close, kill, waitPid, waitStatus } from '../../platform/ffi/lifecycle.ts';
import { joinCgroups } from '../cgroup/cgroup.ts';
import { type ConsoleSize, openPty, type Pty, sendMaster } from '../console/pty.ts';
import { hasTerminalStdio, TerminalRelay } from '../console/relay.ts';
import { TerminalGuard } from '../console/terminal.ts';
import { EXIT_OWN_FAILURE, RunscError, startFailure } from '../errors.ts';
import type { ProcessConfig } from '../sandbox/config.ts';
import { SIGCHLD, SignalPipe, SIGWINCH, targetOf } from '../sandbox/signals.ts';
import { ControlClient } from './control_client.ts';
import { writePidFile } from './create.ts';
import type { Container } from './state.ts';

const POLLIN = 1;
const TIOCSCTTY = 0x540e;
const SIGKILL = 9;
const WNOHANG = 1;

export interface ExecOptions {
  readonly isDetached: boolean;
  readonly pidFile: string | null;
  readonly consoleSocket: string | null;
  readonly consoleSize: ConsoleSize | null;
  readonly preserveFds: number;
  readonly ignorePaused: boolean;
}

/** Returns the exit status: the process's own in the foreground. Throws RunscError. */
export function runExec(container: Container, process: ProcessConfig, options: ExecOptions): number {
  const { status } = container;
  if (status === 'stopped') throw new RunscError('cannot exec in a stopped container');
  if (status === 'paused' && !options.ignorePaused) throw new RunscError('cannot exec in a paused container (use --ignore-paused to override)');
  const wantsPty = process.terminal && (options.isDetached || !hasTerminalStdio());
  if (wantsPty && options.isDetached && options.consoleSocket === null) throw new RunscError('cannot allocate tty if runc will detach without setting console socket');
  if (!(wantsPty && options.isDetached) && options.consoleSocket !== null) throw new RunscError('cannot use console socket if runc will not detach or allocate tty');
  const client = ControlClient.connect(container.directory);
  if (client === null) throw new RunscError('cannot exec in a stopped container');
  const pty = wantsPty ? openPty(options.consoleSize) : null;
  const stdio = pty === null ? [0, 1, 2] : [pty.slave, pty.slave, pty.slave];
  const { createCwd: _c, isProtectedInit: _p, ...wire } = process;
  client.send({ type: 'exec', process: wire }, [...stdio, ...Array.from({ length: options.preserveFds }, (_, i) => 3 + i)]);
  const reply = client.receive();
  if (reply?.type === 'failed') throw new RunscError(startFailure(reply.message));
  if (reply?.type !== 'started') throw new RunscError('the sandbox does not answer');
  if (options.isDetached) return detach(container, client, options, pty);
  if (pty !== null) return relayed(container, client, options, pty);
  const signals = SignalPipe.open();
  if (options.pidFile !== null) writePidFile(options.pidFile, globalThis.process.pid);
  const terminal = new TerminalGuard([0, 1, 2]);
  const result = typeof signals === 'number' ? waitFor(client, null) : waitFor(client, signals);
  terminal.restore();
  if (result === null) throw new RunscError('the sandbox ended');
  return result;
}

/** Leaves the connection to a process of its own, and carries what goes in and out of its terminal. Returns its status. */
function relayed(container: Container, client: ControlClient, options: ExecOptions, pty: Pty): number {
  if (!hasForkFlags() || makeForkable() < 0) throw new RunscError('this Node cannot be forked: exec with a terminal needs one for its standard descriptors');
  const signals = SignalPipe.open();
  if (typeof signals === 'number') throw new RunscError(`signal handlers could not be set (errno ${-signals})`);
  const waiter = forkWaiter(container, client, pty);
  client.close();
  close(pty.slave);
  const relay = new TerminalRelay(pty.master, options.consoleSize);
  const entry = { fd: signals.fd, events: POLLIN, revents: 0 };
  try {
    if (options.pidFile !== null) writePidFile(options.pidFile, waiter);
    for (;;) {
      poll([entry, ...relay.wanted()], -1);
      relay.move();
      for (const signo of entry.revents === 0 ? [] : signals.take()) {
        if (signo === SIGCHLD && waitPid(waiter, WNOHANG) === waiter) return exitStatusOf(waitStatus());
        if (signo === SIGWINCH) relay.resize();
        else if (signo !== SIGCHLD) kill(waiter, signo);
      }
    }
  } catch (error) {
    kill(waiter, SIGKILL);
    waitPid(waiter, 0);
    throw error;
  } finally {
    relay.finish();
  }
}

function exitStatusOf(status: number): number {
  return (status & 0x7f) !== 0 ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
}

/** Forks the process that holds the connection from now on. Throws RunscError. */
function forkWaiter(container: Container, client: ControlClient, pty: Pty | null): number {
  const waiter = forkChild(() => waiterMain(client, pty));
  if (waiter < 0) throw new RunscError(`fork: errno ${-waiter}`);
  try {
    if (container.record.cgroupsPath !== '') joinCgroups(container.record.cgroupsPath, waiter);
  } catch (error) {
    kill(waiter, SIGKILL);
    waitPid(waiter, 0);
    throw error;
  }
  return waiter;
}

/** Leaves the connection to a process of its own. */
function detach(container: Container, client: ControlClient, options: ExecOptions, pty: Pty | null): number {
  if (!hasForkFlags() || makeForkable() < 0) throw new RunscError('this Node cannot be forked: exec --detach is not possible');
  const waiter = forkWaiter(container, client, pty);
  try {
    if (pty !== null) sendMaster(pty, options.consoleSocket as string);
    if (options.pidFile !== null) writePidFile(options.pidFile, waiter);
  } catch (error) {
    kill(waiter, SIGKILL);
    waitPid(waiter, 0);
    throw error;
  }
  return 0;
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
function waitFor(client: ControlClient, signals: SignalPipe | null): number | null {
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
