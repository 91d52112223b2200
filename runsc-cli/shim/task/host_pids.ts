// SPDX-License-Identifier: Apache-2.0

/** The host's numbers of a container's processes, as the sandbox and /proc tell them. */
import { hostPids } from '../../container/host_pids.ts';
import { Container } from '../../container/state.ts';
import { askSandbox } from '../sandbox_control.ts';
import type { TaskContainer } from './container.ts';

/** The number of the process that stands for it when nothing else is known. */
export async function hostPidsOf({ root, id, stateDirectory, init }: TaskContainer): Promise<number[]> {
  const reply = await askSandbox(stateDirectory, { type: 'processes' });
  const sentry = Container.find(root, id)?.record.sentry?.pid ?? 0;
  const found = reply?.type === 'processes' ? hostPids(sentry, reply.list.map((p) => p.stubPid)) : [];
  return found.length > 0 ? found : [init.pid];
}
