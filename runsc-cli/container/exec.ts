// SPDX-License-Identifier: Apache-2.0

/**
 * Runs a process in a container over a connection of its own to the sandbox, held by the process that stands for it outside: this
 * command, or with --detach one of its own (the exec waiter), whose pid is the one that clients wait for and kill.
 *
 * Invariants: whoever holds the connection ends with the process's status, and the process dies with it.
 */
import { hasForkFlags, makeForkable } from '../../platform/ffi/forkable.ts';
import { close, kill, poll, waitPid, waitStatus } from '../../platform/ffi/lifecycle.ts';
import { type ConsoleSize, openPty, type Pty, sendMaster } from '../console/pty.ts';
import { hasTerminalStdio, TerminalRelay } from '../console/relay.ts';
import { TerminalGuard } from '../console/terminal.ts';
import { RunscError, startFailure } from '../errors.ts';
import type { ProcessConfig } from '../sandbox/config.ts';
import { SIGCHLD, SignalPipe, SIGWINCH } from '../sandbox/signals.ts';
import { ControlClient } from './control_client.ts';
import { inheritedFds } from './inherited_fds.ts';
import { writePidFile } from './create.ts';
import { forkWaiter, waitFor } from './exec_waiter.ts';
import type { Container } from './state.ts';

const POLLIN = 1;
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
  client.send({ type: 'exec', process: wire }, [...stdio, ...inheritedFds(0, options.preserveFds)]);
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
  return superviseWaiter(waiter, signals, new TerminalRelay(pty.master, options.consoleSize), () => {
    if (options.pidFile !== null) writePidFile(options.pidFile, waiter);
  });
}

/** Passes signals on to a waiter, and what goes in and out of its terminal, until it ends. Returns its status. */
export function superviseWaiter(waiter: number, signals: SignalPipe, relay: TerminalRelay | null, begin: () => void = () => {}): number {
  const entry = { fd: signals.fd, events: POLLIN, revents: 0 };
  try {
    begin();
    for (;;) {
      if (waitPid(waiter, WNOHANG) === waiter) return exitStatusOf(waitStatus());
      poll([entry, ...(relay?.wanted() ?? [])], -1);
      relay?.move();
      for (const signo of entry.revents === 0 ? [] : signals.take()) {
        if (signo === SIGWINCH) relay?.resize();
        else if (signo !== SIGCHLD) kill(waiter, signo);
      }
    }
  } catch (error) {
    kill(waiter, SIGKILL);
    waitPid(waiter, 0);
    throw error;
  } finally {
    relay?.finish();
  }
}

function exitStatusOf(status: number): number {
  return (status & 0x7f) !== 0 ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
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
