// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts run [OPTIONS] ID`: runs an OCI bundle, in the foreground or detached.
 */
import { createContainer } from '../container/create.ts';
import { destroy } from '../container/destroy.ts';
import { superviseWaiter } from '../container/exec.ts';
import { forwardReadiness } from '../container/service_manager.ts';
import { startContainer } from '../container/lifecycle.ts';
import { TerminalRelay } from '../console/relay.ts';
import { RunscError } from '../errors.ts';
import { waitInForeground } from '../sandbox/foreground.ts';
import { SignalPipe } from '../sandbox/signals.ts';
import { endSandbox } from '../sandbox/start.ts';
import { containerVerb, idOf, prefixed } from './container_verb.ts';
import { CREATE_OPTIONS, createOptions } from './create.ts';

export const runVerb = containerVerb({
  name: 'run',
  summary: 'run an OCI bundle',
  operands: 'ID',
  text: "Runs the bundle's process in a new container and, without --detach, waits for it.",
  options: [
    ...CREATE_OPTIONS,
    { name: 'detach', short: 'd', kind: 'flag', help: 'do not wait for the container' },
    { name: 'keep', kind: 'flag', help: 'do not delete the container when it has ended' },
    { name: 'no-subreaper', kind: 'flag', help: 'accepted', isIgnored: true },
  ],
  min: 1,
  max: 1,
  startsSandbox: true,
  run: (parsed, operands, context) => {
    const isDetached = parsed.flag('detach');
    const options = createOptions(parsed, idOf(operands), isDetached);
    const signals = isDetached ? null : SignalPipe.open();
    if (typeof signals === 'number') throw new RunscError(`signal handlers could not be set (errno ${-signals})`);
    const { container, running, terminal } = prefixed('runsc-ts run failed', () => createContainer(options, context));
    let isStarted = false;
    try {
      startContainer(container, context.log);
      isStarted = true;
      container.unlock();
      if (signals === null) {
        forwardReadiness(container);
        return 0;
      }
      const relay = terminal === null ? null : new TerminalRelay(terminal.master, terminal.size);
      return 'waiter' in running ? superviseWaiter(running.waiter, signals, relay) : waitInForeground(running, signals, relay);
    } finally {
      if (signals !== null || !isStarted) {
        if (!('waiter' in running)) endSandbox(running);
        if (!parsed.flag('keep') || !isStarted) destroy(container, context.log);
      }
    }
  },
});
