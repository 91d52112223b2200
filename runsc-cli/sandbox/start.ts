// SPDX-License-Identifier: Apache-2.0

/**
 * Starts a sandbox: the Gofer and the Sentry, forked from this process into namespaces of their own, joined by a socket pair.
 * Where forking is not possible both are booted as new Node processes (boot_node.ts), with weaker confinement.
 *
 * Invariants: when this fails, nothing it started is left. Whoever starts a sandbox is the parent of both processes.
 */
import { readFileSync } from 'node:fs';
import { close, geteuid, getegid, getrlimit, kill, setrlimit, socketpair, waitPid } from '../../platform/ffi/lifecycle.ts';
import { hasForkFlags, makeForkable } from '../../platform/ffi/forkable.ts';
import { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, finishChild, type IdMap, type StartedChild, beginChild } from '../../platform/host/spawn/namespaces.ts';
import { goferFilter, goferRoots, prepareGofer } from '../boot/gofer_confinement.ts';
import { cachedPart, closePart, loadPart, openPart } from '../boot/parts.ts';
import type { ChildDescriptors } from '../boot/process_entry.ts';
import { prepareSentry, sentryFilter } from '../boot/sentry_confinement.ts';
import type { RuntimeLog } from '../console/log.ts';
import { RunscError } from '../errors.ts';
import { bootSandbox } from './boot_node.ts';
import { prepareVolumes, sandboxVolumes } from './volumes.ts';
import { mark } from './timing.ts';
import type { SandboxConfig } from './config.ts';

const SOCK_SEQPACKET_CLOEXEC = 5 | 0o2000000;
const SIGKILL = 9;
const WNOHANG = 1;
const RLIMIT_NOFILE = 7;
const NOBODY = 65534;

export interface RunningSandbox {
  readonly sentryPid: number;
  readonly goferPid: number;
  /** Our end of the control socket. */
  readonly controlFd: number;
}

/** How a container that has a life of its own differs from a command in the foreground. */
export interface StartOptions extends Pick<ChildDescriptors, 'listener' | 'exitFile' | 'startRequests' | 'startAnswers' | 'stdio' | 'preserved' | 'hasTerminal' | 'isDetached'> {
  /** inherited: the one this process is in; default: a new one unless the container uses the host's network. */
  readonly netNamespace: 'default' | 'new' | 'inherited';
  /** Called in each forked process before and after it loads its code, to put itself where it belongs. False: it could not. */
  readonly onLoad?: (stage: 'before' | 'after') => boolean;
  /** Called for each process before it begins, with what onLoad returned (false for one that was not forked). */
  readonly onBorn?: (pid: number, isPlaced: boolean) => void;
}

export const FOREGROUND: StartOptions = { isDetached: false, listener: -1, exitFile: -1, startRequests: -1, startAnswers: -1, stdio: null, preserved: [], hasTerminal: false, netNamespace: 'default' };

/** Starts a sandbox on this process's own standard descriptors. Throws RunscError. */
export function startSandbox(wanted: SandboxConfig, log: RuntimeLog, options: StartOptions = FOREGROUND): RunningSandbox {
  mark('configured');
  const config = options.netNamespace === 'default' && wanted.network === 'host' ? withSysctlOfHost(wanted) : wanted;
  raiseFileLimit();
  prepareVolumes(config);
  const gofer = pairOf('gofer');
  const control = pairOf('control');
  const descriptors: ChildDescriptors = { goferServer: gofer[0], goferClient: gofer[1], controlCli: control[0], controlSentry: control[1], debug: options.isDetached && log.debugFd === 2 && options.hasTerminal ? -1 : log.debugFd, ...options };
  const wantsFork = process.env['RUNSC_TS_START'] !== 'boot';
  const forkable = wantsFork && hasForkFlags() ? makeForkable() : -1;
  if (forkable < 0) log.debug('warn', 'this Node cannot be forked: booting one per process, in fewer namespaces');
  const started = forkable < 0 ? bootSandbox(config, descriptors, log, options.onBorn) : forkSandbox(config, descriptors, log, options);
  close(gofer[0]);
  close(gofer[1]);
  close(control[1]);
  if (typeof started === 'string') throw new RunscError(started);
  return { ...started, controlFd: control[0] };
}

/** What the Sentry holds programs to, as the network they share with the host has it. */
function withSysctlOfHost(config: SandboxConfig): SandboxConfig {
  const sysctl: Record<string, string> = {};
  for (const name of ['ip_unprivileged_port_start', 'ping_group_range']) {
    try {
      sysctl[`net.ipv4.${name}`] = readFileSync(`/proc/sys/net/ipv4/${name}`, 'latin1').trim();
    } catch {
      // Not to be read here: as Linux begins.
    }
  }
  return { ...config, sysctl: { ...sysctl, ...config.sysctl } };
}

const SEPARATE = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;

function ownMap(): IdMap {
  return { insideUid: 0, outsideUid: geteuid(), insideGid: 0, outsideGid: getegid() };
}

function beginGofer(config: SandboxConfig, descriptors: ChildDescriptors, filter: Uint8Array, options: StartOptions): ReturnType<typeof beginChild> {
  return beginChild({
    name: 'gofer',
    namespaces: SEPARATE | CLONE_NEWNET,
    userNamespace: geteuid() === 0 ? null : ownMap(),
    mapFromOutside: false,
    diesWithParent: !options.isDetached,
    load: () => loadPlaced('gofer', options),
    prepare: (granted, socket) => prepareGofer(config, descriptors, granted, socket),
    main: () => loadPart('gofer').goferMain(config, descriptors, filter, goferRoots()),
    born: (pid, isPlaced) => options.onBorn?.(pid, isPlaced),
  });
}

