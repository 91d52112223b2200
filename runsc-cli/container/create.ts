// SPDX-License-Identifier: Apache-2.0

/**
 * `create`: everything of a container but the user's process running.
 *
 * Invariants: when it fails nothing is left. The pid-file is written last; before that the Sentry dies with this process, after it
 *             the container is on its own. Nothing but the Sentry keeps the caller's descriptors.
 */
import { closeSync, constants, openSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setns } from '../../platform/ffi/namespaces.ts';
import { close, kill, open, poll, read, waitPid, write } from '../../platform/ffi/lifecycle.ts';
import { decodeFromSentry, encodeMessage, MAX_MESSAGE } from '../../sentry/control/messages/lifecycle.ts';
import { type ConsoleSize, openPty, type Pty, sendMaster } from '../console/pty.ts';
import { hasTerminalStdio } from '../console/relay.ts';
import type { RuntimeLog } from '../console/log.ts';
import { errnoWords, RunscError, startFailure, systemReason } from '../errors.ts';
import { refuseForeignNamespaces } from './foreign_namespaces.ts';
import { inheritedHostName } from './host_name.ts';
import { runHooks } from './hooks.ts';
import { inheritedFds, listenEnvironment, listenFds } from './inherited_fds.ts';
import { listenIn } from './control_client.ts';
import { identify } from './process_identity.ts';
import { compileSeccomp } from './seccomp_filter.ts';
import { type CgroupPlace, prepareCgroups } from './cgroups.ts';
import { NOTIFY_MOUNT, NOTIFY_VARIABLE, notifySocket } from './service_manager.ts';
import { closeStartFifos, makeStartFifos, writePlain } from './front.ts';
import { podNamespaces, podSandbox } from './pod.ts';
import { type PodContainerPlan, type StartedPodContainer, startInPod } from './pod_container.ts';
import { Container } from './state.ts';
import { destroy } from './destroy.ts';
import type { GlobalFlags } from '../cmd/global_flags.ts';
import { bringUpLoopback } from './network.ts';
import { type RunningSandbox, startSandbox } from '../sandbox/start.ts';
import { loadConfig } from '../spec/load.ts';
import { type OciSettings, ociSettings } from '../spec/oci.ts';
import type { SeccompProfile } from '../spec/seccomp.ts';
import { translateConfig } from '../spec/translate.ts';

const CLONE_NEWNET = 0x40000000;
const O_RDONLY_CLOEXEC = 0o2000000;
const SIGKILL = 9;
const POLLIN = 1;

export interface CreateOptions {
  readonly id: string;
  readonly bundle: string;
  readonly pidFile: string | null;
  readonly consoleSocket: string | null;
  readonly preserveFds: number;
  /** False: the container is this command's child and dies with it. */
  readonly isDetached: boolean;
}

export interface Created {
  readonly container: Container;
  /** The processes behind it: a sandbox of its own, or in a pod's those that are the container's. */
  readonly running: RunningSandbox | StartedPodContainer;
  /** The container's terminal when this command is to relay it. */
  readonly terminal: { readonly master: number; readonly size: ConsoleSize | null } | null;
}

/** Creates a container; its lock is held. Throws RunscError. */
export function createContainer(options: CreateOptions, context: { flags: GlobalFlags; log: RuntimeLog }): Created {
  const { flags, log } = context;
  const field = loadConfig(options.bundle);
  const warnings: string[] = [];
  const oci = ociSettings(field);
  const sandbox = podSandbox(oci.annotations, flags.root, options.id);
  refuseForeignNamespaces(field, sandbox === null ? 'alone' : 'in a pod');
  const namespaces = sandbox === null ? null : podNamespaces(field, sandbox, flags.root);
  const hostname = inheritedHostName(field, flags.root, options.id);
  const settings = { id: options.id, hostname, bundle: options.bundle, overlay: flags.overlay ?? false, network: flags.hasNetwork ? flags.network : 'host', hostUds: flags.hostUds, platform: flags.platform, debug: flags.debug, strace: flags.strace };
  const translated = translateConfig(field, settings, warnings);
  const sockets = listenEnvironment(listenFds());
  const config = { ...translated, process: { ...translated.process, env: [...translated.process.env, ...sockets] }, ...(oci.seccomp === null ? {} : { seccomp: seccompOf(oci.seccomp, warnings) }) };
  const hasNotifySocket = notifySocket() !== '';
  for (const warning of warnings) log.debug('warn', warning);
  checkConsole(oci, options);
  const facts = { id: options.id, bundle: options.bundle, rootfs: config.trees[0]?.source ?? '', annotations: oci.annotations, hostname: config.hostname, hooks: oci.hooks, process: config.process, pod: sandbox?.id ?? null };
  const whole = hasNotifySocket ? { ...config, hasNotifySocket, mounts: [...config.mounts, NOTIFY_MOUNT], process: { ...config.process, env: [...config.process.env, NOTIFY_VARIABLE] } } : config;
  const container = Container.claim(flags.root, facts, oci.ociVersion, !options.isDetached);
  container.record.hasNotifySocket = hasNotifySocket;
  try {
    const place = prepareCgroups(container, oci, flags, log);
    const pty = oci.terminal && (options.isDetached || !hasTerminalStdio()) ? openPty(oci.consoleSize) : null;
    const isMemoryHeldByHost = container.record.cgroupsPath !== '';
    const full = { ...whole, isMemoryHeldByHost };
    const running = sandbox === null || namespaces === null ? startAlone(container, full, oci, { ...options, place }, pty, log) : startJoined(container, { sandbox, namespaces, config: full, place }, options, pty, log);
    return { container, running, terminal: options.isDetached || pty === null ? null : { master: pty.master, size: oci.consoleSize } };
  } catch (error) {
    destroy(container, log);
    throw error;
  }
}

