// SPDX-License-Identifier: Apache-2.0

/** What the shim is told: its flags, its configuration, its mounts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { groupOf, socketPath } from './address.ts';
import { checkNames, parseShimFlags } from './flags.ts';
import { commonDirectory } from './mounts.ts';
import { decodeOptions, stateRoot } from './options.ts';
import { LinuxCreateOptions, RuncOptions, RuntimeOptions } from './protocol/option_messages.ts';
import { parseSettings } from './toml_settings.ts';

test("flags in every form of Go's flag package", () => {
  const flags = parseShimFlags(['-namespace', 'n', '--id=i', '-address=/a', '-publish-binary', '/usr/bin/containerd', '-debug', '-bundle', '/b', 'delete']);
  expect(flags).toMatchObject({ namespace: 'n', id: 'i', address: '/a', publishBinary: '/usr/bin/containerd', debug: true, bundle: '/b', action: 'delete' });
  expect(parseShimFlags(['-debug=false', 'start'])).toMatchObject({ debug: false, action: 'start' });
  expect(() => parseShimFlags(['-nosuch'])).toThrow('flag provided but not defined: -nosuch');
  expect(() => parseShimFlags(['-id'])).toThrow('flag needs an argument: -id');
});

test('names that lead elsewhere are refused', () => {
  for (const id of ['', '..', '.', 'a/b', 'x'.repeat(300), 'a\0b', 'a b']) expect(() => checkNames({ ...parseShimFlags(['-namespace', 'n']), id })).toThrow(/id/);
  checkNames(parseShimFlags(['-namespace', 'k8s.io', '-id', 'a_b-c.d']));
});

test('containers of one pod have one socket', () => {
  const bundle = mkdtempSync(join(tmpdir(), 'bundle-'));
  try {
    const of = (id: string, annotations: object): string => {
      writeFileSync(join(bundle, 'config.json'), JSON.stringify({ annotations }));
      return socketPath(parseShimFlags(['-namespace', 'n', '-id', id, '-address', '/a']), bundle);
    };
    const pod = { 'io.kubernetes.cri.sandbox-id': 'sandbox' };
    expect(of('a', pod)).toBe(of('b', pod));
    expect(of('sandbox', {})).toBe(of('a', pod));
    expect(of('a', {})).not.toBe(of('b', {}));
    expect(of('a', {}).length).toBeLessThan(107);
    writeFileSync(join(bundle, 'config.json'), '{ not json');
    expect(groupOf(bundle)).toBeNull();
  } finally {
    rmSync(bundle, { recursive: true });
  }
});

test('settings in TOML, and what is refused by its line', () => {
  const text = '# c\nroot = "/r" # c\nio_uid = 5\n\n[runsc_config]\ndebug = true\n"debug-log" = \'/x y\'\n';
  expect(parseSettings(text, 'f')).toEqual({ '': { root: '/r', io_uid: 5 }, runsc_config: { debug: true, 'debug-log': '/x y' } });
  for (const bad of ['x', 'x = [1]', 'x = "a', '[a', 'x = 1.5', 'x = ']) expect(() => parseSettings(`a = 1\n${bad}`, 'file.toml')).toThrow('file.toml:2: cannot be understood');
  expect(Object.getPrototypeOf(parseSettings('__proto__ = 1', 'f')[''])).toBeNull();
});

test('options of all kinds', () => {
  const runc = decodeOptions({ typeUrl: 'containerd.runc.v1.Options', value: RuncOptions.encode({ binaryName: '/b', root: '/r', ioUid: 3 }) });
  expect(runc).toMatchObject({ binaryName: '/b', root: '/r', ioUid: 3 });
  expect(stateRoot(runc, 'ns')).toBe('/r/ns');
  const create = decodeOptions({ typeUrl: 'containerd.linux.runc.CreateOptions', value: LinuxCreateOptions.encode({ noPivotRoot: true, ioUid: 7, ioGid: 8 }) });
  expect(create).toMatchObject({ binaryName: '', ioUid: 7, ioGid: 8 });
  const body = Buffer.from('[runsc_config]\nnetwork = "none"\ndebug = true\n');
  expect(decodeOptions({ typeUrl: 'x/runtimeoptions.v1.Options', value: RuntimeOptions.encode({ configBody: body }) }).flags).toEqual(['--network=none', '--debug=true']);
  expect(() => decodeOptions({ typeUrl: 'other', value: new Uint8Array() })).toThrow('unsupported option type "other"');
  expect(() => decodeOptions({ typeUrl: 'containerd.runc.v1.Options', value: Buffer.from([0xff, 0xff]) })).toThrow('runtime options');
});

test('the directory that the layers of an overlay have in common', () => {
  expect(commonDirectory(['/a/b/1/fs', '/a/b/12/fs'])).toBe('/a/b/');
  expect(commonDirectory(['/a', '/b'])).toBe('/');
  expect(commonDirectory(['x', 'y'])).toBe('');
  expect(commonDirectory([])).toBe('');
});
