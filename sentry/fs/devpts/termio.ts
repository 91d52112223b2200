// SPDX-License-Identifier: Apache-2.0

/**
 * The terminal ioctls of System V and the console: struct termio (TCGETA, TCSETA*) and locked settings (TIOC*LCKTRMIOS).
 *
 * Linux: drivers/tty/tty_ioctl.c (get_termio, set_termios, unset_locked_termios)
 */
import { CAP_SYS_ADMIN } from '../../../platform/abi/linux/capability.ts';
import { EFAULT, EPERM } from '../../../platform/abi/linux/errno.ts';
import {
  TCGETA,
  TCSETA,
  TCSETAF,
  TCSETAW,
  TIOCGLCKTRMIOS,
  TIOCSLCKTRMIOS,
} from '../../../platform/abi/linux/ioctls.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Pty } from './pty.ts';
import { TERMIOS_SIZE } from './termios.ts';

/** sizeof(struct termio), the bytes of it that mean something, and its c_line. */
const TERMIO_SIZE = 18;
const TERMIO_CC = 9;
const NCC = 8;
const FLAG_WORDS = 4;
const TERMIOS_LINE = 16;

const locks = new WeakMap<Pty, Uint8Array>();

/** struct termio of a struct termios: the low halves of the flags, the line, the first characters. */
export function termioOf(termios: Uint8Array): Uint8Array {
  const termio = new Uint8Array(TERMIO_SIZE);
  for (let word = 0; word < FLAG_WORDS; word++) termio.set(termios.subarray(word * 4, word * 4 + 2), word * 2);
  termio.set(termios.subarray(TERMIOS_LINE, TERMIOS_LINE + 1 + NCC), TERMIO_CC - 1);
  return termio;
}

/** `termios` with what a struct termio says in its place; the high halves stay. */
export function withTermio(termios: Uint8Array, termio: Uint8Array): Uint8Array {
  const merged = termios.slice();
  for (let word = 0; word < FLAG_WORDS; word++) merged.set(termio.subarray(word * 2, word * 2 + 2), word * 4);
  merged.set(termio.subarray(TERMIO_CC - 1, TERMIO_CC + NCC), TERMIOS_LINE);
  return merged;
}

/** Puts the locked bits and characters of `current` back into `wanted`, in place. */
export function keepLocked(pty: Pty, wanted: Uint8Array): void {
  const locked = locks.get(pty);
  if (locked === undefined) return;
  const current = pty.termios.encode(TERMIOS_SIZE);
  for (let i = 0; i < TERMIOS_SIZE; i++) {
    const byte = locked[i] as number;
    const mask = i < TERMIOS_LINE ? byte : byte === 0 ? 0 : 0xff;
    wanted[i] = ((wanted[i] as number) & ~mask) | ((current[i] as number) & mask);
  }
}

/**
 * The ioctls of this file. `change` checks the caller's job and stores a struct termios.
 * Returns null for any other; errors: EFAULT, EPERM, and those of `change`.
 */
export function termioIoctl(
  ctx: IoContext,
  pty: Pty,
  cmd: number,
  arg: number,
  change: (termios: Uint8Array, flushes: boolean) => number,
): number | null {
  const { memory } = ctx;
  switch (cmd) {
    case TCGETA: {
      const termio = termioOf(pty.termios.encode(TERMIOS_SIZE));
      return memory.copyOut(arg, termio, 0, TERMIO_SIZE) === TERMIO_SIZE ? 0 : EFAULT;
    }
    case TCSETA:
    case TCSETAW:
    case TCSETAF: {
      const termio = new Uint8Array(TERMIO_SIZE);
      if (memory.copyIn(arg, termio, 0, TERMIO_SIZE) !== TERMIO_SIZE) return EFAULT;
      return change(withTermio(pty.termios.encode(TERMIOS_SIZE), termio), cmd === TCSETAF);
    }
    case TIOCGLCKTRMIOS: {
      const locked = locks.get(pty) ?? new Uint8Array(TERMIOS_SIZE);
      return memory.copyOut(arg, locked, 0, TERMIOS_SIZE) === TERMIOS_SIZE ? 0 : EFAULT;
    }
    case TIOCSLCKTRMIOS: {
      if (!ctx.creds.hasCap(CAP_SYS_ADMIN)) return EPERM;
      const locked = new Uint8Array(TERMIOS_SIZE);
      if (memory.copyIn(arg, locked, 0, TERMIOS_SIZE) !== TERMIOS_SIZE) return EFAULT;
      locks.set(pty, locked);
      return 0;
    }
    default:
      return null;
  }
}
