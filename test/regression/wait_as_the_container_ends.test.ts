// SPDX-License-Identifier: Apache-2.0

/**
 * `wait` connected to a Sentry that was ending, could not send its command, and printed nothing.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cliPath, runCli } from '../harness/run.ts';
import { makeTemporary } from '../harness/temporary.ts';

let bundle = '';
const cli = (...args: string[]) => runCli([`--root=${bundle}/state`, ...args], { cwd: bundle });

beforeEach(async () => {
  bundle = makeTemporary('wait-test');
  mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true });
  writeFileSync(join(bundle, 'rootfs/bin/busybox'), readFileSync('/bin/busybox'), { mode: 0o755 });
  symlinkSync('busybox', join(bundle, 'rootfs/bin/sh'));
  expect((await runCli(['spec', '--', 'sh', '-c', 'exit 7'], { cwd: bundle })).status).toBe(0);
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  config.process.terminal = false;
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
});

afterEach(async () => {
  for (let i = 0; i < 4; i++) await cli('delete', '--force', `c${i}`);
  rmSync(bundle, { recursive: true, force: true });
});

describe.runIf(existsSync(cliPath()))('wait while the container ends', () => {
  test('reports its status whenever it is called', async () => {
    for (let i = 0; i < 4; i++) {
      const id = `c${i}`;
      // Its output is the container's: a file, or the pipes would stay open until that ends.
      const out = openSync(join(bundle, 'out'), 'a');
      expect(spawnSync(cliPath(), [`--root=${bundle}/state`, 'create', id], { cwd: bundle, stdio: ['ignore', out, out], timeout: 20_000 }).status).toBe(0);
      closeSync(out);
      const [started, ...waited] = await Promise.all([cli('start', id), cli('wait', id), cli('wait', id), cli('wait', id)]);
      expect(started.status).toBe(0);
      for (const result of [...waited, await cli('wait', id)]) expect(result).toMatchObject({ status: 0, stdout: `{"id":"${id}","exitStatus":7}\n` });
    }
  });
});
