// SPDX-License-Identifier: Apache-2.0

/**
 * The fast selection of conformance cases, as one test per `npm test`; and that the cases judge fairly.
 * Behaviours: every case prints the same twice on Linux; every case prints in the sandbox what it prints on Linux.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { have } from '../test/harness/needs.ts';
import { repositoryRoot } from '../test/harness/repository.ts';

const runner = join(repositoryRoot(), 'dist', 'conformance.cjs');

function conformance(...args: string[]): { status: number | null; output: string } {
  const result = spawnSync(process.execPath, [runner, ...args], { cwd: repositoryRoot(), encoding: 'utf8', timeout: 280_000 });
  return { status: result.status, output: result.stdout + result.stderr };
}

test.runIf(existsSync(runner) && have('gcc'))('the fast conformance areas print in the sandbox what they print on Linux', { timeout: 300_000 }, () => {
  const { status, output } = conformance('--fast');
  expect(status, output).toBe(0);
  expect(output).toMatch(/\d+ passed, 0 failed/);
});
