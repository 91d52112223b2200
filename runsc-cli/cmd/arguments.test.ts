// SPDX-License-Identifier: Apache-2.0

/** Command line options. */
import { describe, expect, it } from 'vitest';
import { type Option, parseInterspersed, parseOptions } from './arguments.ts';
import { parseGlobalFlags } from './global_flags.ts';
import { checkContainerId, parseSize } from './values.ts';

const OPTIONS: readonly Option[] = [
  { name: 'debug', kind: 'flag', help: '' },
  { name: 'env', short: 'e', kind: 'list', help: '' },
  { name: 'root', kind: 'value', help: '' },
];

describe('parseOptions()', () => {
  it('takes --name value, --name=value, -name and one letter, and stops at the first other argument', () => {
    const parsed = parseOptions(['--root', '/a', '-root=/b', '-e', 'A=1', '--env=B=2', '--debug', 'do', '--root', 'x'], OPTIONS);
    expect([parsed.value('root'), parsed.list('env'), parsed.flag('debug'), parsed.rest]).toEqual(['/b', ['A=1', 'B=2'], true, ['do', '--root', 'x']]);
  });
  it('ends at --', () => expect(parseOptions(['--debug=false', '--', '--debug'], OPTIONS).rest).toEqual(['--debug']));
  it('rejects unknown flags, missing values and bad booleans', () => {
    expect(() => parseOptions(['--nope'], OPTIONS)).toThrow('flag provided but not defined: -nope');
    expect(() => parseOptions(['--root'], OPTIONS)).toThrow('flag needs an argument: -root');
    expect(() => parseOptions(['--debug=maybe'], OPTIONS)).toThrow('invalid boolean value');
  });
  it('finds options between arguments for verbs', () => expect(parseInterspersed(['id', '--root', 'x', 'y'], OPTIONS).rest).toEqual(['id', 'y']));
});

describe('values', () => {
  it('reads sizes', () => {
    expect([parseSize('64m', 'm'), parseSize('1G', 'm'), parseSize('4096', 'm'), parseSize('2KiB', 'm')]).toEqual([2 ** 26, 2 ** 30, 4096, 2048]);
    for (const bad of ['', '0', '-1', '1x', '9999999999999g']) expect(() => parseSize(bad, 'm')).toThrow('invalid size');
  });
  it('checks container ids', () => {
    for (const bad of ['', '.', '..', 'a/b', 'a b']) expect(() => checkContainerId(bad)).toThrow('invalid container ID format');
    expect(checkContainerId('a_1.b-C+')).toBe('a_1.b-C+');
  });
  it('checks global flags', () => {
    expect(() => parseGlobalFlags(['--platform', 'kvm', 'do'])).toThrow('must be ptrace');
    expect(parseGlobalFlags(['--network=host', 'do', '--x']).parsed.rest).toEqual(['do', '--x']);
  });
});
