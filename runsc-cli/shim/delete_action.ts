// SPDX-License-Identifier: Apache-2.0

/**
 * `delete`: ends and removes what a shim that died, or never came up, left of a container. Prints a DeleteResponse.
 */
import { readFileSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { join } from 'node:path';
import { destroy } from '../container/destroy.ts';
import { Container } from '../container/state.ts';
import { checkNames, type ShimFlags } from './flags.ts';
import { unmountRootfs } from './mounts.ts';
import { savedOptions, stateRoot } from './options.ts';
import { DeleteResponse } from './protocol/task_messages.ts';
import { now } from './protocol/well_known.ts';
import { endCreation } from './runtime_command.ts';
import { answers, removeSocket } from './socket_file.ts';
import { silentLog } from './task/removal.ts';

const KILLED = 137;

/** Returns the exit status. */
export async function deleteAction(flags: ShimFlags): Promise<number> {
  checkNames(flags);
  const bundle = resolve(flags.bundle === '' ? '.' : flags.bundle);
  endCreation(bundle);
  const pid = removeState(stateRoot(savedOptions(bundle), flags.namespace), flags.id);
  unmountRootfs(join(bundle, 'rootfs'));
  await removeDeadSocket(bundle);
  writeSync(1, DeleteResponse.encode({ pid, exitStatus: KILLED, exitedAt: now() }));
  return 0;
}

/** Returns the pid that the container was known by. */
function removeState(root: string, id: string): number {
  if (Container.find(root, id) === null) return 0;
  const container = Container.loadLocked(root, id);
  const pid = container.process?.pid ?? 0;
  destroy(container, silentLog());
  return pid;
}

/** A shim that was killed leaves its socket; one of the same pod that lives keeps it. */
async function removeDeadSocket(bundle: string): Promise<void> {
  let path: string;
  try {
    path = readFileSync(join(bundle, 'address'), 'utf8').trim().replace(/^unix:\/\//, '');
  } catch {
    return;
  }
  if (path.startsWith('/') && !(await answers(path))) removeSocket(path);
}
