// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts spec` and `runsc-ts run`: an OCI bundle in the foreground, and config.json files that must be refused.
 * Behaviours: spec writes a bundle that run runs; every broken field is named in one line with status 1 and leaves nothing.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cliPath, runCli } from '../harness/run.ts';
import { have } from '../harness/needs.ts';
import { makeTemporary } from '../harness/temporary.ts';

type Json = Record<string, unknown>;
let scratch = '';
let bundle = '';
let state = '';

beforeAll(() => {
  scratch = makeTemporary('bundle-test');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  bundle = mkdtempSync(join(scratch, 'b-'));
  state = join(bundle, 'state');
  mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true });
  writeFileSync(join(bundle, 'rootfs/bin/busybox'), readFileSync('/bin/busybox'), { mode: 0o755 });
  expect((await runCli(['spec'], { cwd: bundle })).status).toBe(0);
});

/** Changes config.json: `path` is dotted, `value` undefined removes. */
function change(path: string, value: unknown): void {
  const file = join(bundle, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as Json;
  const keys = path.split('.');
  let at: Json = config;
  for (const key of keys.slice(0, -1)) at = (at[key] ??= {}) as Json;
  if (value === undefined) delete at[keys[keys.length - 1] as string];
  else at[keys[keys.length - 1] as string] = value;
  writeFileSync(file, JSON.stringify(config));
}
function command(...args: string[]): void {
  change('process.args', args);
  change('process.terminal', false);
}
const run = (id = 'test') => runCli([`--root=${state}`, 'run', id], { cwd: bundle });

describe.runIf(existsSync(cliPath()) && have('busybox'))('run', () => {
  test('runs the bundle and ends with its status', async () => {
    command('/bin/busybox', 'sh', '-c', 'echo hello; busybox id -u; busybox ls /; exit 9');
    const result = await run();
    expect(result.stderr).toBe('');
    expect(result.stdout).toContain('hello\n0\n');
    expect(result.status).toBe(9);
    expect(existsSync(state) ? readdirSync(state) : []).toEqual([]);
  });

  test('cwd, env, user, hostname and rlimits of the configuration hold', async () => {
    command('/bin/busybox', 'sh', '-c', 'pwd; echo $X; busybox id -u; busybox hostname; ulimit -n');
    change('process.cwd', '/bin');
    change('process.env', ['X=y z']);
    change('process.user', { uid: 7, gid: 8 });
    change('hostname', 'named');
    change('process.rlimits', [{ type: 'RLIMIT_NOFILE', soft: 77, hard: 99 }]);
    expect((await run()).stdout).toBe('/bin\ny z\n7\nnamed\n77\n');
  });

  test('a working directory that is missing is made', async () => {
    command('/bin/busybox', 'pwd');
    change('process.cwd', '/made/here');
    expect((await run()).stdout).toBe('/made/here\n');
  });

  test('a read-only root refuses writes', async () => {
    command('/bin/busybox', 'sh', '-c', 'echo x > /f || echo refused');
    change('root.readonly', true);
    expect((await run()).stdout).toBe('refused\n');
    expect(existsSync(join(bundle, 'rootfs/f'))).toBe(false);
  });

  test('statuses of programs that cannot start', async () => {
    command('/no/such/program');
    expect((await run()).stderr).toContain('/no/such/program');
    writeFileSync(join(bundle, 'rootfs/plain'), 'x');
    command('/plain');
    expect((await run()).stderr).toMatch(/permission denied/i);
  });
});

const BROKEN: [name: string, path: string, value: unknown, mentions: RegExp][] = [
  ['args empty', 'process.args', [], /args/],
  ['args missing', 'process.args', undefined, /args/],
  ['args of numbers', 'process.args', [1, 2], /args/],
  ['args not a list', 'process.args', 'sh', /args/],
  ['cwd relative', 'process.cwd', 'bin', /cwd/],
  ['cwd missing', 'process.cwd', undefined, /cwd/],
  ['cwd a number', 'process.cwd', 5, /cwd/],
  ['env not a list', 'process.env', { A: 'b' }, /env/],
  ['uid negative', 'process.user.uid', -1, /uid/],
  ['uid a string', 'process.user.uid', '0', /uid/],
  ['uid too large', 'process.user.uid', 2 ** 40, /uid/],
  ['terminal a string', 'process.terminal', 'yes', /terminal/],
  ['unknown rlimit', 'process.rlimits', [{ type: 'RLIMIT_NONSENSE', soft: 1, hard: 1 }], /RLIMIT_NONSENSE/],
  ['rlimit soft above hard', 'process.rlimits', [{ type: 'RLIMIT_NOFILE', soft: 9, hard: 1 }], /rlimit|RLIMIT_NOFILE/],
  ['root missing', 'root', undefined, /root/],
  ['root path that does not exist', 'root.path', 'nowhere', /nowhere/],
  ['root path a number', 'root.path', 7, /root/],
  ['mounts not a list', 'mounts', {}, /mounts/],
  ['mount source missing', 'mounts', [{ destination: '/x', type: 'bind', source: '/no/such/source', options: ['bind'] }], /\/no\/such\/source/],
  ['mount type unknown', 'mounts', [{ destination: '/x', type: 'nosuchfs', source: 'x' }], /nosuchfs/],
  ['hostname a number', 'hostname', 5, /hostname/],
  ['version missing', 'ociVersion', undefined, /ociVersion/],
  ['version unknown', 'ociVersion', '99.0.0', /99\.0\.0|ociVersion/],
];

describe.runIf(existsSync(cliPath()) && have('busybox'))('a broken config.json is refused in one line', () => {
  test.each(BROKEN)('%s', async (_name, path, value, mentions) => {
    command('/bin/busybox', 'true');
    change(path, value);
    const result = await run();
    expect(result.stderr).toMatch(mentions);
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
    expect(result.status).not.toBe(0);
    expect(existsSync(state) ? readdirSync(state) : []).toEqual([]);
  });

  test('missing, not JSON, an array, empty', async () => {
    const file = join(bundle, 'config.json');
    for (const text of ['{', '[]', '', 'null', '"x"', '\0\xff']) {
      writeFileSync(file, text);
      const result = await run();
      expect(result.status, text).not.toBe(0);
      expect(result.stderr.trim().split('\n'), text).toHaveLength(1);
      expect(result.stderr).toContain('config.json');
    }
    rmSync(file);
    expect((await run()).stderr).toContain('config.json');
  });

  test('container ids that are not names', async () => {
    command('/bin/busybox', 'true');
    for (const id of ['', '../x', 'a/b', '.', 'x'.repeat(2000)]) expect((await run(id)).status, id).not.toBe(0);
  });
});
