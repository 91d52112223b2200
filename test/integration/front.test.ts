// SPDX-License-Identifier: Apache-2.0

/**
 * The front (tools/front.sh) does what Node does: the same texts and statuses for the same arguments, in every shell there is; exactly one of
 * several starts succeeds; a kill in the middle of a command leaves nothing that the next one cannot finish.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cliPath } from '../harness/run.ts';
import { makeTemporary } from '../harness/temporary.ts';

const front = join(dirname(cliPath()), 'runsc-ts');
const SHELLS = [['dash'], ['bash'], ['busybox', 'sh']].filter(([program]) => spawnSync('/bin/sh', ['-c', `command -v ${program}`]).status === 0);
const GROUNDS: Record<string, string[]> = { node: [process.execPath, cliPath()], front: [front], ...Object.fromEntries(SHELLS.map((words) => [words.join(' '), [...words, front]])) };
const FRONTS = Object.keys(GROUNDS).filter((name) => name !== 'node');

let bundle = '';
let state = '';

beforeEach(() => {
  bundle = makeTemporary('front-test');
  state = join(bundle, 'state');
  mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true });
  writeFileSync(join(bundle, 'rootfs/bin/busybox'), readFileSync('/bin/busybox'), { mode: 0o755 });
  for (const applet of ['sh', 'sleep', 'true']) symlinkSync('busybox', join(bundle, 'rootfs/bin', applet));
  writeFileSync(join(bundle, 'log'), '');
  expect(run('node', ['spec'])).toMatchObject({ status: 0 });
  configure(['sleep', '100']);
});

afterEach(() => {
  const left = existsSync(state) ? readdirSync(state) : [];
  if (left.length > 0) run('node', ['--root', state, 'delete', '--force', ...left]);
  const still = existsSync(state) ? readdirSync(state) : [];
  rmSync(bundle, { recursive: true, force: true });
  expect(still).toEqual([]);
});

function configure(args: string[], more: Record<string, unknown> = {}): void {
  const file = join(bundle, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  Object.assign(config.process, { args, terminal: false });
  writeFileSync(file, JSON.stringify({ ...config, ...more }));
}

/** What a command prints, and its status; its output goes through files, which a container may keep. */
function run(ground: string, args: string[], env: Record<string, string> = {}): { status: number | null; stdout: string; stderr: string } {
  const [program, ...words] = GROUNDS[ground] as string[];
  const out = join(bundle, 'stdout');
  const err = join(bundle, 'stderr');
  const { status } = spawnSync(program as string, [...words, ...args], { cwd: bundle, stdio: ['ignore', openSync(out, 'w'), openSync(err, 'w')], timeout: 30_000, env: { ...process.env, ...env } });
  return { status, stdout: readFileSync(out, 'utf8'), stderr: readFileSync(err, 'utf8') };
}

/** Flags as containerd gives them. */
const flags = (): string[] => ['--root', state, '--log', join(bundle, 'log'), '--log-format', 'json'];
const on = (ground: string, ...args: string[]) => run(ground, [...flags(), ...args]);
const statusOf = (id: string): string => JSON.parse(on('node', 'state', id).stdout).status;

/** Runs a command with `name` in its PATH replaced by a script, the first time. */
function withFake(name: string, script: string, args: string[]): { status: number | null } {
  const bin = join(bundle, `fake-${name}`);
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
  return run('front', [...flags(), ...args], { PATH: `${bin}:${process.env['PATH']}` });
}

function begin(ground: string, ...args: string[]): Promise<number | null> {
  const [program, ...words] = GROUNDS[ground] as string[];
  const child = spawn(program as string, [...words, ...flags(), ...args], { cwd: bundle, stdio: 'ignore' });
  return new Promise((resolve) => child.on('exit', resolve));
}

