// SPDX-License-Identifier: Apache-2.0

/**
 * The part of TOML that a shim's configuration needs: [tables] of strings, numbers and booleans. Anything else is refused by line.
 */
import { RunscError } from '../errors.ts';

export type Settings = Readonly<Record<string, string | number | boolean>>;

/** Tables by name; '': what stands before the first. Throws RunscError. */
export function parseSettings(text: string, file: string): Record<string, Settings> {
  const tables: Record<string, Record<string, string | number | boolean>> = Object.create(null);
  let table = (tables[''] = Object.create(null) as Record<string, string | number | boolean>);
  text.split('\n').forEach((raw, i) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const header = /^\[\s*([A-Za-z0-9_.-]+)\s*\](\s*#.*)?$/.exec(line);
    if (header !== null) {
      table = tables[header[1] as string] ??= Object.create(null) as Record<string, string | number | boolean>;
      return;
    }
    const setting = /^([A-Za-z0-9_-]+|"[^"\\]+")\s*=\s*(.*)$/.exec(line);
    const value = decode(setting?.[2] ?? '');
    if (setting === null || value === undefined) throw new RunscError(`${file}:${i + 1}: cannot be understood: ${line.slice(0, 80)}`);
    table[(setting[1] as string).replaceAll('"', '')] = value;
  });
  return tables;
}

function decode(text: string): string | number | boolean | undefined {
  const match = /^(?:"((?:[^"\\]|\\["\\])*)"|'([^']*)'|(true|false)|([+-]?\d{1,15}))\s*(?:#.*)?$/.exec(text);
  if (match === null) return undefined;
  const [, basic, literal, boolean, number] = match;
  if (basic !== undefined) return basic.replace(/\\(.)/g, '$1');
  if (literal !== undefined) return literal;
  return boolean !== undefined ? boolean === 'true' : Number(number);
}
