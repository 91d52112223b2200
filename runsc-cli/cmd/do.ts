// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts do [OPTIONS] [--] PROGRAM [ARGS...]`: runs one host program in a sandbox on a read-only view of the host's files.
 */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { EXIT_OWN_FAILURE, RunscError, systemReason, UsageError } from '../errors.ts';
import { callerLimits } from '../sandbox/caller_limits.ts';
import type { MountConfig, SandboxConfig, TreeConfig } from '../sandbox/config.ts';
import { receiveVolumes } from '../sandbox/volumes.ts';
import { runForeground } from '../sandbox/run_foreground.ts';
import { ALL_CAPABILITIES, NO_CAPABILITIES } from '../spec/capability_names.ts';
import { cleanPath } from '../spec/checker.ts';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY } from '../spec/mount_options.ts';
import { type Option, type Parsed, parseOptions } from './arguments.ts';
import type { GlobalFlags } from './global_flags.ts';
import { manual } from './manual.ts';
import { parseSize, parseId } from './values.ts';
import type { Verb, VerbContext } from './verbs.ts';

const SUMMARY = 'run a host program in a sandbox';

export const DO_OPTIONS: readonly Option[] = [
  { name: 'root', kind: 'value', placeholder: 'DIR', help: 'directory that is the root of the sandbox (default /)' },
  { name: 'cwd', kind: 'value', placeholder: 'DIR', help: 'working directory in the sandbox (default: the caller\'s)' },
  { name: 'volume', short: 'V', kind: 'list', placeholder: 'SRC:DST[:ro]', help: 'show host directory or file SRC at DST, writable unless :ro' },
  { name: 'env', short: 'e', kind: 'list', placeholder: 'NAME=VALUE', help: 'set a variable (the caller\'s environment is passed on)' },
  { name: 'uid', kind: 'value', placeholder: 'N', help: 'user id in the sandbox (default 0)' },
  { name: 'gid', kind: 'value', placeholder: 'N', help: 'group id in the sandbox (default 0)' },
  { name: 'no-overlay', kind: 'flag', help: 'write to the host\'s files instead of an in-memory overlay' },
  { name: 'memory-limit', kind: 'value', placeholder: 'BYTES[k|m|g]', help: 'most memory the sandbox may use' },
  { name: 'hostname', kind: 'value', placeholder: 'NAME', help: 'host name in the sandbox (default: the host\'s)' },
  { name: 'memfs', kind: 'list', placeholder: 'NAME:DST', help: 'mount the in-memory volume NAME at DST (empty unless it comes with --volumes-fd)' },
  { name: 'volumes-fd', kind: 'value', placeholder: 'FD', help: 'the library\'s descriptor for volumes: in at the start, out at the end' },
  { name: 'help', short: 'h', kind: 'flag', help: 'print help' },
];

function usage(): string {
  return manual({
    name: 'do', summary: SUMMARY, usage: ['[OPTIONS] [--] PROGRAM [ARGS...]'],
    text: "Runs PROGRAM in a sandbox: the host's files are seen read-only through the Gofer with a writable in-memory overlay on top, /proc, /sys and /dev are the sandbox's own, and there is no network (see --network of `runsc-ts help`).",
    options: DO_OPTIONS,
    more: [['EXIT STATUS', "That of PROGRAM, 128+N when signal N killed it; 127 when it is not found, 126 when it cannot be run, 128 when the sandbox itself failed."]],
  });
}

function run(args: readonly string[], context: VerbContext): number {
  const parsed = parseOptions(args, DO_OPTIONS);
  if (parsed.flag('help')) {
    process.stdout.write(usage());
    return 0;
  }
  if (parsed.rest.length === 0) throw new UsageError('do: no program given, see runsc-ts help do');
  return runForeground(doConfig(parsed, context.flags), context);
}

