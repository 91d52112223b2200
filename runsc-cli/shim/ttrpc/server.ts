// SPDX-License-Identifier: Apache-2.0

/**
 * Serves unary ttrpc calls on a connection. Calls run at the same time and are answered as they end.
 *
 * Invariants: nothing that a peer sends ends the process. A peer that does not read its answers is not read from; at most MAX_CALLS of
 *             its calls run.
 */
import type { Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import { Request, Response } from '../protocol/ttrpc_messages.ts';
import { encodeFrame, type Frame, FrameReader, TYPE_REQUEST, TYPE_RESPONSE } from './frame.ts';
import { INVALID_ARGUMENT, RESOURCE_EXHAUSTED, StatusError, UNIMPLEMENTED, UNKNOWN } from './status.ts';

const MAX_CALLS = 4096;
const MAX_UNSENT = 16 * 1024 * 1024;

/** Answers one call with the payload; throws StatusError. Undefined: there is no such method. */
export type Method = (payload: Uint8Array) => Promise<Uint8Array>;
export interface Services {
  /** Null: no such service. */
  find(service: string): { method(name: string): Method | null } | null;
}

/** Serves a connection until the peer closes it. */
export function serve(socket: Socket, services: Services, log: (message: string) => void): void {
  const reader = new FrameReader();
  let lastStream = 0;
  let running = 0;
  const answer = (stream: number, response: Parameters<typeof Response.encode>[0]): void => {
    if (socket.destroyed) return;
    socket.write(encodeFrame(stream, TYPE_RESPONSE, Response.encode(response)));
    if (socket.writableLength > MAX_UNSENT) socket.pause();
  };
  const fail = (stream: number, code: number, message: string): void => answer(stream, { status: { code, message } });
  /** Null, or why a call is refused, with its code. */
  const refusal = ({ stream, payload }: Frame): readonly [number, string] | null => {
    if (stream % 2 === 0) return [INVALID_ARGUMENT, 'StreamID must be odd for client initiated streams'];
    if (stream <= lastStream) return [INVALID_ARGUMENT, 'StreamID cannot be re-used and must increment'];
    lastStream = stream;
    if (payload === null) return [RESOURCE_EXHAUSTED, 'message length exceed maximum message size'];
    return running >= MAX_CALLS ? [RESOURCE_EXHAUSTED, 'too many calls at once'] : null;
  };
  const take = (frame: Frame): void => {
    if (frame.type !== TYPE_REQUEST) return;
    const refused = refusal(frame);
    if (refused !== null) {
      fail(frame.stream, ...refused);
      return;
    }
    running++;
    void call(services, frame.payload as Buffer).then(
      (result) => answer(frame.stream, { payload: result }),
      (error: unknown) => fail(frame.stream, error instanceof StatusError ? error.code : UNKNOWN, messageOf(error)),
    ).finally(() => running--);
  };
  socket.on('drain', () => socket.resume());
  socket.on('data', (bytes: Buffer) => reader.push(bytes).forEach(take));
  socket.on('error', (error) => log(`connection: ${error.message}`));
}

async function call(services: Services, payload: Uint8Array): Promise<Uint8Array> {
  let request: ReturnType<typeof Request.decode>;
  try {
    request = Request.decode(payload);
  } catch (error) {
    throw new StatusError(INVALID_ARGUMENT, `request: ${messageOf(error)}`);
  }
  const service = services.find(request.service);
  if (service === null) throw new StatusError(UNIMPLEMENTED, `service ${request.service}`);
  const method = service.method(request.method);
  if (method === null) throw new StatusError(UNIMPLEMENTED, `method ${request.method}`);
  return method(request.payload);
}
