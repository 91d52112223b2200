// SPDX-License-Identifier: Apache-2.0

/** A service in a container tells the service manager outside that it is ready (sd_notify), as systemd's Type=notify wants. */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { have } from '../harness/needs.ts';
import { repositoryRoot } from '../harness/repository.ts';
import { cliPath, runCli } from '../harness/run.ts';
import { makeTemporary } from '../harness/temporary.ts';

let bundle = '';
beforeEach(() => {
  bundle = makeTemporary('notify-test');
});
afterEach(async () => {
  await runCli([`--root=${bundle}/state`, 'delete', '--force', 'c'], { cwd: bundle });
  rmSync(bundle, { recursive: true, force: true });
});

test.runIf(existsSync(cliPath()) && have('python3'))('READY=1 of the container reaches NOTIFY_SOCKET with the pid that stands for it', async () => {
  const script = join(bundle, 'service.py');
  copyFileSync(join(repositoryRoot(), 'test/integration/notify_socket.py'), script);
  expect((await runCli(['spec', '--', 'python3', '/service/service.py'], { cwd: bundle })).status).toBe(0);
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  config.root = { path: '/', readonly: true };
  config.mounts.push({ destination: '/service', type: 'bind', source: bundle, options: ['bind', 'ro'] });
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
  const told = await new Promise<string>((resolve) => {
    execFile('python3', [script, join(bundle, 'n.sock'), '--', cliPath(), `--root=${bundle}/state`, 'run', '--detach', '--bundle', bundle, 'c'], { timeout: 60_000 }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
  const state = JSON.parse((await runCli([`--root=${bundle}/state`, 'state', 'c'], { cwd: bundle })).stdout) as { pid: number };
  expect(told).toBe(`READY=1 MAINPID=${state.pid} \nBARRIER=1\nended with 0\n`);
}, 90_000);
