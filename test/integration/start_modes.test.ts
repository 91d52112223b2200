// SPDX-License-Identifier: Apache-2.0

/**
 * The ways a sandbox is started: forked, re-executed with the flags that forking needs, booted as new Node processes, as an ordinary user.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const tool = join(root, 'dist/runsc-ts.cjs');
const script = 'read line; echo "got $line"; echo err >&2; exit 6';

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

function start(command: readonly string[], env: Record<string, string> = {}, extra: { uid?: number; gid?: number; cwd?: string } = {}): Outcome {
  const [file, ...args] = command;
  const result = spawnSync(file as string, args, { input: 'in\n', env: { ...process.env, ...env }, encoding: 'utf8', timeout: 30_000, ...extra });
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

const EXPECTED: Outcome = { status: 6, stdout: 'got in\n', stderr: 'err\n' };

describe.runIf(existsSync(tool))('start', { timeout: 60_000 }, () => {
  test('forked', () => expect(start([tool, 'do', '--', 'sh', '-c', script])).toEqual(EXPECTED));

  test('without the flags: starts itself again', () => expect(start([process.execPath, tool, 'do', '--', 'sh', '-c', script])).toEqual(EXPECTED));

  test('booted: a Node per process', () => {
    const result = start([tool, '--debug', 'do', '--', 'sh', '-c', script], { RUNSC_TS_START: 'boot' });
    expect([result.status, result.stdout]).toEqual([6, 'got in\n']);
    expect(result.stderr).toContain('weaker confinement');
  });

  test('with an empty environment, by absolute path', () => {
    const result = spawnSync(process.execPath, [tool, 'do', '--', '/bin/echo', 'x'], { env: {}, encoding: 'utf8', timeout: 30_000 });
    expect([result.status, result.stdout]).toEqual([0, 'x\n']);
  });
});

describe.runIf(existsSync(tool) && process.getuid?.() === 0)('as an ordinary user', { timeout: 60_000 }, () => {
  let dir = '';
  const ids = { uid: 65534, gid: 65534 };
  beforeAll(() => {
    // A copy that the user can read, whatever the permissions of the checkout.
    dir = mkdtempSync('/var/tmp/rootless-');
    cpSync(join(root, 'dist'), join(dir, 'dist'), { recursive: true });
    for (const name of ['koffi', '@koromix']) cpSync(join(root, 'node_modules', name), join(dir, 'node_modules', name), { recursive: true });
    execFileSync('chmod', ['-R', 'a+rX', dir]);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  for (const mode of ['fork', 'boot']) {
    test(`${mode}: runs, is root inside, cannot read what the user cannot`, () => {
      const inside = 'id -u; cat /etc/shadow >/dev/null 2>&1 || echo denied; echo x > /tmp/rootless-test && cat /tmp/rootless-test';
      const result = start([join(dir, 'dist/runsc-ts.cjs'), 'do', '--', 'sh', '-c', inside], { RUNSC_TS_START: mode, HOME: '/' }, { ...ids, cwd: '/' });
      expect(result).toEqual({ status: 0, stdout: '0\ndenied\nx\n', stderr: '' });
      expect(existsSync('/tmp/rootless-test')).toBe(false);
    });
  }
});
