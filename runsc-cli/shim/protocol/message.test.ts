// SPDX-License-Identifier: Apache-2.0

/** Messages on the wire: known bytes, and that what is left out comes back empty. */
import { expect, test } from 'vitest';
import { EVENTS } from './event_messages.ts';
import { MetricsV1 } from './metrics_messages.ts';
import { CreateTaskRequest, DeleteResponse, UpdateTaskRequest } from './task_messages.ts';

test('bytes as the protocol has them', () => {
  expect(Buffer.from(DeleteResponse.encode({ pid: 300, exitStatus: 137, exitedAt: { seconds: 1, nanos: 2 } })).toString('hex')).toBe('08ac021089011a0408011002');
  expect(Buffer.from(EVENTS.TaskOOM.encode({ containerId: 'c' })).toString('hex')).toBe('0a0163');
});

test('fields that are not sent are there and empty', () => {
  expect(CreateTaskRequest.decode(Buffer.from('0a0161', 'hex'))).toEqual({
    id: 'a', bundle: '', rootfs: [], terminal: false, stdin: '', stdout: '', stderr: '', checkpoint: '', parentCheckpoint: '', options: null,
  });
  const update = UpdateTaskRequest.decode(UpdateTaskRequest.encode({ id: 'a', annotations: { k: 'v' } }));
  expect(update.annotations).toEqual({ k: 'v' });
});

test('fields that are not known are skipped, cut messages are errors', () => {
  const known = Buffer.from(CreateTaskRequest.encode({ id: 'a', rootfs: [{ type: 'overlay', options: ['ro'] }] }));
  expect(CreateTaskRequest.decode(Buffer.concat([known, Buffer.from('f8070a', 'hex')])).rootfs[0]?.options).toEqual(['ro']);
  expect(() => CreateTaskRequest.decode(known.subarray(0, known.length - 1))).toThrow();
});

test('numbers of 64 bits', () => {
  const limit = 2 ** 63 - 4096;
  const decoded = MetricsV1.decode(MetricsV1.encode({ memory: { usage: { limit, usage: 5 } }, cpu: { usage: { total: 2 ** 40, perCpu: [1, 2] } } }));
  expect(decoded.memory?.usage).toMatchObject({ limit, usage: 5 });
  expect(decoded.cpu?.usage).toMatchObject({ total: 2 ** 40, perCpu: [1, 2] });
});
