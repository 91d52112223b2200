// SPDX-License-Identifier: Apache-2.0

/** Owed: order and content across the wrap, slot accounting as Linux's, PIPE_BUF atomicity, packets, resize, tee, wake-ups. */
import { describe, expect, it } from 'vitest';
import { EBUSY, EPERM, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import { EPOLLHUP, EPOLLIN, EPOLLOUT } from '../../../platform/abi/linux/poll.ts';
import { BufferIo } from '../../vfs/io.ts';
import { Pipe } from './pipe.ts';

function open(): Pipe {
  const pipe = new Pipe(true);
  pipe.readers = 1;
  pipe.writers = 1;
  return pipe;
}
const pattern = (length: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 255));
const write = (pipe: Pipe, bytes: Uint8Array, packet = false): number => pipe.write(new BufferIo(bytes), packet);
function read(pipe: Pipe, length: number): Buffer | number {
  const buf = Buffer.alloc(length);
  const n = pipe.read(new BufferIo(buf));
  return n < 0 ? n : buf.subarray(0, n);
}

describe('Pipe', () => {
  it('keeps order and content through many wraps', () => {
    const pipe = open();
    let sent = Buffer.alloc(0);
    let got = Buffer.alloc(0);
    for (let i = 0; i < 300; i++) {
      const bytes = pattern(1 + ((i * 1237) % 9000), i);
      const n = write(pipe, bytes);
      if (n > 0) sent = Buffer.concat([sent, bytes.subarray(0, n)]);
      const out = read(pipe, 1 + ((i * 911) % 7000));
      if (typeof out !== 'number') got = Buffer.concat([got, out]);
    }
    for (;;) {
      const out = read(pipe, 65536);
      if (typeof out === 'number') break;
      got = Buffer.concat([got, out]);
    }
    expect(got.equals(sent)).toBe(true);
    expect(pipe.byteCount).toBe(0);
  });

  it('counts slots as Linux does: 16 writes of 3000 fill it, small ones merge', () => {
    const pipe = open();
    for (let i = 0; i < 16; i++) expect(write(pipe, pattern(3000, i))).toBe(3000);
    expect(write(pipe, pattern(3000, 0))).toBe(WOULD_BLOCK);
    expect(write(pipe, pattern(1000, 0))).toBe(1000);
    expect(pipe.byteCount).toBe(49000);
  });

  it('moves 64 KiB in one write and cuts a longer one', () => {
    const pipe = open();
    expect(write(pipe, pattern(70000, 1))).toBe(65536);
    expect(write(pipe, pattern(1, 1))).toBe(WOULD_BLOCK);
    expect((read(pipe, 70000) as Buffer).equals(pattern(70000, 1).subarray(0, 65536))).toBe(true);
  });

  it('keeps writes of at most PIPE_BUF whole', () => {
    const pipe = open();
    write(pipe, pattern(65536 - 100, 0));
    expect(write(pipe, pattern(4096, 0))).toBe(WOULD_BLOCK);
    expect(write(pipe, pattern(100, 0))).toBe(100);
  });

  it('gives packets one at a time and drops the rest of a short read', () => {
    const pipe = open();
    write(pipe, Buffer.from('hello'), true);
    write(pipe, Buffer.from('world'), true);
    expect(String(read(pipe, 3))).toBe('hel');
    expect(String(read(pipe, 30))).toBe('world');
  });

  it('ends at the last writer and reports hang-up', () => {
    const pipe = open();
    write(pipe, Buffer.from('x'));
    pipe.writers = 0;
    expect(pipe.pollBits(true, false, true) & (EPOLLIN | EPOLLHUP)).toBe(EPOLLIN | EPOLLHUP);
    read(pipe, 1);
    expect(read(pipe, 1)).toHaveLength(0);
  });

  it('resizes within its rules', () => {
    const pipe = open();
    write(pipe, pattern(10000, 3));
    expect(pipe.resize(4096, true, true)).toBe(EBUSY);
    expect(pipe.resize(5 * 4096, false, false)).toBe(8 * 4096);
    expect(pipe.resize(1 << 21, false, false)).toBe(EPERM);
    expect(pipe.resize(1 << 21, true, false)).toBe(EPERM);
    expect((read(pipe, 10000) as Buffer).equals(pattern(10000, 3))).toBe(true);
  });

  it('tees without consuming and splices with', () => {
    const from = open();
    const to = open();
    write(from, Buffer.from('abcdef'));
    expect(from.teeTo(to, 4)).toBe(4);
    expect(from.spliceTo(to, 100)).toBe(6);
    expect(from.isEmpty).toBe(true);
    expect(String(read(to, 100))).toBe('abcdabcdef');
  });

  it('wakes writers only when it was full', () => {
    const pipe = open();
    const seen: number[] = [];
    pipe.queue.add({ notify: (_q, mask) => seen.push(mask) > 0 });
    write(pipe, pattern(65536, 0));
    read(pipe, 4096);
    read(pipe, 4096);
    expect(seen.map((mask) => mask & (EPOLLIN | EPOLLOUT))).toEqual([EPOLLIN, EPOLLOUT]);
  });
});
