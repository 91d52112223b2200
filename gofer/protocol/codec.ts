// SPDX-License-Identifier: Apache-2.0

/**
 * Encoding and checked decoding of frames. Decoding never throws: anything unexpected is null, which the caller treats as
 * a broken connection.
 */
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { FRAME_MAX } from './constants.ts';
import { METHODS } from './messages.ts';
import { isAcceptableFrame } from './shape.ts';

const OPTIONS = {
  useRecords: false,
  moreTypes: false,
  int64AsType: 'number',
  copyBuffers: true,
  variableMapSize: true,
} as const;
const packr = new Packr(OPTIONS as ConstructorParameters<typeof Packr>[0]);
const unpackr = new Unpackr(OPTIONS as ConstructorParameters<typeof Unpackr>[0]);

/** What travels in a message. */
export type WireValue = null | number | string | Uint8Array | readonly WireValue[];

/** Encodes a message. The result is valid until the next call. */
export function encodeFrame(message: readonly WireValue[]): Uint8Array {
  return packr.pack(message);
}

function decodeArray(buf: Uint8Array, length: number): unknown[] | null {
  if (length > FRAME_MAX || !isAcceptableFrame(buf, length)) return null;
  try {
    const value: unknown = unpackr.unpack(buf.subarray(0, length) as Buffer);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/**
 * Decodes a request and checks it against its method's kinds. Returns [id, method, ...args], or null for an unknown method,
 * a missing, extra or ill-typed field, or bytes that are not an acceptable frame.
 */
export function decodeRequest(buf: Uint8Array, length: number): unknown[] | null {
  const message = decodeArray(buf, length);
  if (message === null || message.length < 2) return null;
  const id = message[0];
  const method = message[1];
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 0xffffffff) return null;
  if (typeof method !== 'number' || !Number.isInteger(method) || method < 0) return null;
  const spec = METHODS[method];
  if (spec === undefined || message.length !== 2 + spec.args.length) return null;
  for (let i = 0; i < spec.args.length; i++) {
    if (!(spec.args[i] as { is(v: unknown): boolean }).is(message[2 + i])) return null;
  }
  return message;
}

/** Decodes a reply: [id, errno, ...results] with id and errno checked; null when it is not one. */
export function decodeReply(buf: Uint8Array, length: number): unknown[] | null {
  const message = decodeArray(buf, length);
  if (message === null || message.length < 2) return null;
  const id = message[0];
  const errno = message[1];
  if (typeof id !== 'number' || typeof errno !== 'number') return null;
  if (!Number.isInteger(errno) || errno > 0 || errno < -4095) return null;
  return message;
}
