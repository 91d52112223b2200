// SPDX-License-Identifier: Apache-2.0

/**
 * select(2), pselect6(2).
 *
 * Linux:   fs/select.c (core_sys_select, do_select)
 * Differs: descriptors are looked up once, not again after each wake-up.
 */
import { EBADF, EFAULT, EINVAL, ERESTARTNOHAND } from '../../platform/abi/linux/errno.ts';
import { POLLEX_SET, POLLIN_SET, POLLOUT_SET } from '../../platform/abi/linux/poll.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { PollSet, pollFile } from './poll_set.ts';
import { installMask } from './temporary_mask.ts';
import { readDeadline, readTimevalDeadline, writeRemaining } from './timeout.ts';

/** One descriptor of the sets and which of the three it is in (bit 0 read, 1 write, 2 exceptional). */
interface Selected {
  fd: number;
  file: FileDescription;
  sets: number;
}

const MASKS = [POLLIN_SET, POLLOUT_SET, POLLEX_SET] as const;

/** The three bitmaps of one call. */
class SelectSets {
  readonly selected: Selected[] = [];
  private readonly addrs: readonly number[];
  private readonly bytes: number;
  private readonly out: Uint8Array[];

  constructor(addrs: readonly number[], n: number) {
    this.addrs = addrs;
    this.bytes = Math.ceil(n / 64) * 8;
    this.out = addrs.map(() => new Uint8Array(this.bytes));
  }

  /** Reads the sets and looks their descriptors up. Errors: EFAULT, EBADF. */
  read(t: Task, n: number): number {
    const wanted = new Uint8Array(n);
    for (let set = 0; set < 3; set++) {
      const addr = this.addrs[set] as number;
      const map = this.out[set] as Uint8Array;
      if (addr === 0 || this.bytes === 0) continue;
      if (t.memory.copyIn(addr, map, 0, this.bytes) !== this.bytes) return EFAULT;
      for (let fd = 0; fd < n; fd++) {
        if (map[fd >> 3] === 0) fd |= 7;
        else if (((map[fd >> 3] as number) >> (fd & 7)) & 1) wanted[fd] = (wanted[fd] as number) | (1 << set);
      }
    }
    for (let fd = 0; fd < n; fd++) {
      const sets = wanted[fd] as number;
      if (sets === 0) continue;
      const file = pollFile(t, fd);
      if (file === null) return EBADF;
      this.selected.push({ fd, file, sets });
    }
    return 0;
  }

  /** Fills the result sets. Returns the number of bits set. */
  scan(): number {
    for (const map of this.out) map.fill(0);
    let ready = 0;
    for (const { fd, file, sets } of this.selected) {
      const bits = file.poll();
      for (let set = 0; set < 3; set++) {
        if (((sets >> set) & 1) === 0 || (bits & (MASKS[set] as number)) === 0) continue;
        const map = this.out[set] as Uint8Array;
        map[fd >> 3] = (map[fd >> 3] as number) | (1 << (fd & 7));
        ready++;
      }
    }
    return ready;
  }

  /** Writes the result sets back. */
  finish(t: Task, result: number): number {
    for (let set = 0; set < 3; set++) {
      const addr = this.addrs[set] as number;
      if (addr === 0 || this.bytes === 0) continue;
      if (t.memory.copyOut(addr, this.out[set] as Uint8Array, 0, this.bytes) !== this.bytes) return EFAULT;
    }
    return result;
  }
}

/** Bits of the sets beyond the descriptor table's size are not looked at. */
function clipToTable(t: Task, n: number): number {
  let size = 64;
  if (t.fdTable.size > 64) for (size = 256; size < t.fdTable.size; ) size *= 2;
  return Math.min(n, size);
}

function selectUntil(t: Task, n: number, addrs: readonly number[], deadlineNs: number): SyscallReturn {
  if (n < 0) return EINVAL;
  const clipped = clipToTable(t, n);
  const sets = new SelectSets(addrs, clipped);
  const err = sets.read(t, clipped);
  if (err !== 0) return err;
  const ready = sets.scan();
  if (ready === 0 && t.hasPendingSignal()) return ERESTARTNOHAND;
  if (ready !== 0 || deadlineNs === 0) return sets.finish(t, ready);
  return selectBlocking(t, sets, deadlineNs);
}

function* selectBlocking(t: Task, sets: SelectSets, deadlineNs: number): Blocking {
  const waiting = new PollSet();
  for (const { file, sets: bits } of sets.selected) {
    waiting.add(file, (bits & 1 ? POLLIN_SET : 0) | (bits & 2 ? POLLOUT_SET : 0) | (bits & 4 ? POLLEX_SET : 0));
  }
  try {
    for (;;) {
      const reason = yield { queues: [waiting.queue], deadlineNs };
      const ready = sets.scan();
      if (ready === 0 && reason === WAKE_SIGNAL) return ERESTARTNOHAND;
      if (ready !== 0 || reason === WAKE_TIMEOUT) return sets.finish(t, ready);
    }
  } finally {
    waiting.release();
  }
}

function* finishBlocking(
  t: Task,
  blocking: Blocking,
  timeout: number,
  deadlineNs: number,
  unit: 'ns' | 'us',
): Blocking {
  return writeRemaining(t, timeout, deadlineNs, unit, yield* blocking);
}

function selectCall(
  t: Task,
  n: number,
  addrs: readonly number[],
  timeout: number,
  deadlineNs: number,
  unit: 'ns' | 'us',
): SyscallReturn {
  const result = selectUntil(t, n, addrs, deadlineNs);
  if (typeof result === 'number') return writeRemaining(t, timeout, deadlineNs, unit, result);
  return finishBlocking(t, result, timeout, deadlineNs, unit);
}

export function sys_select(t: Task, n: number, inp: number, outp: number, exp: number, timeout: number): SyscallReturn {
  const deadlineNs = readTimevalDeadline(t, timeout);
  return deadlineNs < 0 ? deadlineNs : selectCall(t, n, [inp, outp, exp], timeout, deadlineNs, 'us');
}

/** `sig`: address of { const sigset_t *ss; size_t size }. */
export function sys_pselect6(
  t: Task,
  n: number,
  inp: number,
  outp: number,
  exp: number,
  timeout: number,
  sig: number,
): SyscallReturn {
  const deadlineNs = readDeadline(t, timeout);
  let mask = 0;
  let size = 0;
  if (sig !== 0) {
    mask = t.memory.readU64(sig);
    size = t.memory.readU64(sig + 8);
    if (mask < 0 || size < 0) return EFAULT;
  }
  if (deadlineNs < 0) return deadlineNs;
  const err = installMask(t, mask, size);
  return err !== 0 ? err : selectCall(t, n, [inp, outp, exp], timeout, deadlineNs, 'ns');
}
