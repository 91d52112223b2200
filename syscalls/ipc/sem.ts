// SPDX-License-Identifier: Apache-2.0

/**
 * semget(2), semop(2), semtimedop(2), semctl(2).
 *
 * Linux: ipc/sem.c
 */
import {
  E2BIG,
  EAGAIN,
  EFAULT,
  EFBIG,
  EINTR,
  EINVAL,
  ENOSPC,
  ERANGE,
  isErrno,
  type Errno,
} from '../../platform/abi/linux/errno.ts';
import * as I from '../../platform/abi/linux/ipc.ts';
import { type PendingOperations, SemaphoreSet, type SemOperation } from '../../sentry/kernel/ipc/sem.ts';
import { registerUndo } from '../../sentry/kernel/ipc/sem_undo.ts';
import { sysvOf } from '../../sentry/kernel/ipc/sysv.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { type Blocking, type SyscallReturn, WAKE_SIGNAL, WAKE_TIMEOUT } from '../../sentry/wait/blocking.ts';
import { WaitQueue } from '../../sentry/wait/wait_queue.ts';
import { readDeadline } from '../poll/timeout.ts';
import { applySet, clearScratch, copyScratch, put32, put64, putPerm, readSet } from './ipc_struct.ts';

const SEMID_DS_SIZE = 104;
/** Semaphores in all sets of a namespace: they are the Sentry's own memory (Linux would allow SEMMNS). */
const MAX_SEMAPHORES = 4_000_000;

export function sys_semget(t: Task, key: number, count: number, flags: number): number {
  const sysv = sysvOf(t.ipcNs);
  if (count < 0 || count > t.ipcNs.limits.semmsl) return EINVAL;
  const make = (): SemaphoreSet | Errno => {
    if (count === 0) return EINVAL;
    if (sysv.semaphores + count > Math.min(t.ipcNs.limits.semmns, MAX_SEMAPHORES)) return ENOSPC;
    sysv.semaphores += count;
    return new SemaphoreSet(key, flags & 0o777, t.creds, count, t.kernel.clock.realtimeSeconds());
  };
  return sysv.sem.get(t.creds, key, flags, (found) => (count > found.values.length ? EINVAL : 0), make);
}

export function sys_semop(t: Task, semid: number, sops: number, nsops: number): SyscallReturn {
  return operate(t, semid, sops, nsops, Number.POSITIVE_INFINITY);
}

export function sys_semtimedop(t: Task, semid: number, sops: number, nsops: number, timeout: number): SyscallReturn {
  const deadline = readDeadline(t, timeout);
  return deadline < 0 ? deadline : operate(t, semid, sops, nsops, deadline);
}

