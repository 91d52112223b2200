// SPDX-License-Identifier: Apache-2.0

/**
 * Directories of block devices below /sys/devices/virtual/block, whose entries come and go with what is bound.
 *
 * Linux: block/genhd.c, block/blk-sysfs.c, drivers/block/loop.c
 */
import { ENOENT, type Errno } from '../../../platform/abi/linux/errno.ts';
import { modeToDtype } from '../../../platform/abi/linux/stat.ts';
import { type BlockDeviceView, blockDevices } from '../../kernel/block_devices.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import type { Inode } from '../../vfs/inode.ts';
import { type DirEntry, GeneratedFileInode, ListedDirInode } from '../../vfs/pseudo_file.ts';

/** A directory whose entries are made from names that may differ at every look. */
export class ChangingDirInode extends ListedDirInode {
  private readonly names: () => readonly string[];
  private readonly make: (name: string) => Inode;
  private readonly made = new Map<string, Inode>();

  constructor(fs: Filesystem, names: () => readonly string[], make: (name: string) => Inode) {
    super(fs, 0o755);
    this.names = names;
    this.make = make;
  }
  /** Is `name` an entry now? */
  has(name: string): boolean {
    return this.names().includes(name);
  }
  private entry(name: string): Inode {
    let inode = this.made.get(name);
    if (inode === undefined) {
      inode = this.make(name);
      this.made.set(name, inode);
    }
    return inode;
  }
  override lookup(_ctx: IoContext, name: string): Inode | Errno {
    return this.has(name) ? this.entry(name) : ENOENT;
  }
  override list(): readonly DirEntry[] {
    return this.names().map((name) => {
      const inode = this.entry(name);
      return { name, ino: inode.ino, dtype: modeToDtype(inode.mode) };
    });
  }
}

const FILES: Readonly<Record<string, (device: BlockDeviceView) => string | number>> = {
  dev: (device) => `${device.major}:${device.minor}`,
  hidden: () => 0,
  removable: () => 0,
  ro: (device) => (device.isReadOnly ? 1 : 0),
  size: (device) => Math.floor(device.size / 512),
  stat: () => Array.from({ length: 17 }, () => '       0').join(' '),
  uevent: (device) => `MAJOR=${device.major}\nMINOR=${device.minor}\nDEVNAME=${device.name}\nDEVTYPE=disk`,
};
const QUEUE_FILES: Readonly<Record<string, (device: BlockDeviceView) => string | number>> = {
  hw_sector_size: (device) => device.blockSize,
  logical_block_size: (device) => device.blockSize,
  physical_block_size: (device) => device.blockSize,
  minimum_io_size: (device) => device.blockSize,
  optimal_io_size: () => 0,
  discard_granularity: () => 4096,
  read_ahead_kb: () => 128,
  rotational: () => 0,
  scheduler: () => '[none]',
  write_cache: () => 'write back',
};

function find(name: string): BlockDeviceView | undefined {
  return blockDevices.list().find((device) => device.name === name);
}

function file(fs: Filesystem, text: () => string | number | undefined): Inode {
  const inode = new GeneratedFileInode(fs, () => {
    const value = text();
    return value === undefined ? '' : `${value}\n`;
  });
  inode.size = 4096;
  return inode;
}

function deviceDir(fs: Filesystem, name: string): Inode {
  const shown = (from: (device: BlockDeviceView) => string | number | undefined): Inode =>
    file(fs, () => {
      const device = find(name);
      return device === undefined ? undefined : from(device);
    });
  const queue = new ChangingDirInode(
    fs,
    () => Object.keys(QUEUE_FILES),
    (entry) => shown((device) => QUEUE_FILES[entry]?.(device)),
  );
  const loop = new ChangingDirInode(
    fs,
    () => Object.keys(find(name)?.loop ?? {}),
    (entry) => shown((device) => device.loop?.[entry]),
  );
  const names = (): string[] => [...Object.keys(FILES), 'queue', ...(find(name)?.loop == null ? [] : ['loop'])];
  return new ChangingDirInode(fs, names, (entry) => {
    if (entry === 'queue') return queue;
    return entry === 'loop' ? loop : shown((device) => FILES[entry]?.(device));
  });
}

/** /sys/devices/virtual/block. */
export function virtualBlockDir(fs: Filesystem): ChangingDirInode {
  return new ChangingDirInode(
    fs,
    () => blockDevices.list().map((device) => device.name),
    (name) => deviceDir(fs, name),
  );
}

/** Symbolic links to the devices: /sys/block and /sys/class/block by name, /sys/dev/block by number. */
export function blockLinks(
  fs: Filesystem,
  nameOf: (device: BlockDeviceView) => string,
  link: (device: BlockDeviceView) => Inode,
): ChangingDirInode {
  return new ChangingDirInode(
    fs,
    () => blockDevices.list().map(nameOf),
    (name) => link(blockDevices.list().find((device) => nameOf(device) === name) as BlockDeviceView),
  );
}
