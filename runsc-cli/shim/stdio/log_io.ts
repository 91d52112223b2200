// SPDX-License-Identifier: Apache-2.0

/**
 * Output that goes where a URI says instead of into FIFOs: file://PATH is appended to, binary://PATH?NAME=VALUE is a program that reads it on
 * its descriptors 3 and 4, and is ready when it has closed 5. Source: containerd's runtime/v2/logging.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Socket } from 'node:net';
import { close, open, pipe } from '../../../platform/ffi/lifecycle.ts';
import { errnoWords, RunscError } from '../../errors.ts';
import { quiet } from './copying.ts';
import type { ProcessIo } from './process_io.ts';

const O_WRONLY_CREAT_APPEND_CLOEXEC = 1 | 0o100 | 0o2000 | 0o2000000;
const O_CLOEXEC = 0o2000000;
const READY_MS = 10_000;
const END_MS = 10_000;

/** The process writes into it by itself: nothing to copy. */
export class FileIo implements ProcessIo {
  readonly isTerminal = false;
  childStdio: readonly (number | 'ignore')[];
  readonly drained = Promise.resolve();
  private readonly fd: number;

  /** Throws RunscError. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    this.fd = open(path, O_WRONLY_CREAT_APPEND_CLOEXEC, 0o644);
    if (this.fd < 0) throw new RunscError(`open ${path}: ${errnoWords(this.fd)}`);
    this.childStdio = ['ignore', this.fd, this.fd];
  }

  started(): void {
    if (this.childStdio[1] !== 'ignore') close(this.fd);
    this.childStdio = ['ignore', 'ignore', 'ignore'];
  }
  closeStdin(): void {}
  resize(): void {}
  listenForMaster(): string {
    return '';
  }
  ended(): void {}
  close(): void {
    this.started();
  }
}

export interface LogContext {
  readonly id: string;
  readonly namespace: string;
  readonly born: (child: ChildProcess) => void;
}

export class BinaryIo implements ProcessIo {
  readonly isTerminal = false;
  childStdio: (number | 'ignore')[];
  readonly drained: Promise<void>;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, childStdio: (number | 'ignore')[]) {
    this.child = child;
    this.childStdio = childStdio;
    this.drained = new Promise((resolve) => child.on('exit', () => resolve()));
  }

  /** Starts the program and waits until it is ready. Throws RunscError. */
  static async open(uri: URL, context: LogContext): Promise<BinaryIo> {
    const pipes = [pair(), pair(), pair()] as const;
    const [out, err, ready] = pipes;
    const args = [...new Set(uri.searchParams.keys())].flatMap((key) => [key, uri.searchParams.get(key) ?? ''].filter((word) => word !== ''));
    const env = { ...process.env, CONTAINER_ID: context.id, CONTAINER_NAMESPACE: context.namespace };
    const child = spawn(decodeURIComponent(uri.pathname), args, { env, stdio: ['ignore', 'ignore', 'ignore', out[0], err[0], ready[1]] });
    context.born(child);
    for (const fd of [out[0], err[0], ready[1]]) close(fd);
    const failure = await isReady(child, ready[0]);
    const io = new BinaryIo(child, ['ignore', out[1], err[1]]);
    if (failure === '') return io;
    io.close();
    throw new RunscError(`${uri.pathname}: ${failure}`);
  }

  started(): void {
    for (const fd of this.childStdio) if (typeof fd === 'number') close(fd);
    this.childStdio = ['ignore', 'ignore', 'ignore'];
  }
  closeStdin(): void {}
  resize(): void {}
  listenForMaster(): string {
    return '';
  }
  ended(): void {}

  close(): void {
    this.started();
    if (this.child.exitCode === null && this.child.signalCode === null) setTimeout(() => this.child.kill('SIGKILL'), END_MS).unref();
  }
}

function pair(): [number, number] {
  const fds = pipe(O_CLOEXEC);
  if (typeof fds === 'number') throw new RunscError(`pipe: ${errnoWords(fds)}`);
  return fds;
}

/** '' or why it never will be. */
function isReady(child: ChildProcess, fd: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = quiet(new Socket({ fd, readable: true, writable: false }));
    const timer = setTimeout(() => resolve('is not ready to log'), READY_MS);
    const settle = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(why);
    };
    child.on('error', (error) => settle(error.message));
    socket.on('close', () => settle(child.pid === undefined ? 'could not be started' : ''));
    socket.resume();
  });
}
