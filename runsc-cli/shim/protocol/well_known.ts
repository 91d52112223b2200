// SPDX-License-Identifier: Apache-2.0

/**
 * google.protobuf and google.rpc messages that the others are made of.
 */
import { message } from './message.ts';

export const Any = message('Any', { typeUrl: [1, 'string'], value: [2, 'bytes'] });
export const Timestamp = message('Timestamp', { seconds: [1, 'int64'], nanos: [2, 'int32'] });
export const Empty = message('Empty', {});
export const RpcStatus = message('RpcStatus', { code: [1, 'int32'], message: [2, 'string'] });

export interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

/** Now, as a Timestamp. */
export function now(): Instant {
  const ms = Date.now();
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}
