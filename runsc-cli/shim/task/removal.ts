// SPDX-License-Identifier: Apache-2.0

/**
 * Removes a container that has ended: its state, its cgroups, the mounts of its root file system.
 */
import { RuntimeLog } from '../../console/log.ts';
import { destroy } from '../../container/destroy.ts';
import { Container } from '../../container/state.ts';
import { unmountRootfs } from '../mounts.ts';
import type { Reaper } from '../reaper.ts';
import { runRuntime } from '../runtime_command.ts';
import type { TaskContainer } from './container.ts';
import { locked } from './launch.ts';

/** A log that nobody reads. */
export function silentLog(): RuntimeLog {
  return new RuntimeLog({ log: null, logFormat: 'json', debug: false, debugLog: null }, false);
}

/** Throws RunscError. */
export async function removeContainer(container: TaskContainer, reaper: Reaper): Promise<void> {
  const found = Container.find(container.root, container.id);
  if (found !== null) {
    // Hooks may take long.
    if (found.record.hooks.poststop !== undefined) await runRuntime(reaper, container, ['delete', '--force', container.id]);
    else destroy(await locked(container), silentLog());
  }
  if (container.rootfs.length > 0) unmountRootfs(container.rootfsPath);
}
