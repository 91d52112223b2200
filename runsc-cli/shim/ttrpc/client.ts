// SPDX-License-Identifier: Apache-2.0

/**
 * Makes unary ttrpc calls over a Unix socket. Connects when there is something to say, and again after the peer was restarted.
 */
import { connect, type Socket } from 'node:net';
import { Request, Response } from '../protocol/ttrpc_messages.ts';
import { encodeFrame, FrameReader, TYPE_REQUEST, TYPE_RESPONSE } from './frame.ts';
import { DEADLINE_EXCEEDED, StatusError, UNKNOWN } from './status.ts';

interface Waiting {
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class TtrpcClient {
  private readonly path: string;
  private socket: Socket | null = null;
  private nextStream = 1;
  private waiting = new Map<number, Waiting>();

  constructor(path: string) {
    this.path = path;
  }

  /** Calls a method. Rejects with a StatusError that the peer answered, or an Error when it cannot be reached. */
  call(service: string, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const socket = (this.socket ??= this.connect());
    const stream = this.nextStream;
    this.nextStream += 2;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(stream);
        reject(new StatusError(DEADLINE_EXCEEDED, `${method}: no answer`));
      }, timeoutMs);
      this.waiting.set(stream, { resolve, reject, timer });
      socket.write(encodeFrame(stream, TYPE_REQUEST, Request.encode({ service, method, payload, timeoutNano: timeoutMs * 1_000_000 })));
    });
  }

  close(): void {
    this.socket?.destroy();
  }

  private connect(): Socket {
    const reader = new FrameReader();
    const socket = connect(this.path);
    const mine = new Map<number, Waiting>();
    this.waiting = mine;
    this.nextStream = 1;
    let why = new Error('connection closed');
    socket.on('data', (bytes: Buffer) => {
      for (const { stream, type, payload } of reader.push(bytes)) {
        const call = mine.get(stream);
        if (type !== TYPE_RESPONSE || call === undefined) continue;
        mine.delete(stream);
        clearTimeout(call.timer);
        settle(call, payload);
      }
    });
    socket.on('error', (error) => (why = error));
    socket.on('close', () => {
      if (this.socket === socket) this.socket = null;
      for (const call of mine.values()) {
        clearTimeout(call.timer);
        call.reject(why);
      }
      mine.clear();
    });
    return socket;
  }
}

function settle(call: Waiting, payload: Buffer | null): void {
  try {
    if (payload === null) throw new StatusError(UNKNOWN, 'the answer is too large');
    const { status, payload: result } = Response.decode(payload);
    if (status !== null && status.code !== 0) throw new StatusError(status.code, status.message);
    call.resolve(result);
  } catch (error) {
    call.reject(error as Error);
  }
}
