// SPDX-License-Identifier: Apache-2.0

/**
 * A container's directory under --root: state.json (what every command knows of it), lock, control.sock, and status (its exit status).
 *
 * Invariants: state.json is replaced as a whole. Who changes a container holds its lock; who only looks does not. A container is
 *             stopped when its Sentry, or in a pod's its waiter, does not run, whatever state.json says: a crash of any part leaves nothing to repair. That it was started
 *             is written down by the Sentry, before anybody is told (the file `status`): who starts it need not be able to write state.json.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { flock } from '../../platform/ffi/files.ts';
import { poll } from '../../platform/ffi/lifecycle.ts';
import { STATUS_STARTED } from '../../sentry/control/messages/lifecycle.ts';
import { RunscError, systemReason } from '../errors.ts';
import type { ProcessConfig } from '../sandbox/config.ts';
import { OCI_VERSION } from '../spec/default_spec.ts';
import type { Hooks } from '../spec/hooks.ts';
import { identify, isAlive, type ProcessIdentity } from './process_identity.ts';

const LOCK_EX_NB = 2 | 4;
const LOCK_WAIT_MS = 30_000;

export type Status = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

export interface ContainerRecord {
  readonly ociVersion: string;
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** What its UTS namespace would be called: containers of its pod have the same name. */
  readonly hostname: string;
  readonly owner: string;
  /** What it is as long as the process runs that stands for it; one that was created may be running by now (see status). */
  phase: Exclude<Status, 'stopped'>;
  /** Its Sentry; of a container in a pod's sandbox that of the pod. */
  sentry: ProcessIdentity | null;
  /** The id of the container whose sandbox it is in; null: it has one of its own. */
  readonly pod: string | null;
  /** In a pod's sandbox: the process that stands for it outside. */
  waiter: ProcessIdentity | null;
  gofer: ProcessIdentity | null;
  /** The command that runs it in the foreground: without it, it is not left for somebody to delete. */
  foreground: ProcessIdentity | null;
  /** Cgroup directories that were made for it. */
  cgroups: readonly string[];
  /** It has a socket for its service to say that it is ready. */
  hasNotifySocket: boolean;
  /** The systemd unit whose cgroup it is; '': none. */
  systemdUnit: string;
  /** linux.cgroupsPath as joined; '': it is in its creator's cgroups. */
  cgroupsPath: string;
  readonly hooks: Hooks;
  /** What exec starts from. */
  readonly process: ProcessConfig | null;
}

export const NO_CONTAINER = 'container does not exist';

export class Container {
  readonly directory: string;
  record: ContainerRecord;
  private lockFd: number;

  private constructor(directory: string, record: ContainerRecord, lockFd: number) {
    this.directory = directory;
    this.record = record;
    this.lockFd = lockFd;
  }

  get id(): string {
    return this.record.id;
  }

  /** Claims an id: the directory is made and locked. Throws RunscError: "container with given ID already exists". */
  static claim(root: string, facts: Pick<ContainerRecord, 'id' | 'bundle' | 'rootfs' | 'annotations' | 'hostname' | 'hooks' | 'process' | 'pod'>, ociVersion: string, isForeground: boolean): Container {
    const directory = join(root, facts.id);
    try {
      mkdirSync(root, { recursive: true, mode: 0o700 });
      try {
        mkdirSync(directory, { mode: 0o700 });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        if (!removeLeftover(root, facts.id)) throw new RunscError('container with given ID already exists');
        mkdirSync(directory, { mode: 0o700 });
      }
      const record: ContainerRecord = {
        ociVersion, ...facts, created: `${new Date().toISOString().slice(0, -1)}000000Z`, owner: '', phase: 'creating', sentry: null, waiter: null, gofer: null,
        foreground: isForeground ? identify(process.pid) : null, cgroups: [], hasNotifySocket: false, systemdUnit: '', cgroupsPath: '',
      };
      const lockFd = lock(directory, 0, constants.O_RDWR | constants.O_CREAT);
      const container = new Container(directory, record, lockFd);
      saveFirst(container);
      return container;
    } catch (error) {
      if (error instanceof RunscError) throw error;
      throw new RunscError(`state directory ${directory}: ${systemReason(error)}`);
    }
  }

  /** Looks at a container. Throws RunscError: "container does not exist". */
  static load(root: string, id: string): Container {
    const container = Container.find(root, id);
    if (container === null) throw new RunscError(NO_CONTAINER);
    return container;
  }

  /** Like load(); null when there is none. */
  static find(root: string, id: string): Container | null {
    const directory = join(root, id);
    try {
      if (!statSync(directory).isDirectory()) return null;
    } catch {
      return null;
    }
    return new Container(directory, readRecord(directory, id), -1);
  }

  /** Loads a container to change it: nobody else does until unlock(). Throws RunscError. */
  static loadLocked(root: string, id: string, waitMs = LOCK_WAIT_MS): Container {
    Container.load(root, id);
    const directory = join(root, id);
    const lockFd = lock(directory, waitMs);
    return new Container(directory, readRecord(directory, id), lockFd);
  }

