// SPDX-License-Identifier: Apache-2.0

/**
 * Standard descriptors that are a terminal: its master comes over a socket of ours, and is copied from and to the client's FIFOs.
 *
 * Linux: pty(7)
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type * as tty from 'node:tty';
import { fcntl, ioctl } from '../../../platform/ffi/files.ts';
import { close } from '../../../platform/ffi/lifecycle.ts';
import { write as writeSome } from '../../../platform/ffi/files.ts';
import { accept4, recvmsg } from '../../../platform/ffi/sockets.ts';
import { listenStream } from '../../container/control_client.ts';
import { RunscError } from '../../errors.ts';
import { copyOut, fifoWriter, InputCopy } from './copying.ts';
import type { ProcessIo, StdioPaths } from './process_io.ts';

/** The bundle's own: most shims never need node:tty. */
declare const require: (name: string) => unknown;

const TIOCSWINSZ = 0x5414;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const O_RDWR_NONBLOCK = 2 | 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const EAGAIN = -11;
const EINTR = -4;
/** How long a terminal that takes no input is left alone. */
const RETRY_MS = 5;

export class TerminalIo implements ProcessIo {
  readonly childStdio = ['ignore', 'ignore', 'ignore'] as const;
  readonly isTerminal = true;
  drained: Promise<void> = Promise.resolve();
  private directory = '';
  private listener = -1;
  private readonly paths: StdioPaths;
  private master: tty.ReadStream | null = null;
  /** A copy of the master's descriptor for writing and resizing. */
  private control = -1;
  private input: InputCopy | null = null;

  constructor(paths: StdioPaths) {
    this.paths = paths;
  }

  listenForMaster(): string {
    this.directory = mkdtempSync(join(tmpdir(), 'runsc-ts-pty-'));
    this.listener = listenStream(this.directory, 's');
    return join(this.directory, 's');
  }

  started(master = -1): void {
    const fd = master >= 0 ? master : this.receiveMaster();
    this.dropListener();
    fcntl(fd, F_SETFL, O_RDWR_NONBLOCK);
    this.control = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    const { ReadStream } = require('node:tty') as typeof tty;
    this.master = new ReadStream(fd);
    // EIO: nobody has the other side open any more.
    this.master.on('error', () => this.master?.destroy());
    if (this.paths.stdin !== '') this.input = new InputCopy(this.paths.stdin, terminalWriter(() => this.control));
    if (this.paths.stdout === '') this.master.resume();
    else this.drained = copyOut(this.master, fifoWriter(this.paths.stdout));
  }

  /** The command has connected and sent before it ended. */
  private receiveMaster(): number {
    const connection = accept4(this.listener, null, null, SOCK_CLOEXEC);
    if (connection < 0) throw new RunscError('the runtime sent no terminal');
    const fds = new Int32Array(3);
    const n = recvmsg(connection, Buffer.alloc(4096), fds, 0);
    close(connection);
    if (n > 0 && fds[0] === 1) return fds[1] as number;
    for (let i = 1; i <= (fds[0] as number); i++) close(fds[i] as number);
    throw new RunscError('the runtime sent no terminal');
  }

  private dropListener(): void {
    if (this.listener < 0) return;
    close(this.listener);
    this.listener = -1;
    rmSync(this.directory, { recursive: true, force: true });
  }

  closeStdin(): void {
    this.input?.closeStdin();
  }

  resize(width: number, height: number): void {
    if (this.control >= 0) ioctl(this.control, TIOCSWINSZ, Int32Array.of(((width & 0xffff) << 16) | (height & 0xffff), 0));
  }

  ended(): void {
    this.input?.end();
  }

  close(): void {
    this.dropListener();
    this.ended();
    this.master?.destroy();
    if (this.control >= 0) close(this.control);
    this.control = -1;
  }
}

/** Writes to a terminal that may be full: its program does not read. libuv would wait for it with all else standing still. */
function terminalWriter(descriptor: () => number): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done): void {
      const attempt = (rest: Buffer): void => {
        const fd = descriptor();
        const n = fd < 0 ? -5 : writeSome(fd, rest);
        if (n >= rest.length) done();
        else if (n > 0 || n === EINTR) attempt(rest.subarray(Math.max(0, n)));
        else if (n === EAGAIN) setTimeout(attempt, RETRY_MS, rest);
        else done(new Error(`terminal: errno ${-n}`));
      };
      attempt(chunk);
    },
  });
}
