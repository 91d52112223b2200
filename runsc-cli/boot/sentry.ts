// SPDX-License-Identifier: Apache-2.0

/**
 * The composition root of the Sentry: platform, host services, Gofer connection, mounts, kernel, stdio, init.
 *
 * Invariants: the constructor does everything that needs the process's own /proc and free system calls; start() and run()
 *             work under the seccomp filter.
 */
import { getPriority } from 'node:os';
import { openHostNetwork } from '../../platform/host/host_network.ts';
import { createHostSockets } from '../../platform/host/host_sockets.ts';
import { createHostServices } from '../../platform/host/host_services.ts';
import { write } from '../../platform/ffi/lifecycle.ts';
import type { HostServices, HostSockets } from '../../platform/platform.ts';
import { createPtracePlatform, type PtracePlatform } from '../../platform/ptrace/platform.ts';
import { PlatformError } from '../../platform/ptrace/refusal.ts';
import type { ContainerLimits } from '../../sentry/fs/cgroup/cgroup_filesystem.ts';
import { FdTable } from '../../sentry/kernel/fd_table.ts';
import { EPOLLRDHUP } from '../../platform/abi/linux/poll.ts';
import { createInit, isLaunchFailure } from '../../sentry/kernel/init.ts';
import { Kernel } from '../../sentry/kernel/kernel.ts';
import { hostEnds } from '../../sentry/net/unix/host_end.ts';
import { filterState, type SeccompState } from '../../sentry/kernel/seccomp/seccomp.ts';
import { loadProgram } from '../../sentry/loader/load_program.ts';
import { heapFileBytes } from '../../sentry/fs/tmpfs/tmpfs_file.ts';
import { HeapTrim } from '../../sentry/kernel/heap_trim.ts';
import { MemoryWatch } from '../../sentry/kernel/memory_watch.ts';
import { MemoryBudget } from '../../sentry/mm/memory_budget.ts';
import { VirtualFilesystem } from '../../sentry/vfs/virtual_filesystem.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { MountNamespace } from '../../sentry/vfs/mount.ts';
import { STATUS_STARTED, type ErrorMessage, type ExitMessage, type StateMessage } from '../../sentry/control/messages/lifecycle.ts';
import { EXIT_OWN_FAILURE } from '../errors.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { mark } from '../sandbox/timing.ts';
import { Commands } from './commands.ts';
import { devicePolicy } from './device_access.ts';
import { initialLimits } from './limits.ts';
import { byteString, launchError } from './launch.ts';
import { bindConsole, nameTerminal } from './devices.ts';
import { withHome } from './home.ts';
import { HostSignals } from './host_signals.ts';
import { ControlChannel } from './control_channel.ts';
import { connectGofer, type GoferTrees } from './gofer_trees.ts';
import { importStandardFiles } from './stdio.ts';
import { buildMounts, setupContext } from './mounts.ts';
import { NotifySocket } from './notify_socket.ts';
import { containerCredentials, containerRlimits } from './process_settings.ts';
import { heapServices } from './heap.ts';
import type { ChildDescriptors } from './process_entry.ts';
import { StartError } from './start_error.ts';
import { StartRequests } from './start_requests.ts';
import { syscallTable } from './syscall_rows.ts';
import { wireKernel } from './wiring.ts';

export { StartError };

export class Sandbox {
  private readonly config: SandboxConfig;
  private readonly limits: ContainerLimits;
  private readonly fds: ChildDescriptors;
  private readonly platform: PtracePlatform;
  private readonly host: HostServices;
  private readonly hostSignals: HostSignals | null;
  /** Host calls for --host-uds. */
  private readonly unixSockets: HostSockets | null;
  private kernel: Kernel | null = null;
  private init: Task | null = null;
  private commands: Commands | null = null;
  private outcome: ExitMessage | null = null;
  private startDeath: string | null = null;

  /** The caller's nice value, which the stubs run at: the guest sees it as its own. */
  private readonly callersNice: number;

  /** Starts the platform. Throws StartError. */
  constructor(config: SandboxConfig, fds: ChildDescriptors) {
    this.config = config;
    this.limits = initialLimits(config);
    this.fds = fds;
    // Set up here: it takes calls that the filter does not have.
    this.hostSignals = !fds.isDetached && !fds.hasTerminal ? null : HostSignals.create(fds.hasTerminal);
    // Before the filter: getpriority is not on its list.
    this.callersNice = getPriority();
    try {
      this.platform = createPtracePlatform();
    } catch (error) {
      if (error instanceof PlatformError) throw new StartError(error.message, EXIT_OWN_FAILURE);
      throw error;
    }
    this.unixSockets = (config.hostUds ?? 'none') !== 'none' ? createHostSockets() : null;
    const isOn = config.debug || config.strace;
    this.host = createHostServices({
      ...(config.memoryLimit === null ? {} : { memoryLimit: config.memoryLimit }),
      ...(config.network === 'host' ? { network: openHostNetwork(fds.listener < 0 ? 'now' : 'at start') } : {}),
      xstate: this.platform.xstate,
      log: (level, message) => {
        if (fds.debug >= 0 && (isOn || level === 'error')) write(fds.debug, logLine(level, message));
      },
    });
  }

