// SPDX-License-Identifier: Apache-2.0

/**
 * Buffers named by the application: one (address, length), or an iovec array.
 *
 * Linux: lib/iov_iter.c (import_ubuf, import_iovec), fs/read_write.c
 */
import { EFAULT, EINVAL, type Errno } from '../../platform/abi/linux/errno.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { FlatUserIo, type IoSequence, UserIo } from '../../sentry/vfs/io.ts';

/** Most bytes one call moves. */
export const MAX_RW_COUNT = 0x7ffff000;
const IOV_MAX = 1024;
const TASK_SIZE = 0x7ffffffff000;
const raw = new Uint8Array(IOV_MAX * 16);
const words = new Uint32Array(raw.buffer);

/** Is [addr, addr+length) inside the application's half of the address space? */
export function isUserRange(addr: number, length: number): boolean {
  return addr + length <= TASK_SIZE;
}

/** One buffer. Errors: EFAULT outside user space (any length that is negative as ssize_t reaches there). */
export function flatIo(t: Task, addr: number, length: number): IoSequence | Errno {
  if (!isUserRange(addr, length)) return EFAULT;
  return new FlatUserIo(t.memory, addr, Math.min(length, MAX_RW_COUNT));
}

/** One buffer of a socket call: cut to MAX_RW_COUNT before it is checked (import_ubuf). Errors: EFAULT. */
export function socketIo(t: Task, addr: number, length: number): IoSequence | Errno {
  return flatIo(t, addr, length < 0 ? MAX_RW_COUNT : Math.min(length, MAX_RW_COUNT));
}

/** An iovec array of `count` entries (unsigned int: Linux drops the upper half). Errors: EINVAL (too many, negative length), EFAULT. */
export function vectorIo(t: Task, addr: number, count: number): IoSequence | Errno {
  if (count > IOV_MAX) return EINVAL;
  if (count === 0) return new FlatUserIo(t.memory, 0, 0);
  if (t.memory.copyIn(addr, raw, 0, count * 16) !== count * 16) return EFAULT;
  const pieces: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) if ((words[i * 4 + 3] as number) >= 0x80000000) return EINVAL;
  for (let i = 0; i < count; i++) {
    const at = i * 4;
    const base = (words[at] as number) + (words[at + 1] as number) * 0x100000000;
    const length = (words[at + 2] as number) + (words[at + 3] as number) * 0x100000000;
    if (!isUserRange(base, length)) return EFAULT;
    const kept = Math.min(length, MAX_RW_COUNT - total);
    total += kept;
    pieces.push(base, kept);
  }
  if (count === 1) return new FlatUserIo(t.memory, pieces[0] as number, total);
  return new UserIo(t.memory, pieces, total);
}
