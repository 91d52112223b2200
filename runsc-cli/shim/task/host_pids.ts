// SPDX-License-Identifier: Apache-2.0

/** The host's numbers of a container's processes, as the sandbox and /proc tell them. */
import { hostPids } from '../../container/host_pids.ts';
import { askSandbox } from '../sandbox_control.ts';

/** The Sentry's own number when nothing else is known. */
export async function hostPidsOf(stateDirectory: string, sentryPid: number): Promise<number[]> {
  const reply = await askSandbox(stateDirectory, { type: 'processes' });
  return reply?.type === 'processes' ? hostPids(sentryPid, reply.list) : [sentryPid];
}
