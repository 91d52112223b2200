// SPDX-License-Identifier: Apache-2.0

/**
 * Further containers of a pod, in the sandbox of its first: each with a Gofer, mounts, control socket and first process of its own.
 *
 * Invariants: a container whose creation fails has left nothing. One that ends, for whatever reason, takes its own processes, connections
 *             and descriptors with it and touches no other's; whoever stands for it outside is told once all that is gone.
 */
import { isErrno } from '../../platform/abi/linux/errno.ts';
import { EPOLLRDHUP } from '../../platform/abi/linux/poll.ts';
import { SIGKILL } from '../../platform/abi/linux/signal.ts';
import type { Peer } from '../../sentry/control/control_server.ts';
import type { AddressSpace } from '../../platform/platform.ts';
import type { Command, PodNamespaces, Reply } from '../../sentry/control/messages/commands.ts';
import { STATUS_STARTED } from '../../sentry/control/messages/lifecycle.ts';
import { type ContainerNamespaces, GuestContainer } from '../../sentry/kernel/guest_container.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import { IpcNamespace, NetNamespace, newNamespaceInum, UtsNamespace } from '../../sentry/kernel/namespaces.ts';
import { PidNamespace } from '../../sentry/kernel/process/pid_namespace.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { MountNamespace } from '../../sentry/vfs/mount.ts';
import { leaveNamespace } from '../../sentry/vfs/mount_tree.ts';
import { errnoWords, EXIT_OWN_FAILURE } from '../errors.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { Commands } from './commands.ts';
import { makeInit } from './container_init.ts';
import { devicePolicy } from './device_access.ts';
import { connectGofer, type GoferTrees } from './gofer_trees.ts';
import { setLimits } from './limits.ts';
import { buildMounts, setupContext } from './mounts.ts';
import { NotifySocket } from './notify_socket.ts';
import { StartError } from './start_error.ts';
import { type ContainerFiles, containerFiles, dropFiles } from './stdio.ts';

type CreateCommand = Extract<Command, { type: 'create' }>;

/** Descriptors of the runtime's own that come before the container's. */
const OWN_FDS = 3;

export class Pod {
  readonly kernel: Kernel;
  /** The nice value that containers begin with. */
  readonly nice: number;
  private readonly containers = new Map<string, PodContainer>();
  /** Made for containers that are to be created. */
  private readonly nurseries = new Map<Peer, AddressSpace>();

  constructor(kernel: Kernel, nice: number) {
    this.kernel = kernel;
    this.nice = nice;
  }

  /** Makes what a container's memory will come from, so that whoever creates it can put that into its cgroup first. */
  prepare(peer: Peer): Reply {
    const nursery = this.nurseries.get(peer) ?? this.kernel.platform.newNursery();
    if (isErrno(nursery)) return { type: 'failed', message: `no process for its memory: ${errnoWords(nursery)}` };
    this.nurseries.set(peer, nursery);
    peer.onClose = () => this.takeNursery(peer)?.release();
    return { type: 'prepared', stub: nursery.hostPid };
  }

  private takeNursery(peer: Peer): AddressSpace | null {
    const nursery = this.nurseries.get(peer) ?? null;
    this.nurseries.delete(peer);
    return nursery;
  }

  /** Makes a container; it does not run before its `start`. Owns `fds`. */
  create(command: CreateCommand, fds: readonly number[], peer: Peer): Reply {
    const { id } = command;
    const refusal = fds.length < OWN_FDS + 3 ? 'descriptors are missing' : this.containers.has(id) ? 'container with given ID already exists' : '';
    if (refusal === '') return this.make(command, fds, peer);
    for (const fd of fds) this.kernel.host.files.close(fd);
    return { type: 'failed', message: refusal };
  }

  private make(command: CreateCommand, fds: readonly number[], peer: Peer): Reply {
    const { id } = command;
    const container = new PodContainer(this, new GuestContainer(id, this.namespaces(command)), fds, peer);
    container.guest.nursery = this.takeNursery(peer);
    try {
      const init = container.load(command, fds.slice(OWN_FDS));
      this.containers.set(id, container);
      const { guest } = container;
      return { type: 'started', pid: init.threadGroup.pidIn(guest.namespaces.pid) };
    } catch (error) {
      container.release();
      if (error instanceof StartError) return { type: 'failed', message: error.message };
      throw error;
    }
  }

  forget(id: string): void {
    this.containers.delete(id);
  }

  /** Its namespaces: new ones, the sandbox's or another container's. */
  private namespaces({ namespaces, config }: CreateCommand): ContainerNamespaces {
    const { kernel } = this;
    const { userNs } = kernel;
    const { hostname, domainname } = config as SandboxConfig;
    return {
      pid: this.pidNamespace(namespaces.pid),
      uts: namespaces.uts === 'new' ? new UtsNamespace(hostname, domainname || '(none)', userNs) : kernel.uts,
      ipc: namespaces.ipc === 'new' ? new IpcNamespace(userNs) : kernel.ipcNs,
      net: namespaces.net === 'new' ? new NetNamespace(userNs) : kernel.netNs,
    };
  }

