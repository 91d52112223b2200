// SPDX-License-Identifier: Apache-2.0

/**
 * struct loop_info and loop_info64, to and from application memory.
 *
 * Linux: drivers/block/loop.c (loop_set_status_old, loop_get_status64, ...)
 */
import { EFAULT, EINVAL, EOVERFLOW, type Errno } from '../../../platform/abi/linux/errno.ts';
import { LO_KEY_SIZE, LO_NAME_SIZE, LOOP_INFO, LOOP_INFO64, LOOP_MAJOR } from '../../../platform/abi/linux/loop.ts';
import { S_IFBLK, S_IFMT, makedev } from '../../../platform/abi/linux/stat.ts';
import type { UserMemory } from '../../../platform/platform.ts';
import type { LoopDevice, LoopStatus } from './loop_device.ts';

/** A name, with the last byte always 0 as Linux keeps it. */
function name(bytes: Uint8Array, offset: number): Uint8Array {
  const out = bytes.slice(offset, offset + LO_NAME_SIZE);
  out[LO_NAME_SIZE - 1] = 0;
  return out;
}

/** LOOP_SET_STATUS's argument. Errors: EFAULT, EINVAL. */
export function readStatus(memory: UserMemory, addr: number): LoopStatus | Errno {
  const bytes = new Uint8Array(LOOP_INFO.size);
  if (memory.copyIn(addr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  const view = new DataView(bytes.buffer);
  if (view.getUint32(LOOP_INFO.lo_encrypt_key_size, true) > LO_KEY_SIZE) return EINVAL;
  return {
    offset: view.getInt32(LOOP_INFO.lo_offset, true),
    sizelimit: 0,
    flags: view.getUint32(LOOP_INFO.lo_flags, true),
    fileName: name(bytes, LOOP_INFO.lo_name),
    cryptName: new Uint8Array(LO_NAME_SIZE),
  };
}

/** LOOP_SET_STATUS64's argument. Errors: EFAULT, EINVAL. */
export function readStatus64(memory: UserMemory, addr: number): LoopStatus | Errno {
  const bytes = new Uint8Array(LOOP_INFO64.size);
  if (memory.copyIn(addr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  const view = new DataView(bytes.buffer);
  if (view.getUint32(LOOP_INFO64.lo_encrypt_key_size, true) > LO_KEY_SIZE) return EINVAL;
  const i64 = (at: number): number => Number(view.getBigInt64(at, true));
  return {
    offset: i64(LOOP_INFO64.lo_offset),
    sizelimit: i64(LOOP_INFO64.lo_sizelimit),
    flags: view.getUint32(LOOP_INFO64.lo_flags, true),
    fileName: name(bytes, LOOP_INFO64.lo_file_name),
    cryptName: name(bytes, LOOP_INFO64.lo_crypt_name),
  };
}

/** Where the backing file is: device, inode and, for a block device, its number. */
function backingPlace(device: LoopDevice): [number, number, number] {
  const inode = device.backing?.inode;
  if (inode === undefined) return [0, 0, 0];
  return [inode.fs.dev, inode.ino, (inode.mode & S_IFMT) === S_IFBLK ? inode.rdev : makedev(LOOP_MAJOR, device.number)];
}

/** LOOP_GET_STATUS. Errors: EFAULT; EOVERFLOW: the offset does not fit. */
export function writeStatus(memory: UserMemory, addr: number, device: LoopDevice): number {
  const { status } = device;
  if (status.offset > 0x7fffffff) return EOVERFLOW;
  const bytes = new Uint8Array(LOOP_INFO.size);
  const view = new DataView(bytes.buffer);
  const [dev, ino, rdev] = backingPlace(device);
  view.setUint32(LOOP_INFO.lo_number, device.number, true);
  view.setUint32(LOOP_INFO.lo_device, dev, true);
  view.setBigUint64(LOOP_INFO.lo_inode, BigInt(ino), true);
  view.setUint32(LOOP_INFO.lo_rdevice, rdev, true);
  view.setInt32(LOOP_INFO.lo_offset, status.offset, true);
  view.setUint32(LOOP_INFO.lo_flags, status.flags, true);
  bytes.set(status.fileName, LOOP_INFO.lo_name);
  return memory.copyOut(addr, bytes, 0, bytes.length) === bytes.length ? 0 : EFAULT;
}

/** LOOP_GET_STATUS64. Errors: EFAULT. */
export function writeStatus64(memory: UserMemory, addr: number, device: LoopDevice): number {
  const { status } = device;
  const bytes = new Uint8Array(LOOP_INFO64.size);
  const view = new DataView(bytes.buffer);
  const [dev, ino, rdev] = backingPlace(device);
  view.setUint32(LOOP_INFO64.lo_device, dev, true);
  view.setBigUint64(LOOP_INFO64.lo_inode, BigInt(ino), true);
  view.setUint32(LOOP_INFO64.lo_rdevice, rdev, true);
  view.setBigUint64(LOOP_INFO64.lo_offset, BigInt(status.offset), true);
  view.setBigUint64(LOOP_INFO64.lo_sizelimit, BigInt(status.sizelimit), true);
  view.setUint32(LOOP_INFO64.lo_number, device.number, true);
  view.setUint32(LOOP_INFO64.lo_flags, status.flags, true);
  bytes.set(status.fileName, LOOP_INFO64.lo_file_name);
  bytes.set(status.cryptName, LOOP_INFO64.lo_crypt_name);
  return memory.copyOut(addr, bytes, 0, bytes.length) === bytes.length ? 0 : EFAULT;
}
