// SPDX-License-Identifier: Apache-2.0

/**
 * Structures of terminal calls.
 *
 * Linux: include/uapi/asm-generic/termbits.h, termios.h
 */
import { bytes, pad, struct, u16, u32, u8 } from '../../layout/struct.ts';
import type { Infer } from '../../layout/struct.ts';

export const Winsize = struct('winsize', { ws_row: u16, ws_col: u16, ws_xpixel: u16, ws_ypixel: u16 }, { size: 8 });
export type Winsize = Infer<typeof Winsize>;

/** The kernel's struct termios (TCGETS), 36 bytes; libc's is larger. */
export const KernelTermios = struct(
  'kernel_termios',
  { c_iflag: u32, c_oflag: u32, c_cflag: u32, c_lflag: u32, c_line: u8, c_cc: bytes(19) },
  { size: 36 },
);
export type KernelTermios = Infer<typeof KernelTermios>;

/** struct termios2 (TCGETS2). */
export const KernelTermios2 = struct(
  'kernel_termios2',
  { c_iflag: u32, c_oflag: u32, c_cflag: u32, c_lflag: u32, c_line: u8, c_cc: bytes(19), c_ispeed: u32, c_ospeed: u32 },
  { size: 44 },
);

export const KernelTermio = struct(
  'kernel_termio',
  { c_iflag: u16, c_oflag: u16, c_cflag: u16, c_lflag: u16, c_line: u8, c_cc: bytes(8), __pad0: pad(1) },
  { size: 18 },
);
