// SPDX-License-Identifier: Apache-2.0

/**
 * Runs, when the program is built, what a shim runs first, so that V8's code cache has it.
 */
import { EVENTS, ForwardRequest } from './protocol/event_messages.ts';
import { MetricsV1, MetricsV2 } from './protocol/metrics_messages.ts';
import { RuncOptions, RuntimeOptions } from './protocol/option_messages.ts';
import { CreateTaskRequest, CreateTaskResponse } from './protocol/task_messages.ts';
import { Request, Response } from './protocol/ttrpc_messages.ts';
import { METHODS } from './task/methods.ts';
import { TaskService } from './task/service.ts';
import { encodeFrame, FrameReader, TYPE_REQUEST } from './ttrpc/frame.ts';
import { Reaper } from './reaper.ts';
import { Publisher } from './events/publisher.ts';

export function warmUp(): void {
  for (const type of [...Object.values(EVENTS), ForwardRequest, MetricsV1, MetricsV2, RuncOptions, RuntimeOptions, Request, Response]) type.decode(type.encode({}));
  new FrameReader().push(encodeFrame(1, TYPE_REQUEST, Request.encode({ service: 's', method: 'm', payload: new Uint8Array(3) })));
  const log = (): void => {};
  const reaper = new Reaper();
  const events = new Publisher({ namespace: 'n', ttrpcAddress: '', address: '', publishBinary: '' }, reaper, log);
  const service = new TaskService({ namespace: 'n', debug: false, reaper, events, log, onShutdown: log });
  // Each fails: there is no such container.
  for (const [name, bind] of Object.entries(METHODS)) if (name !== 'Create') bind(service)(new Uint8Array()).catch(log);
  CreateTaskResponse.encode({ pid: Number(CreateTaskRequest.decode(CreateTaskRequest.encode({ id: '' })).id) });
}
