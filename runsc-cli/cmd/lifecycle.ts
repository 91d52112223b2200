// SPDX-License-Identifier: Apache-2.0

/**
 * `state`, `kill`, `delete`, `pause`, `resume`, `wait`, and the verbs that are not supported.
 */
import { destroy } from '../container/destroy.ts';
import { awaitExit, killContainer, setPaused } from '../container/lifecycle.ts';
import { Container, NO_CONTAINER } from '../container/state.ts';
import { messageOf, RunscError } from '../errors.ts';
import { containerVerb, idOf, print } from './container_verb.ts';
import { manual } from './manual.ts';
import { signalNumber } from './signal_names.ts';

export const stateVerb = containerVerb({
  name: 'state',
  summary: 'print the state of a container',
  operands: 'ID',
  text: 'Prints the state of a container as JSON.',
  options: [],
  min: 1,
  max: 1,
  run: (_parsed, operands, { flags }) => print(`${JSON.stringify(Container.load(flags.root, idOf(operands)).describe(), null, 2)}\n`),
});

export const killVerb = containerVerb({
  name: 'kill',
  summary: 'send a signal to a container',
  operands: 'ID [SIGNAL]',
  text: "Sends a signal (a name or a number, default SIGTERM) to a container's init process.",
  options: [{ name: 'all', short: 'a', kind: 'flag', help: 'send it to all processes in the container' }],
  min: 1,
  max: 2,
  run: (parsed, operands, { flags }) => {
    const container = Container.load(flags.root, idOf(operands));
    killContainer(container, signalNumber(operands[1] ?? 'TERM'), parsed.flag('all'));
    return 0;
  },
});

export const deleteVerb = containerVerb({
  name: 'delete',
  summary: 'remove a container',
  operands: 'ID...',
  text: 'Removes what was made for a container that has stopped or was not started.',
  options: [{ name: 'force', short: 'f', kind: 'flag', help: 'kill it first if it runs; no error if there is none' }],
  min: 1,
  max: 1000,
  run: (parsed, operands, { flags, log }) => {
    const isForced = parsed.flag('force');
    const failures: string[] = [];
    for (const id of operands) {
      try {
        deleteOne(flags.root, idOf([id]), isForced, (container) => destroy(container, log));
      } catch (error) {
        if (!(error instanceof RunscError)) throw error;
        if (!isForced || error.message !== NO_CONTAINER) failures.push(messageOf(error));
      }
    }
    if (failures.length > 0) throw new RunscError(failures.join('; '));
    return 0;
  },
});

function deleteOne(root: string, id: string, isForced: boolean, remove: (container: Container) => void): void {
  const container = Container.loadLocked(root, id);
  const { status } = container;
  if (!isForced && status !== 'stopped' && status !== 'created') {
    container.unlock();
    throw new RunscError(`cannot delete container ${id} that is not stopped: ${status}`);
  }
  remove(container);
}

export const pauseVerb = containerVerb({
  name: 'pause',
  summary: 'stop all processes of a container where they are',
  operands: 'ID',
  text: 'Stops all processes of a container where they are, until `resume`.',
  options: [],
  min: 1,
  max: 1,
  run: (_parsed, operands, { flags }) => {
    setPaused(Container.loadLocked(flags.root, idOf(operands)), true);
    return 0;
  },
});

export const resumeVerb = containerVerb({
  name: 'resume',
  summary: 'let a paused container go on',
  operands: 'ID',
  text: 'Lets all processes of a paused container go on.',
  options: [],
  min: 1,
  max: 1,
  run: (_parsed, operands, { flags }) => {
    setPaused(Container.loadLocked(flags.root, idOf(operands)), false);
    return 0;
  },
});

export const waitVerb = containerVerb({
  name: 'wait',
  summary: 'wait until a container has ended',
  operands: 'ID',
  text: "Waits until a container's init has ended and prints its exit status as JSON.",
  options: [],
  min: 1,
  max: 1,
  run: (_parsed, operands, { flags }) => {
    const id = idOf(operands);
    const container = Container.load(flags.root, id);
    return print(`${JSON.stringify({ id, exitStatus: awaitExit(container) })}\n`);
  },
});

/** Accepts any options: the answer does not depend on them. */
function unsupported(name: string) {
  const usage = (): string => manual({ name, summary: `${name} a container (not supported yet)`, usage: ['[OPTIONS] ID'], text: 'Not supported yet: fails with a message that says so.', options: [] });
  return {
    name,
    summary: `${name} is not supported yet`,
    failureStatus: 1,
    startsSandbox: false,
    usage,
    run: (args: readonly string[]): number => {
      if (args.some((arg) => arg === '-h' || arg === '--help')) return print(usage());
      throw new RunscError(`${name} is not supported yet`);
    },
  };
}

export const checkpointVerb = unsupported('checkpoint');
export const restoreVerb = unsupported('restore');
