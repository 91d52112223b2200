// SPDX-License-Identifier: Apache-2.0

/**
 * A container's limits inside: what its cgroup filesystem shows, what the Sentry's own memory budget and task limit enforce.
 */
import type { LimitChanges } from '../../sentry/control/messages/commands.ts';
import type { GuestContainer } from '../../sentry/kernel/guest_container.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import type { SandboxConfig } from '../sandbox/config.ts';

/** Sets the limits that a container begins with. */
export function setLimits({ limits }: GuestContainer, config: SandboxConfig): void {
  Object.assign(limits, { memory: config.memoryLimit, pids: config.pidsLimit ?? null }, config.limits);
}

/** Applies what `update` changed. A budget that the container began without it does not get: the host's cgroup limits it. */
export function changeLimits(kernel: Kernel, container: GuestContainer, changes: LimitChanges): void {
  Object.assign(container.limits, changes);
  const { budget } = kernel.memoryServices;
  if (container === kernel.container && budget !== undefined && changes.memory !== undefined) budget.limit = changes.memory ?? Number.MAX_SAFE_INTEGER;
}
