// SPDX-License-Identifier: Apache-2.0

/** Events reach containerd in order: over ttrpc, also when it is away for a while, and through its publish program. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ForwardRequest } from '../protocol/event_messages.ts';
import { Any } from '../protocol/well_known.ts';
import { Reaper } from '../reaper.ts';
import { serve } from '../ttrpc/server.ts';
import { Publisher } from './publisher.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'publisher-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A containerd that writes down the events it is told, as "topic id". */
function listen(path: string, seen: string[]): { server: Server; sockets: Socket[] } {
  const sockets: Socket[] = [];
  const forward = async (payload: Uint8Array): Promise<Uint8Array> => {
    const { envelope } = ForwardRequest.decode(payload);
    seen.push(`${envelope?.namespace} ${envelope?.topic} ${envelope?.event?.typeUrl}`);
    return new Uint8Array();
  };
  const services = { find: (name: string) => (name === 'containerd.services.events.ttrpc.v1.Events' ? { method: () => forward } : null) };
  const server = createServer((socket) => {
    sockets.push(socket);
    serve(socket, services, () => {});
  }).listen(path);
  return { server, sockets };
}

test('over ttrpc in order, and again after containerd was away', async () => {
  const path = join(directory, 's');
  const seen: string[] = [];
  const lost: string[] = [];
  const first = listen(path, seen);
  const publisher = new Publisher({ namespace: 'n', ttrpcAddress: path, address: '', publishBinary: '' }, new Reaper(), (message) => lost.push(message));
  publisher.publish('TaskCreate', { containerId: 'c' });
  publisher.publish('TaskStart', { containerId: 'c', pid: 1 });
  await expect.poll(() => seen.length).toBe(2);
  first.server.close();
  for (const socket of first.sockets) socket.destroy();
  publisher.publish('TaskExit', { containerId: 'c' });
  publisher.publish('TaskDelete', { containerId: 'c' });
  const second = listen(path, seen);
  await publisher.drained();
  second.server.close();
  expect(seen).toEqual(['create TaskCreate', 'start TaskStart', 'exit TaskExit', 'delete TaskDelete'].map((text) => `n /tasks/${text.replace(' ', ' containerd.events.')}`));
  expect(lost).toEqual([]);
});

test('through the publish program when there is no ttrpc socket', async () => {
  const program = join(directory, 'publish');
  writeFileSync(program, `#!/bin/sh\necho "$*" >> ${directory}/args\ncat > ${directory}/event\n`, { mode: 0o755 });
  const publisher = new Publisher({ namespace: 'n', ttrpcAddress: '', address: '/a', publishBinary: program }, new Reaper(), () => {});
  publisher.publish('TaskOOM', { containerId: 'c' });
  publisher.publish('TaskExit', { containerId: 'c', exitStatus: 7 });
  await publisher.drained();
  expect(readFileSync(join(directory, 'args'), 'utf8')).toBe('--address /a publish --topic /tasks/oom --namespace n\n--address /a publish --topic /tasks/exit --namespace n\n');
  expect(Any.decode(readFileSync(join(directory, 'event'))).typeUrl).toBe('containerd.events.TaskExit');
});
