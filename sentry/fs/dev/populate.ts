// SPDX-License-Identifier: Apache-2.0

/**
 * Fills a directory (a tmpfs mounted at /dev) with the nodes and links every container has, and registers what the nodes open.
 *
 * Linux: Documentation/admin-guide/devices.txt; OCI runtime specification, "Default Devices"
 */
import { ENXIO, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import {
  LO_FLAGS_AUTOCLEAR,
  LO_FLAGS_DIRECT_IO,
  LO_FLAGS_PARTSCAN,
  LOOP_CTL_MINOR,
  LOOP_MAJOR,
} from '../../../platform/abi/linux/loop.ts';
import { makedev, minorOf, S_IFBLK, S_IFCHR } from '../../../platform/abi/linux/stat.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import type { VirtualFilesystem } from '../../vfs/virtual_filesystem.ts';
import { type BlockDeviceView, blockDevices } from '../../kernel/block_devices.ts';
import { dPath } from '../../vfs/d_path.ts';
import { LOOP_NODES, type LoopDevice, LoopTable } from './loop_device.ts';
import { LoopControlFile, LoopFile } from './loop_file.ts';
import { memoryDevices } from './memory_devices.ts';

const MEM_MAJOR = 1;
const MISC_MAJOR = 10;
const TTYAUX_MAJOR = 5;
const TUN_MINOR = 200;

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

/** Matches no place: paths are given from the outermost root. */
const NOWHERE = { mount: null, dentry: null } as unknown as Path;

/** What /sys shows of a loop device. */
function describe(device: LoopDevice): BlockDeviceView {
  const { number, size, isReadOnly, blockSize, backing, status } = device;
  const flag = (bit: number): string => ((status.flags & bit) !== 0 ? '1' : '0');
  const loop =
    backing === null
      ? null
      : {
          autoclear: flag(LO_FLAGS_AUTOCLEAR),
          backing_file: dPath(NOWHERE, backing.path),
          dio: flag(LO_FLAGS_DIRECT_IO),
          offset: String(status.offset),
          partscan: flag(LO_FLAGS_PARTSCAN),
          sizelimit: String(status.sizelimit),
        };
  return { name: `loop${number}`, major: LOOP_MAJOR, minor: number, size, isReadOnly, blockSize, loop };
}

/** Registers the loop devices. */
export function registerLoops(vfs: VirtualFilesystem): void {
  const table = new LoopTable();
  vfs.devices.register(MISC_MAJOR, LOOP_CTL_MINOR, 'misc', (ctx, path, inode, flags) => {
    return new LoopControlFile(ctx, path, inode, flags, table);
  });
  vfs.devices.registerBlock(LOOP_MAJOR, 'loop', (ctx, path, inode, flags) => {
    const device = table.make(minorOf(inode.rdev));
    return device === null ? ENXIO : new LoopFile(ctx, path, inode, flags, device);
  });
  blockDevices.list = () => table.list().map(describe);
}

/** The nodes of the loop devices. */
function loopNodes(): [string, number, number, number][] {
  const nodes: [string, number, number, number][] = [['loop-control', S_IFCHR | 0o660, MISC_MAJOR, LOOP_CTL_MINOR]];
  for (let i = 0; i < LOOP_NODES; i++) nodes.push([`loop${i}`, S_IFBLK | 0o660, LOOP_MAJOR, i]);
  return nodes;
}

/** /dev/net/tun. Returns 0 or errno. */
function makeTun(ctx: IoContext, dir: Inode): number {
  const net = dir.mkdir(ctx, 'net', 0o755, 0, 0);
  if (isErrno(net)) return net;
  const node = net.mknod(ctx, 'tun', S_IFCHR | 0o666, makedev(MISC_MAJOR, TUN_MINOR), 0, 0);
  return isErrno(node) ? node : 0;
}

/**
 * Makes the standard nodes and links in `dir`, leaving names that exist; `withLoops` also the loop devices.
 * Returns 0 or errno.
 */
export function populateDev(ctx: IoContext, dir: Inode, withLoops: boolean): number {
  const made = (found: Inode | Errno): number => (isErrno(found) ? found : 0);
  const missing = (name: string): boolean => isErrno(dir.lookup(ctx, name));
  let err = 0;
  for (const [name, mode, major, minor] of withLoops ? [...NODES, ...loopNodes()] : NODES) {
    const type = (mode & S_IFBLK) === S_IFBLK ? 0 : S_IFCHR;
    if (err === 0 && missing(name)) err = made(dir.mknod(ctx, name, type | mode, makedev(major, minor), 0, 0));
  }
  if (err === 0 && withLoops && missing('net')) err = makeTun(ctx, dir);
  for (const [name, target] of LINKS) if (err === 0 && missing(name)) err = made(dir.symlink(ctx, name, target, 0, 0));
  return err;
}
