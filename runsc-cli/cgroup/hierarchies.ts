// SPDX-License-Identifier: Apache-2.0

/**
 * Where the host's cgroup hierarchies are mounted.
 *
 * Linux: cgroups(7)
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanPath } from '../spec/checker.ts';

export interface Hierarchy {
  readonly version: 1 | 2;
  /** v1: memory, cpu...; v2: none. */
  readonly controllers: readonly string[];
  readonly mountPoint: string;
}

let known: Hierarchy[] | null = null;

/** All that are mounted. With a v1 hierarchy there, v2's (which then has no controllers) is left out, as runc does. */
export function hierarchies(): readonly Hierarchy[] {
  known ??= mountedHierarchies();
  return known;
}

function mountedHierarchies(): Hierarchy[] {
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

/** linux.cgroupsPath as systemd's: slice, prefix, name. */
export interface SystemdPath {
  /** "system.slice"; "-.slice": the root. */
  readonly slice: string;
  /** "prefix-name.scope", or a slice of its own. */
  readonly unit: string;
}

/** Splits "slice:prefix:name"; null: it is a path. */
export function systemdPath(cgroupsPath: string): SystemdPath | null {
  const match = /^([^/:]*):([^/:]*):([^/:]+)$/.exec(cgroupsPath);
  if (match === null) return null;
  const [, slice = '', prefix = '', name = ''] = match;
  const base = prefix === '' ? name : `${prefix}-${name}`;
  return { slice: slice === '' ? 'system.slice' : slice, unit: name.endsWith('.slice') ? name : `${base}.scope` };
}

/** "a-b.slice" lies in "a.slice": its path ("/a.slice/a-b.slice"). */
export function expandSlice(slice: string): string {
  const name = slice.replace(/\.slice$/, '');
  if (name === '-') return '/';
  const parts = name.split('-');
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join('-')}.slice`).join('');
}

/** The directory of linux.cgroupsPath in a hierarchy. It never leads out of it. */
export function directoryOf(hierarchy: Hierarchy, cgroupsPath: string): string {
  const systemd = systemdPath(cgroupsPath);
  if (systemd !== null) return join(hierarchy.mountPoint, expandSlice(systemd.slice), systemd.unit);
  const path = cleanPath(`/${cgroupsPath}`);
  return cgroupsPath.startsWith('/') ? join(hierarchy.mountPoint, path) : join(hierarchy.mountPoint, ownPath(hierarchy), path);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
