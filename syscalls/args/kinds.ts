// SPDX-License-Identifier: Apache-2.0

/**
 * Argument kinds: how one system call argument is read from its register and shown in the strace log.
 *
 * Invariants: decoding is numeric only (`view`): strings and structures are read by the handler, in the order Linux reads
 *             them. `format` runs only when tracing, after the call for output arguments (`isOutput`).
 */
import type { Task } from '../../sentry/kernel/task.ts';

/** How the register becomes a Number: int, unsigned int, signed long, unsigned long (addresses, size_t). */
export type RegisterView = 'i32' | 'u32' | 'i64' | 'u64';

export interface ArgKind {
  readonly name: string;
  readonly view: RegisterView;
  /** Text for the strace line. `value` as decoded; `result` is the call's result when known (isOutput). */
  readonly format: (t: Task, value: number, result: number) => string;
  /** True: shown after the call returned (read's buffer, stat's struct). */
  readonly isOutput?: boolean;
}

const decimal = (_t: Task, value: number): string => String(value);
const hex = (_t: Task, value: number): string =>
  value === 0 ? '0' : value < 0 ? String(value) : `0x${value.toString(16)}`;

function kind(name: string, view: RegisterView, format: ArgKind['format'], isOutput = false): ArgKind {
  return { name, view, format, isOutput };
}

/** int */
export const Int = kind('Int', 'i32', decimal);
/** unsigned int (flags without a decoder of their own, ids) */
export const UInt = kind('UInt', 'u32', decimal);
/** long */
export const Long = kind('Long', 'i64', decimal);
/** unsigned long or size_t */
export const Size = kind('Size', 'u64', decimal);
/** off_t (signed) */
export const Offset = kind('Offset', 'i64', decimal);
/** unsigned int shown in hex */
export const Flags = kind('Flags', 'u32', hex);
/** unsigned long flags shown in hex */
export const LongFlags = kind('LongFlags', 'u64', hex);
/** unsigned long that holds a number or an address. */
export const LongOrAddr = kind('LongOrAddr', 'i64', hex);
/** A pointer shown as an address. */
export const Addr = kind('Addr', 'u64', hex);
/** A file descriptor. */
export const Fd = kind('Fd', 'i32', decimal);
/** A directory descriptor or AT_FDCWD. */
export const DirFd = kind('DirFd', 'i32', (_t, value) => (value === -100 ? 'AT_FDCWD' : String(value)));
/** mode_t */
export const Mode = kind('Mode', 'u32', (_t, value) => `0${value.toString(8)}`);
/** pid_t */
export const Pid = kind('Pid', 'i32', decimal);
/** A signal number. */
export const Signal = kind('Signal', 'i32', decimal);

/** Longest string shown in the strace log, in bytes. */
const SHOWN = 64;

function quote(text: string): string {
  return JSON.stringify(Buffer.from(text, 'latin1').toString('utf8'));
}

/** const char * path, read by the handler through its own getname. */
export const PathName = kind('PathName', 'u64', (t, value) => {
  if (value === 0) return 'NULL';
  const text = t.memory.readCString(value, 4096);
  return typeof text === 'number' ? hex(t, value) : quote(text);
});

/** A NULL-terminated array of strings (argv, envp). */
export const StringArray = kind('StringArray', 'u64', (t, value) => {
  if (value === 0) return 'NULL';
  const shown: string[] = [];
  for (let i = 0; i < 16; i++) {
    const at = t.memory.readU64(value + i * 8);
    if (at <= 0) return `[${shown.join(', ')}]`;
    shown.push(PathName.format(t, at, 0));
  }
  return `[${shown.join(', ')}, ...]`;
});

function bytes(t: Task, value: number, length: number): string {
  const buf = new Uint8Array(Math.max(0, Math.min(length, SHOWN)));
  const n = t.memory.copyIn(value, buf, 0, buf.length);
  if (n < 0) return hex(t, value);
  const text = quote(Buffer.from(buf.subarray(0, n)).toString('latin1'));
  return length > SHOWN ? `${text}...` : text;
}

/** A buffer the call fills; as many bytes as the result are shown. */
export const OutBuffer = kind(
  'OutBuffer',
  'u64',
  (t, value, result) => (result > 0 ? bytes(t, value, result) : hex(t, value)),
  true,
);
/** A buffer the call reads; up to 64 bytes are shown. `length`: the argument after it, which is its size. */
export const InBuffer = kind('InBuffer', 'u64', (t, value, length) => (value === 0 ? 'NULL' : bytes(t, value, length)));

/** Makes a kind for a set of named bits: `FlagSet('OpenFlags', 'u32', [['O_CREAT', 0o100], ...])`. */
export function FlagSet(
  name: string,
  view: RegisterView,
  bits: readonly (readonly [string, number])[],
  zero = '0',
): ArgKind {
  return kind(name, view, (_t, value) => {
    const parts: string[] = [];
    let rest = value;
    for (const [word, bit] of bits) {
      if (bit !== 0 && Math.floor(rest / bit) % 2 === 1 && (rest & bit) === (bit | 0)) {
        parts.push(word);
        rest -= bit;
      }
    }
    if (rest !== 0) parts.push(`0x${rest.toString(16)}`);
    return parts.length === 0 ? zero : parts.join('|');
  });
}

/** Makes a kind for one of several named values. */
export function Choice(name: string, view: RegisterView, values: readonly (readonly [string, number])[]): ArgKind {
  const names = new Map(values.map(([word, value]) => [value, word]));
  return kind(name, view, (_t, value) => names.get(value) ?? String(value));
}
