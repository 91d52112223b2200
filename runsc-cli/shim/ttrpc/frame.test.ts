// SPDX-License-Identifier: Apache-2.0

/** ttrpc framing against peers that cut frames anywhere, or send anything. */
import { connect, createServer } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Request, Response } from '../protocol/ttrpc_messages.ts';
import { TtrpcClient } from './client.ts';
import { encodeFrame, type Frame, FrameReader, MAX_PAYLOAD, TYPE_REQUEST } from './frame.ts';
import { serve } from './server.ts';
import { StatusError } from './status.ts';

/** Deterministic random numbers below n. */
function randomly(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

test('frames come out whole however they are cut', () => {
  const random = randomly(1);
  const sent = Array.from({ length: 50 }, (_, i) => ({ stream: i * 2 + 1, payload: Buffer.alloc(random(3) === 0 ? 0 : random(5000), i) }));
  const bytes = Buffer.concat(sent.map(({ stream, payload }) => encodeFrame(stream, TYPE_REQUEST, payload)));
  const reader = new FrameReader();
  const got: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const n = 1 + random(700);
    got.push(...reader.push(bytes.subarray(at, at + n)));
    at += n;
  }
  expect(got.map(({ stream, payload }) => ({ stream, payload }))).toEqual(sent);
});

test('a frame that is too large is reported and not kept', () => {
  const reader = new FrameReader();
  const head = Buffer.from([0, 0x40, 0, 1, 0, 0, 0, 7, TYPE_REQUEST, 0]);
  expect(reader.push(head)).toEqual([]);
  const piece = Buffer.alloc(65536);
  const frames: Frame[] = [];
  for (let left = MAX_PAYLOAD + 1; left > 0; left -= piece.length) frames.push(...reader.push(piece.subarray(0, Math.min(left, piece.length))));
  expect(frames).toEqual([{ stream: 7, type: TYPE_REQUEST, flags: 0, payload: null }]);
  expect(reader.push(encodeFrame(9, TYPE_REQUEST, Buffer.from('x')))[0]?.payload?.toString()).toBe('x');
});

test('random bytes neither throw nor accumulate', () => {
  const random = randomly(7);
  for (let round = 0; round < 300; round++) {
    const reader = new FrameReader();
    for (let i = 0; i < 20; i++) {
      for (const frame of reader.push(Buffer.from(Array.from({ length: random(400) }, () => random(256))))) expect(frame.payload === null || frame.payload.length <= MAX_PAYLOAD).toBe(true);
    }
    const kept = (reader as unknown as { chunks: Buffer[] }).chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    expect(kept).toBeLessThanOrEqual(MAX_PAYLOAD);
  }
});

test('random payloads decode or throw an Error', () => {
  const random = randomly(3);
  for (let i = 0; i < 2000; i++) {
    const bytes = Buffer.from(Array.from({ length: random(60) }, () => random(256)));
    for (const type of [Request, Response]) {
      try {
        type.decode(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
  }
});

test('a server answers calls, errors and unknown methods, and survives nonsense', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ttrpc-'));
  const path = join(directory, 's');
  const methods: Record<string, (payload: Uint8Array) => Promise<Uint8Array>> = {
    Echo: async (payload) => payload,
    Fail: async () => {
      throw new StatusError(5, 'nothing here');
    },
  };
  const server = createServer((socket) => serve(socket, { find: (name) => (name === 'S' ? { method: (m) => methods[m] ?? null } : null) }, () => {})).listen(path);
  const client = new TtrpcClient(path);
  try {
    const hostile = connect(path);
    hostile.on('error', () => {});
    hostile.write(Buffer.concat([Buffer.alloc(5000, 0xff), encodeFrame(1, TYPE_REQUEST, Buffer.from([0xff, 0xff]))]));
    expect(Buffer.from(await client.call('S', 'Echo', Buffer.from('hi'), 5000)).toString()).toBe('hi');
    await expect(client.call('S', 'Fail', Buffer.alloc(0), 5000)).rejects.toMatchObject({ code: 5, message: 'nothing here' });
    await expect(client.call('S', 'None', Buffer.alloc(0), 5000)).rejects.toMatchObject({ code: 12, message: 'method None' });
    await expect(client.call('T', 'Echo', Buffer.alloc(0), 5000)).rejects.toMatchObject({ code: 12, message: 'service T' });
    hostile.destroy();
  } finally {
    client.close();
    server.close();
    rmSync(directory, { recursive: true });
  }
});
