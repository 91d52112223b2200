// SPDX-License-Identifier: Apache-2.0

/**
 * What a sandbox is to be: the validated, internal form that `do`, `run` and the library all produce, and that the Sentry and
 * the Gofer are started from. Plain data: it crosses a process boundary when Node has to be booted instead of forked.
 */

import { CAP_NET_BIND_SERVICE } from '../../platform/abi/linux/capability.ts';

/** A pair of 32-bit words: capabilities 0..31, 32..40. */
export type CapabilityWords = readonly [number, number];

export interface ProcessConfig {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly umask: number;
  readonly capabilities: {
    readonly bounding: CapabilityWords;
    readonly effective: CapabilityWords;
    readonly inheritable: CapabilityWords;
    readonly permitted: CapabilityWords;
    readonly ambient: CapabilityWords;
  };
  /** resource: RLIMIT_* number; limits in its unit, null for RLIM_INFINITY. */
  readonly rlimits: readonly { readonly resource: number; readonly soft: number | null; readonly hard: number | null }[];
  readonly noNewPrivileges: boolean;
  readonly terminal: boolean;
  readonly oomScoreAdj: number;
  /** True: make the working directory when it is missing (runc does). */
  readonly createCwd: boolean;
  /** True: signals from inside that it has no handler for do nothing to it (pid_namespaces(7)). `do` runs a program, not an init. */
  readonly isProtectedInit: boolean;
}

/** A rule of the device cgroup; -1: any number. */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type: 'a' | 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  /** Of the letters r, w and m. */
  readonly access: string;
}

/** Has the container the privilege to bind ports below 1024, on a network that is the host's to give? */
export function mayBindLowPorts(config: SandboxConfig): boolean {
  return config.network === 'host' && (config.process.capabilities.bounding[0] & (1 << CAP_NET_BIND_SERVICE)) !== 0;
}

export type MountKind = 'bind' | 'tmpfs' | 'proc' | 'sysfs' | 'dev' | 'devpts' | 'mqueue' | 'cgroup' | 'memfs';

/** The container's limits as its own cgroup filesystem shows them; null: none. */
export interface LimitsConfig {
  readonly memory: number | null;
  readonly memoryLow: number;
  /** Swap alone. */
  readonly swap: number | null;
  readonly cpuQuota: number | null;
  readonly cpuPeriod: number;
  readonly cpuWeight: number;
  readonly pids: number | null;
  readonly cpus: string;
  readonly mems: string;
}

export interface MountConfig {
  readonly kind: MountKind;
  /** Absolute, clean path in the container. */
  readonly destination: string;
  /** bind: absolute host path; memfs: name of a volume; otherwise what /proc/mounts shows. */
  readonly source: string;
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC... */
  readonly flags: number;
  /** Options for the filesystem itself ("size=64m,mode=1777"). */
  readonly data: string;
  /** bind: index of the Gofer's tree; -1 otherwise. */
  readonly tree: number;
  /** tmpfs: begin with a copy of what the mount point holds. */
  readonly copiesUp?: boolean;
}

/** One host tree that the Gofer serves. */
export interface TreeConfig {
  readonly source: string;
  readonly readonly: boolean;
  /** Nobody else changes it while the sandbox runs: everything may be cached. */
  readonly isExclusive: boolean;
  /** Directories in it that are never served. */
  readonly covered: readonly string[];
}

/** Where a container's service finds the socket of its service manager. */
export const NOTIFY_DIRECTORY = '/run/notify';
export const NOTIFY_PATH = `${NOTIFY_DIRECTORY}/notify.sock`;

export interface SandboxConfig {
  readonly id: string;
  readonly hostname: string;
  readonly domainname: string;
  /** linux.timeOffsets, in ns; absent: the clocks are the host's. */
  readonly timeOffsets?: { readonly monotonicNs: number; readonly boottimeNs: number };
  /** trees[0] is the root. */
  readonly trees: readonly TreeConfig[];
  readonly rootReadonly: boolean;
  /** A writable in-memory layer over the root. */
  readonly rootOverlay: boolean;
  readonly mounts: readonly MountConfig[];
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly process: ProcessConfig;
  readonly network: 'none' | 'host';
  /** Socket files of the host in bind mounts may be connected to; all: and made. */
  readonly hostUds?: 'none' | 'open' | 'all';
  readonly platform: string;
  readonly devices?: readonly { readonly path: string; readonly type: string; readonly major: number; readonly minor: number; readonly mode: number; readonly uid: number; readonly gid: number }[];
  /** Settings of the sandbox's own /proc/sys. */
  readonly sysctl?: Readonly<Record<string, string>>;
  /** Most tasks at once, or null. */
  readonly pidsLimit?: number | null;
  readonly deviceRules?: readonly DeviceRule[];
  readonly limits?: LimitsConfig;
  /** Bytes, or null. */
  readonly memoryLimit: number | null;
  /** A cgroup enforces the limit, and kills: the Sentry only shows it. */
  readonly isMemoryHeldByHost?: boolean;
  /** A seccomp filter (struct sock_filter[], base64) on every process of the container. */
  readonly seccomp?: string;
  /** There is a socket at NOTIFY_PATH. */
  readonly hasNotifySocket?: boolean;
  readonly debug: boolean;
  readonly strace: boolean;
}