  private pidNamespace(wanted: PodNamespaces['pid']): PidNamespace {
    const { pidNs } = this.kernel;
    if (wanted === 'sandbox') return pidNs;
    if (wanted === 'new') return new PidNamespace(pidNs, newNamespaceInum(), null);
    return this.containers.get(wanted.of)?.guest.namespaces.pid ?? pidNs;
  }
}

class PodContainer {
  readonly guest: GuestContainer;
  private readonly pod: Pod;
  private readonly gofer: number;
  private readonly listener: number;
  private readonly statusFile: number;
  private readonly peer: Peer;
  private mountNs: MountNamespace | null = null;
  private trees: GoferTrees | null = null;
  private commands: Commands | null = null;
  private status = SIGKILL;
  private goferDeath: string | null = null;

  constructor(pod: Pod, guest: GuestContainer, fds: readonly number[], peer: Peer) {
    this.pod = pod;
    this.guest = guest;
    this.peer = peer;
    [this.gofer, this.listener, this.statusFile] = fds as [number, number, number];
  }

  /** Mounts its files and loads its program. Returns its init, which is held. Throws StartError. */
  load({ config: plain, hasTerminal }: CreateCommand, stdio: readonly number[]): Task {
    const { pod: { kernel, nice }, guest } = this;
    const config = plain as SandboxConfig;
    setLimits(guest, config);
    if (config.deviceRules !== undefined) guest.devicePolicy = devicePolicy(config.deviceRules);
    const files = containerFiles(kernel, config.process, stdio.map((hostFd, fd) => ({ hostFd, fd })));
    const onExit = (status: number): void => {
      this.status = status;
    };
    const { mountNs, notify, init } = this.withFiles(files, () => {
      this.trees = connectGofer(kernel.host, kernel.platform, this.gofer, config, (why) => this.goferDied(why));
      const mountNs = buildMounts(kernel, this.trees, config, guest);
      this.mountNs = mountNs;
      const root = { mount: mountNs.root, dentry: mountNs.root.root };
      const notify = config.hasNotifySocket === true ? new NotifySocket(kernel, setupContext(kernel, root, guest)) : null;
      return { mountNs, notify, init: makeInit(kernel, { container: guest, mountNs, config, files, hasTerminal, findsHome: true, nice, onExit }) };
    });
    this.commands = new Commands(kernel, { container: guest, init, mountNs, notify, onStart: () => this.note(STATUS_STARTED) }, null);
    this.commands.hold();
    this.commands.serve(this.listener);
    guest.onEmpty = () => this.ended();
    kernel.platform.watch(this.gofer, EPOLLRDHUP, { onHostEvent: () => this.goferDied('its socket closed') });
    this.followPeer();
    return init;
  }

  /** Whoever stands for the container outside passes signals on, and its end is the container's. */
  private followPeer(): void {
    const { peer, commands } = this;
    peer.onClose = () => this.kill();
    peer.onCommand = (command) => {
      if (command.type !== 'signal') return false;
      commands?.kill(command.signo, command.target === 'foreground' ? 'foreground' : 'init');
      return true;
    };
  }

  private withFiles<T>(files: ContainerFiles, act: () => T): T {
    try {
      return act();
    } catch (error) {
      dropFiles(files);
      throw this.goferDeath === null ? error : new StartError(this.goferDeath, EXIT_OWN_FAILURE);
    }
  }

  /** Its files are gone: nothing in it can go on. */
  private goferDied(why: string): void {
    const { kernel } = this.pod;
    kernel.platform.unwatch(this.gofer);
    this.goferDeath ??= `the gofer died: ${why}`;
    kernel.host.log('error', `container ${this.guest.id}: ${this.goferDeath}`);
    this.kill();
  }

  private kill(): void {
    this.commands?.kill(SIGKILL, 'init');
  }

  /** Its last process is gone. */
  private ended(): void {
    const { status, peer } = this;
    const exit = { status: (status >> 8) & 255, signo: status & 127 };
    this.note(String(exit.signo !== 0 ? 128 + exit.signo : exit.status));
    this.commands?.tellExit({ type: 'exit', ...exit });
    peer.onClose = null;
    this.release();
    peer.send({ type: 'exit', ...exit });
  }

  /** Writes to the file that says what became of the container. Returns errno or the length. */
  private note(text: string): number {
    const bytes = Buffer.from(text);
    return this.pod.kernel.host.files.write(this.statusFile, bytes, 0, bytes.length);
  }

  /** Lets go of everything it had. */
  release(): void {
    const { kernel } = this.pod;
    const { files } = kernel.host;
    this.pod.forget(this.guest.id);
    this.commands?.close();
    kernel.platform.unwatch(this.gofer);
    if (this.mountNs !== null) leaveNamespace(kernel.vfs, this.mountNs);
    this.trees?.[0]?.connection.close();
    this.guest.nursery?.release();
    this.guest.nursery = null;
    for (const fd of [this.gofer, this.listener, this.statusFile]) files.close(fd);
  }
}
