// SPDX-License-Identifier: Apache-2.0

/**
 * containerd's Task service for the containers of one shim. Source: containerd's api/runtime/task/v2/shim.proto.
 *
 * Invariants: events leave in the order create < start < exit < delete, exec-added < exec-started < exit; an init's exit comes after
 *             those of its execs. A container that is not in the table has nothing left that this shim made.
 */
import { kill } from '../../../platform/ffi/lifecycle.ts';
import { messageOf } from '../../errors.ts';
import { decodeOptions } from '../options.ts';
import type { Publisher } from '../events/publisher.ts';
import type { MountMessage } from '../protocol/task_messages.ts';
import { type CreateTask, type ExecProcess, ProcessDetails, STATUS_CREATED, STATUS_PAUSED, STATUS_RUNNING, STATUS_STOPPED } from '../protocol/task_messages.ts';
import type { Exit, Reaper } from '../reaper.ts';
import { runRuntime } from '../runtime_command.ts';
import { askSandbox } from '../sandbox_control.ts';
import { ALREADY_EXISTS, FAILED_PRECONDITION, NOT_FOUND, StatusError, UNIMPLEMENTED, UNKNOWN } from '../ttrpc/status.ts';
import { TaskContainer } from './container.ts';
import { hostPidsOf } from './host_pids.ts';
import { createInit, startExec, startInit } from './launch.ts';
import { removeContainer } from './removal.ts';
import { TaskProcess } from './process.ts';
import { taskStats } from './stats.ts';

const SIGKILL = 9;
const DRAIN_MS = 10_000;
const EXECS_END_MS = 5000;
const PHASES = { added: STATUS_CREATED, created: STATUS_CREATED, running: STATUS_RUNNING, paused: STATUS_PAUSED, stopped: STATUS_STOPPED } as const;

export interface ServiceContext {
  readonly namespace: string;
  readonly debug: boolean;
  readonly reaper: Reaper;
  readonly events: Publisher;
  readonly log: (message: string) => void;
  /** The last container is gone and containerd is done with us. */
  readonly onShutdown: () => void;
}

export class TaskService {
  private readonly context: ServiceContext;
  private readonly containers = new Map<string, TaskContainer>();
  /** Being created. */
  private readonly claimed = new Set<string>();

  constructor(context: ServiceContext) {
    this.context = context;
  }

  /** Throws StatusError. */
  private find(id: string): TaskContainer {
    const container = this.containers.get(id);
    if (container === undefined) throw new StatusError(NOT_FOUND, `container not created: ${id}`);
    return container;
  }

  async create(request: CreateTask): Promise<{ pid: number }> {
    const { id } = request;
    if (this.containers.has(id) || this.claimed.has(id)) throw new StatusError(ALREADY_EXISTS, `container ${id}: already exists`);
    if (request.checkpoint !== '') throw new StatusError(UNIMPLEMENTED, 'restore is not supported');
    this.claimed.add(id);
    try {
      const container = new TaskContainer(request, this.context.namespace, decodeOptions(request.options), this.context.debug);
      const { init, bundle, rootfs } = container;
      await createInit(container, this.context);
      this.containers.set(id, container);
      const { terminal, ...paths } = init.stdio;
      this.context.events.publish('TaskCreate', { containerId: id, bundle, rootfs: rootfs as MountMessage[], io: { ...paths, terminal }, checkpoint: '', pid: init.pid });
      this.follow(container, init);
      return { pid: init.pid };
    } catch (error) {
      throw error instanceof StatusError ? error : new StatusError(UNKNOWN, `OCI runtime create failed: ${messageOf(error)}`);
    } finally {
      this.claimed.delete(id);
    }
  }

