// SPDX-License-Identifier: Apache-2.0

/**
 * C structures as declarations: field for field, padding named, size asserted when the module loads.
 *
 * `struct('timespec', { tv_sec: i64, tv_nsec: i64 }, { size: 16 })` gives the offsets, a reader and a writer; both are compiled to
 * straight-line code on first use. 64-bit fields are Numbers (exact below 2^53); u64big/i64big where all 64 bits matter.
 *
 * Invariants: alignment follows the x86-64 System V ABI; implicit padding is refused, so a declaration is what the C compiler sees.
 */

interface Scalar<T> {
  readonly kind: 'scalar';
  readonly size: number;
  readonly align: number;
  readonly type: ScalarType;
  /** Type carrier only. */
  readonly value?: T;
}
type ScalarType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64' | 'u64big' | 'i64big' | 'u16be' | 'u32be';

interface Padding {
  readonly kind: 'pad';
  readonly size: number;
  readonly align: 1;
}
interface Bytes {
  readonly kind: 'bytes';
  readonly size: number;
  readonly align: 1;
}
interface ArrayOf<E extends Field> {
  readonly kind: 'array';
  readonly size: number;
  readonly align: number;
  readonly element: E;
  readonly length: number;
}
// biome-ignore lint/suspicious/noExplicitAny: a struct of any fields
type AnyStruct = Struct<any>;
export type Field = Scalar<number> | Scalar<bigint> | Padding | Bytes | ArrayOf<Field> | AnyStruct;
type Fields = Record<string, Field>;

type ValueOf<F> =
  F extends Struct<infer G>
    ? Value<G>
    : F extends Scalar<infer T>
      ? T
      : F extends Bytes
        ? Uint8Array
        : F extends ArrayOf<infer E>
          ? ValueOf<E>[]
          : never;
type Value<F extends Fields> = { -readonly [K in keyof F as F[K] extends Padding ? never : K]: ValueOf<F[K]> };

/** The plain-object type of a declared structure. */
export type Infer<S> = S extends Struct<infer F> ? Value<F> : never;

/** A declared structure. */
export interface Struct<F extends Fields> {
  readonly kind: 'struct';
  readonly name: string;
  readonly size: number;
  readonly align: number;
  readonly fields: F;
  /** Byte offset of each field. */
  readonly offset: { readonly [K in keyof F]: number };
  /** Decodes the structure at `at`. The caller has checked that it fits. */
  read(view: DataView, at: number): Value<F>;
  /** Encodes `value` at `at`, padding as zero. */
  write(view: DataView, at: number, value: Value<F>): void;
}

function scalar<T>(type: ScalarType, size: number): Scalar<T> {
  return { kind: 'scalar', size, align: size, type };
}

export const u8 = scalar<number>('u8', 1);
export const i8 = scalar<number>('i8', 1);
export const u16 = scalar<number>('u16', 2);
export const i16 = scalar<number>('i16', 2);
export const u32 = scalar<number>('u32', 4);
export const i32 = scalar<number>('i32', 4);
export const u64 = scalar<number>('u64', 8);
export const i64 = scalar<number>('i64', 8);
export const u64big = scalar<bigint>('u64big', 8);
export const i64big = scalar<bigint>('i64big', 8);
/** Network byte order, as in socket addresses. */
export const u16be = scalar<number>('u16be', 2);
export const u32be = scalar<number>('u32be', 4);

/** Named padding of `size` bytes: written as zero, not read. */
export function pad(size: number): Padding {
  return { kind: 'pad', size, align: 1 };
}

/** Raw bytes: a copy when read; shorter values are zero-filled when written. */
export function bytes(size: number): Bytes {
  return { kind: 'bytes', size, align: 1 };
}

export function array<E extends Field>(element: E, length: number): ArrayOf<E> {
  return { kind: 'array', size: element.size * length, align: element.align, element, length };
}

/**
 * Declares a structure. Errors: throws when the layout has implicit padding (unless packed) or another size than C's.
 */
export function struct<F extends Fields>(
  name: string,
  fields: F,
  options: { size: number; packed?: boolean },
): Struct<F> {
  const offset: Record<string, number> = {};
  let at = 0;
  let align = 1;
  for (const [key, field] of Object.entries(fields)) {
    if (options.packed !== true) {
      if (at % field.align !== 0) throw new Error(`struct ${name}: ${key} at ${at} needs padding to ${field.align}`);
      align = Math.max(align, field.align);
    }
    offset[key] = at;
    at += field.size;
  }
  if (at !== options.size || at % align !== 0) throw new Error(`struct ${name}: size ${at}, expected ${options.size}`);
  let reader: ((view: DataView, at: number) => Value<F>) | null = null;
  let writer: ((view: DataView, at: number, value: Value<F>) => void) | null = null;
  return {
    kind: 'struct',
    name,
    size: at,
    align,
    fields,
    offset: offset as { [K in keyof F]: number },
    read(view, position) {
      reader ??= compileReader<Value<F>>(fields, offset);
      return reader(view, position);
    },
    write(view, position, value) {
      writer ??= compileWriter<Value<F>>(fields, offset);
      writer(view, position, value);
    },
  };
}

