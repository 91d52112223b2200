// SPDX-License-Identifier: Apache-2.0

/**
 * The System V objects of an IPC namespace.
 *
 * Linux: include/linux/ipc_namespace.h
 */
import { MSGMNI, SEMMNI, SHMMNI } from '../../../platform/abi/linux/ipc.ts';
import type { IpcNamespace } from '../namespaces.ts';
import { IpcIds } from './ipc_ids.ts';
import type { MessageQueue } from './msg.ts';
import type { SemaphoreSet } from './sem.ts';
import type { SharedSegment } from './shm.ts';

export class SysvIpc {
  readonly shm = new IpcIds<SharedSegment>(SHMMNI);
  readonly sem = new IpcIds<SemaphoreSet>(SEMMNI);
  readonly msg = new IpcIds<MessageQueue>(MSGMNI);
  /** Semaphores in all sets. */
  semaphores = 0;
}

/** The namespace's objects, made on first use. */
export function sysvOf(ns: IpcNamespace): SysvIpc {
  ns.sysv ??= new SysvIpc();
  return ns.sysv as SysvIpc;
}
