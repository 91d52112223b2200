// SPDX-License-Identifier: Apache-2.0

/**
 * One container of this shim: its processes and what was made for it.
 */
import { join } from 'node:path';
import type { CreateTask } from '../protocol/task_messages.ts';
import type { CommandContext } from '../runtime_command.ts';
import { type ShimOptions, stateRoot } from '../options.ts';
import { ALREADY_EXISTS, NOT_FOUND, StatusError } from '../ttrpc/status.ts';
import { TaskProcess } from './process.ts';

export class TaskContainer implements CommandContext {
  readonly id: string;
  readonly bundle: string;
  readonly namespace: string;
  readonly options: ShimOptions;
  readonly debug: boolean;
  readonly rootfs: CreateTask['rootfs'];
  readonly init: TaskProcess;
  readonly execs = new Map<string, TaskProcess>();
  /** Stops looking for kills for want of memory. */
  stopOomWatch: () => boolean = () => false;

  constructor(request: CreateTask, namespace: string, options: ShimOptions, debug: boolean) {
    const { id, bundle, rootfs, stdin, stdout, stderr, terminal } = request;
    this.id = id;
    this.bundle = bundle;
    this.namespace = namespace;
    this.options = options;
    this.debug = debug;
    this.rootfs = rootfs;
    this.init = new TaskProcess('', { stdin, stdout, stderr, terminal }, null);
  }

  /** The runtime's state directory. */
  get root(): string {
    return stateRoot(this.options, this.namespace);
  }
  get stateDirectory(): string {
    return join(this.root, this.id);
  }
  get rootfsPath(): string {
    return join(this.bundle, 'rootfs');
  }

  /** Throws StatusError. */
  process(execId: string): TaskProcess {
    const process = execId === '' ? this.init : this.execs.get(execId);
    if (process === undefined) throw new StatusError(NOT_FOUND, `process ${execId}: not found`);
    return process;
  }

  add(process: TaskProcess): void {
    if (this.execs.has(process.execId)) throw new StatusError(ALREADY_EXISTS, `id ${process.execId}: already exists`);
    this.execs.set(process.execId, process);
  }
}

