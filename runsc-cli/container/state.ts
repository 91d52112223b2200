// SPDX-License-Identifier: Apache-2.0

/**
 * A container's directory under --root: state.json and a lock held for as long as its runtime process lives.
 *
 * Invariants: a directory whose lock nobody holds is left over from a process that was killed: it is removed and its id free.
 */
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { flock } from '../../platform/ffi/files.ts';
import { RunscError, systemReason } from '../errors.ts';
import { OCI_VERSION } from '../spec/default_spec.ts';

const LOCK_EX_NB = 2 | 4;

export interface ContainerFacts {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export class ContainerState {
  private readonly directory: string;
  private readonly facts: ContainerFacts;
  private readonly lockFd: number;
  private readonly created = new Date().toISOString();

  private constructor(directory: string, facts: ContainerFacts, lockFd: number) {
    this.directory = directory;
    this.facts = facts;
    this.lockFd = lockFd;
  }

  /** Claims the id. Throws RunscError: "container with given ID already exists". */
  static create(root: string, facts: ContainerFacts): ContainerState {
    const directory = join(root, facts.id);
    try {
      mkdirSync(root, { recursive: true, mode: 0o700 });
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const lockFd = openSync(join(directory, 'lock'), 'a', 0o600);
      if (flock(lockFd, LOCK_EX_NB) !== 0) {
        closeSync(lockFd);
        throw new RunscError('container with given ID already exists');
      }
      const state = new ContainerState(directory, facts, lockFd);
      state.write('creating', 0);
      return state;
    } catch (error) {
      if (error instanceof RunscError) throw error;
      throw new RunscError(`state directory ${directory}: ${systemReason(error)}`);
    }
  }

  setRunning(pid: number): void {
    this.write('running', pid);
  }

  /** Frees the id. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
    closeSync(this.lockFd);
  }

  private write(status: string, pid: number): void {
    const { id, bundle, rootfs, annotations } = this.facts;
    const state = { ociVersion: OCI_VERSION, id, pid, status, bundle, rootfs, created: this.created, annotations, owner: '' };
    const path = join(this.directory, 'state.json');
    writeFileSync(`${path}.new`, JSON.stringify(state, null, 2), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}
