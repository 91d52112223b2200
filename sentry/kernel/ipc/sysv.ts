// SPDX-License-Identifier: Apache-2.0

/**
 * The System V objects of an IPC namespace.
 *
 * Linux: include/linux/ipc_namespace.h
 */
import type { IpcNamespace } from '../namespaces.ts';
import { IpcIds } from './ipc_ids.ts';
import type { IpcLimits } from './ipc_limits.ts';
import type { MessageQueue } from './msg.ts';
import type { SemaphoreSet } from './sem.ts';
import type { SharedSegment } from './shm.ts';

export class SysvIpc {
  readonly shm: IpcIds<SharedSegment>;
  readonly sem: IpcIds<SemaphoreSet>;
  readonly msg: IpcIds<MessageQueue>;
  /** Semaphores in all sets. */
  semaphores = 0;

  constructor(limits: IpcLimits) {
    this.shm = new IpcIds(() => limits.shmmni);
    this.sem = new IpcIds(() => limits.semmni);
    this.msg = new IpcIds(() => limits.msgmni);
  }
}

/** The namespace's objects, made on first use. */
export function sysvOf(ns: IpcNamespace): SysvIpc {
  ns.sysv ??= new SysvIpc(ns.limits);
  return ns.sysv as SysvIpc;
}