  /** Builds the container up to its init process. Throws StartError. */
  start(): void {
    const { config, platform, host } = this;
    const vfs = new VirtualFilesystem(host);
    const trees = connectGofer(host, platform, this.fds.goferClient, config, (why) => this.goferDied(why));
    mark('  sentry: gofer connected');
    const budget: { budget?: MemoryBudget } = config.memoryLimit === null || config.isMemoryHeldByHost ? {} : { budget: new MemoryBudget(config.memoryLimit, () => host.files.memfdBytes() + heapFileBytes()) };
    const kernel = new Kernel({
      platform,
      host,
      vfs,
      syscalls: syscallTable(config.strace, host),
      loadProgram,
      memoryServices: { host, ...budget },
      ...(config.pidsLimit == null ? {} : { maxTasks: config.pidsLimit }),
      hostname: config.hostname,
      domainname: config.domainname,
    });
    this.kernel = kernel;
    if (budget.budget !== undefined) new MemoryWatch(kernel, budget.budget);
    const heap = heapServices();
    if (heap !== null) new HeapTrim(kernel, heap);
    kernel.pidNs.protectsInit = config.process.isProtectedInit;
    mark('  sentry: kernel made');
    wireKernel(kernel, this.limits);
    if (this.unixSockets !== null) hostEnds.services = { sockets: this.unixSockets, files: host.files, platform, mayBind: config.hostUds === 'all' };
    if (config.deviceRules !== undefined) kernel.vfs.devices.policy = devicePolicy(config.deviceRules);
    this.startInit(kernel, trees);
  }

  private startInit(kernel: Kernel, trees: GoferTrees): void {
    const { config } = this;
    const { process } = config;
    const mountNs = this.mountNamespace(kernel, trees);
    mark('  sentry: mounts made');
    const creds = containerCredentials(kernel, process);
    const rlimits = containerRlimits(process);
    const fdTable = new FdTable();
    const stdio = importStandardFiles(kernel, fdTable, creds, this.fds.preserved);
    nameTerminal(kernel, mountNs, stdio.tty, creds.ruid);
    if (this.fds.hasTerminal) bindConsole(kernel, mountNs, stdio);
    const init = createInit(kernel, {
      argv: process.args.map(byteString),
      envp: this.fds.listener < 0 ? process.env.map(byteString) : withHome(kernel, mountNs, process.env.map(byteString), process.uid),
      cwd: byteString(process.cwd),
      mountNs,
      creds,
      rlimits,
      fdTable,
      umask: process.umask,
      noNewPrivs: process.noNewPrivileges,
      oomScoreAdj: process.oomScoreAdj,
      onExit: (status) => this.initExited(status),
    });
    if (isLaunchFailure(init)) throw this.startDeath !== null ? new StartError(this.startDeath, EXIT_OWN_FAILURE) : launchError(init, process.args[0] ?? '');
    this.init = init;
    init.nice = this.callersNice;
    init.seccomp = seccompOf(config);
    stdio.tty?.adopt(init.threadGroup);
    if (this.fds.listener < 0) return;
    this.commands = new Commands(kernel, init, mountNs, { seccomp: init.seccomp, limits: this.limits, notify: config.hasNotifySocket === true ? new NotifySocket(kernel, setupContext(kernel, { mount: mountNs.root, dentry: mountNs.root.root })) : null, onStart: () => this.writeStarted() });
    this.commands.hold();
  }

  /** Errors of a dead Gofer's filesystems are not what went wrong. */
  private mountNamespace(kernel: Kernel, trees: GoferTrees): MountNamespace {
    try {
      return buildMounts(kernel, trees, this.config);
    } catch (error) {
      throw this.startDeath === null ? error : new StartError(this.startDeath, EXIT_OWN_FAILURE);
    }
  }

  /** Runs the container until its init has exited. `onState` is told of job control stops of init. */
  run(onState: (state: StateMessage['type']) => void): ExitMessage | ErrorMessage {
    const kernel = this.kernel as Kernel;
    const control = new ControlChannel(kernel, this.init as Task, this.fds.controlSentry, onState);
    control.open();
    this.commands?.serve(this.fds.listener);
    if (this.commands !== null && this.fds.startRequests >= 0) new StartRequests(kernel, this.commands, this.fds).open();
    if (this.hostSignals !== null && this.commands !== null) this.hostSignals.open(kernel, this.commands);
    // Nothing is ever unread on this socket between two calls: what wakes us is its end.
    kernel.platform.watch(this.fds.goferClient, EPOLLRDHUP, { onHostEvent: () => this.goferDied('its socket closed') });
    const status = kernel.run();
    if (kernel.fatalMessage !== null) return { type: 'error', message: kernel.fatalMessage, status: EXIT_OWN_FAILURE };
    return this.outcome ?? exitMessage(status);
  }

  /** Tells the commands that wait for the container, after its status was written down. */
  tellWaiters(outcome: ExitMessage | ErrorMessage): void {
    if (outcome.type === 'exit') this.commands?.tellExit(outcome);
  }

  /** Ends every stub. Idempotent. */
  shutdown(): void {
    this.platform.shutdown();
  }

  private writeStarted(): number {
    return this.fds.exitFile < 0 ? 0 : write(this.fds.exitFile, Buffer.from(STATUS_STARTED));
  }

  private initExited(status: number): void {
    this.outcome = exitMessage(status);
  }

  private goferDied(why: string): void {
    const message = `the gofer died: ${why}`;
    if (this.kernel !== null) {
      this.kernel.platform.unwatch(this.fds.goferClient);
      this.kernel.onFatal(message);
    }
    this.startDeath ??= message;
  }
}

/** The filter that every process from outside starts with. */
function seccompOf(config: SandboxConfig): SeccompState | null {
  if (config.seccomp === undefined) return null;
  const state = filterState(Buffer.from(config.seccomp, 'base64'));
  if (state === null) throw new StartError('linux.seccomp: the filter is not valid', EXIT_OWN_FAILURE);
  return state;
}

function exitMessage(status: number): ExitMessage {
  return { type: 'exit', status: (status >> 8) & 255, signo: status & 127 };
}

function logLine(level: string, message: string): Uint8Array {
  return Buffer.from(`${JSON.stringify({ level, time: new Date().toISOString(), msg: message })}\n`);
}
