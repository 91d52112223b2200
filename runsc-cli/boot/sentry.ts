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
import { EPOLLRDHUP } from '../../platform/abi/linux/poll.ts';
import { Kernel } from '../../sentry/kernel/kernel.ts';
import { hostEnds } from '../../sentry/net/unix/host_end.ts';
import { loadProgram } from '../../sentry/loader/load_program.ts';
import { heapFileBytes } from '../../sentry/fs/tmpfs/tmpfs_file.ts';
import { HeapTrim } from '../../sentry/kernel/heap_trim.ts';
import { MemoryWatch } from '../../sentry/kernel/memory_watch.ts';
import { MemoryBudget } from '../../sentry/mm/memory_budget.ts';
import { VirtualFilesystem } from '../../sentry/vfs/virtual_filesystem.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { STATUS_STARTED, type ErrorMessage, type ExitMessage, type StateMessage } from '../../sentry/control/messages/lifecycle.ts';
import { EXIT_OWN_FAILURE } from '../errors.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { mark } from '../sandbox/timing.ts';
import { Commands } from './commands.ts';
import { makeInit } from './container_init.ts';
import { devicePolicy } from './device_access.ts';
import { setLimits } from './limits.ts';
import { HostSignals } from './host_signals.ts';
import { ControlChannel } from './control_channel.ts';
import { connectGofer, type GoferTrees } from './gofer_trees.ts';
import { containerFiles, standardFiles } from './stdio.ts';
import { buildMounts, setupContext } from './mounts.ts';
import { NotifySocket } from './notify_socket.ts';
import { heapServices } from './heap.ts';
import { Pod } from './pod.ts';
import type { ChildDescriptors } from './process_entry.ts';
import { StartError } from './start_error.ts';
import { StartRequests } from './start_requests.ts';
import { syscallTable } from './syscall_rows.ts';
import { wireKernel } from './wiring.ts';

export { StartError };

export class Sandbox {
  private readonly config: SandboxConfig;
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
      hostname: config.hostname,
      domainname: config.domainname,
    });
    this.kernel = kernel;
    Object.assign(kernel.timeNs, config.timeOffsets ?? {});
    if (budget.budget !== undefined) new MemoryWatch(kernel, budget.budget);
    const heap = heapServices();
    if (heap !== null) new HeapTrim(kernel, heap);
    kernel.pidNs.protectsInit = config.process.isProtectedInit;
    mark('  sentry: kernel made');
    wireKernel(kernel);
    setLimits(kernel.container, config);
    if (this.unixSockets !== null) hostEnds.services = { sockets: this.unixSockets, files: host.files, platform, mayBind: config.hostUds === 'all' };
    if (config.deviceRules !== undefined) kernel.container.devicePolicy = devicePolicy(config.deviceRules);
    this.startInit(kernel, trees);
  }

  private startInit(kernel: Kernel, trees: GoferTrees): void {
    const { config, fds } = this;
    const { container } = kernel;
    const mountNs = this.starting(() => buildMounts(kernel, trees, config, container));
    mark('  sentry: mounts made');
    const isCommanded = fds.listener >= 0;
    const init = this.starting(() => makeInit(kernel, {
      container, mountNs, config, files: containerFiles(kernel, config.process, standardFiles(kernel, fds.preserved)), hasTerminal: fds.hasTerminal, findsHome: isCommanded, nice: this.callersNice,
      onExit: (status) => this.initExited(status),
    }));
    this.init = init;
    if (!isCommanded) return;
    const root = { mount: mountNs.root, dentry: mountNs.root.root };
    const notify = config.hasNotifySocket === true ? new NotifySocket(kernel, setupContext(kernel, root)) : null;
    this.commands = new Commands(kernel, { container, init, mountNs, notify, onStart: () => this.writeStarted() }, new Pod(kernel, this.callersNice));
    this.commands.hold();
  }

  /** Errors of a dead Gofer's files are not what went wrong. */
  private starting<T>(act: () => T): T {
    try {
      return act();
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

function exitMessage(status: number): ExitMessage {
  return { type: 'exit', status: (status >> 8) & 255, signo: status & 127 };
}

function logLine(level: string, message: string): Uint8Array {
  return Buffer.from(`${JSON.stringify({ level, time: new Date().toISOString(), msg: message })}\n`);
}
