// SPDX-License-Identifier: Apache-2.0

/** What ttrpc's frames carry. Source: ttrpc's request.proto. */
import { message } from './message.ts';
import { RpcStatus } from './well_known.ts';

const KeyValue = message('KeyValue', { key: [1, 'string'], value: [2, 'string'] });

export const Request = message('Request', {
  service: [1, 'string'], method: [2, 'string'], payload: [3, 'bytes'], timeoutNano: [4, 'int64'], metadata: [5, 'repeated', KeyValue],
});
export const Response = message('Response', { status: [1, RpcStatus], payload: [2, 'bytes'] });
