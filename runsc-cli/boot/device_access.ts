// SPDX-License-Identifier: Apache-2.0

/**
 * linux.resources.devices: which devices the container may make, read and write. The host's device cgroup would limit the Sentry, which
 * opens none; the container's devices are the Sentry's.
 *
 * Linux: security/device_cgroup.c; cgroup-v1/devices.rst
 */
import type { ContainerDevicePolicy } from '../../sentry/kernel/guest_container.ts';
import { DEVICE_MKNOD, DEVICE_READ, DEVICE_WRITE } from '../../sentry/vfs/devices.ts';
import type { DeviceRule } from '../sandbox/config.ts';

const ALL = DEVICE_MKNOD | DEVICE_READ | DEVICE_WRITE;

/** What runc allows whatever the configuration says: making any node, and using those that every container has. */
const ALWAYS: readonly DeviceRule[] = [
  { allow: true, type: 'c', major: -1, minor: -1, access: 'm' }, { allow: true, type: 'b', major: -1, minor: -1, access: 'm' },
  ...([[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0], [5, 1], [5, 2], [136, -1]] as const).map(([major, minor]): DeviceRule => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
];

/** The policy of a list of rules: for each kind of access the last rule that fits decides; without one it is allowed. */
export function devicePolicy(rules: readonly DeviceRule[]): ContainerDevicePolicy {
  const decided = [...rules, ...ALWAYS].map((rule) => ({ ...rule, bits: bitsOf(rule.access) })).reverse();
  return (isBlock, major, minor, access) => {
    let open = access & ALL;
    for (const rule of decided) {
      if (open === 0) break;
      if (rule.type !== 'a' && rule.type !== (isBlock ? 'b' : 'c')) continue;
      if ((rule.major >= 0 && rule.major !== major) || (rule.minor >= 0 && rule.minor !== minor)) continue;
      if ((rule.bits & open) === 0) continue;
      if (!rule.allow) return false;
      open &= ~rule.bits;
    }
    return true;
  };
}

function bitsOf(access: string): number {
  return (access.includes('r') ? DEVICE_READ : 0) | (access.includes('w') ? DEVICE_WRITE : 0) | (access.includes('m') ? DEVICE_MKNOD : 0);
}