  /** Tells containerd when a process has ended; not before what is being done with it is done. */
  private follow(container: TaskContainer, process: TaskProcess): void {
    const { reaper, log } = this.context;
    void reaper.wait(process.pid).then((exit) => process.exclusively(async () => {
      const { execs } = container;
      if (process.execId === '') {
        const running = [...execs.values()].filter((exec) => exec.phase === 'running');
        await within(EXECS_END_MS, Promise.all(running.map((exec) => exec.ended)));
        container.stopOomWatch();
      }
      this.tellExit(container, process, exit);
    })).catch((error: unknown) => log(`${container.id}: ${messageOf(error)}`));
  }

  private tellExit({ id }: TaskContainer, process: TaskProcess, exit: Exit): void {
    if (process.phase === 'stopped') return;
    const { events, reaper } = this.context;
    events.publish('TaskExit', { containerId: id, id: process.execId === '' ? id : process.execId, pid: process.pid, exitStatus: exit.status, exitedAt: exit.at });
    reaper.forget(process.pid);
    process.finish(exit);
  }

  async start(id: string, execId: string): Promise<{ pid: number }> {
    const container = this.find(id);
    const process = container.process(execId);
    const { events } = this.context;
    return process.exclusively(async () => {
      if (execId === '') {
        if (process.phase !== 'created') throw new StatusError(FAILED_PRECONDITION, `cannot start a ${process.phase} process`);
        await startInit(container, this.context).catch((error: unknown) => {
          throw new StatusError(UNKNOWN, `OCI runtime start failed: ${messageOf(error)}`);
        });
        process.phase = 'running';
        events.publish('TaskStart', { containerId: id, pid: process.pid });
      } else {
        if (process.phase !== 'added') throw new StatusError(FAILED_PRECONDITION, `cannot start a ${process.phase} process`);
        if (container.init.phase === 'stopped') throw new StatusError(FAILED_PRECONDITION, 'cannot exec in a stopped container');
        await startExec(container, process, this.context).catch((error: unknown) => {
          throw new StatusError(UNKNOWN, `OCI runtime exec failed: ${messageOf(error)}`);
        });
        process.phase = 'running';
        events.publish('TaskExecStarted', { containerId: id, execId, pid: process.pid });
        this.follow(container, process);
      }
      return { pid: process.pid };
    });
  }

  async exec(request: ExecProcess): Promise<object> {
    const { id, execId, stdin, stdout, stderr, terminal, spec } = request;
    const container = this.find(id);
    if (execId === '') throw new StatusError(ALREADY_EXISTS, `id ${execId}: already exists`);
    container.add(new TaskProcess(execId, { stdin, stdout, stderr, terminal }, spec?.value ?? new Uint8Array()));
    this.context.events.publish('TaskExecAdded', { containerId: id, execId });
    return {};
  }

  async delete(id: string, execId: string): Promise<object> {
    const container = this.find(id);
    const process = container.process(execId);
    return process.exclusively(async () => {
      if (process.phase === 'running' || process.phase === 'paused') throw new StatusError(FAILED_PRECONDITION, `cannot delete a ${process.phase} process`);
      if (execId !== '') {
        await letGo(process);
        container.execs.delete(execId);
      } else await this.deleteInit(container);
      return { pid: process.pid, ...process.exitFields };
    });
  }

  private async deleteInit(container: TaskContainer): Promise<void> {
    const { init, id } = container;
    const { events, reaper } = this.context;
    if (init.phase === 'created') {
      kill(init.pid, SIGKILL);
      this.tellExit(container, init, await reaper.wait(init.pid));
    }
    await letGo(init);
    for (const exec of container.execs.values()) exec.io?.close();
    await removeContainer(container, reaper).catch((error: unknown) => {
      throw new StatusError(UNKNOWN, messageOf(error));
    });
    this.containers.delete(id);
    events.publish('TaskDelete', { containerId: id, pid: init.pid, ...init.exitFields });
  }

  state(id: string, execId: string): object {
    const container = this.find(id);
    const process = container.process(execId);
    const { pid, phase, stdio } = process;
    return { id, bundle: container.bundle, pid, status: PHASES[phase], ...stdio, ...process.exitFields, execId };
  }

