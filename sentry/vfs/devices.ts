// SPDX-License-Identifier: Apache-2.0

/**
 * Registry of devices: what opening a node with a given device number gives.
 *
 * Linux: fs/char_dev.c, block/genhd.c
 */
import { ENXIO, EPERM, type Errno } from '../../platform/abi/linux/errno.ts';
import { majorOf, minorOf } from '../../platform/abi/linux/stat.ts';
import type { IoContext } from './context.ts';
import type { FileDescription } from './file_description.ts';
import type { Inode } from './inode.ts';
import type { Path } from './mount.ts';

/** Opens device `inode.rdev` found at `path`. */
export type DeviceOpener = (ctx: IoContext, path: Path, inode: Inode, flags: number) => FileDescription | Errno;

/** What is done with a device, as the device cgroup has it: DEVCG_ACC_* of include/linux/device_cgroup.h. */
export const DEVICE_MKNOD = 1;
export const DEVICE_READ = 2;
export const DEVICE_WRITE = 4;

/** May whoever `ctx` is use a device so? `access`: DEVICE_* bits. */
export type DevicePolicy = (ctx: IoContext, isBlock: boolean, major: number, minor: number, access: number) => boolean;

/** DEVICE_READ and DEVICE_WRITE as open(2)'s flags ask for. */
function accessOf(flags: number): number {
  const mode = flags & 3;
  return mode === 0 ? DEVICE_READ : mode === 1 ? DEVICE_WRITE : DEVICE_READ | DEVICE_WRITE;
}

interface Entry {
  readonly name: string;
  readonly opener: DeviceOpener;
}

export class DeviceRegistry {
  private readonly exact = new Map<number, Entry>();
  private readonly majors = new Map<number, Entry>();
  private readonly blocks = new Map<number, Entry>();
  /** Null: everything is allowed. */
  policy: DevicePolicy | null = null;

  /** Registers an opener for major:minor, or for every minor of a major (minor null). `name` is for /proc/devices. */
  register(major: number, minor: number | null, name: string, opener: DeviceOpener): void {
    if (minor === null) this.majors.set(major, { name, opener });
    else this.exact.set(major * 0x100000 + minor, { name, opener });
  }

  /** Opens the device of a character node. Errors: ENXIO when nobody registered it, EPERM. */
  open(ctx: IoContext, path: Path, inode: Inode, flags: number): FileDescription | Errno {
    const major = majorOf(inode.rdev);
    if (this.policy?.(ctx, false, major, minorOf(inode.rdev), accessOf(flags)) === false) return EPERM;
    const entry = this.exact.get(major * 0x100000 + minorOf(inode.rdev)) ?? this.majors.get(major);
    return entry === undefined ? ENXIO : entry.opener(ctx, path, inode, flags);
  }

  /** Registers an opener for the block devices of a major. */
  registerBlock(major: number, name: string, opener: DeviceOpener): void {
    this.blocks.set(major, { name, opener });
  }

  /** Opens the device of a block node. Errors: ENXIO when nobody registered it, EPERM. */
  openBlock(ctx: IoContext, path: Path, inode: Inode, flags: number): FileDescription | Errno {
    if (this.policy?.(ctx, true, majorOf(inode.rdev), minorOf(inode.rdev), accessOf(flags)) === false) return EPERM;
    const entry = this.blocks.get(majorOf(inode.rdev));
    return entry === undefined ? ENXIO : entry.opener(ctx, path, inode, flags);
  }

  /** [major, name] pairs of block devices, for /proc/devices. */
  listBlocks(): [number, string][] {
    return [...this.blocks].map(([major, entry]): [number, string] => [major, entry.name]).sort((a, b) => a[0] - b[0]);
  }

  /** [major, name] pairs, for /proc/devices. */
  list(): [number, string][] {
    const out = new Map<string, [number, string]>();
    for (const [key, entry] of this.exact)
      out.set(`${Math.floor(key / 0x100000)} ${entry.name}`, [Math.floor(key / 0x100000), entry.name]);
    for (const [major, entry] of this.majors) out.set(`${major} ${entry.name}`, [major, entry.name]);
    return [...out.values()].sort((a, b) => a[0] - b[0]);
  }
}
