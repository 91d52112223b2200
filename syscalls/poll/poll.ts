// SPDX-License-Identifier: Apache-2.0

/**
 * poll(2), ppoll(2).
 *
 * Linux: fs/select.c (do_sys_poll)
 */
import { EFAULT, EINVAL, ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from '../../platform/abi/linux/errno.ts';
import { POLLERR, POLLHUP, POLLNVAL } from '../../platform/abi/linux/poll.ts';
import { RLIMIT_NOFILE } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { PollSet, pollFile } from './poll_set.ts';
import { installMask } from './temporary_mask.ts';
import { deadlineAfterMs, readDeadline, writeRemaining } from './timeout.ts';

/** sizeof(struct pollfd): int fd; short events; short revents. */
const POLLFD = 8;
const FAST = 64;
const fastBytes = new Uint8Array(FAST * POLLFD);

/** One call's array of struct pollfd. */
class PollArray {
  readonly bytes: Uint8Array;
  readonly count: number;
  private readonly words: Int32Array;

  constructor(bytes: Uint8Array, count: number) {
    this.bytes = bytes;
    this.count = count;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, count * 2);
  }
  fd(i: number): number {
    return this.words[i * 2] as number;
  }
  events(i: number): number {
    return (this.words[i * 2 + 1] as number) & 0xffff;
  }
  setRevents(i: number, bits: number): void {
    this.words[i * 2 + 1] = this.events(i) | (bits << 16);
  }
  /** Polls every file and fills in revents. Returns how many entries have some. */
  scan(fileAt: (i: number) => FileDescription | null): number {
    let ready = 0;
    for (let i = 0; i < this.count; i++) {
      let bits = 0;
      if (this.fd(i) >= 0) {
        const file = fileAt(i);
        bits = file === null ? POLLNVAL : file.poll() & (this.events(i) | POLLERR | POLLHUP) & 0xffff;
      }
      this.setRevents(i, bits);
      if (bits !== 0) ready++;
    }
    return ready;
  }
  /** Writes the revents fields back. */
  finish(t: Task, addr: number, result: number): number {
    const length = this.count * POLLFD;
    return length > 0 && t.memory.copyOut(addr, this.bytes, 0, length) !== length ? EFAULT : result;
  }
}

/** Polls, and waits until `deadlineNs` when nothing is ready. `interrupted` is what a signal makes it return. */
function pollUntil(t: Task, addr: number, nfds: number, deadlineNs: number, interrupted: number): SyscallReturn {
  if (nfds > t.threadGroup.rlimits.soft(RLIMIT_NOFILE)) return EINVAL;
  const bytes = nfds <= FAST ? fastBytes : new Uint8Array(nfds * POLLFD);
  const length = nfds * POLLFD;
  if (length > 0 && t.memory.copyIn(addr, bytes, 0, length) !== length) return EFAULT;
  const array = new PollArray(bytes, nfds);
  const ready = array.scan((i) => pollFile(t, array.fd(i)));
  if (ready === 0 && t.hasPendingSignal()) return array.finish(t, addr, interrupted);
  if (ready !== 0 || deadlineNs === 0) return array.finish(t, addr, ready);
  return pollBlocking(
    t,
    addr,
    new PollArray(nfds <= FAST ? bytes.slice(0, length) : bytes, nfds),
    deadlineNs,
    interrupted,
  );
}

function* pollBlocking(t: Task, addr: number, array: PollArray, deadlineNs: number, interrupted: number): Blocking {
  const set = new PollSet();
  const files: (FileDescription | null)[] = [];
  for (let i = 0; i < array.count; i++) {
    const file = array.fd(i) < 0 ? null : pollFile(t, array.fd(i));
    if (file !== null) set.add(file, array.events(i));
    files.push(file);
  }
  try {
    for (;;) {
      const reason = yield { queues: [set.queue], deadlineNs };
      const ready = array.scan((i) => files[i] as FileDescription | null);
      if (ready === 0 && reason === WAKE_SIGNAL) return array.finish(t, addr, interrupted);
      if (ready !== 0 || reason === WAKE_TIMEOUT) return array.finish(t, addr, ready);
    }
  } finally {
    set.release();
  }
}

export function sys_poll(t: Task, ufds: number, nfds: number, timeoutMs: number): SyscallReturn {
  const deadlineNs = deadlineAfterMs(t, timeoutMs);
  t.restart = (again) => pollUntil(again, ufds, nfds, deadlineNs, ERESTART_RESTARTBLOCK);
  return pollUntil(t, ufds, nfds, deadlineNs, ERESTART_RESTARTBLOCK);
}

export function sys_ppoll(
  t: Task,
  ufds: number,
  nfds: number,
  timeout: number,
  sigmask: number,
  sigsetsize: number,
): SyscallReturn {
  const deadlineNs = readDeadline(t, timeout);
  if (deadlineNs < 0) return deadlineNs;
  const err = installMask(t, sigmask, sigsetsize);
  if (err !== 0) return err;
  const result = pollUntil(t, ufds, nfds, deadlineNs, ERESTARTNOHAND);
  if (typeof result === 'number') return writeRemaining(t, timeout, deadlineNs, 'ns', result);
  return finishPpoll(t, result, timeout, deadlineNs);
}

function* finishPpoll(t: Task, blocking: Blocking, timeout: number, deadlineNs: number): Blocking {
  return writeRemaining(t, timeout, deadlineNs, 'ns', yield* blocking);
}
