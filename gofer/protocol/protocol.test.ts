// SPDX-License-Identifier: Apache-2.0

/**
 * Owed: no bytes whatever make decoding throw; unknown methods, wrong types, extra or missing fields, oversize and deep frames are
 * refused; what is well-formed comes out as it went in.
 */
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeReply, decodeRequest, encodeFrame, type WireValue } from './codec.ts';
import * as c from './constants.ts';
import { METHODS } from './messages.ts';
import { isAcceptableFrame } from './shape.ts';

const decode = (message: readonly WireValue[]): unknown[] | null => {
  const frame = encodeFrame(message).slice();
  return decodeRequest(frame, frame.length);
};

/** A small deterministic generator. */
function random(seed: number): () => number {
  let s = seed;
  return () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 0x100000000;
  };
}

describe('decodeRequest()', () => {
  it('accepts what is well-formed', () => {
    expect(decode([1, c.WALK, 1, ['usr', 'b\xffn'], 1])).toEqual([1, c.WALK, 1, ['usr', 'b\xffn'], 1]);
    expect(decode([7, c.SETATTR, 1, [], 8, 0, 0, 0, 2 ** 40, 0, 0x3ffffffe, -5, 999999999])).not.toBeNull();
    expect(decode([7, c.SETXATTR, 1, [], 'user.x', Buffer.alloc(300), 0])).not.toBeNull();
  });

  it('refuses bad names', () => {
    for (const name of ['', '.', '..', 'a/b', '/', 'a\0b', 'n'.repeat(256), '\u0100', 'a\ud800']) {
      expect(decode([1, c.WALK, 1, [name], 0]), JSON.stringify(name)).toBeNull();
      expect(decode([1, c.MKDIR, 1, [], name, 0o755, 0, 0])).toBeNull();
    }
    expect(decode([1, c.WALK, 1, Array(65).fill('a'), 0])).toBeNull();
  });

  it('refuses unknown methods, missing, extra and ill-typed fields', () => {
    expect(decode([1])).toBeNull();
    expect(decode([1, 0])).toBeNull();
    expect(decode([1, 200, 1])).toBeNull();
    expect(decode([1, -1, 1])).toBeNull();
    expect(decode([1, 1.5, 1])).toBeNull();
    expect(decode([-1, c.GETATTR, 1, []])).toBeNull();
    expect(decode([1, c.GETATTR, 1])).toBeNull();
    expect(decode([1, c.GETATTR, 1, [], 0])).toBeNull();
    expect(decode([1, c.GETATTR, '1', []])).toBeNull();
    expect(decode([1, c.GETATTR, 1, 'x'])).toBeNull();
    expect(decode([1, c.GETATTR, null, []])).toBeNull();
    expect(decode([1, c.GETATTR, 2 ** 32, []])).toBeNull();
    expect(decode([1, c.OPEN, 1, [], 0o100])).toBeNull();
    expect(decode([1, c.UNLINK, 1, [], 'a', 1, 0])).toBeNull();
    expect(decode([1, c.SETATTR, 1, [], 8, 0, 0, 0, -1, 0, 0, 0, 0])).toBeNull();
    expect(decode([1, c.SETATTR, 1, [], 8, 0, 0, 0, 0.5, 0, 0, 0, 0])).toBeNull();
    expect(decode([1, c.SYMLINK, 1, [], 'l', 'a\0b', 0, 0])).toBeNull();
    expect(decode([1, c.SETXATTR, 1, [], 'user.x', Buffer.alloc(c.XATTR_MAX + 1), 0])).toBeNull();
  });

  it('refuses other msgpack types, depth, and lengths beyond the frame', () => {
    const packr = new Packr({ structuredClone: true, moreTypes: true });
    for (const value of [
      { a: 1 },
      [1, { a: 1 }],
      new Date(),
      [1, 2, new Date()],
      [1, 2, new Set([1])],
      [1, 2, /x/],
      [1, 2, 10n ** 18n],
    ]) {
      const frame = packr.pack(value);
      expect(decodeRequest(frame, frame.length)).toBeNull();
    }
    const deep = Buffer.alloc(1000, 0x91);
    expect(isAcceptableFrame(deep, deep.length)).toBe(false);
    for (const bytes of [
      [0xdd, 255, 255, 255, 255],
      [0xdc, 255, 255],
      [0x91, 0xdb, 255, 255, 255, 255],
      [0x91, 0xc6, 127, 255, 255, 255],
      [0x91, 0xc7, 1, 1, 1],
      [0x91, 0xd9],
      [0x92, 1],
      [0x91, 1, 1],
      [],
      [0xc1],
    ]) {
      expect(isAcceptableFrame(Uint8Array.from(bytes), bytes.length), String(bytes)).toBe(false);
    }
  });

  it('survives random bytes and random damage', () => {
    const next = random(12345);
    const seeds = [
      encodeFrame([1, c.WALK, 1, ['usr', 'lib'], 1]).slice(),
      encodeFrame([9, c.RENAME, 1, [], 'a', 1, ['b'], 'c', 1, 1]).slice(),
      encodeFrame([3, c.SETXATTR, 1, [], 'user.x', Buffer.from('value'), 0]).slice(),
    ];
    let accepted = 0;
    for (let round = 0; round < 30_000; round++) {
      let frame: Uint8Array;
      if (round % 3 === 0) {
        frame = Uint8Array.from({ length: Math.floor(next() * 64) }, () => Math.floor(next() * 256));
      } else {
        frame = Uint8Array.from(seeds[Math.floor(next() * seeds.length)] as Uint8Array);
        for (let hits = 1 + Math.floor(next() * 3); hits > 0; hits--)
          frame[Math.floor(next() * frame.length)] = Math.floor(next() * 256);
      }
      const request = decodeRequest(frame, frame.length);
      decodeReply(frame, frame.length);
      if (request === null) continue;
      accepted++;
      const spec = METHODS[request[1] as number];
      expect(spec).toBeDefined();
      for (const [i, kind] of (spec?.args ?? []).entries()) expect(kind.is(request[2 + i])).toBe(true);
    }
    expect(accepted).toBeGreaterThan(0);
  });
});
