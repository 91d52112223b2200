// SPDX-License-Identifier: Apache-2.0

/**
 * The commands every block device knows.
 *
 * Linux: block/ioctl.c (blkdev_common_ioctl)
 */
import { EACCES, EFAULT, EINVAL, ENOTTY } from '../../../platform/abi/linux/errno.ts';
import { CAP_SYS_ADMIN } from '../../../platform/abi/linux/capability.ts';
import * as L from '../../../platform/abi/linux/loop.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { LoopDevice } from './loop_device.ts';

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const PAGE_SIZE = 4096;
const READ_AHEAD_SECTORS = 256;

export function blockIoctl(ctx: IoContext, device: LoopDevice, cmd: number, arg: number): number {
  const { memory } = ctx;
  switch (cmd) {
    case L.BLKGETSIZE:
      return memory.writeU64(arg, device.size / 512);
    case L.BLKGETSIZE64:
      return memory.writeU64(arg, device.size);
    case L.BLKSSZGET:
    case L.BLKPBSZGET:
    case L.BLKIOMIN:
      return memory.writeU32(arg, device.blockSize);
    case L.BLKIOOPT:
    case L.BLKALIGNOFF:
    case L.BLKDISCARDZEROES:
      return memory.writeU32(arg, 0);
    case L.BLKBSZGET:
      return memory.writeU32(arg, PAGE_SIZE);
    case L.BLKROGET:
      return memory.writeU32(arg, device.isReadOnly ? 1 : 0);
    case L.BLKRAGET:
    case L.BLKFRAGET:
      return memory.writeU64(arg, READ_AHEAD_SECTORS);
    case L.BLKROTATIONAL: {
      const short = new Uint8Array(2);
      return memory.copyOut(arg, short, 0, 2) === 2 ? 0 : EFAULT;
    }
    case L.BLKDISCARD:
    case L.BLKZEROOUT:
      return discard(ctx, device, arg);
    default:
      return privileged(ctx, device, cmd, arg);
  }
}

function privileged(ctx: IoContext, device: LoopDevice, cmd: number, arg: number): number {
  const isKnown = [L.BLKROSET, L.BLKFLSBUF, L.BLKRRPART, L.BLKBSZSET, L.BLKRASET, L.BLKFRASET].includes(cmd);
  if (!isKnown) return ENOTTY;
  if (!ctx.creds.hasCap(CAP_SYS_ADMIN)) return EACCES;
  if (cmd === L.BLKRRPART) return (device.status.flags & L.LO_FLAGS_PARTSCAN) !== 0 ? 0 : EINVAL;
  if (cmd === L.BLKFLSBUF) return 0;
  if (cmd === L.BLKRASET || cmd === L.BLKFRASET) return 0;
  const value = ctx.memory.readU32(arg);
  if (value < 0) return EFAULT;
  if (cmd === L.BLKBSZSET) return value >= 512 && value <= PAGE_SIZE && (value & (value - 1)) === 0 ? 0 : EINVAL;
  device.isReadOnly = value !== 0;
  return 0;
}

/** BLKDISCARD and BLKZEROOUT: the range reads as zeros afterwards. */
function discard(ctx: IoContext, device: LoopDevice, arg: number): number {
  const start = ctx.memory.readU64(arg);
  const length = ctx.memory.readU64(arg + 8);
  if (start < 0 || length < 0) return EFAULT;
  if (device.isReadOnly) return EACCES;
  if (start % device.blockSize !== 0 || length % device.blockSize !== 0) return EINVAL;
  if (start + length > device.size || device.backing === null) return EINVAL;
  if (length === 0) return 0;
  return device.backing.fallocate(ctx, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, device.status.offset + start, length);
}
