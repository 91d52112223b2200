// SPDX-License-Identifier: Apache-2.0

/**
 * io_setup, io_destroy, io_getevents, io_pgetevents, io_cancel. (io_submit: aio_submit.ts)
 *
 * Linux: fs/aio.c; io_setup(2), io_getevents(2)
 */
import {
  EFAULT,
  EINPROGRESS,
  EINTR,
  EINVAL,
  ERESTARTNOHAND,
} from '../../platform/abi/linux/errno.ts';
import { createContext, destroyContext, EVENT_SIZE, findContext, type AioContext } from '../../sentry/kernel/aio/aio.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { installMask } from '../poll/temporary_mask.ts';
import { deadlineAfter, readSpec, spec } from '../poll/timeout.ts';

export function sys_io_setup(t: Task, count: number, idAddr: number): number {
  const old = t.memory.readU64(idAddr);
  if (old < 0) return EFAULT;
  if (old !== 0 || count === 0) return EINVAL;
  const id = createContext(t, count);
  if (id < 0) return id;
  if (t.memory.writeU64(idAddr, id) === 0) return 0;
  const context = findContext(t, id);
  if (context !== null) destroyContext(t, id, context);
  return EFAULT;
}

export function sys_io_destroy(t: Task, id: number): number {
  const context = findContext(t, id);
  if (context === null) return EINVAL;
  destroyContext(t, id, context);
  return 0;
}

export function sys_io_cancel(t: Task, id: number, iocb: number, _result: number): number {
  const key = t.memory.readU32(iocb + 8);
  if (key < 0) return EFAULT;
  if (key !== 0) return EINVAL;
  const context = findContext(t, id);
  if (context === null) return EINVAL;
  for (const request of context.pending) {
    if (request.iocb !== iocb) continue;
    request.cancel();
    // The event itself arrives through the ring.
    return EINPROGRESS;
  }
  return EINVAL;
}

/** Deadline from a timespec, which is not checked: a negative one has passed. Errors: EFAULT. */
function readLimit(t: Task, addr: number): number {
  if (addr === 0) return Number.POSITIVE_INFINITY;
  const err = readSpec(t, addr);
  if (err !== 0) return err;
  const ns = spec.sec * 1e9 + spec.nsec;
  return ns <= 0 ? 0 : deadlineAfter(t, 0, ns);
}

export function sys_io_getevents(
  t: Task,
  id: number,
  min: number,
  max: number,
  events: number,
  timeout: number,
): SyscallReturn {
  const deadlineNs = readLimit(t, timeout);
  return deadlineNs < 0 ? deadlineNs : getEvents(t, id, min, max, events, deadlineNs, EINTR);
}

export function sys_io_pgetevents(
  t: Task,
  id: number,
  min: number,
  max: number,
  events: number,
  timeout: number,
  sigset: number,
): SyscallReturn {
  const deadlineNs = readLimit(t, timeout);
  if (deadlineNs < 0) return deadlineNs;
  if (sigset !== 0) {
    const mask = t.memory.readU64(sigset);
    const size = t.memory.readU64(sigset + 8);
    if (mask < 0 || size < 0) return EFAULT;
    const err = installMask(t, mask, size);
    if (err !== 0) return err;
  }
  return getEvents(t, id, min, max, events, deadlineNs, ERESTARTNOHAND);
}

function getEvents(
  t: Task,
  id: number,
  min: number,
  max: number,
  events: number,
  deadlineNs: number,
  interrupted: number,
): SyscallReturn {
  const context = findContext(t, id);
  if (context === null || min > max || min < 0) return EINVAL;
  const n = context.take(t, events, max);
  if (n < 0 || n >= min || deadlineNs === 0) return n;
  return waitForEvents(t, context, { min, max, events, deadlineNs, interrupted }, n);
}

interface Wanted {
  readonly min: number;
  readonly max: number;
  readonly events: number;
  readonly deadlineNs: number;
  readonly interrupted: number;
}

function* waitForEvents(t: Task, context: AioContext, wanted: Wanted, already: number): Blocking {
  const { min, max, events, deadlineNs, interrupted } = wanted;
  const request = { queues: [context.queue], deadlineNs };
  let done = already;
  for (;;) {
    const reason = yield request;
    if (context.isDead) return done > 0 ? done : EINVAL;
    const n = context.take(t, events + done * EVENT_SIZE, max - done);
    if (n < 0) return done > 0 ? done : n;
    done += n;
    if (done >= min || reason === WAKE_TIMEOUT) return done;
    if (reason === WAKE_SIGNAL) return done > 0 ? done : interrupted;
  }
}
