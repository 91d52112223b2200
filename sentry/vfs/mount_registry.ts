// SPDX-License-Identifier: Apache-2.0

/**
 * The mounts that are or may become shared or slaves: whoever propagates looks here.
 *
 * Invariants: a mount is here from when it gets a group or comes into a tree until it is released; internal mounts never are.
 */
import type { Mount } from './mount.ts';
import type { VirtualFilesystem } from './virtual_filesystem.ts';

/** Mounts and who makes more of them. */
export const trackedMounts = new Map<Mount, VirtualFilesystem>();

export function trackMount(vfs: VirtualFilesystem, mount: Mount): void {
  trackedMounts.set(mount, vfs);
}
/** A mount is gone. */
export function untrackMount(mount: Mount): void {
  trackedMounts.delete(mount);
}
