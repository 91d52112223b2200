// SPDX-License-Identifier: Apache-2.0

/**
 * Where a shim listens: one socket for each group of containers (a pod, or a container alone), found by its name alone.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ShimFlags } from './flags.ts';

/** Where containerd 1.6 and newer expect shims to listen. */
const SOCKETS = '/run/containerd/s';

/** A container with one of these belongs to the group that the annotation names. */
const GROUP_ANNOTATIONS = ['io.containerd.runc.v2.group', 'io.kubernetes.cri.sandbox-id', 'io.kubernetes.cri-o.SandboxID'];

/** The path of the socket of a container's group. */
export function socketPath(flags: ShimFlags, bundle: string): string {
  const name = createHash('sha256').update(join(flags.address, flags.namespace, groupOf(bundle) ?? flags.id)).digest('hex');
  return `${SOCKETS}/${name}`;
}

/** The group that config.json's annotations name; null: none. */
export function groupOf(bundle: string): string | null {
  try {
    const { annotations } = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as { annotations?: Record<string, unknown> };
    for (const key of GROUP_ANNOTATIONS) {
      const value = annotations?.[key];
      if (typeof value === 'string' && value !== '') return value;
    }
  } catch {
    // create will say what is wrong with it.
  }
  return null;
}