/** Translates the options. Throws RunscError. */
export function doConfig(parsed: Parsed, flags: GlobalFlags): SandboxConfig {
  const overlay = flags.overlay ?? !parsed.flag('no-overlay');
  const root = resolve(parsed.value('root') ?? '/');
  checkDirectory(root, 'root');
  // The host's own /proc, /sys and /dev are never served: the sandbox has its own.
  const trees: TreeConfig[] = [{ source: root, readonly: overlay, isExclusive: true, covered: root === '/' ? ['/proc', '/sys', '/dev'] : [] }];
  const mounts = [...standardMounts(), ...parsed.list('volume').map((volume) => volumeMount(volume, trees))];
  const cwd = parsed.value('cwd') ?? (parsed.value('root') === undefined ? callerCwd() : '/');
  if (!cwd.startsWith('/')) throw new UsageError(`do: --cwd must be an absolute path, is "${cwd}"`);
  mounts.push(...parsed.list('memfs').map(memfsMount));
  const volumesFd = parsed.value('volumes-fd');
  if (volumesFd !== undefined) receiveVolumes(parseId(volumesFd, 'volumes-fd'));
  const memory = parsed.value('memory-limit');
  return {
    id: `do-${process.pid}`,
    hostname: parsed.value('hostname') ?? hostName(),
    domainname: '(none)',
    trees,
    rootReadonly: false,
    rootOverlay: overlay,
    mounts,
    maskedPaths: [],
    readonlyPaths: [],
    process: {
      args: parsed.rest,
      env: environment(parsed.list('env')),
      cwd: cleanPath(cwd),
      ...ids(parsed),
      groups: [],
      umask: process.umask(),
      rlimits: callerLimits(),
      noNewPrivileges: false,
      terminal: false,
      oomScoreAdj: 0,
      createCwd: false,
      isProtectedInit: false,
    },
    network: flags.network,
    hostUds: flags.hostUds,
    platform: flags.platform,
    memoryLimit: memory === undefined ? null : parseSize(memory, 'memory-limit'),
    debug: flags.debug,
    strace: flags.strace,
  };
}

function ids(parsed: Parsed): Pick<SandboxConfig['process'], 'uid' | 'gid' | 'capabilities'> {
  const uid = parseId(parsed.value('uid') ?? '0', 'uid');
  const gid = parseId(parsed.value('gid') ?? '0', 'gid');
  const held = uid === 0 ? ALL_CAPABILITIES : NO_CAPABILITIES;
  return { uid, gid, capabilities: { bounding: ALL_CAPABILITIES, effective: held, permitted: held, inheritable: NO_CAPABILITIES, ambient: NO_CAPABILITIES } };
}

function standardMounts(): MountConfig[] {
  const common = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const make = (kind: MountConfig['kind'], destination: string, source: string, flags: number, data: string): MountConfig => ({ kind, destination, source, flags, data, tree: -1 });
  return [
    make('proc', '/proc', 'proc', common, ''),
    make('sysfs', '/sys', 'sysfs', common | MS_RDONLY, ''),
    make('dev', '/dev', 'devtmpfs', MS_NOSUID, 'mode=755'),
    make('devpts', '/dev/pts', 'devpts', MS_NOSUID | MS_NOEXEC, 'newinstance,ptmxmode=0666,mode=0620'),
    make('tmpfs', '/dev/shm', 'shm', MS_NOSUID | MS_NODEV, 'mode=1777'),
  ];
}

function volumeMount(volume: string, trees: TreeConfig[]): MountConfig {
  const match = /^([^:]+):(\/[^:]*)(?::(ro|rw))?$/.exec(volume);
  if (match === null) throw new UsageError(`do: --volume "${volume}" does not have the form SRC:DST[:ro] with an absolute DST`);
  const source = resolve(match[1] as string);
  try {
    statSync(source);
  } catch (error) {
    throw new RunscError(`volume ${source}: ${systemReason(error)}`);
  }
  const readonly = match[3] === 'ro';
  trees.push({ source, readonly, isExclusive: false, covered: [] });
  return { kind: 'bind', destination: cleanPath(match[2] as string), source, flags: readonly ? MS_RDONLY : 0, data: '', tree: trees.length - 1 };
}

function memfsMount(text: string): MountConfig {
  const match = /^([^:]+):(\/[^:]*)$/.exec(text);
  if (match === null) throw new UsageError(`do: --memfs "${text}" does not have the form NAME:DST with an absolute DST`);
  return { kind: 'memfs', destination: cleanPath(match[2] as string), source: match[1] as string, flags: 0, data: '', tree: -1 };
}

function checkDirectory(path: string, what: string): void {
  let isDirectory = false;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (error) {
    throw new RunscError(`${what} ${path}: ${systemReason(error)}`);
  }
  if (!isDirectory) throw new RunscError(`${what} ${path}: not a directory`);
}

/** The host's name (node:os costs start-up time that one small file does not). */
function hostName(): string {
  try {
    return readFileSync('/proc/sys/kernel/hostname', 'utf8').trim();
  } catch {
    return 'localhost';
  }
}

function callerCwd(): string {
  try {
    return process.cwd();
  } catch {
    return '/';
  }
}

function environment(extra: readonly string[]): string[] {
  const env = new Map<string, string>();
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined && !name.startsWith('RUNSC_TS_')) env.set(name, value);
  for (const item of extra) {
    const equals = item.indexOf('=');
    if (equals <= 0) throw new UsageError(`do: --env "${item}" does not have the form NAME=VALUE`);
    env.set(item.slice(0, equals), item.slice(equals + 1));
  }
  return [...env].map(([name, value]) => `${name}=${value}`);
}

export const doVerb: Verb = {
  name: 'do',
  summary: SUMMARY,
  failureStatus: EXIT_OWN_FAILURE,
  startsSandbox: true,
  usage,
  run,
};
