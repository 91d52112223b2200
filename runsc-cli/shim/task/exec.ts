// SPDX-License-Identifier: Apache-2.0

/**
 * Runs a process in a running sandbox without a command: the shim asks the sandbox itself, and forks the waiter that stands for the process.
 * Only when hasForkFlags(): a thread that compiles holds locks, which a child would wait for for ever. A fork of the shim costs a millisecond and little memory; a command costs a start of Node, which a probe every few seconds would pay.
 */
import { makeForkable } from '../../../platform/ffi/forkable.ts';
import { close, kill, open } from '../../../platform/ffi/lifecycle.ts';
import { ControlClient } from '../../container/control_client.ts';
import { forkWaiter } from '../../container/exec_waiter.ts';
import { Container } from '../../container/state.ts';
import { openPty, type Pty } from '../../console/pty.ts';
import { errnoWords, messageOf, RunscError, startFailure } from '../../errors.ts';
import type { Field } from '../../spec/checker.ts';
import { parseConfig } from '../../spec/load.ts';
import { translateProcess } from '../../spec/translate.ts';
import { answerOf } from '../sandbox_control.ts';
import type { ProcessIo } from '../stdio/process_io.ts';
import type { TaskContainer } from './container.ts';
import type { TaskProcess } from './process.ts';

const SIGKILL = 9;
const O_RDWR_CLOEXEC = 2 | 0o2000000;

/** The description with the terminal that was asked for: the two may differ. Throws RunscError. */
export function specText(process: TaskProcess): string {
  let spec: unknown;
  try {
    spec = JSON.parse(Buffer.from(process.spec ?? []).toString());
  } catch (error) {
    throw new RunscError(`process spec: not valid JSON: ${messageOf(error)}`);
  }
  return JSON.stringify({ ...(spec as object), terminal: process.stdio.terminal });
}

/** Returns the waiter's pid. Throws RunscError. */
export async function execInSandbox(container: TaskContainer, process: TaskProcess, io: ProcessIo): Promise<number> {
  const state = Container.load(container.root, container.id);
  if (state.status === 'stopped') throw new RunscError('cannot exec in a stopped container');
  if (state.status === 'paused') throw new RunscError('cannot exec in a paused container');
  const field = parseConfig(specText(process), 'process spec');
  const { createCwd: _c, isProtectedInit: _p, ...wire } = translateProcess(field, []);
  const client = ControlClient.connect(state.directory);
  if (client === null) throw new RunscError('cannot exec in a stopped container');
  let pty: Pty | null = null;
  const nowhere = open('/dev/null', O_RDWR_CLOEXEC);
  try {
    pty = io.isTerminal ? openPty(sizeOf(field)) : null;
    const slave = pty?.slave;
    client.send({ type: 'exec', process: wire }, slave !== undefined ? [slave, slave, slave] : io.childStdio.map((fd) => (fd === 'ignore' ? nowhere : fd)));
    const reply = await answerOf(client);
    if (reply?.type === 'failed') throw new RunscError(startFailure(reply.message));
    if (reply?.type !== 'started') throw new RunscError('the sandbox does not answer');
    const forkable = makeForkable();
    if (forkable < 0) throw new RunscError(`the shim cannot be forked: ${errnoWords(forkable)}`);
    const waiter = forkWaiter(state, client, pty);
    const master = pty?.master ?? -1;
    if (pty !== null) close(pty.slave);
    pty = null;
    try {
      io.started(master);
    } catch (error) {
      kill(waiter, SIGKILL);
      throw error;
    }
    return waiter;
  } finally {
    // Ours; the waiter has its own.
    client.close();
    close(nowhere);
    if (pty !== null) for (const fd of [pty.master, pty.slave]) close(fd);
  }
}

function sizeOf(process: Field): { height: number; width: number } | null {
  const size = process.get('consoleSize');
  return size.isPresent ? { height: size.get('height').integer(0, 0xffff), width: size.get('width').integer(0, 0xffff) } : null;
}
