// SPDX-License-Identifier: Apache-2.0

/** The OCI cases, as one test per `npm test`; and that results of other suites are read as they are printed. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { have } from '../../test/harness/needs.ts';
import { repositoryRoot } from '../../test/harness/repository.ts';
import { tap } from './suites.ts';

const runner = join(repositoryRoot(), 'dist', 'conformance.cjs');

test.runIf(existsSync(runner) && have('busybox'))('containers behave as the OCI cases want', { timeout: 500_000 }, () => {
  const result = spawnSync(process.execPath, [runner, 'oci', '--no-runc'], { cwd: repositoryRoot(), encoding: 'utf8', timeout: 480_000 });
  expect(result.status, result.stdout + result.stderr).toBe(0);
  expect(result.stdout).toMatch(/\d+ passed, 0 failed/);
});

test('TAP: results with their details, without what was skipped', () => {
  const text = '1..3\r\nok 1 one\r\nnot ok 2 two\r\n# why\r\n# more\r\nok 3 three # skip no cgroup v2\r\n# not for two\r\n  not ok 4 - inner\n';
  expect(tap(text)).toEqual([
    { name: 'one', isOk: true, detail: [] },
    { name: 'two', isOk: false, detail: ['# why', '# more'] },
    { name: 'inner', isOk: false, detail: [] },
  ]);
});
