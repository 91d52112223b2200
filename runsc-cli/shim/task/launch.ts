// SPDX-License-Identifier: Apache-2.0

/**
 * Makes and starts processes: a container's init through `create`, which leaves it to the shim as a child, and execs.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasForkFlags } from '../../../platform/ffi/forkable.ts';
import { isAlive } from '../../container/process_identity.ts';
import { Container } from '../../container/state.ts';
import { messageOf, RunscError } from '../../errors.ts';
import { mountRootfs, unmountRootfs } from '../mounts.ts';
import { saveOptions } from '../options.ts';
import { ended, runRuntime } from '../runtime_command.ts';
import { askSandbox } from '../sandbox_control.ts';
import { openIo } from '../stdio/open.ts';
import type { ProcessIo } from '../stdio/process_io.ts';
import type { TaskContainer } from './container.ts';
import { execInSandbox, specText } from './exec.ts';
import { watchOom } from './oom.ts';
import type { TaskProcess } from './process.ts';
import type { ServiceContext } from './service.ts';

const LOCK_ATTEMPTS = 300;
const LOCK_PAUSE_MS = 20;
let sequence = 0;

/** Makes a container; nothing is left when it fails. Throws RunscError. */
export async function createInit(container: TaskContainer, context: ServiceContext): Promise<void> {
  const { bundle, init, rootfs, rootfsPath } = container;
  saveOptions(bundle, container.options);
  mountRootfs(rootfs, rootfsPath);
  let isMade = false;
  const made = (): void => {
    isMade = true;
  };
  try {
    await launch(container, init, context, (io) => byCommand(container, context, io, ['create', '--bundle', bundle], join(bundle, 'init.pid'), made));
    init.phase = 'created';
  } catch (error) {
    // It was made, but its terminal cannot be had, or the like.
    if (isMade) await runRuntime(context.reaper, container, ['delete', '--force', container.id]).catch((left: unknown) => context.log(messageOf(left)));
    if (rootfs.length > 0) unmountRootfs(rootfsPath);
    throw error;
  }
}

/** Opens a process's descriptors and makes it with `make`, which returns its pid; its end is kept from then on. */
async function launch(container: TaskContainer, process: TaskProcess, context: ServiceContext, make: (io: ProcessIo) => Promise<number>): Promise<void> {
  const { reaper, namespace } = context;
  const io = await openIo(process.stdio, container.options, { id: container.id, namespace, born: (child) => void ended(reaper, child) });
  process.useIo(io);
  try {
    await reaper.whileStarting(async () => {
      process.pid = await make(io);
      reaper.expect(process.pid);
    });
  } catch (error) {
    process.io = null;
    io.close();
    throw error;
  }
}

/** Makes a process through a command that writes its pid. `made` is called when it has succeeded. */
async function byCommand(container: TaskContainer, context: ServiceContext, io: ProcessIo, args: readonly string[], pidFile: string, made?: () => void): Promise<number> {
  const terminal = io.isTerminal ? ['--console-socket', io.listenForMaster()] : [];
  await runRuntime(context.reaper, container, [...args, ...terminal, '--pid-file', pidFile, container.id], { stdio: io.childStdio });
  made?.();
  io.started();
  return Number(readFileSync(pidFile, 'latin1'));
}

/** Runs a created container's process. Throws RunscError. */
export async function startInit(container: TaskContainer, context: ServiceContext): Promise<void> {
  const state = await locked(container);
  try {
    const { hooks } = state.record;
    const hasHooks = hooks.startContainer !== undefined || hooks.poststart !== undefined;
    if (hasHooks) state.unlock();
    if (hasHooks) await runRuntime(context.reaper, container, ['start', container.id]);
    else {
      if (state.status !== 'created') throw new RunscError(state.status === 'stopped' ? 'cannot start a container that has stopped' : 'cannot start an already running container');
      state.record.phase = 'running';
      state.save();
      if ((await askSandbox(container.stateDirectory, { type: 'start' })) === null && isAlive(state.process)) throw new RunscError('the sandbox does not answer');
    }
  } finally {
    state.unlock();
  }
  container.stopOomWatch = watchOom(state.record.cgroupsPath, () => context.events.publish('TaskOOM', { containerId: container.id }));
}

/** A container's state, locked; without standing still while a command holds it. Throws RunscError. */
export async function locked(container: TaskContainer): Promise<Container> {
  for (let attempt = 1; ; attempt++) {
    try {
      return Container.loadLocked(container.root, container.id, 0);
    } catch (error) {
      if (attempt >= LOCK_ATTEMPTS || !messageOf(error).includes('in use')) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
  }
}

/** Starts a process that was added. Throws RunscError. */
export async function startExec(container: TaskContainer, process: TaskProcess, context: ServiceContext): Promise<void> {
  // Another runtime's sandbox is not ours to talk to; and only a Node with the right flags may fork.
  const make = container.options.binaryName === '' && hasForkFlags() ? (io: ProcessIo) => execInSandbox(container, process, io) : (io: ProcessIo) => execByCommand(container, process, context, io);
  await launch(container, process, context, make);
  process.spec = null;
}

async function execByCommand(container: TaskContainer, process: TaskProcess, context: ServiceContext, io: ProcessIo): Promise<number> {
  const base = join(container.bundle, `exec-${++sequence}`);
  const specFile = `${base}.json`;
  const pidFile = `${base}.pid`;
  writeFileSync(specFile, specText(process), { mode: 0o600 });
  try {
    return await byCommand(container, context, io, ['exec', '--process', specFile, '--detach'], pidFile);
  } finally {
    for (const file of [specFile, pidFile]) rmSync(file, { force: true });
  }
}