/**
 * Starts a Gofer alone, for a container in a sandbox that runs; calls `meanwhile` while it loads. Returns its pid and the Sentry's end of its
 * socket. Throws RunscError.
 */
export function startGofer(config: SandboxConfig, log: RuntimeLog, options: StartOptions, meanwhile: () => void): { pid: number; client: number } {
  if (!hasForkFlags() || makeForkable() < 0) throw new RunscError('this Node cannot be forked: a container in a running sandbox needs that');
  raiseFileLimit();
  const [server, client] = pairOf('gofer');
  openPart('gofer');
  const descriptors = { ...options, goferServer: server, goferClient: client, controlCli: -1, controlSentry: -1, debug: log.debugFd };
  const starting = beginGofer(config, descriptors, goferFilter(), options);
  closePart('gofer');
  const failed = typeof starting === 'string' ? null : failureOf(meanwhile);
  const gofer = typeof starting === 'string' ? starting : finishChild(starting);
  close(server);
  if (failed !== null) {
    if (typeof gofer !== 'string') endChild(gofer);
    close(client);
    throw failed;
  }
  if (typeof gofer !== 'string') return { pid: gofer.pid, client };
  close(client);
  throw new RunscError(gofer);
}

export interface SandboxPids {
  readonly sentryPid: number;
  readonly goferPid: number;
}

function forkSandbox(config: SandboxConfig, descriptors: ChildDescriptors, log: RuntimeLog, options: StartOptions): SandboxPids | string {
  mark('forkable');
  const isRoot = geteuid() === 0;
  const canBeNobody = isRoot && isIdMapped(NOBODY);
  const namespaces = SEPARATE;
  const own = ownMap();
  const nobody: IdMap = { insideUid: 0, outsideUid: NOBODY, insideGid: 0, outsideGid: NOBODY };
  // Compiled here: the children's roots have no libseccomp to load.
  const filters = { gofer: goferFilter(), sentry: sentryFilter(config) };
  mark('filters compiled');
  openPart('sentry');
  openPart('gofer');
  // First: it has more to do before the two meet.
  const startingSentry = beginChild({
    name: 'sentry',
    namespaces: options.netNamespace === 'new' || (options.netNamespace === 'default' && config.network !== 'host') ? namespaces | CLONE_NEWNET : namespaces,
    userNamespace: canBeNobody ? nobody : own,
    mapFromOutside: canBeNobody,
    diesWithParent: !options.isDetached,
    load: () => loadPlaced('sentry', options),
    prepare: (granted, socket) => prepareSentry(config, descriptors, granted, socket),
    main: () => loadPart('sentry').sentryMain(config, descriptors, filters.sentry, sandboxVolumes()),
    born: (pid, isPlaced) => options.onBorn?.(pid, isPlaced),
  });
  if (typeof startingSentry === 'string') return startingSentry;
  mark('sentry begun');
  const startingGofer = beginGofer(config, descriptors, filters.gofer, options);
  mark('gofer begun');
  closePart('sentry');
  closePart('gofer');
  const sentry = finishChild(startingSentry);
  const gofer = typeof startingGofer === 'string' ? startingGofer : finishChild(startingGofer);
  if (typeof gofer === 'string' || typeof sentry === 'string') {
    if (typeof gofer !== 'string') endChild(gofer);
    if (typeof sentry !== 'string') endChild(sentry);
    return typeof gofer === 'string' ? gofer : (sentry as string);
  }
  mark('sentry started');
  log.debug('debug', `sentry ${sentry.pid}, gofer ${gofer.pid}`);
  return { sentryPid: sentry.pid, goferPid: gofer.pid };
}

/** In a child: loads its part. False: it could not put itself where it belongs. */
function loadPlaced(part: 'sentry' | 'gofer', options: StartOptions): boolean {
  const isAdmitted = options.onLoad?.('before') ?? true;
  loadPart(part);
  mark(`  ${part}: part loaded`);
  return isAdmitted && (options.onLoad?.('after') ?? true);
}

/** Does our user namespace have this user and group id? The one of rootless Podman may have a single one. */
function isIdMapped(id: number): boolean {
  const has = (file: string): boolean => {
    const ranges = readFileSync(file, 'latin1').trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number));
    return ranges.some(([first = 0, , count = 0]) => id >= first && id < first + count);
  };
  return has('/proc/self/uid_map') && has('/proc/self/gid_map');
}

function failureOf(act: () => void): unknown {
  try {
    act();
    return null;
  } catch (error) {
    return error;
  }
}

function endChild(child: StartedChild): void {
  kill(child.pid, SIGKILL);
  waitPid(child.pid, 0);
}

/** Kills and reaps whatever still runs of a sandbox. */
export function endSandbox(running: SandboxPids): void {
  // A pid that is not a child any more was reaped before, and its number may be somebody else's.
  const alive = [running.sentryPid, running.goferPid].filter((pid) => pid > 0 && waitPid(pid, WNOHANG) === 0);
  // In the build the Gofer ends by itself, to write its code cache.
  if (cachedPart() !== 'gofer') for (const pid of alive) kill(pid, SIGKILL);
  for (const pid of alive) waitPid(pid, 0);
}

function pairOf(what: string): [number, number] {
  const pair = socketpair(SOCK_SEQPACKET_CLOEXEC);
  if (typeof pair === 'number') throw new RunscError(`${what} socket: errno ${-pair}`);
  return pair;
}

/** The Sentry holds a host descriptor for many guest files: it gets as many as allowed. The guest's own limit is virtual. */
function raiseFileLimit(): void {
  const limit = getrlimit(RLIMIT_NOFILE);
  if (typeof limit !== 'number' && limit[0] < limit[1]) setrlimit(RLIMIT_NOFILE, limit[1], limit[1]);
}