  /** All containers, by id. */
  static all(root: string): Container[] {
    let names: string[];
    try {
      names = readdirSync(root);
    } catch {
      return [];
    }
    return names.sort().flatMap((name) => Container.find(root, name) ?? []);
  }

  /** The process that stands for it outside, whose pid clients know: its Sentry, or its waiter in a pod's. Null before there is one. */
  get process(): ProcessIdentity | null {
    return this.record.pod === null ? this.record.sentry : this.record.waiter;
  }

  get status(): Status {
    const { phase } = this.record;
    const { process } = this;
    if (isAlive(process)) return phase === 'created' && this.statusText().startsWith(STATUS_STARTED) ? 'running' : phase;
    return process === null && this.lockFd < 0 && this.lockIsHeld() ? 'creating' : 'stopped';
  }

  /** What `state` and `list` show. */
  describe(): Record<string, unknown> {
    const { ociVersion, id, bundle, rootfs, created, annotations, owner } = this.record;
    const { status, process } = this;
    return { ociVersion, id, pid: status === 'stopped' ? 0 : (process?.pid ?? 0), status, bundle, rootfs, created, annotations, owner };
  }

  /** Writes state.json. Throws RunscError. */
  save(): void {
    const path = join(this.directory, 'state.json');
    try {
      writeFileSync(`${path}.new`, JSON.stringify(this.record), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch (error) {
      rmSync(`${path}.new`, { force: true });
      throw new RunscError(`state file ${path}: ${systemReason(error)}`);
    }
  }

  unlock(): void {
    if (this.lockFd >= 0) closeSync(this.lockFd);
    this.lockFd = -1;
  }

  /** Frees the id. */
  remove(): void {
    // The lock last: whoever comes after a kill in the middle finds it and goes on, or finds an empty directory.
    try {
      for (const name of readdirSync(this.directory)) if (name !== 'lock') rmSync(join(this.directory, name), { recursive: true, force: true });
    } catch {
      // Gone already.
    }
    rmSync(this.directory, { recursive: true, force: true });
    this.unlock();
  }

  /** The status its init ended with; null: not known. */
  exitStatus(): number | null {
    const text = this.statusText();
    const status = text.startsWith(STATUS_STARTED) ? text.slice(STATUS_STARTED.length) : text;
    return /^\d{1,3}$/.test(status) ? Number(status) : null;
  }

  private statusText(): string {
    try {
      return readFileSync(join(this.directory, 'status'), 'latin1');
    } catch {
      return '';
    }
  }

  private lockIsHeld(): boolean {
    const fd = openLock(this.directory, constants.O_RDWR);
    if (fd < 0) return false;
    const held = flock(fd, LOCK_EX_NB) !== 0;
    closeSync(fd);
    return held;
  }
}

/** The first state of a container; one that cannot be written (a full disk) gives the id back. Throws RunscError. */
function saveFirst(container: Container): void {
  try {
    container.save();
  } catch (error) {
    container.remove();
    throw error;
  }
}

/** A foreground container whose command was killed leaves its directory: it goes when its name is wanted again. */
function removeLeftover(root: string, id: string): boolean {
  // One that was killed before it had the lock has left an empty directory.
  removeEmpty(join(root, id));
  const old = Container.find(root, id);
  if (old === null) return true;
  const { foreground } = old.record;
  if (foreground === null || isAlive(foreground) || old.status !== 'stopped') return false;
  old.remove();
  return true;
}

function readRecord(directory: string, id: string): ContainerRecord {
  const empty: ContainerRecord = {
    ociVersion: OCI_VERSION, id, bundle: '', rootfs: '', created: '', annotations: {}, hostname: '', owner: '', phase: 'creating', sentry: null, pod: null, waiter: null, gofer: null, foreground: null, cgroups: [], hasNotifySocket: false, systemdUnit: '', cgroupsPath: '',
    hooks: {}, process: null,
  };
  try {
    return { ...empty, ...(JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8')) as ContainerRecord) };
  } catch {
    return empty;
  }
}

/** `flags`: only the command that claims an id makes the file: made by another it would keep the directory from being removed. */
function openLock(directory: string, flags: number): number {
  try {
    return openSync(join(directory, 'lock'), flags, 0o600);
  } catch {
    return -1;
  }
}

/** Takes a container's lock. Throws RunscError when it is busy for longer than `waitMs`, or gone. */
function lock(directory: string, waitMs: number, flags: number = constants.O_RDWR): number {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const fd = openLock(directory, flags);
    if (fd < 0) {
      removeEmpty(directory);
      throw new RunscError(NO_CONTAINER);
    }
    if (flock(fd, LOCK_EX_NB) === 0) {
      if (isStill(directory, fd)) return fd;
    } else if (Date.now() >= deadline) {
      closeSync(fd);
      throw new RunscError('container is in use by another command');
    }
    closeSync(fd);
    poll([], 10);
  }
}

/** What is left of a command that was killed before it had its lock. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Not there, or not empty.
  }
}

/** Was the directory not removed (and perhaps made again) while we waited? */
function isStill(directory: string, fd: number): boolean {
  try {
    return statSync(join(directory, 'lock')).ino === fstatSync(fd).ino;
  } catch {
    return false;
  }
}
