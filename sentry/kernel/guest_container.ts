// SPDX-License-Identifier: Apache-2.0

/**
 * GuestContainer: processes of one sandbox that belong together. A sandbox begins with one; a pod's further containers come later,
 * with namespaces of their own or the first one's.
 *
 * Linux:      what a control group is to a container
 * Invariants: a process is in the container of whoever made it, for life. The sandbox's own container ends the sandbox.
 */
import type { AddressSpace } from '../../platform/platform.ts';
import type { IpcNamespace, NetNamespace, UtsNamespace } from './namespaces.ts';
import type { PidNamespace } from './process/pid_namespace.ts';
import type { ThreadGroup } from './process/thread_group.ts';

/** The namespaces that a container's processes from outside are born into. */
export interface ContainerNamespaces {
  readonly pid: PidNamespace;
  readonly uts: UtsNamespace;
  readonly ipc: IpcNamespace;
  readonly net: NetNamespace;
}

/** What the container may use; null: as much as there is. Changed while it runs by `update`. */
export interface ContainerLimits {
  /** Bytes. */
  memory: number | null;
  memoryLow: number;
  /** Bytes of swap alone. */
  swap: number | null;
  /** Microseconds a period. */
  cpuQuota: number | null;
  cpuPeriod: number;
  cpuWeight: number;
  /** Most tasks alive at once; beyond it clone returns EAGAIN. */
  pids: number | null;
  /** As in cpuset.cpus; '': all. */
  cpus: string;
  mems: string;
}

/** May a device be used so? */
export type ContainerDevicePolicy = (isBlock: boolean, major: number, minor: number, access: number) => boolean;

export class GuestContainer {
  /** '' for the sandbox's own. */
  readonly id: string;
  readonly namespaces: ContainerNamespaces;
  /** Its first process; null before that is made. */
  init: ThreadGroup | null = null;
  /** No process can be made in it any more. */
  isEnding = false;
  isFrozen = false;
  readonly limits: ContainerLimits = { memory: null, memoryLow: 0, swap: null, cpuQuota: null, cpuPeriod: 100000, cpuWeight: 100, pids: null, cpus: '', mems: '' };
  liveTasks = 0;
  /** Null: everything is allowed. */
  devicePolicy: ContainerDevicePolicy | null = null;
  /** Where its programs' address spaces come from; null: the platform's own. */
  nursery: AddressSpace | null = null;
  /** Called once, when its last task is gone after its init. */
  onEmpty: (() => void) | null = null;

  constructor(id: string, namespaces: ContainerNamespaces) {
    this.id = id;
    this.namespaces = namespaces;
  }

  /** No room for one more task. */
  get isFull(): boolean {
    return this.isEnding || this.liveTasks >= (this.limits.pids ?? Number.POSITIVE_INFINITY);
  }

  /** Its last task is gone. */
  tellEmpty(): void {
    const { onEmpty } = this;
    this.onEmpty = null;
    onEmpty?.();
  }
}

/** For a ProgramRequest: where the address space of a container's program comes from. */
export function nurseryOf({ nursery }: GuestContainer): { nursery?: AddressSpace } {
  return nursery === null ? {} : { nursery };
}
