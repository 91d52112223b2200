// SPDX-License-Identifier: Apache-2.0

/** Everything that stands for a container is in its cgroup, in every hierarchy: Sentry, Gofer, and what exec leaves. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hierarchies } from '../../runsc-cli/cgroup/hierarchies.ts';
import { cliPath } from '../harness/run.ts';
import { makeTemporary } from '../harness/temporary.ts';

let bundle = '';
let group = '';
const cli = (...args: string[]): number | null => spawnSync(cliPath(), ['--root', join(bundle, 'state'), ...args], { cwd: bundle, stdio: ['ignore', openSync(join(bundle, 'out'), 'a'), openSync(join(bundle, 'out'), 'a')], timeout: 30_000 }).status;
const said = (): string => readFileSync(join(bundle, 'out'), 'utf8');
const canMake = process.geteuid?.() === 0 && hierarchies().length > 0;

beforeEach(() => {
  bundle = makeTemporary('cgroup-places');
  group = `/${basename(bundle)}`;
  mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true });
  writeFileSync(join(bundle, 'rootfs/bin/busybox'), readFileSync('/bin/busybox'), { mode: 0o755 });
  symlinkSync('busybox', join(bundle, 'rootfs/bin/sleep'));
  expect(cli('spec')).toBe(0);
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  Object.assign(config.process, { args: ['sleep', '100'], terminal: false });
  config.linux.cgroupsPath = `${group}/c`;
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
});

afterEach(() => {
  cli('delete', '--force', 'c');
  const left = hierarchies().filter(({ mountPoint }) => existsSync(`${mountPoint}${group}/c`));
  for (const { mountPoint } of hierarchies()) if (existsSync(`${mountPoint}${group}`)) rmdirSync(`${mountPoint}${group}`);
  rmSync(bundle, { recursive: true, force: true });
  expect(left).toEqual([]);
});

/** The cgroups of a process, without those of hierarchies that are not used. */
function placesOf(pid: number): string[] {
  const wanted = hierarchies().map(({ version, controllers }) => (version === 2 ? '' : controllers.join()));
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'latin1').trim().split('\n').map((line) => line.split(':'));
  return lines.filter(([, controllers]) => wanted.includes(controllers ?? '')).map(([, controllers, path]) => `${controllers}:${path}`).sort();
}

const expected = (): string[] => hierarchies().map(({ version, controllers }) => `${version === 2 ? '' : controllers.join()}:${group}/c`).sort();

describe.runIf(existsSync(cliPath()) && canMake)('cgroups', () => {
  test.for([{}, { RUNSC_TS_START: 'boot' }])('hold all processes of a container (%o)', { timeout: 60_000 }, (env) => {
    Object.assign(process.env, env);
    try {
      expect(cli('create', '--pid-file', 'pid', 'c'), said()).toBe(0);
      expect(cli('start', 'c'), said()).toBe(0);
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
    }
    const { sentry, gofer } = JSON.parse(readFileSync(join(bundle, 'state/c/state.json'), 'utf8'));
    expect(cli('exec', '--detach', '--pid-file', 'exec.pid', 'c', 'sleep', '100'), said()).toBe(0);
    const waiter = Number(readFileSync(join(bundle, 'exec.pid'), 'latin1'));
    for (const pid of [sentry.pid, gofer.pid, waiter]) expect(placesOf(pid)).toEqual(expected());
  });
});
