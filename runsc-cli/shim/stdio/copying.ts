// SPDX-License-Identifier: Apache-2.0

/**
 * Copies between a process's pipes and the client's FIFOs, no faster than the reader reads.
 *
 * Linux: fifo(7)
 * Invariants: an output FIFO is held open for reading too, so that a client that goes away and comes back (containerd restarted) finds
 *             what was written, and the process never sees EPIPE because of it.
 */
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { close, open } from '../../../platform/ffi/lifecycle.ts';
import { errnoWords, RunscError } from '../../errors.ts';

const O_RDONLY = 0;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;

function opened(path: string, flags: number): number {
  const fd = open(path, flags | O_NONBLOCK_CLOEXEC);
  if (fd < 0) throw new RunscError(`open ${path}: ${errnoWords(fd)}`);
  return fd;
}

/** A writer into the client's FIFO. Throws RunscError. */
export function fifoWriter(path: string): Socket {
  const fd = opened(path, O_RDWR);
  if (fstatSync(fd).isFIFO()) return quiet(new Socket({ fd, readable: false, writable: true }));
  close(fd);
  throw new RunscError(`${path}: not a FIFO`);
}

/** A socket without the other direction whose errors are its end. */
export function quiet(socket: Socket): Socket {
  socket.on('error', () => socket.destroy());
  return socket;
}

/** Copies until the source ends. Resolves when all is written, or cannot be. */
export function copyOut(source: Readable, sink: NodeJS.WritableStream & { destroy(): unknown }): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      source.destroy();
      resolve();
    };
    sink.on('close', finish);
    sink.on('error', finish);
    // Not all of it may be written yet: end() says when.
    source.on('close', () => sink.end());
    sink.on('finish', () => {
      sink.destroy();
      finish();
    });
    source.pipe(sink, { end: false });
  });
}

/** The client's input: FIFO to sink. It ends when the client has closed it and closeStdin() was called. */
export class InputCopy {
  private holder: number;
  private readonly source: Socket;

  /** Throws RunscError. */
  constructor(path: string, sink: NodeJS.WritableStream & { destroy(): unknown }) {
    const fd = opened(path, O_RDONLY);
    this.holder = open(path, O_WRONLY | O_NONBLOCK_CLOEXEC);
    this.source = quiet(new Socket({ fd, readable: true, writable: false }));
    sink.on('error', () => this.source.destroy());
    sink.on('close', () => this.source.destroy());
    this.source.pipe(sink);
  }

  closeStdin(): void {
    if (this.holder >= 0) close(this.holder);
    this.holder = -1;
  }

  end(): void {
    this.closeStdin();
    this.source.destroy();
  }
}
