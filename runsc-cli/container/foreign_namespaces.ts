// SPDX-License-Identifier: Apache-2.0

/**
 * Namespaces by path that a container with a sandbox of its own cannot be in: processes and mounts of another kernel are not to be had.
 *
 * Linux: namespaces(7). OCI runtime-spec: config-linux.md, "Namespaces".
 */
import { statSync } from 'node:fs';
import { RunscError, systemReason } from '../errors.ts';
import type { Field } from '../spec/checker.ts';

const FILES: Readonly<Record<string, string>> = { pid: 'pid', mount: 'mnt' };

/** Throws RunscError for a pid or mount namespace by path that is not this process's own (the host's, which a sandbox never shows). */
export function refuseForeignNamespaces(config: Field, sandbox: 'alone' | 'in a pod'): void {
  if (!config.get('linux').isPresent) return;
  for (const item of config.get('linux').get('namespaces').items()) {
    const type = item.get('type').string();
    const file = FILES[type];
    const path = item.get('path').optionalString('');
    // Which processes a container of a pod is among is looked at with its other namespaces.
    if (file === undefined || path === '' || (type === 'pid' && sandbox === 'in a pod')) continue;
    if (!isOwn(path, file)) throw new RunscError(`${type} namespace ${path}: it cannot be joined by a sandbox of its own (--pid container:NAME and the like are not supported)`);
  }
}

function isOwn(path: string, file: string): boolean {
  try {
    const [wanted, own] = [statSync(path), statSync(`/proc/self/ns/${file}`)];
    return wanted.ino === own.ino && wanted.dev === own.dev;
  } catch (error) {
    throw new RunscError(`namespace ${path}: ${systemReason(error)}`);
  }
}
