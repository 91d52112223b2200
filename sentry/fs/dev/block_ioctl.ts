// SPDX-License-Identifier: Apache-2.0

/**
 * The commands every block device knows.
 *
 * Linux: block/ioctl.c (blkdev_common_ioctl)
 */
import { EACCES, EFAULT, EINVAL, ENOTTY } from '../../../platform/abi/linux/errno.ts';
import { CAP_SYS_ADMIN } from '../../../platform/abi/linux/capability.ts';
import * as I from '../../../platform/abi/linux/ioctls.ts';
import * as L from '../../../platform/abi/linux/loop.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { LoopDevice } from './loop_device.ts';

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const PAGE_SIZE = 4096;

export function blockIoctl(ctx: IoContext, device: LoopDevice, cmd: number, arg: number): number {
  const { memory } = ctx;
  switch (cmd) {
    case I.BLKGETSIZE:
      return memory.writeU64(arg, device.size / 512);
    case L.BLKGETSIZE64:
      return memory.writeU64(arg, device.size);
    case I.BLKSSZGET:
    case I.BLKPBSZGET:
    case I.BLKIOMIN:
      return memory.writeU32(arg, device.blockSize);
    case I.BLKIOOPT:
    case I.BLKALIGNOFF:
    case I.BLKDISCARDZEROES:
      return memory.writeU32(arg, 0);
    case I.BLKBSZGET:
      return memory.writeU32(arg, PAGE_SIZE);
    case I.BLKROGET:
      return memory.writeU32(arg, device.isReadOnly ? 1 : 0);
    case I.BLKRAGET:
    case I.BLKFRAGET:
      return memory.writeU64(arg, device.readAheadSectors);
    case I.BLKROTATIONAL: {
      const short = new Uint8Array(2);
      return memory.copyOut(arg, short, 0, 2) === 2 ? 0 : EFAULT;
    }
    case I.BLKDISCARD:
    case I.BLKZEROOUT:
      return discard(ctx, device, arg);
    default:
      return privileged(ctx, device, cmd, arg);
  }
}

function privileged(ctx: IoContext, device: LoopDevice, cmd: number, arg: number): number {
  const isKnown = [I.BLKROSET, I.BLKFLSBUF, I.BLKRRPART, I.BLKBSZSET, I.BLKRASET, I.BLKFRASET].includes(cmd);
  if (!isKnown) return ENOTTY;
  if (!ctx.creds.hasCap(CAP_SYS_ADMIN)) return EACCES;
  if (cmd === I.BLKRRPART) return (device.status.flags & L.LO_FLAGS_PARTSCAN) !== 0 ? 0 : EINVAL;
  if (cmd === I.BLKFLSBUF) return 0;
  if (cmd === I.BLKRASET || cmd === I.BLKFRASET) {
    // Kept in pages.
    device.readAheadSectors = Math.floor(arg / 8) * 8;
    return 0;
  }
  const value = ctx.memory.readU32(arg);
  if (value < 0) return EFAULT;
  if (cmd === I.BLKBSZSET) return value >= 512 && value <= PAGE_SIZE && (value & (value - 1)) === 0 ? 0 : EINVAL;
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