  async kill(id: string, execId: string, signal: number, all: boolean): Promise<object> {
    const container = this.find(id);
    const process = container.process(execId);
    if (process.phase === 'added') throw new StatusError(FAILED_PRECONDITION, 'process not created');
    const finished = new StatusError(NOT_FOUND, 'process already finished');
    if (process.phase === 'stopped') throw finished;
    if (execId !== '') {
      if (kill(process.pid, signal) < 0) throw finished;
      return {};
    }
    const reply = signal === 0 ? { type: 'ok' } : await askSandbox(container.stateDirectory, { type: 'kill', signo: signal, target: all ? 'all' : 'init' });
    if (reply !== null) return {};
    // It neither takes commands nor ends: SIGKILL works on anything.
    if (signal !== SIGKILL || kill(process.pid, SIGKILL) < 0) throw finished;
    return {};
  }

  async pids(id: string): Promise<object> {
    const container = this.find(id);
    if (container.init.phase === 'stopped') return { processes: [] };
    const pids = await hostPidsOf(container);
    const execs = [...container.execs.values()].filter((exec) => exec.phase === 'running');
    return {
      processes: [
        ...pids.map((pid) => ({ pid })),
        ...execs.map(({ pid, execId }) => ({ pid, info: { typeUrl: 'containerd.runc.v1.ProcessDetails', value: ProcessDetails.encode({ execId }) } })),
      ],
    };
  }

  async pause(id: string): Promise<object> {
    await this.move(id, 'pause', 'running', 'paused');
    this.context.events.publish('TaskPaused', { containerId: id });
    return {};
  }

  async resume(id: string): Promise<object> {
    await this.move(id, 'resume', 'paused', 'running');
    this.context.events.publish('TaskResumed', { containerId: id });
    return {};
  }

  private move(id: string, verb: string, from: 'running' | 'paused', to: 'running' | 'paused'): Promise<void> {
    const container = this.find(id);
    const { init } = container;
    return init.exclusively(async () => {
      if (init.phase !== from) throw new StatusError(FAILED_PRECONDITION, `cannot ${verb} a ${init.phase} container`);
      await runRuntime(this.context.reaper, container, [verb, id]);
      init.phase = to;
    });
  }

  resize(id: string, execId: string, width: number, height: number): object {
    this.find(id).process(execId).io?.resize(width, height);
    return {};
  }

  closeIo(id: string, execId: string, stdin: boolean): object {
    const process = this.find(id).process(execId);
    if (stdin) process.closeStdin();
    return {};
  }

  async update(id: string, resources: { value: Uint8Array } | null): Promise<object> {
    const container = this.find(id);
    const input = Buffer.from(resources?.value ?? []).toString();
    await container.init.exclusively(() => runRuntime(this.context.reaper, container, ['update', '--resources', '-', id], { stdio: ['ignore', 'ignore', 'ignore'], input }));
    return {};
  }

  async wait(id: string, execId: string): Promise<object> {
    const process = this.find(id).process(execId);
    await process.ended;
    return process.exitFields;
  }

  stats(id: string): object {
    return { stats: taskStats(this.find(id)) };
  }

  async checkpoint(): Promise<object> {
    throw new StatusError(UNIMPLEMENTED, 'checkpoint is not supported');
  }

  /** Also when there is no such container yet: containerd asks who we are. */
  connect(id: string): object {
    return { shimPid: process.pid, taskPid: this.containers.get(id)?.init.pid ?? 0, version: '' };
  }

  shutdown(): object {
    if (this.containers.size === 0 && this.claimed.size === 0) this.context.onShutdown();
    return {};
  }
}

/** Waits until what a process wrote is taken, but not for ever. */
async function letGo(process: TaskProcess): Promise<void> {
  const { io } = process;
  if (io === null) return;
  await within(DRAIN_MS, io.drained);
  io.close();
}

async function within(ms: number, what: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([what, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
