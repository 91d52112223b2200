// SPDX-License-Identifier: Apache-2.0

/**
 * Protocol buffer messages as typed tables: a field's number and kind, from which protobufjs encodes and decodes and the
 * TypeScript type follows.
 *
 * Invariants: what was decoded has every field: zero, '', [] or (messages) null when it was not sent. 64-bit numbers are Numbers.
 *             Nothing is built before a message is first used.
 */
import protobuf from 'protobufjs/light.js';

interface Scalars {
  string: string;
  bytes: Uint8Array;
  bool: boolean;
  int32: number;
  uint32: number;
  int64: number;
  uint64: number;
  double: number;
}

type Kind = keyof Scalars | Message<object>;
type Field = readonly [number, Kind] | readonly [number, 'repeated' | 'map', Kind];
type Fields = Readonly<Record<string, Field>>;

type Plain<K> = K extends keyof Scalars ? Scalars[K] : K extends Message<infer T> ? T : never;
type Decoded<F> = F extends readonly [number, 'repeated', infer K] ? Plain<K>[] : F extends readonly [number, 'map', infer K] ? Record<string, Plain<K>>
  : F extends readonly [number, infer K] ? (K extends keyof Scalars ? Scalars[K] : Plain<K> | null) : never;

/** What may be left out when encoding, at any depth. */
export type Sparse<T> = T extends Uint8Array | string | number | boolean | null ? T : T extends (infer I)[] ? Sparse<I>[] : { [K in keyof T]?: Sparse<T[K]> };

export interface Message<T extends object> {
  readonly name: string;
  encode(value: Sparse<T>): Uint8Array;
  /** Throws when the bytes are no such message. */
  decode(bytes: Uint8Array): T;
  /** protobufjs's description of it. */
  type(): protobuf.Type;
}

const root = new protobuf.Root();

/** Declares a message. `name` is unique here and never on the wire. */
export function message<const F extends Fields>(name: string, fields: F): Message<{ -readonly [K in keyof F]: Decoded<F[K]> }> {
  type T = { -readonly [K in keyof F]: Decoded<F[K]> };
  let built: protobuf.Type | null = null;
  const type = (): protobuf.Type => (built ??= build(name, fields));
  return {
    name,
    type,
    encode: (value) => type().encode(type().fromObject(value as Record<string, unknown>)).finish(),
    decode: (bytes) => type().toObject(type().decode(bytes), { longs: Number, defaults: true, arrays: true, objects: true }) as T,
  };
}

function build(name: string, fields: Fields): protobuf.Type {
  const type = new protobuf.Type(name);
  for (const [field, [id, rule, of]] of Object.entries(fields)) {
    const kind = of ?? (rule as Kind);
    const kindName = typeof kind === 'string' ? kind : kind.type().name;
    if (rule === 'map') type.add(new protobuf.MapField(field, id, 'string', kindName));
    else type.add(new protobuf.Field(field, id, kindName, of === undefined ? undefined : 'repeated'));
  }
  root.add(type);
  return type;
}
