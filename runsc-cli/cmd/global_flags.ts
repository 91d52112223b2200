// SPDX-License-Identifier: Apache-2.0

/**
 * The flags before the verb, as runc and gVisor spell them.
 */
import { readFileSync } from 'node:fs';
import { UsageError } from '../errors.ts';
import type { Option } from './arguments.ts';
import { type Parsed, parseOptions } from './arguments.ts';

export const GLOBAL_OPTIONS: readonly Option[] = [
  { name: 'root', kind: 'value', placeholder: 'DIR', help: 'directory for container state (default /run/runsc-ts, or $XDG_RUNTIME_DIR/runsc-ts)' },
  { name: 'log', kind: 'value', placeholder: 'FILE', help: 'file for errors (default: standard error)' },
  { name: 'log-format', kind: 'value', placeholder: 'text|json', help: 'format of --log (default text)' },
  { name: 'debug', kind: 'flag', help: 'log what the runtime does, and what confinement the host refused' },
  { name: 'debug-log', kind: 'value', placeholder: 'FILE', help: 'file for debug messages (default: standard error)' },
  { name: 'strace', kind: 'flag', help: 'log every system call, decoded, to the debug log' },
  { name: 'platform', kind: 'value', placeholder: 'ptrace', help: 'how application code is run (default ptrace)' },
  { name: 'network', kind: 'value', placeholder: 'none|host', help: 'network: loopback only, or host sockets in its network namespace (default: containers host, do none)' },
  { name: 'host-uds', kind: 'value', placeholder: 'none|open|all', help: 'open: programs may connect to Unix sockets of the host in bind mounts; all: and what they bind there is a socket of the host (default none)' },
  { name: 'overlay', kind: 'flag', help: 'run: put a writable in-memory overlay on the root; do: on unless --overlay=false' },
  { name: 'version', short: 'v', kind: 'flag', help: 'print the version' },
  { name: 'help', short: 'h', kind: 'flag', help: 'print help' },
  { name: 'systemd-cgroup', kind: 'flag', help: "let systemd make the containers' cgroups; cgroupsPath is then slice:prefix:name" },
  { name: 'rootless', kind: 'value', help: 'accepted', isIgnored: true },
  { name: 'criu', kind: 'value', help: 'accepted', isIgnored: true },
  { name: 'ignore-cgroups', kind: 'flag', help: 'do not make or join cgroups' },
  { name: 'alsologtostderr', kind: 'flag', help: 'accepted', isIgnored: true },
];

export interface GlobalFlags {
  /** State directory. */
  readonly root: string;
  readonly log: string | null;
  readonly logFormat: 'text' | 'json';
  readonly debug: boolean;
  readonly debugLog: string | null;
  readonly strace: boolean;
  readonly platform: string;
  readonly network: 'none' | 'host';
  readonly hostUds: 'none' | 'open' | 'all';
  /** It was said, and is not just the default. */
  readonly hasNetwork: boolean;
  /** Containers stay in the cgroups of whoever made them. */
  readonly ignoreCgroups: boolean;
  readonly systemdCgroup: boolean;
  /** null: the verb's default. */
  readonly overlay: boolean | null;
}

/** Parses the flags before the verb. Throws UsageError. */
export function parseGlobalFlags(args: readonly string[]): { flags: GlobalFlags; parsed: Parsed } {
  const parsed = parseOptions(args, GLOBAL_OPTIONS);
  const choice = <T extends string>(name: string, allowed: readonly T[], fallback: T): T => {
    const value = parsed.value(name);
    if (value === undefined) return fallback;
    if (!allowed.includes(value as T)) throw new UsageError(`invalid value "${value}" for -${name}: must be ${allowed.join(' or ')}`);
    return value as T;
  };
  const flags: GlobalFlags = {
    root: parsed.value('root') ?? defaultRoot(),
    log: parsed.value('log') ?? null,
    logFormat: choice('log-format', ['text', 'json'], 'text'),
    debug: parsed.flag('debug'),
    debugLog: parsed.value('debug-log') ?? null,
    strace: parsed.flag('strace'),
    platform: choice('platform', ['ptrace'], 'ptrace'),
    network: choice('network', ['none', 'host'], 'none'),
    hostUds: choice('host-uds', ['none', 'open', 'all'], 'none'),
    hasNetwork: parsed.value('network') !== undefined,
    ignoreCgroups: parsed.flag('ignore-cgroups'),
    systemdCgroup: parsed.flag('systemd-cgroup'),
    overlay: parsed.value('overlay') === undefined ? null : parsed.flag('overlay'),
  };
  return { flags, parsed };
}

/** As runc chooses: root of a user namespace (rootless Podman) that does not call itself root is an ordinary user. */
function defaultRoot(): string {
  const runtimeDir = process.env['XDG_RUNTIME_DIR'];
  const user = process.env['USER'];
  const isOrdinary = process.geteuid?.() !== 0 || (user !== 'root' && isInUserNamespace());
  if (runtimeDir !== undefined && runtimeDir !== '' && isOrdinary) return `${runtimeDir}/runsc-ts`;
  return process.geteuid?.() === 0 ? '/run/runsc-ts' : `/tmp/runsc-ts-${process.geteuid?.()}`;
}

/** Does a user namespace other than the first one map our ids? */
function isInUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
  } catch {
    return false;
  }
}
