// SPDX-License-Identifier: Apache-2.0

/**
 * Whether a task's root is its mount namespace's: a chrooted one may not make user namespaces.
 *
 * Linux: fs/namespace.c (current_chrooted)
 */
import type { Task } from './task.ts';

/** Has chroot(2) moved the task's root away from its namespace's? */
export function isChrooted(t: Task): boolean {
  let { root } = t.mountNs;
  // The topmost of the mounts stacked on the root.
  for (;;) {
    const above = root.children.get(root.root);
    if (above === undefined || above.length === 0) break;
    root = above[above.length - 1] as typeof root;
  }
  const { rootDir } = t;
  return rootDir.mount !== root || rootDir.dentry !== root.root;
}
