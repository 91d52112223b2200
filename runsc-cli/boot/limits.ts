// SPDX-License-Identifier: Apache-2.0

/**
 * The container's limits inside: what its cgroup filesystem shows, what its own memory budget and task limit enforce.
 */
import type { LimitChanges } from '../../sentry/control/messages/commands.ts';
import type { ContainerLimits } from '../../sentry/fs/cgroup/cgroup_filesystem.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import type { SandboxConfig } from '../sandbox/config.ts';

/** The limits a container begins with. */
export function initialLimits(config: SandboxConfig): ContainerLimits {
  const none: ContainerLimits = { memory: config.memoryLimit, memoryLow: 0, swap: null, cpuQuota: null, cpuPeriod: 100000, cpuWeight: 100, pids: config.pidsLimit ?? null, cpus: '', mems: '' };
  return { ...none, ...config.limits };
}

/** Applies what `update` changed. A budget that the container began without it does not get: the host's cgroup limits it. */
export function changeLimits(kernel: Kernel, limits: ContainerLimits, changes: LimitChanges): void {
  Object.assign(limits, changes);
  const { budget } = kernel.memoryServices;
  if (budget !== undefined && changes.memory !== undefined) budget.limit = changes.memory ?? Number.MAX_SAFE_INTEGER;
  if (changes.pids !== undefined) kernel.maxTasks = changes.pids ?? kernel.defaultMaxTasks();
}
