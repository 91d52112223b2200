// SPDX-License-Identifier: Apache-2.0

/**
 * What the verbs that act on a container by id have in common: options anywhere, a number of arguments, help, runc's words for
 * wrong usage.
 */
import { EXIT_ERROR, RunscError, UsageError } from '../errors.ts';
import { type Option, type Parsed, parseInterspersed, parseOptions } from './arguments.ts';
import { manual } from './manual.ts';
import { checkContainerId } from './values.ts';
import type { Verb, VerbContext } from './verbs.ts';

export const HELP: Option = { name: 'help', short: 'h', kind: 'flag', help: 'print help' };

export interface ContainerVerb {
  readonly name: string;
  readonly summary: string;
  /** What follows the options in the usage line. */
  readonly operands: string;
  /** Longer text for the help. */
  readonly text: string;
  readonly options: readonly Option[];
  /** Further sections of the help. */
  readonly more?: readonly (readonly [string, string])[];
  readonly min: number;
  /** Infinity: everything after the first argument is the verb's. */
  readonly max: number;
  readonly startsSandbox?: boolean;
  readonly failureStatus?: number;
  run(parsed: Parsed, operands: readonly string[], context: VerbContext): number;
}

/** Makes a verb of it. */
export function containerVerb(verb: ContainerVerb): Verb {
  const options = [...verb.options, HELP];
  const usage = (): string => manual({ ...verb, usage: [`[OPTIONS]${verb.operands === '' ? '' : ` ${verb.operands}`}`], options, ...(verb.more === undefined ? {} : { more: verb.more }) });
  return {
    name: verb.name,
    summary: verb.summary,
    failureStatus: verb.failureStatus ?? EXIT_ERROR,
    startsSandbox: verb.startsSandbox ?? false,
    usage,
    run: (args, context) => {
      const parsed = verb.max === Number.POSITIVE_INFINITY ? parseOptions(args, options) : parseInterspersed(args, options);
      if (parsed.flag('help')) return print(usage());
      const count = parsed.rest.length;
      if (count < verb.min || count > verb.max) {
        print(`Incorrect Usage.\n\n${usage()}`);
        const bound = verb.min === verb.max ? `exactly ${verb.min}` : count < verb.min ? `a minimum of ${verb.min}` : `a maximum of ${verb.max}`;
        throw new UsageError(`"${verb.name}" requires ${bound} argument(s)`);
      }
      return verb.run(parsed, parsed.rest, context);
    },
  };
}

/** The id among the operands. Throws RunscError. */
export function idOf(operands: readonly string[]): string {
  return checkContainerId(operands[0] ?? '');
}

export function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** Calls `act`; what it throws gets runc's prefix, and the verb's own exit status. */
export function prefixed<T>(prefix: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof RunscError) throw new RunscError(`${prefix}: ${error.message}`);
    throw error;
  }
}
