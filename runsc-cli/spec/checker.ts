// SPDX-License-Identifier: Apache-2.0

/**
 * A cursor over untrusted JSON: each step knows the path of the field it is at, so that every complaint names it.
 *
 * Invariants: unknown properties are ignored (the OCI spec requires it); a value of the wrong kind is an error that begins with
 *             the field's path. Absent and null are the same.
 */
import { RunscError, shorten } from '../errors.ts';

/** Strings longer than this are refused (a path is at most 4096 bytes, an argument 128 KiB). */
const MAX_STRING = 131072;
const MAX_ITEMS = 65536;

export class Field {
  readonly value: unknown;
  readonly path: string;

  constructor(value: unknown, path: string) {
    this.value = value === null ? undefined : value;
    this.path = path;
  }

  get isPresent(): boolean {
    return this.value !== undefined;
  }

  fail(why: string): never {
    throw new RunscError(`config.json: ${this.path}: ${why}`);
  }

  /** The member `name` of an object (absent when this is absent). */
  get(name: string): Field {
    const path = this.path === '' ? name : `${this.path}.${name}`;
    if (!this.isPresent) return new Field(undefined, path);
    const object = this.object();
    return new Field(Object.hasOwn(object, name) ? object[name] : undefined, path);
  }

  object(): Record<string, unknown> {
    if (typeof this.value !== 'object' || Array.isArray(this.value)) return this.fail(`must be an object, is ${kindOf(this.value)}`);
    return this.value as Record<string, unknown>;
  }

  /** A required string. */
  string(): string {
    if (!this.isPresent) return this.fail('is required');
    if (typeof this.value !== 'string') return this.fail(`must be a string, is ${kindOf(this.value)}`);
    if (this.value.length > MAX_STRING) return this.fail(`is longer than ${MAX_STRING} characters`);
    if (this.value.includes('\0')) return this.fail('holds a NUL character');
    return this.value;
  }
  optionalString(fallback: string): string {
    return this.isPresent ? this.string() : fallback;
  }

  /** A whole number in [min, max]. */
  integer(min: number, max: number): number {
    if (!this.isPresent) return this.fail('is required');
    const value = this.value;
    if (typeof value !== 'number' || !Number.isInteger(value)) return this.fail(`must be a whole number, is ${kindOf(value)}`);
    if (value < min || value > max) return this.fail(`must be between ${min} and ${max}, is ${value}`);
    return value;
  }
  optionalInteger(min: number, max: number, fallback: number): number {
    return this.isPresent ? this.integer(min, max) : fallback;
  }

  /** A whole number of 64 bits; the parser leaves long ones as digits. */
  unsigned64(): bigint {
    const value = this.value;
    if (typeof value === 'string' && /^\d{1,20}$/.test(value) && BigInt(value) < 1n << 64n) return BigInt(value);
    return BigInt(this.integer(0, Number.MAX_SAFE_INTEGER));
  }

  /** The value for a message: never at full length when that is long. */
  shown(): string {
    return shorten(String(this.value));
  }

  optionalBoolean(fallback: boolean): boolean {
    if (!this.isPresent) return fallback;
    if (typeof this.value !== 'boolean') return this.fail(`must be true or false, is ${kindOf(this.value)}`);
    return this.value;
  }

  /** The items of an array; none when absent. */
  items(): Field[] {
    if (!this.isPresent) return [];
    if (!Array.isArray(this.value)) return this.fail(`must be an array, is ${kindOf(this.value)}`);
    if (this.value.length > MAX_ITEMS) return this.fail(`has more than ${MAX_ITEMS} items`);
    return this.value.map((item, i) => new Field(item, `${this.path}[${i}]`));
  }
  strings(): string[] {
    return this.items().map((item) => item.string());
  }

  /** An absolute path, cleaned of ".", ".." and doubled slashes. */
  absolutePath(): string {
    const path = this.string();
    if (!path.startsWith('/')) return this.fail(`must be an absolute path, is "${shorten(path)}"`);
    return cleanPath(path);
  }
  oneOf<T extends string>(allowed: readonly T[]): T {
    const value = this.string();
    if (!(allowed as readonly string[]).includes(value)) return this.fail(`must be one of ${allowed.join(', ')}, is "${shorten(value)}"`);
    return value as T;
  }
}

/** Lexically cleans a path, as "/"-rooted. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'absent';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return `${typeof value} ${JSON.stringify(value).slice(0, 40)}`;
}
