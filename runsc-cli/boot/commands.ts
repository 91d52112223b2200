// SPDX-License-Identifier: Apache-2.0

/**
 * What each command on the control socket does to the kernel.
 *
 * Invariants: until `start` the container's init is loaded but has not run an instruction. A process started by `exec` dies when
 *             the connection it was asked for on does.
 */
import { network } from '../../sentry/net/netlink/network_view.ts';
import { accept4 } from '../../platform/ffi/sockets.ts';
import { SIGKILL } from '../../platform/abi/linux/signal.ts';
import { ControlServer, type Peer } from '../../sentry/control/control_server.ts';
import type { Command, ProcessFacts, Reply } from '../../sentry/control/messages/commands.ts';
import { cmdline } from '../../sentry/fs/proc/pid_memory.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import { groupCpuNs } from '../../sentry/kernel/process/usage.ts';
import type { ThreadGroup } from '../../sentry/kernel/process/thread_group.ts';
import { beginGroupExit, sendFromOutside } from '../../sentry/kernel/signal/send.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { MountNamespace } from '../../sentry/vfs/mount.ts';
import type { ExitMessage } from '../../sentry/control/messages/lifecycle.ts';
import type { GuestContainer } from '../../sentry/kernel/guest_container.ts';
import { changeLimits } from './limits.ts';
import type { NotifySocket } from './notify_socket.ts';
import { errnoWords } from '../errors.ts';
import { type ExecPlace, startExec } from './exec.ts';
import type { Pod } from './pod.ts';

const SOCK_CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;

/** What of a container commands act on. */
export interface CommandedContainer {
  readonly container: GuestContainer;
  readonly init: Task;
  readonly mountNs: MountNamespace;
  readonly notify: NotifySocket | null;
  /** Writes down that it was started. Returns errno, and it is not, or what is not negative. */
  readonly onStart: () => number;
}

export class Commands {
  private readonly kernel: Kernel;
  private readonly container: GuestContainer;
  private readonly init: Task;
  private readonly place: ExecPlace;
  private readonly notify: NotifySocket | null;
  private readonly onStart: () => number;
  /** Makes further containers; null: this is one. */
  private readonly pod: Pod | null;
  private readonly waiters = new Set<Peer>();
  private server: ControlServer | null = null;
  private isHeld = false;

  constructor(kernel: Kernel, { container, init, mountNs, notify, onStart }: CommandedContainer, pod: Pod | null) {
    this.kernel = kernel;
    this.container = container;
    this.init = init;
    this.place = { container, mountNs, seccomp: init.seccomp };
    this.notify = notify;
    this.onStart = onStart;
    this.pod = pod;
  }

  /** Keeps init from running until `start`. */
  hold(): void {
    this.isHeld = true;
    const { ready } = this.kernel;
    const at = ready.indexOf(this.init);
    if (at >= 0) ready.splice(at, 1);
  }

  /** Serves the listening socket `fd`. */
  serve(fd: number): void {
    this.server = new ControlServer(this.kernel, () => accept4(fd, null, null, SOCK_CLOEXEC_NONBLOCK), (command, fds, peer) => this.handle(command, fds, peer));
    this.server.open(fd);
  }

  /** Ends all connections; the listening socket is the caller's again. */
  close(): void {
    this.server?.close();
  }

  /** Tells whoever waits for the container. */
  tellExit(outcome: ExitMessage): void {
    for (const peer of this.waiters) peer.send({ type: 'exit', status: outcome.status, signo: outcome.signo });
  }

  /** A signal from outside. */
  kill(signo: number, target: 'init' | 'all' | 'foreground'): void {
    if (target === 'all') {
      for (const group of this.groups()) if (group !== this.init.threadGroup) this.signal(group, signo);
    }
    const foreground = target === 'foreground' ? this.init.threadGroup.processGroup.session.foreground : null;
    if (foreground !== null) for (const member of [...foreground.members]) this.signal(member, signo);
    else this.signal(this.init.threadGroup, signo);
  }

  private signal(group: ThreadGroup, signo: number): void {
    if (signo === 0) return;
    sendFromOutside(group, signo);
    // A held init must have its turn to die.
    if (this.isHeld && group === this.init.threadGroup && group.isExiting) this.release();
  }

  /** Lets init run, once. '' or why not. */
  start(): string {
    if (!this.isHeld || this.container.isFrozen) return 'cannot start an already running container';
    const written = this.onStart();
    if (written < 0) return `status file: ${errnoWords(written)}`;
    this.release();
    return '';
  }

  private release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    // Whoever made the network namespace has arranged it by now. It can be asked once.
    const view = this.container === this.kernel.container ? this.kernel.host.network?.refresh?.() : undefined;
    if (view !== undefined) network.view = view;
    this.kernel.ready.push(this.init);
  }

  private handle(command: Command, fds: readonly number[], peer: Peer): Reply | null {
    if (command.type === 'exec') return startExec(this.kernel, this.place, command.process, fds, peer);
    if (command.type === 'create' && this.pod !== null) return this.pod.create(command, fds, peer);
    for (const fd of fds) this.kernel.host.files.close(fd);
    if (command.type === 'prepare' && this.pod !== null) return this.pod.prepare(peer);
    switch (command.type) {
      case 'start': {
        const why = this.start();
        return why === '' ? { type: 'ok' } : { type: 'failed', message: why };
      }
      case 'notify':
        if (this.notify === null) return { type: 'failed', message: 'the container has no socket for it' };
        return this.notify.ask(peer) ? { type: 'notified' } : null;
      case 'limits':
        changeLimits(this.kernel, this.container, command.changes);
        return { type: 'ok' };
      case 'kill':
        this.kill(command.signo, command.target);
        return { type: 'ok' };
      case 'pause':
        this.kernel.freeze(this.container);
        return { type: 'ok' };
      case 'resume':
        this.kernel.thaw(this.container);
        return { type: 'ok' };
      case 'wait':
        this.waiters.add(peer);
        peer.onClose = () => this.waiters.delete(peer);
        return null;
      case 'processes':
        return { type: 'processes', list: [...this.groups()].map((group) => this.facts(group)) };
      case 'ping':
        return { type: 'ok' };
      default:
        return { type: 'failed', message: 'not on this connection' };
    }
  }

  private groups(): Set<ThreadGroup> {
    const out = new Set<ThreadGroup>();
    for (const task of this.kernel.tasks.values()) if (task.isLive && task.threadGroup.container === this.container) out.add(task.threadGroup);
    return out;
  }

  private facts(group: ThreadGroup): ProcessFacts {
    const leader = group.leader as Task;
    const ns = this.container.namespaces.pid;
    const live = leader.isLive ? leader : ([...group.tasks][0] ?? leader);
    const args = live.isLive ? Buffer.from(cmdline(live)).toString('utf8').replace(/\0+$/, '').replaceAll('\0', ' ') : '';
    return {
      pid: group.pidIn(ns),
      ppid: group.parent?.pidIn(ns) ?? 0,
      uid: leader.creds.euid,
      stubPid: live.isLive ? live.mm.addressSpace.hostPid : 0,
      cpuSeconds: groupCpuNs(group) / 1e9,
      startedSeconds: this.kernel.bootRealtimeSec + (group.startTimeNs - this.kernel.bootBoottimeNs) / 1e9,
      command: args.slice(0, 4096) || leader.comm,
    };
  }
}

/** Ends a process as SIGKILL from outside does. */
export function killGroup(group: ThreadGroup): void {
  if (!group.isDead) beginGroupExit(group, SIGKILL);
}
