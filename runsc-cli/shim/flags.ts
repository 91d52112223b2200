// SPDX-License-Identifier: Apache-2.0

/**
 * The shim's command line, in the syntax of Go's flag package (-x v, --x v, -x=v; booleans -x and -x=false). Source: containerd's
 * runtime/v2 README.
 */
import { UsageError } from '../errors.ts';

const VALUES = ['namespace', 'id', 'address', 'publish-binary', 'bundle', 'socket'] as const;
const BOOLEANS = ['debug', 'v', 'info', 'version', 'stay'] as const;

export interface ShimFlags {
  readonly namespace: string;
  readonly id: string;
  /** containerd's socket. */
  readonly address: string;
  readonly publishBinary: string;
  /** Only `delete` is told. */
  readonly bundle: string;
  /** Where the daemon listens: start tells it. */
  readonly socket: string;
  readonly debug: boolean;
  /** With start: become the shim, instead of starting another process that is. */
  readonly stay: boolean;
  readonly version: boolean;
  readonly info: boolean;
  /** start, delete, or '': the daemon. */
  readonly action: string;
}

/** Throws UsageError. */
export function parseShimFlags(args: readonly string[]): ShimFlags {
  const values: Record<string, string> = {};
  const booleans: Record<string, boolean> = {};
  let i = 0;
  for (; i < args.length; i++) {
    const match = /^--?([a-z][a-z-]*)(?:=(.*))?$/s.exec(args[i] as string);
    if (match === null) break;
    const [, name, given] = match as unknown as [string, string, string | undefined];
    if ((BOOLEANS as readonly string[]).includes(name)) booleans[name] = given !== 'false';
    else if ((VALUES as readonly string[]).includes(name)) {
      const value = given ?? args[++i];
      if (value === undefined) throw new UsageError(`flag needs an argument: -${name}`);
      values[name] = value;
    } else throw new UsageError(`flag provided but not defined: -${name}`);
  }
  return {
    namespace: values['namespace'] ?? '', id: values['id'] ?? '', address: values['address'] ?? '', publishBinary: values['publish-binary'] ?? 'containerd', bundle: values['bundle'] ?? '', socket: values['socket'] ?? '',
       debug: booleans['debug'] ?? false, stay: booleans['stay'] ?? false, version: (booleans['v'] ?? false) || (booleans['version'] ?? false), info: booleans['info'] ?? false, action: args[i] ?? '',
  };
}

/** Refuses what would lead out of the directories that names become part of. Throws UsageError. */
export function checkNames(flags: ShimFlags): void {
  for (const name of ['namespace', 'id'] as const) {
    const value = flags[name];
    if (value === '') throw new UsageError(`shim ${name} cannot be empty`);
    if (!/^[A-Za-z0-9_.+-]{1,255}$/.test(value) || value === '.' || value === '..') throw new UsageError(`invalid ${name} "${value.slice(0, 80)}"`);
  }
}
