// SPDX-License-Identifier: Apache-2.0

/**
 * Argument kinds: what each position of a message may hold. A kind is a check; decoding a message is running its kinds.
 *
 * Invariants: a value that passed its kind needs no further check of type, range or length.
 */
import { BATCH_MAX, NAME_MAX, NAMES_MAX } from './constants.ts';

/** A checked position; T is what the value is after the check. */
export interface Kind<T> {
  readonly label: string;
  is(value: unknown): value is T;
}

function kind<T>(label: string, is: (value: unknown) => boolean): Kind<T> {
  return { label, is: is as (value: unknown) => value is T };
}

/** True when every char is a byte. */
export function isByteString(s: string): boolean {
  for (let i = 0; i < s.length; i++) if (s.charCodeAt(i) > 255) return false;
  return true;
}

/** True when `s` may name an entry of a directory: one component, not empty, '.', '..', no '/' or NUL, at most 255 bytes. */
export function isEntryName(s: string): boolean {
  const n = s.length;
  if (n === 0 || n > NAME_MAX || s === '.' || s === '..') return false;
  for (let i = 0; i < n; i++) {
    const c = s.charCodeAt(i);
    if (c === 0x2f || c === 0 || c > 255) return false;
  }
  return true;
}

/** An integer min..max (max at most 2^53-1). */
export function integer(label: string, min: number, max: number): Kind<number> {
  return kind(label, (v) => typeof v === 'number' && Number.isInteger(v) && v >= min && v <= max);
}

export const U32 = integer('u32', 0, 0xffffffff);
export const CONTROL = integer('control', 0, 0xffffffff);
export const MODE = integer('mode', 0, 0o177777);
export const SIZE = integer('size', 0, Number.MAX_SAFE_INTEGER);
export const SECONDS = integer('seconds', -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
/** 0..999999999, UTIME_NOW or UTIME_OMIT. */
export const NSEC = kind<number>('nsec', (v) => {
  if (typeof v !== 'number' || !Number.isInteger(v) || v < 0) return false;
  return v < 1e9 || v === 0x3fffffff || v === 0x3ffffffe;
});

/** Only bits of `mask`. */
export function flags(label: string, mask: number): Kind<number> {
  return kind(
    label,
    (v) => typeof v === 'number' && Number.isInteger(v) && v >= 0 && v <= 0x7fffffff && (v & ~mask) === 0,
  );
}

export const NAME = kind<string>('name', (v) => typeof v === 'string' && isEntryName(v));

/** A byte string without NUL, of min..max bytes. */
export function text(label: string, min: number, max: number): Kind<string> {
  return kind(label, (v) => {
    if (typeof v !== 'string' || v.length < min || v.length > max) return false;
    return isByteString(v) && !v.includes('\0');
  });
}

/** Bytes, at most `max`. */
export function bytes(label: string, max: number): Kind<Uint8Array> {
  return kind(label, (v) => v instanceof Uint8Array && v.length <= max);
}

function listOf(is: (v: unknown) => boolean, max: number): (v: unknown) => boolean {
  return (v) => {
    if (!Array.isArray(v) || v.length > max) return false;
    for (let i = 0; i < v.length; i++) if (!is(v[i])) return false;
    return true;
  };
}

/** The components of an address or a walk. */
export const NAMES = kind<string[]>('names', listOf(NAME.is, NAMES_MAX));
export const NAME_BATCH = kind<string[]>('name batch', listOf(NAME.is, BATCH_MAX));
export const CONTROL_BATCH = kind<number[]>('control batch', listOf(CONTROL.is, BATCH_MAX));
