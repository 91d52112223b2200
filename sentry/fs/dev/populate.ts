// SPDX-License-Identifier: Apache-2.0

/**
 * Fills a directory (a tmpfs mounted at /dev) with the nodes and links every container has, and registers what the nodes open.
 *
 * Linux: Documentation/admin-guide/devices.txt; OCI runtime specification, "Default Devices"
 */
import { ENXIO, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { makedev, S_IFCHR } from '../../../platform/abi/linux/stat.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { VirtualFilesystem } from '../../vfs/virtual_filesystem.ts';
import { memoryDevices } from './memory_devices.ts';

const MEM_MAJOR = 1;
const TTYAUX_MAJOR = 5;

/** name, mode, major, minor */
const NODES: readonly (readonly [string, number, number, number])[] = [
  ['null', 0o666, MEM_MAJOR, 3],
  ['zero', 0o666, MEM_MAJOR, 5],
  ['full', 0o666, MEM_MAJOR, 7],
  ['random', 0o666, MEM_MAJOR, 8],
  ['urandom', 0o666, MEM_MAJOR, 9],
  ['tty', 0o666, TTYAUX_MAJOR, 0],
];

const LINKS: readonly (readonly [string, string])[] = [
  ['ptmx', 'pts/ptmx'],
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
];

/** Registers the character devices this room implements (devpts registers its own). */
export function registerDevices(vfs: VirtualFilesystem, kernel: Kernel): void {
  for (const [minor, name, opener] of memoryDevices(kernel.host)) vfs.devices.register(MEM_MAJOR, minor, name, opener);
  vfs.devices.register(TTYAUX_MAJOR, 0, '/dev/tty', (ctx, path, inode, flags) => {
    const tty = (ctx as Task).threadGroup?.session.tty ?? null;
    return tty === null ? ENXIO : tty.openAgain(ctx, path, inode, flags);
  });
}

/** Makes the standard nodes and links in `dir`, leaving names that exist. Returns 0 or errno. */
export function populateDev(ctx: IoContext, dir: Inode): number {
  const made = (found: Inode | Errno): number => (isErrno(found) ? found : 0);
  const missing = (name: string): boolean => isErrno(dir.lookup(ctx, name));
  let err = 0;
  for (const [name, mode, major, minor] of NODES) {
    if (err === 0 && missing(name)) err = made(dir.mknod(ctx, name, S_IFCHR | mode, makedev(major, minor), 0, 0));
  }
  for (const [name, target] of LINKS) if (err === 0 && missing(name)) err = made(dir.symlink(ctx, name, target, 0, 0));
  return err;
}
