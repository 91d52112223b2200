// SPDX-License-Identifier: Apache-2.0

/**
 * Standard descriptors without a terminal: pipes, copied from and to the client's FIFOs.
 */
import { chownSync } from 'node:fs';
import { Socket } from 'node:net';
import { close, pipe } from '../../../platform/ffi/lifecycle.ts';
import { errnoWords, RunscError } from '../../errors.ts';
import { copyOut, fifoWriter, InputCopy, quiet } from './copying.ts';
import type { ProcessIo, StdioPaths } from './process_io.ts';

const O_CLOEXEC = 0o2000000;

export interface PipeOwner {
  readonly ioUid: number;
  readonly ioGid: number;
}

export class PipeIo implements ProcessIo {
  readonly isTerminal = false;
  readonly childStdio: (number | 'ignore')[] = ['ignore', 'ignore', 'ignore'];
  readonly drained: Promise<void>;
  private input: InputCopy | null = null;
  private readonly streams: Socket[] = [];

  /** Opens what the paths name. Throws RunscError; nothing is open then. */
  constructor(paths: StdioPaths, owner: PipeOwner) {
    const copies: Promise<void>[] = [];
    try {
      if (paths.stdin !== '') this.input = new InputCopy(paths.stdin, this.ours(0, owner));
      for (const [i, path] of [paths.stdout, paths.stderr].entries()) {
        if (path === '') continue;
        const sink = fifoWriter(path);
        this.streams.push(sink);
        copies.push(copyOut(this.ours(i + 1, owner), sink));
      }
    } catch (error) {
      this.close();
      throw error;
    }
    this.drained = Promise.all(copies).then(() => undefined);
  }

  /** A pipe for descriptor `n` of the process. Returns our end. */
  private ours(n: number, owner: PipeOwner): Socket {
    const fds = pipe(O_CLOEXEC);
    if (typeof fds === 'number') throw new RunscError(`pipe: ${errnoWords(fds)}`);
    const [mine, theirs] = n === 0 ? [fds[1], fds[0]] : [fds[0], fds[1]];
    this.childStdio[n] = theirs;
    if (owner.ioUid !== 0 || owner.ioGid !== 0) chownSync(`/proc/self/fd/${theirs}`, owner.ioUid, owner.ioGid);
    const socket = quiet(new Socket({ fd: mine, readable: n !== 0, writable: n === 0 }));
    this.streams.push(socket);
    return socket;
  }

  started(): void {
    this.childStdio.forEach((fd, i) => {
      if (typeof fd === 'number') close(fd);
      this.childStdio[i] = 'ignore';
    });
  }

  closeStdin(): void {
    this.input?.closeStdin();
  }

  resize(): void {}

  listenForMaster(): string {
    return '';
  }

  ended(): void {
    this.input?.end();
  }

  close(): void {
    this.started();
    this.ended();
    for (const stream of this.streams) stream.destroy();
  }
}