async function ended(id: string): Promise<void> {
  for (const end = Date.now() + 10_000; statusOf(id) !== 'stopped'; ) {
    expect(Date.now()).toBeLessThan(end);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const ODD_IDS = ['', '.', '..', '../state', 'a/b', '/', '-x', '--help', '-h', '--', '*', '?', '[', 'a b', 'a\nb', 'ä', '$HOME', '`id`', ';true', '\\', 'a'.repeat(2000), '+', 'no.such_one+-'];

/** Argument lists that are wrong, or odd, or of what is not there. */
const lists = (): string[][] => [
  ...ODD_IDS.map((id, i) => [...flags(), i % 2 === 0 ? 'start' : 'delete', id]),
  ...ODD_IDS.map((id) => [...flags(), 'delete', '--force', id]),
  [], ['start', 'no-such-container'], ['delete', '--force', 'no-such-container'], ['delete', 'no-such-container'], ['--root'], ['--root', state], ['--root', '', 'delete', '--force', 'x'], ['--root', 'relative', 'delete', '--force', 'x'], ['--root', `${state}/..`, 'delete', '--force', 'x'],
  ['--root', state, '--root', '/nosuch', 'start', 'x'], [`--root=${state}`, 'start', 'x'], ['--root', state, 'start'], ['--root', state, 'delete'], ['--root', state, 'delete', '--force'],
  ['--root', state, 'start', 'x', 'y'], ['--root', state, 'delete', '-f', 'x'], ['--root', state, 'delete', '--force=false', 'x'], ['--root', state, 'delete', '--force', 'x', 'y'], ['--root', state, 'delete', '--', 'x'],
  ['--root', state, '--', 'start', 'x'], ['--root', state, '--systemd-cgroup', 'delete', '--force', 'x'], ['--systemd-cgroup', '--root', state, 'start', 'x'], ['--root', state, '--nosuch', 'start', 'x'],
  ['--root', state, '--log-format', 'xml', 'delete', '--force', 'x'], ['--root', state, '--log', '', 'delete', '--force', 'x'], ['--root', state, '--log', '/nosuch/log', 'delete', '--force', 'x'],
  ['--root', state, '--log', '/', 'delete', '--force', 'x'], ['--root', state, 'start x'], ['--root', state, 'delete --force', 'x'], ['--root', state, 'frobnicate', 'x'], ['--root', '-x', 'start', 'x'],
  [...flags(), 'start', '-h'], [...flags(), 'delete', '--help'], [...flags(), '--version', 'start', 'x'],
];

describe.runIf(existsSync(front))('front', () => {
  test('odd arguments end as they do with Node', { timeout: 900_000 }, () => {
    const log = join(bundle, 'log');
    const told = (): unknown[] => readFileSync(log, 'utf8').split('\n').filter(Boolean).map((line) => ({ ...JSON.parse(line), time: 0 }));
    const outcome = (ground: string, args: string[]) => {
      writeFileSync(log, '');
      return { ...run(ground, args), log: told() };
    };
    for (const [i, args] of lists().entries()) expect({ args, ...outcome(FRONTS[i % FRONTS.length] as string, args) }).toEqual({ args, ...outcome('node', args) });
  });

  test('start, state, delete in every shell', { timeout: 120_000 }, async () => {
    for (const ground of FRONTS) {
      expect(on(ground, 'create', 'c'), ground).toMatchObject({ status: 0 });
      expect(statusOf('c')).toBe('created');
      expect(on(ground, 'start', 'c'), ground).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(statusOf('c')).toBe('running');
      expect(on(ground, 'start', 'c'), ground).toMatchObject({ status: 1, stderr: 'runsc-ts: cannot start an already running container\n' });
      expect(on(ground, 'delete', 'c'), ground).toMatchObject({ status: 1, stderr: 'runsc-ts: cannot delete container c that is not stopped: running\n' });
      expect(on(ground, 'kill', 'c', 'KILL')).toMatchObject({ status: 0 });
      await ended('c');
      expect(on(ground, 'start', 'c'), ground).toMatchObject({ status: 1, stderr: 'runsc-ts: cannot start a container that has stopped\n' });
      expect(on(ground, 'delete', ...(ground === 'front' ? ['--force'] : []), 'c'), ground).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(readdirSync(state)).toEqual([]);
      expect(on(ground, 'delete', '--force', 'c'), ground).toEqual({ status: 0, stdout: '', stderr: '' });
    }
  });

  test('what it can do, it does without Node', { timeout: 60_000 }, async () => {
    const nowhere = { PATH: join(bundle, 'bin') };
    mkdirSync(join(bundle, 'bin'));
    for (const tool of ['flock', 'rm', 'rmdir']) symlinkSync(spawnSync('/bin/sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim(), join(bundle, 'bin', tool));
    expect(on('front', 'create', 'c')).toMatchObject({ status: 0 });
    expect(run('front', [...flags(), 'start', 'c'], nowhere)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(on('front', 'kill', 'c', 'KILL')).toMatchObject({ status: 0 });
    await ended('c');
    expect(run('front', [...flags(), 'delete', 'c'], nowhere)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(run('front', [...flags(), 'delete', '--force', 'c'], nowhere)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(run('front', [...flags(), 'delete', 'c'], nowhere)).toMatchObject({ status: 127 });
    const isRoot = process.geteuid?.() === 0 && /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
    expect(run('front', ['delete', '--force', 'no-such-container'], nowhere)).toMatchObject({ status: isRoot ? 0 : 127 });
  });

  test('one of several starts succeeds, whoever starts', { timeout: 120_000 }, async () => {
    for (const grounds of [['front', 'front', 'front'], ['front', 'node', 'front'], ['node', 'front', 'node']]) {
      expect(on('front', 'create', 'c')).toMatchObject({ status: 0 });
      const statuses = await Promise.all(grounds.map((ground) => begin(ground, 'start', 'c')));
      expect(statuses.sort(), grounds.join()).toEqual([0, 1, 1]);
      expect(statusOf('c')).toBe('running');
      await Promise.all(['front', 'node'].map((ground) => begin(ground, 'delete', '--force', 'c')));
      expect(readdirSync(state)).toEqual([]);
    }
  });

  test('start beside delete: the container is gone, and nobody hangs', { timeout: 120_000 }, async () => {
    for (let i = 0; i < 4; i++) {
      expect(on('front', 'create', 'c')).toMatchObject({ status: 0 });
      const [started, deleted] = await Promise.all([begin('front', 'start', 'c'), begin('node', 'delete', '--force', 'c')]);
      expect([0, 1]).toContain(started);
      expect(deleted).toBe(0);
      expect(readdirSync(state)).toEqual([]);
    }
  });

  test('of several deletes of what has ended one succeeds', { timeout: 120_000 }, async () => {
    configure(['true']);
    expect(on('front', 'create', 'c')).toMatchObject({ status: 0 });
    expect(on('front', 'start', 'c')).toMatchObject({ status: 0 });
    await ended('c');
    const statuses = await Promise.all(['front', 'node', 'front', 'front'].map((ground) => begin(ground, 'delete', 'c')));
    expect(statuses.sort()).toEqual([0, 1, 1, 1]);
    expect(readdirSync(state)).toEqual([]);
  });

  test('a start that finds the Sentry dead, or stopped, is told by Node', { timeout: 60_000 }, () => {
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
      expect(on('front', 'create', '--pid-file', join(bundle, 'pid'), 'c')).toMatchObject({ status: 0 });
      const pid = Number(readFileSync(join(bundle, 'pid'), 'latin1'));
      process.kill(pid, signal);
      const why = signal === 'SIGKILL' ? 'cannot start a container that has stopped' : 'the sandbox does not answer';
      expect(on('front', 'start', 'c')).toMatchObject({ status: 1, stderr: `runsc-ts: ${why}\n` });
      expect(on('front', 'delete', '--force', 'c')).toMatchObject({ status: 0 });
    }
  });

  test('killed in the middle of a delete: the next one goes on', { timeout: 120_000 }, async () => {
    configure(['true']);
    for (const [tool, script] of [['flock', 'kill -9 $PPID'], ['rm', 'kill -9 $PPID'], ['rm', '/bin/rm -f "$4"; kill -9 $PPID'], ['rm', '/bin/rm "$@"; kill -9 $PPID']] as const) {
      expect(on('front', 'create', 'c')).toMatchObject({ status: 0 });
      expect(on('front', 'start', 'c')).toMatchObject({ status: 0 });
      await ended('c');
      expect(withFake(tool, script, ['delete', 'c']).status).toBe(null);
      expect(on('front', 'delete', '--force', 'c'), `${tool}: ${script}`).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(readdirSync(state)).toEqual([]);
    }
  });

  test('killed in the middle of a start: it can be repeated', { timeout: 60_000 }, () => {
    expect(on('front', 'create', 'c')).toMatchObject({ status: 0 });
    expect(withFake('flock', 'kill -9 $PPID', ['start', 'c']).status).toBe(null);
    expect(statusOf('c')).toBe('created');
    expect(on('front', 'start', 'c')).toMatchObject({ status: 0 });
    expect(statusOf('c')).toBe('running');
  });

  test('hooks are run: such a container is left to Node', { timeout: 60_000 }, async () => {
    const note = join(bundle, 'note');
    const hook = (text: string) => [{ path: '/bin/sh', args: ['sh', '-c', `echo ${text} >> ${note}`] }];
    configure(['true'], { hooks: { poststart: hook('started'), poststop: hook('stopped') } });
    expect(on('front', 'create', 'c')).toMatchObject({ status: 0 });
    expect(on('front', 'start', 'c')).toMatchObject({ status: 0 });
    await ended('c');
    expect(on('front', 'delete', 'c')).toMatchObject({ status: 0 });
    expect(readFileSync(note, 'utf8')).toBe('started\nstopped\n');
  });

  test('a created container that was paused and goes on can be started', { timeout: 60_000 }, () => {
    expect(on('front', 'create', 'c')).toMatchObject({ status: 0 });
    expect(on('front', 'pause', 'c')).toMatchObject({ status: 0 });
    expect(on('front', 'start', 'c')).toMatchObject({ status: 1, stderr: 'runsc-ts: cannot start an already running container\n' });
    expect(on('front', 'resume', 'c')).toMatchObject({ status: 0 });
    expect(on('front', 'start', 'c')).toMatchObject({ status: 0 });
    expect(statusOf('c')).toBe('running');
  });

  test('the environment that a program sees is the caller\'s', { timeout: 60_000 }, () => {
    const set = { PATH: process.env['PATH'] as string, HOME: '/root' };
    const environments: Record<string, string>[] = [set, { ...set, PWD: '/elsewhere', SHLVL: '7', NODE_EXTRA_CA_CERTS: '/some/file', root: 'x', log: 'y', IFS_: 'z' }];
    const env = (program: string, vars: Record<string, string>): string[] => spawnSync(program, ['do', '--', '/usr/bin/env'], { encoding: 'utf8', env: vars, cwd: '/', timeout: 30_000 }).stdout.split('\n').sort();
    for (const vars of environments) {
      const seen = env(front, vars);
      expect(seen).toContain('HOME=/root');
      expect(seen).toEqual(env(cliPath(), vars));
    }
  });

  test('through a link, and with its name in PATH', { timeout: 60_000 }, () => {
    symlinkSync(front, join(bundle, 'linked'));
    const text = run('node', ['--version']).stdout;
    expect(spawnSync(join(bundle, 'linked'), ['--version'], { encoding: 'utf8' }).stdout).toBe(text);
    expect(spawnSync('/bin/sh', ['-c', 'linked --version'], { encoding: 'utf8', env: { ...process.env, PATH: `${bundle}:${process.env['PATH']}` } }).stdout).toBe(text);
  });
});
