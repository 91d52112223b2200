// SPDX-License-Identifier: Apache-2.0

/**
 * The small namespaces: UTS (names), IPC and cgroup identities; and the inode numbers by which /proc/pid/ns shows them all.
 *
 * Linux: include/linux/utsname.h, include/linux/proc_ns.h; namespaces(7)
 */
import { IpcLimits } from './ipc/ipc_limits.ts';
import type { UserNamespace } from '../auth/user_namespace.ts';

/** First inode number of namespaces made after boot (PROC_DYNAMIC_FIRST). */
const FIRST_INUM = 0xf0000000;
let nextInum = FIRST_INUM;

/** A fresh inode number for a namespace. */
export function newNamespaceInum(): number {
  return nextInum++;
}

export const INIT_IPC_INUM = 0xefffffff;
export const INIT_UTS_INUM = 0xeffffffe;
export const INIT_USER_INUM = 0xeffffffd;
export const INIT_PID_INUM = 0xeffffffc;
export const INIT_CGROUP_INUM = 0xeffffffb;
export const INIT_TIME_INUM = 0xeffffffa;
/** The initial network namespace's number, as Linux numbers it. */
export const INIT_NET_INUM = 0xeffffff9;

export class UtsNamespace {
  hostname: string;
  domainname: string;
  readonly inum: number;
  readonly userNs: UserNamespace;

  constructor(hostname: string, domainname: string, userNs: UserNamespace, inum = newNamespaceInum()) {
    this.hostname = hostname;
    this.domainname = domainname;
    this.userNs = userNs;
    this.inum = inum;
  }
  clone(userNs: UserNamespace): UtsNamespace {
    return new UtsNamespace(this.hostname, this.domainname, userNs);
  }
}

/** Interfaces, addresses, routes, ports: those of sentry/net hang on it. */
export class NetNamespace {
  readonly inum: number;
  /** Null: the initial one. */
  readonly userNs: UserNamespace | null;
  /** 0 for the initial one; sets its ports apart from others'. */
  readonly tag: number;
  /** Owned by sentry/net. */
  network: unknown = null;
  private static lastTag = 0;

  constructor(userNs: UserNamespace | null, inum = newNamespaceInum()) {
    this.userNs = userNs;
    this.inum = inum;
    this.tag = inum === INIT_NET_INUM ? 0 : ++NetNamespace.lastTag;
  }
}

/** SysV IPC and POSIX message queues; the objects hang on it. */
export class IpcNamespace {
  readonly inum: number;
  readonly userNs: UserNamespace;
  readonly limits = new IpcLimits();
  /** Owned by sentry/kernel/ipc. */
  sysv: unknown = null;
  /** Owned by the mqueue filesystem. */
  mqueue: unknown = null;

  constructor(userNs: UserNamespace, inum = newNamespaceInum()) {
    this.userNs = userNs;
    this.inum = inum;
  }
}
