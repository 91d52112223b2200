// SPDX-License-Identifier: Apache-2.0

/**
 * Where the host's cgroup hierarchies are mounted.
 *
 * Linux: cgroups(7)
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunscError } from '../errors.ts';

export interface Hierarchy {
  readonly version: 1 | 2;
  /** v1: memory, cpu...; v2: none. */
  readonly controllers: readonly string[];
  readonly mountPoint: string;
}

/** All that are mounted. With a v1 hierarchy there, v2's (which then has no controllers) is left out, as runc does. */
export function hierarchies(): Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of read('/proc/self/mountinfo').split('\n')) {
    const [left, right] = line.split(' - ');
    const fields = (left ?? '').split(' ');
    const [type, , options] = (right ?? '').split(' ');
    const mountPoint = (fields[4] ?? '').replaceAll('\\040', ' ');
    if (type === 'cgroup2') found.push({ version: 2, controllers: [], mountPoint });
    else if (type === 'cgroup') {
      const controllers = (options ?? '').split(',').filter((option) => option !== 'rw' && option !== 'ro' && option !== 'xattr' && !option.startsWith('release_agent'));
      if (!found.some((h) => h.controllers.join() === controllers.join() && h.version === 1)) found.push({ version: 1, controllers, mountPoint });
    }
  }
  return found.some((h) => h.version === 1) ? found.filter((h) => h.version === 1) : found.slice(0, 1);
}

/** The cgroup this process is in, in a hierarchy. */
function ownPath(hierarchy: Hierarchy): string {
  for (const line of read('/proc/self/cgroup').split('\n')) {
    const [, controllers, ...path] = line.split(':');
    if (controllers === hierarchy.controllers.join() || (hierarchy.version === 2 && controllers === '')) return path.join(':');
  }
  return '/';
}

/** The directory of linux.cgroupsPath in a hierarchy. Throws RunscError. */
export function directoryOf(hierarchy: Hierarchy, cgroupsPath: string): string {
  let path = cgroupsPath;
  const systemd = /^([^/:]*):([^/:]*):([^/:]+)$/.exec(cgroupsPath);
  if (systemd !== null) path = `/${systemd[1] === '' ? 'system.slice' : systemd[1]}/${systemd[2]}-${systemd[3]}.scope`;
  if (path.split('/').includes('..')) throw new RunscError(`linux.cgroupsPath: "${cgroupsPath}" leads outside`);
  return path.startsWith('/') ? join(hierarchy.mountPoint, path) : join(hierarchy.mountPoint, ownPath(hierarchy), path);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
