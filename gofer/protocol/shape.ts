// SPDX-License-Identifier: Apache-2.0

/**
 * Shape check of a raw frame before msgpack decoding: only the types the protocol uses (nil, booleans, integers, float64,
 * strings, bytes, arrays), nested at most three deep, lengths inside the frame, nothing after the value.
 *
 * A hostile frame therefore never reaches msgpackr's extensions, maps or class decoding, and cannot ask for a large array.
 */

const DEPTH_MAX = 3;
const ELEMENTS_MAX = 16384;

/** True when buf[0..length] is exactly one acceptable msgpack value, an array. */
export function isAcceptableFrame(buf: Uint8Array, length: number): boolean {
  if (length === 0) return false;
  const first = buf[0] as number;
  if ((first & 0xf0) !== 0x90 && first !== 0xdc) return false;
  let at = 0;
  // left[d]: elements still to come at depth d
  const left = [1, 0, 0, 0, 0];
  let depth = 0;
  let budget = ELEMENTS_MAX;
  for (;;) {
    while (depth >= 0 && left[depth] === 0) depth--;
    if (depth < 0) return at === length;
    (left[depth] as number)--;
    if (at >= length || --budget < 0) return false;
    const b = buf[at++] as number;
    const array = arrayLength(b, buf, at, length);
    if (array >= 0) {
      if (b === 0xdc) at += 2;
      if (++depth > DEPTH_MAX) return false;
      left[depth] = array;
      continue;
    }
    const size = scalarSize(b, buf, at, length);
    if (size < 0 || size > length - at) return false;
    at += size;
  }
}

/** Elements of an array header, or -1 when `b` is not one. */
function arrayLength(b: number, buf: Uint8Array, at: number, length: number): number {
  if ((b & 0xf0) === 0x90) return b & 0x0f;
  if (b === 0xdc && at + 2 <= length) return ((buf[at] as number) << 8) | (buf[at + 1] as number);
  return -1;
}

/** Bytes that follow the type byte of a scalar, or -1 when the type is not accepted or the header is cut off. */
function scalarSize(b: number, buf: Uint8Array, at: number, length: number): number {
  if (b <= 0x7f || b >= 0xe0) return 0;
  if (b >= 0xa0 && b <= 0xbf) return b & 0x1f;
  switch (b) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return 0;
    case 0xcc:
    case 0xd0:
      return 1;
    case 0xcd:
    case 0xd1:
      return 2;
    case 0xce:
    case 0xd2:
      return 4;
    case 0xcb:
      return 8;
    case 0xc4:
    case 0xd9:
      return at < length ? 1 + (buf[at] as number) : -1;
    case 0xc5:
    case 0xda:
      return at + 2 <= length ? 2 + (((buf[at] as number) << 8) | (buf[at + 1] as number)) : -1;
    case 0xc6: {
      if (at + 4 > length) return -1;
      const n =
        (buf[at] as number) * 0x1000000 +
        (((buf[at + 1] as number) << 16) | ((buf[at + 2] as number) << 8) | (buf[at + 3] as number));
      return 4 + n;
    }
    default:
      return -1;
  }
}
