// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts create` and `runsc-ts start`.
 */
import { resolve } from 'node:path';
import { createContainer, type CreateOptions } from '../container/create.ts';
import { startContainer } from '../container/lifecycle.ts';
import { forwardReadiness } from '../container/service_manager.ts';
import { Container } from '../container/state.ts';
import type { Option, Parsed } from './arguments.ts';
import { containerVerb, idOf, prefixed } from './container_verb.ts';
import { parsePreserveFds } from './values.ts';

/** What create and run have in common. */
export const CREATE_OPTIONS: readonly Option[] = [
  { name: 'bundle', short: 'b', kind: 'value', placeholder: 'DIR', help: 'directory with config.json (default: the working directory)' },
  { name: 'pid-file', kind: 'value', placeholder: 'FILE', help: 'write the id of the process that stands for the container there' },
  { name: 'console-socket', kind: 'value', placeholder: 'SOCKET', help: 'Unix socket that the master of the terminal is sent to' },
  { name: 'preserve-fds', kind: 'value', placeholder: 'N', help: 'pass descriptors 3 to 3+N-1 on to the container' },
  { name: 'no-pivot', kind: 'flag', help: 'accepted', isIgnored: true },
  { name: 'no-new-keyring', kind: 'flag', help: 'accepted', isIgnored: true },
  { name: 'pidfd-socket', kind: 'value', help: 'accepted', isIgnored: true },
  { name: 'user-log', kind: 'value', help: 'accepted', isIgnored: true },
];

/** Throws RunscError. */
export function createOptions(parsed: Parsed, id: string, isDetached: boolean): CreateOptions {
  const absolute = (name: string): string | null => {
    const value = parsed.value(name);
    return value === undefined || value === '' ? null : resolve(value);
  };
  return {
    id,
    bundle: resolve(parsed.value('bundle') ?? '.'),
    pidFile: absolute('pid-file'),
    consoleSocket: absolute('console-socket'),
    preserveFds: parsePreserveFds(parsed.value('preserve-fds')),
    isDetached,
  };
}

export const createVerb = containerVerb({
  name: 'create',
  summary: 'create a container from an OCI bundle',
  operands: 'ID',
  text: "Creates a container: everything but the bundle's process running, which `start` does. One whose annotations say that it belongs to a pod is made in the sandbox of the pod's first container.",
  options: CREATE_OPTIONS,
  min: 1,
  max: 1,
  startsSandbox: true,
  run: (parsed, operands, context) =>
    prefixed('runsc-ts create failed', () => {
      createContainer(createOptions(parsed, idOf(operands), true), context);
      return 0;
    }),
});

export const startVerb = containerVerb({
  name: 'start',
  summary: "run a created container's process",
  operands: 'ID',
  text: "Runs the user's process of a container that was created.",
  options: [],
  min: 1,
  max: 1,
  run: (_parsed, operands, { flags, log }) => {
    const container = Container.loadLocked(flags.root, idOf(operands));
    startContainer(container, log);
    container.unlock();
    forwardReadiness(container);
    return 0;
  },
});
