// SPDX-License-Identifier: Apache-2.0

/**
 * Command line options: declared as data, parsed by one small function (a library would cost more start-up time than all of
 * the parsing). Accepts --name value, --name=value, -name (as Go programs do), one-letter names, and "--" to end options.
 */
import { shorten, UsageError } from '../errors.ts';

export interface Option {
  /** Long name without dashes. */
  readonly name: string;
  /** One letter, or none. */
  readonly short?: string;
  /** flag: --x or --x=true|false; value: the last one wins; list: all of them. */
  readonly kind: 'flag' | 'value' | 'list';
  /** What stands for the value in the help. */
  readonly placeholder?: string;
  readonly help: string;
  /** Accepted for compatibility, has no effect: not shown in the help. */
  readonly isIgnored?: boolean;
}

export class Parsed {
  readonly values = new Map<string, string[]>();
  rest: string[] = [];

  flag(name: string): boolean {
    return this.value(name) === 'true';
  }
  value(name: string): string | undefined {
    return this.values.get(name)?.at(-1);
  }
  list(name: string): readonly string[] {
    return this.values.get(name) ?? [];
  }
}

/** Parses options up to the first argument that is not one (or "--"); the remainder is `rest`. Throws UsageError. */
export function parseOptions(args: readonly string[], options: readonly Option[]): Parsed {
  const parsed = new Parsed();
  let i = 0;
  for (; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '--') {
      i++;
      break;
    }
    if (!arg.startsWith('-') || arg === '-') break;
    i = takeOption(arg, args, i, options, parsed);
  }
  parsed.rest = args.slice(i);
  return parsed;
}

/** Parses options anywhere among the arguments, as verbs with a fixed number of arguments do. */
export function parseInterspersed(args: readonly string[], options: readonly Option[]): Parsed {
  const parsed = new Parsed();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '--') {
      parsed.rest.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') parsed.rest.push(arg);
    else i = takeOption(arg, args, i, options, parsed);
  }
  return parsed;
}

/** Takes one option at args[i]; returns the index of the last argument it used. */
function takeOption(arg: string, args: readonly string[], i: number, options: readonly Option[], parsed: Parsed): number {
  const equals = arg.indexOf('=');
  const word = arg.slice(arg.startsWith('--') ? 2 : 1, equals < 0 ? undefined : equals);
  const option = options.find((o) => o.name === word || o.short === word);
  if (option === undefined) throw new UsageError(`flag provided but not defined: -${shorten(word)}`);
  let value = equals < 0 ? undefined : arg.slice(equals + 1);
  if (option.kind === 'flag') {
    value ??= 'true';
    if (!/^(true|false|1|0)$/.test(value)) throw new UsageError(`invalid boolean value "${shorten(value)}" for -${word}`);
    value = value === '1' ? 'true' : value === '0' ? 'false' : value;
  } else if (value === undefined) {
    value = args[++i];
    if (value === undefined) throw new UsageError(`flag needs an argument: -${word}`);
  }
  const list = parsed.values.get(option.name);
  if (list === undefined) parsed.values.set(option.name, [value]);
  else list.push(value);
  return i;
}

/** Help text of options, one line each. */
export function describeOptions(options: readonly Option[]): string {
  const shown = options.filter((o) => o.isIgnored !== true);
  const left = shown.map((o) => `  ${o.short === undefined ? '    ' : `-${o.short}, `}--${o.name}${o.kind === 'flag' ? '' : ` ${o.placeholder ?? 'VALUE'}`}`);
  const width = Math.max(...left.map((text) => text.length));
  return shown.map((o, i) => `${(left[i] as string).padEnd(width)}  ${o.help}`).join('\n');
}
