// SPDX-License-Identifier: Apache-2.0

/**
 * Loop devices: commands, flags and the offsets of their structures.
 *
 * Linux: include/uapi/linux/loop.h; and the BLK* commands of include/uapi/linux/fs.h
 */
export const LOOP_MAJOR = 7;
export const LOOP_CTL_MINOR = 237;

export const LOOP_SET_FD = 0x4c00;
export const LOOP_CLR_FD = 0x4c01;
export const LOOP_SET_STATUS = 0x4c02;
export const LOOP_GET_STATUS = 0x4c03;
export const LOOP_SET_STATUS64 = 0x4c04;
export const LOOP_GET_STATUS64 = 0x4c05;
export const LOOP_CHANGE_FD = 0x4c06;
export const LOOP_SET_CAPACITY = 0x4c07;
export const LOOP_SET_DIRECT_IO = 0x4c08;
export const LOOP_SET_BLOCK_SIZE = 0x4c09;
export const LOOP_CONFIGURE = 0x4c0a;
export const LOOP_CTL_ADD = 0x4c80;
export const LOOP_CTL_REMOVE = 0x4c81;
export const LOOP_CTL_GET_FREE = 0x4c82;

export const LO_FLAGS_READ_ONLY = 1;
export const LO_FLAGS_AUTOCLEAR = 4;
export const LO_FLAGS_PARTSCAN = 8;
export const LO_FLAGS_DIRECT_IO = 16;

export const LO_NAME_SIZE = 64;
export const LO_KEY_SIZE = 32;

/** struct loop_info of x86-64. */
export const LOOP_INFO = {
  size: 168,
  lo_number: 0,
  lo_device: 8,
  lo_inode: 16,
  lo_rdevice: 24,
  lo_offset: 32,
  lo_encrypt_type: 36,
  lo_encrypt_key_size: 40,
  lo_flags: 44,
  lo_name: 48,
} as const;

/** struct loop_info64. */
export const LOOP_INFO64 = {
  size: 232,
  lo_device: 0,
  lo_inode: 8,
  lo_rdevice: 16,
  lo_offset: 24,
  lo_sizelimit: 32,
  lo_number: 40,
  lo_encrypt_type: 44,
  lo_encrypt_key_size: 48,
  lo_flags: 52,
  lo_file_name: 56,
  lo_crypt_name: 120,
} as const;

/** struct loop_config. */
export const LOOP_CONFIG = { size: 304, fd: 0, block_size: 4, info: 8, reserved: 240 } as const;

export const BLKGETSIZE64 = 0x80081272;