function seccompOf(profile: SeccompProfile, warnings: string[]): string {
  const { program, unknown } = compileSeccomp(profile);
  if (unknown.length > 0) warnings.push(`linux.seccomp: unknown system calls ignored: ${unknown.join(', ')}`);
  return program;
}

function checkConsole(oci: OciSettings, options: CreateOptions): void {
  if (!options.isDetached) {
    if (options.consoleSocket !== null) throw new RunscError('cannot use console socket if runc will not detach or allocate tty');
    return;
  }
  if (oci.terminal && options.consoleSocket === null) throw new RunscError('cannot allocate tty if runc will detach without setting console socket');
  if (!oci.terminal && options.consoleSocket !== null) throw new RunscError('cannot use console socket if runc will not detach or allocate tty');
}

/** Throws RunscError; nothing of it runs then. */
function ending<T>(pids: readonly number[], act: () => T): T {
  try {
    return act();
  } catch (error) {
    for (const pid of pids) {
      kill(pid, SIGKILL);
      waitPid(pid, 0);
    }
    throw error;
  }
}

/** In a sandbox of its own. Throws RunscError. */
function startAlone(container: Container, config: Parameters<typeof startSandbox>[0], oci: OciSettings, options: CreateOptions & { place: CgroupPlace }, pty: Pty | null, log: RuntimeLog): RunningSandbox {
  const running = startIn(container, config, oci, options, pty, log);
  return ending([running.sentryPid, running.goferPid], () => {
    const { record } = container;
    record.sentry = identify(running.sentryPid);
    record.gofer = identify(running.goferPid);
    container.save();
    awaitLoaded(running);
    if (oci.oomScoreAdj !== null) adjustOomScore(running.sentryPid, oci.oomScoreAdj);
    if (oci.network.kind !== 'caller') arrangeNetwork(running.sentryPid, oci);
    finish(container, { pid: running.sentryPid, sentry: running.sentryPid }, options, pty);
    if (options.isDetached) write(running.controlFd, encodeMessage({ type: 'detach' }));
    return running;
  });
}

/** In its pod's sandbox. Throws RunscError. */
function startJoined(container: Container, plan: Pick<PodContainerPlan, 'sandbox' | 'namespaces' | 'config' | 'place'>, options: CreateOptions, pty: Pty | null, log: RuntimeLog): StartedPodContainer {
  const started = startInPod(container, { ...plan, pty, preserved: inheritedFds(listenFds(), options.preserveFds), isDetached: options.isDetached }, log);
  plan.place.close();
  if (pty !== null) close(pty.slave);
  return ending([started.waiter, started.gofer], () => {
    const { record } = container;
    record.sentry = plan.sandbox.record.sentry;
    record.waiter = identify(started.waiter);
    record.gofer = identify(started.gofer);
    container.save();
    finish(container, { pid: started.waiter, sentry: record.sentry?.pid ?? 0 }, options, pty);
    return started;
  });
}

