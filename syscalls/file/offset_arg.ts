// SPDX-License-Identifier: Apache-2.0

/** Offsets given by address: loff_t * of splice, sendfile and copy_file_range. */
import type { Task } from '../../sentry/kernel/task.ts';

const off = new Uint8Array(8);
const offView = new DataView(off.buffer);

/** Reads a loff_t. Returns EFAULT as null. */
export function readOffset(t: Task, addr: number): number | null {
  if (t.memory.copyIn(addr, off, 0, 8) !== 8) return null;
  return offView.getInt32(4, true) * 0x100000000 + offView.getUint32(0, true);
}