// ---------------------------------------------------------------------------------------------------------------
// Compilation

function readExpression(field: Field, at: string): string {
  if (field.kind === 'struct') {
    const members = Object.entries(field.fields as Fields)
      .filter(([, f]) => f.kind !== 'pad')
      .map(([key, f]) => `${key}: ${readExpression(f, `${at} + ${field.offset[key] as number}`)}`);
    return `{ ${members.join(', ')} }`;
  }
  if (field.kind === 'array') {
    return `[${Array.from({ length: field.length }, (_, i) => readExpression(field.element, `${at} + ${i * field.element.size}`)).join(', ')}]`;
  }
  if (field.kind === 'bytes') return `new Uint8Array(v.buffer, v.byteOffset + ${at}, ${field.size}).slice()`;
  if (field.kind === 'pad') return 'undefined';
  switch (field.type) {
    case 'u8':
      return `v.getUint8(${at})`;
    case 'i8':
      return `v.getInt8(${at})`;
    case 'u16':
      return `v.getUint16(${at}, true)`;
    case 'i16':
      return `v.getInt16(${at}, true)`;
    case 'u32':
      return `v.getUint32(${at}, true)`;
    case 'i32':
      return `v.getInt32(${at}, true)`;
    case 'u64':
      return `(v.getUint32(${at} + 4, true) * 4294967296 + v.getUint32(${at}, true))`;
    case 'i64':
      return `(v.getInt32(${at} + 4, true) * 4294967296 + v.getUint32(${at}, true))`;
    case 'u64big':
      return `v.getBigUint64(${at}, true)`;
    case 'i64big':
      return `v.getBigInt64(${at}, true)`;
    case 'u16be':
      return `v.getUint16(${at}, false)`;
    case 'u32be':
      return `v.getUint32(${at}, false)`;
  }
}

function writeStatements(field: Field, at: string, value: string): string {
  if (field.kind === 'struct') {
    return Object.entries(field.fields as Fields)
      .map(([key, f]) => writeStatements(f, `${at} + ${field.offset[key] as number}`, `${value}.${key}`))
      .join('\n');
  }
  if (field.kind === 'array') {
    return Array.from({ length: field.length }, (_, i) =>
      writeStatements(field.element, `${at} + ${i * field.element.size}`, `${value}[${i}]`),
    ).join('\n');
  }
  if (field.kind === 'bytes') {
    return `b = new Uint8Array(v.buffer, v.byteOffset + ${at}, ${field.size}); b.fill(0); b.set(${value}.subarray(0, ${field.size}));`;
  }
  if (field.kind === 'pad') return `new Uint8Array(v.buffer, v.byteOffset + ${at}, ${field.size}).fill(0);`;
  switch (field.type) {
    case 'u8':
    case 'i8':
      return `v.setInt8(${at}, ${value});`;
    case 'u16':
    case 'i16':
      return `v.setInt16(${at}, ${value}, true);`;
    case 'u32':
    case 'i32':
      return `v.setInt32(${at}, ${value}, true);`;
    case 'u64':
    case 'i64':
      return `n = ${value}; h = Math.floor(n / 4294967296); v.setInt32(${at}, n - h * 4294967296, true); v.setInt32(${at} + 4, h, true);`;
    case 'u64big':
    case 'i64big':
      return `v.setBigInt64(${at}, ${value}, true);`;
    case 'u16be':
      return `v.setUint16(${at}, ${value}, false);`;
    case 'u32be':
      return `v.setUint32(${at}, ${value}, false);`;
  }
}

function compileReader<V>(fields: Fields, offset: Record<string, number>): (view: DataView, at: number) => V {
  const members = Object.entries(fields)
    .filter(([, f]) => f.kind !== 'pad')
    .map(([key, f]) => `${key}: ${readExpression(f, `at + ${offset[key] as number}`)}`);
  return new Function('v', 'at', `return { ${members.join(', ')} };`) as (view: DataView, at: number) => V;
}

function compileWriter<V>(
  fields: Fields,
  offset: Record<string, number>,
): (view: DataView, at: number, value: V) => void {
  const body = Object.entries(fields).map(([key, f]) =>
    writeStatements(f, `at + ${offset[key] as number}`, `value.${key}`),
  );
  return new Function('v', 'at', 'value', `let n, h, b;\n${body.join('\n')}`) as (
    view: DataView,
    at: number,
    value: V,
  ) => void;
}