function startIn(container: Container, config: Parameters<typeof startSandbox>[0], oci: OciSettings, options: CreateOptions & { place: CgroupPlace }, pty: Pty | null, log: RuntimeLog): RunningSandbox {
  const listener = listenIn(container.directory);
  const exitFile = openSync(join(container.directory, 'status'), constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
  const fifos = makeStartFifos(container.directory);
  const leave = oci.network.kind === 'path' ? enterNetwork(oci.network.path) : null;
  try {
    return startSandbox(config, log, {
      isDetached: options.isDetached,
      listener,
      exitFile,
      ...fifos,
      stdio: pty === null ? null : [pty.slave, pty.slave, pty.slave],
      preserved: inheritedFds(listenFds(), options.preserveFds),
      hasTerminal: pty !== null,
      netNamespace: oci.network.kind === 'new' ? 'new' : oci.network.kind === 'path' ? 'inherited' : 'default',
      onLoad: (stage) => options.place.enter(stage),
      onBorn: (pid, isPlaced) => {
        if (!isPlaced) options.place.join(pid);
      },
    });
  } finally {
    leave?.();
    close(listener);
    closeSync(exitFile);
    closeStartFifos(fifos);
    options.place.close();
    if (pty !== null) close(pty.slave);
  }
}

/** Enters a network namespace; the children are born in it. Returns the way back. Throws RunscError. */
function enterNetwork(path: string): () => void {
  const own = open('/proc/self/ns/net', O_RDONLY_CLOEXEC);
  const wanted = open(path, O_RDONLY_CLOEXEC);
  const result = wanted < 0 ? wanted : setns(wanted, CLONE_NEWNET);
  if (wanted >= 0) close(wanted);
  if (result < 0) {
    close(own);
    throw new RunscError(`network namespace ${path}: ${errnoWords(result)}`);
  }
  return () => {
    setns(own, CLONE_NEWNET);
    close(own);
  };
}

/** Its init is loaded: runs the hooks, tells the world. */
function finish(container: Container, { pid, sentry }: { pid: number; sentry: number }, options: CreateOptions, pty: Pty | null): void {
  const { record } = container;
  if (pty !== null && options.isDetached) sendMaster(pty, options.consoleSocket as string);
  inDirectory(options.bundle, () => {
    const state = { ...container.describe(), status: 'creating' };
    for (const kind of ['prestart', 'createRuntime'] as const) runHooks(record.hooks, kind, state);
    if (record.hooks.createContainer !== undefined) inNetworkOf(sentry, () => runHooks(record.hooks, 'createContainer', state));
  });
  record.phase = 'created';
  container.save();
  if (options.isDetached && record.pod === null) writePlain(container.directory, record);
  if (options.pidFile !== null) writePidFile(options.pidFile, pid);
}

/** Waits for the Sentry's word that init is loaded. Throws RunscError with what it says instead. */
function awaitLoaded(running: RunningSandbox): void {
  const buffer = Buffer.alloc(MAX_MESSAGE);
  for (;;) {
    poll([{ fd: running.controlFd, events: POLLIN, revents: 0 }], -1);
    const n = read(running.controlFd, buffer);
    if (n === -4) continue;
    const message = n <= 0 ? null : decodeFromSentry(buffer.subarray(0, n));
    if (message?.type === 'started') return;
    if (message?.type === 'error') throw new RunscError(startFailure(message.message), message.status);
    throw new RunscError('the sentry ended before the container was created');
  }
}

function adjustOomScore(pid: number, value: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(value));
  } catch {
    // Lowering it needs a privilege; inside, the container sees what was asked for.
  }
}

/** What a network namespace needs before anybody uses it. Without the right to enter it, it stays as it is. */
function arrangeNetwork(pid: number, oci: OciSettings): void {
  // A Sentry that was refused a namespace of its own is in ours: those settings are not to be touched.
  if (networkOf('self') === networkOf(String(pid))) return;
  // The Sentry, which has no privileges, binds ports (or has the Gofer do it) and sends pings on behalf of a container that may, and checks
  // that it may: what the container itself is to be held to is the Sentry's to know.
  const isNew = oci.network.kind === 'new';
  const settings = { ...oci.netSysctl, ...(isNew ? LET_BIND : {}), ...(networkOf('1') !== networkOf(String(pid)) ? LET_PING : {}) };
  let leave: () => void;
  try {
    leave = enterNetwork(`/proc/${pid}/ns/net`);
  } catch {
    return;
  }
  try {
    if (isNew) bringUpLoopback();
    for (const [key, value] of Object.entries(settings)) {
      try {
        writeFileSync(`/proc/sys/${key.replaceAll('.', '/')}`, value);
      } catch {
        // The sandbox's own network has its own idea of it.
      }
    }
  } finally {
    leave();
  }
}

const LET_BIND = { 'net.ipv4.ip_unprivileged_port_start': '0' };
const LET_PING = { 'net.ipv4.ping_group_range': '0 2147483647' };

/** Acts in a process's network namespace, if that can be entered. */
function inNetworkOf(pid: number, act: () => void): void {
  const leave = networkOf('self') === networkOf(String(pid)) ? null : enterNetwork(`/proc/${pid}/ns/net`);
  try {
    act();
  } finally {
    leave?.();
  }
}

/** Names a process's network namespace; null when it cannot be told. */
function networkOf(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}

/** Create-time hooks run in the bundle. */
function inDirectory(directory: string, act: () => void): void {
  const before = process.cwd();
  process.chdir(directory);
  try {
    act();
  } finally {
    process.chdir(before);
  }
}

/** Decimal digits and nothing else, all at once. Throws RunscError. */
export function writePidFile(path: string, pid: number): void {
  const temporary = join(dirname(path), `.${path.slice(path.lastIndexOf('/') + 1)}.${process.pid}`);
  try {
    writeFileSync(temporary, String(pid), { mode: 0o644 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new RunscError(`pid file ${path}: ${systemReason(error)}`);
  }
}
