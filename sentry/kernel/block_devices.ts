// SPDX-License-Identifier: Apache-2.0

/**
 * Where the owner of block devices leaves what /sys and /proc show of them (they cannot import it).
 *
 * Linux: block/genhd.c, drivers/block/loop.c (loop_attribute_group)
 */
export interface BlockDeviceView {
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  /** Bytes. */
  readonly size: number;
  readonly isReadOnly: boolean;
  readonly blockSize: number;
  /** Files of the directory loop/, while a file is bound; null: none is. */
  readonly loop: Readonly<Record<string, string>> | null;
}

/** The devices at this moment. Set by their owner. */
export const blockDevices = { list: (): BlockDeviceView[] => [] };

/** The lines of /proc/partitions. */
export function partitionsText(): string {
  const lines = blockDevices
    .list()
    .filter((device) => device.size > 0)
    .map(({ major, minor, size, name }) => {
      const numbers = `${String(major).padStart(4)}  ${String(minor).padStart(7)}`;
      return `${numbers} ${String(Math.floor(size / 1024)).padStart(10)} ${name}\n`;
    });
  return `major minor  #blocks  name\n\n${lines.join('')}`;
}
