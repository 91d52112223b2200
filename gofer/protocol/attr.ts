// SPDX-License-Identifier: Apache-2.0

/**
 * Attribute records: the first 144 bytes of the host's struct statx, sent as they are.
 *
 * Linux: include/uapi/linux/stat.h (struct statx)
 */
import { ATTR_SIZE } from './constants.ts';

export interface Attr {
  /**
   * Identity of the file: its inode number on the main device when a Number holds it, else exact text of device and number (an inode
   * number may need all 64 bits).
   */
  key: number | string;
  devMajor: number;
  devMinor: number;
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdevMajor: number;
  rdevMinor: number;
  size: number;
  blksize: number;
  blocks: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  /** -1 when the host has none. */
  btimeSec: number;
  btimeNsec: number;
}

const STATX_BTIME = 0x800;

function u32(b: Uint8Array, at: number): number {
  return (
    ((b[at] as number) |
      ((b[at + 1] as number) << 8) |
      ((b[at + 2] as number) << 16) |
      ((b[at + 3] as number) << 24)) >>>
    0
  );
}

function u64(b: Uint8Array, at: number): number {
  return u32(b, at) + u32(b, at + 4) * 0x100000000;
}

function i64(b: Uint8Array, at: number): number {
  return u32(b, at) + (u32(b, at + 4) | 0) * 0x100000000;
}

/** File type and permission bits of the record at `at`; 0 for an all-zero record. */
export function attrMode(b: Uint8Array, at: number): number {
  return (b[at + 28] as number) | ((b[at + 29] as number) << 8);
}

/** A device number as one Number. */
export function deviceOf(major: number, minor: number): number {
  return major * 0x100000000 + minor;
}

/** Decodes the record at `at`. `mainDevice`: deviceOf() most files have, or -1. Precondition: ATTR_SIZE bytes are there. */
export function decodeAttr(b: Uint8Array, at: number, mainDevice: number): Attr {
  const inoLow = u32(b, at + 32);
  const inoHigh = u32(b, at + 36);
  const devMajor = u32(b, at + 136);
  const devMinor = u32(b, at + 140);
  const hasBirth = (u32(b, at) & STATX_BTIME) !== 0;
  const isPlain = inoHigh < 0x200000 && deviceOf(devMajor, devMinor) === mainDevice;
  return {
    key: isPlain ? inoLow + inoHigh * 0x100000000 : `${devMajor}:${devMinor}:${inoHigh}:${inoLow}`,
    devMajor,
    devMinor,
    ino: inoLow + inoHigh * 0x100000000,
    mode: attrMode(b, at),
    nlink: u32(b, at + 16),
    uid: u32(b, at + 20),
    gid: u32(b, at + 24),
    rdevMajor: u32(b, at + 128),
    rdevMinor: u32(b, at + 132),
    size: u64(b, at + 40),
    blksize: u32(b, at + 4),
    blocks: u64(b, at + 48),
    atimeSec: i64(b, at + 64),
    atimeNsec: u32(b, at + 72),
    btimeSec: hasBirth ? i64(b, at + 80) : -1,
    btimeNsec: hasBirth ? u32(b, at + 88) : 0,
    ctimeSec: i64(b, at + 96),
    ctimeNsec: u32(b, at + 104),
    mtimeSec: i64(b, at + 112),
    mtimeNsec: u32(b, at + 120),
  };
}

/** True when `v` is one attribute record. */
export function isAttrRecord(v: unknown): v is Uint8Array {
  return v instanceof Uint8Array && v.length === ATTR_SIZE;
}