function readOperations(t: Task, addr: number, count: number): SemOperation[] | Errno {
  const bytes = new Uint8Array(count * 6);
  if (t.memory.copyIn(addr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  const view = new DataView(bytes.buffer);
  const operations: SemOperation[] = [];
  for (let i = 0; i < count * 6; i += 6) {
    operations.push({
      index: view.getUint16(i, true),
      delta: view.getInt16(i + 2, true),
      flags: view.getInt16(i + 4, true),
    });
  }
  return operations;
}

function operate(t: Task, semid: number, sops: number, nsops: number, deadlineNs: number): SyscallReturn {
  if (nsops > t.ipcNs.limits.semopm) return E2BIG;
  if (nsops < 1) return EINVAL;
  const operations = readOperations(t, sops, nsops);
  if (isErrno(operations)) return operations;
  if (semid < 0) return EINVAL;
  const set = sysvOf(t.ipcNs).sem.find(semid);
  if (isErrno(set)) return set;
  if (operations.some((op) => op.index >= set.values.length)) return EFBIG;
  const denied = set.permission(t.creds, operations.some((op) => op.delta !== 0) ? 0o222 : 0o444);
  if (denied < 0) return denied;
  if (operations.some((op) => (op.flags & I.SEM_UNDO) !== 0 && op.delta !== 0)) registerUndo(t, set);
  const who: PendingOperations = {
    operations,
    group: t.threadGroup,
    queue: new WaitQueue(),
    blockedOn: 0,
    result: null,
  };
  const result = set.operate(who, t.kernel.clock.realtimeSeconds());
  return result === true ? wait(set, who, deadlineNs) : result;
}

function* wait(set: SemaphoreSet, who: PendingOperations, deadlineNs: number): Blocking {
  for (;;) {
    const reason = yield { queues: [who.queue], deadlineNs };
    if (who.result !== null) return who.result;
    if (reason === WAKE_SIGNAL || reason === WAKE_TIMEOUT) {
      set.cancel(who);
      return reason === WAKE_SIGNAL ? EINTR : EAGAIN;
    }
  }
}

export function sys_semctl(t: Task, semid: number, semnum: number, command: number, arg: number): number {
  const { sem } = sysvOf(t.ipcNs);
  const cmd = command & ~I.IPC_64;
  if (semid < 0) return EINVAL;
  switch (cmd) {
    case I.IPC_INFO:
    case I.SEM_INFO:
      return writeInfo(t, cmd, arg);
    case I.IPC_STAT:
    case I.SEM_STAT:
    case I.SEM_STAT_ANY:
      return writeStat(t, cmd === I.IPC_STAT ? sem.find(semid) : sem.at(semid), cmd, arg);
    case I.GETALL:
    case I.GETVAL:
    case I.GETPID:
    case I.GETNCNT:
    case I.GETZCNT:
    case I.SETVAL:
    case I.SETALL:
      if (cmd === I.SETVAL && ((arg | 0) > I.SEMVMX || (arg | 0) < 0)) return ERANGE;
      return onValues(t, semid, semnum, cmd, arg);
    case I.IPC_RMID:
    case I.IPC_SET:
      return change(t, semid, cmd, arg);
    default:
      return EINVAL;
  }
}

function writeInfo(t: Task, cmd: number, buf: number): number {
  const sysv = sysvOf(t.ipcNs);
  const { limits } = t.ipcNs;
  const isUsage = cmd === I.SEM_INFO;
  clearScratch();
  const values = [
    I.SEMMNS,
    limits.semmni,
    limits.semmns,
    I.SEMMNS,
    limits.semmsl,
    limits.semopm,
    I.SEMOPM,
    isUsage ? sysv.sem.count : 20,
    I.SEMVMX,
    isUsage ? sysv.semaphores : I.SEMVMX,
  ];
  values.forEach((value, i) => {
    put32(i * 4, value);
  });
  const failed = copyScratch(t, buf, 40);
  return failed < 0 ? failed : Math.max(0, sysv.sem.highestIndex);
}

function writeStat(t: Task, set: SemaphoreSet | Errno, cmd: number, buf: number): number {
  if (isErrno(set)) return set;
  if (cmd !== I.SEM_STAT_ANY) {
    const denied = set.permission(t.creds, 0o444);
    if (denied < 0) return denied;
  }
  clearScratch();
  putPerm(set);
  put64(48, set.otime);
  put64(64, set.ctime);
  put64(80, set.values.length);
  const failed = copyScratch(t, buf, SEMID_DS_SIZE);
  return failed < 0 ? failed : cmd === I.IPC_STAT ? 0 : set.id;
}

function onValues(t: Task, semid: number, semnum: number, cmd: number, arg: number): number {
  const set = sysvOf(t.ipcNs).sem.find(semid);
  if (isErrno(set)) return set;
  const isWrite = cmd === I.SETVAL || cmd === I.SETALL;
  const isAll = cmd === I.GETALL || cmd === I.SETALL;
  if (cmd === I.SETVAL && (semnum < 0 || semnum >= set.values.length)) return EINVAL;
  const denied = set.permission(t.creds, isWrite ? 0o222 : 0o444);
  if (denied < 0) return denied;
  if (isAll) return cmd === I.GETALL ? getAll(t, set, arg) : setAll(t, set, arg);
  if (semnum < 0 || semnum >= set.values.length) return EINVAL;
  switch (cmd) {
    case I.GETVAL:
      return set.values[semnum] as number;
    case I.GETPID:
      return set.pids[semnum] as number;
    case I.GETNCNT:
      return set.countWaiters(semnum, false);
    case I.GETZCNT:
      return set.countWaiters(semnum, true);
    default:
      return setValue(t, set, semnum, arg | 0);
  }
}

function setValue(t: Task, set: SemaphoreSet, index: number, value: number): number {
  set.clearUndo(index);
  set.values[index] = value;
  set.pids[index] = t.threadGroup.pid;
  return changed(t, set);
}

function changed(t: Task, set: SemaphoreSet): number {
  const seconds = t.kernel.clock.realtimeSeconds();
  set.ctime = seconds;
  set.wakeWaiters(seconds);
  return 0;
}

function getAll(t: Task, set: SemaphoreSet, addr: number): number {
  const values = Uint16Array.from(set.values);
  const bytes = new Uint8Array(values.buffer);
  return t.memory.copyOut(addr, bytes, 0, bytes.length) === bytes.length ? 0 : EFAULT;
}

function setAll(t: Task, set: SemaphoreSet, addr: number): number {
  const values = new Uint16Array(set.values.length);
  const bytes = new Uint8Array(values.buffer);
  if (t.memory.copyIn(addr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  if (values.some((value) => value > I.SEMVMX)) return ERANGE;
  set.values.set(values);
  set.pids.fill(t.threadGroup.pid);
  set.clearUndo(-1);
  return changed(t, set);
}

function change(t: Task, semid: number, cmd: number, buf: number): number {
  const request = cmd === I.IPC_SET ? readSet(t, buf, SEMID_DS_SIZE) : null;
  if (cmd === I.IPC_SET && request === null) return EFAULT;
  const sysv = sysvOf(t.ipcNs);
  const set = sysv.sem.find(semid);
  if (isErrno(set)) return set;
  const denied = set.ownership(t.creds);
  if (denied < 0) return denied;
  if (request !== null) {
    applySet(set, request, t.kernel.clock.realtimeSeconds());
    return 0;
  }
  sysv.sem.remove(set);
  sysv.semaphores -= set.values.length;
  set.destroy();
  return 0;
}
