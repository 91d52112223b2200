// SPDX-License-Identifier: Apache-2.0

/**
 * Found by review: memory that no call promises (MAP_NORESERVE, copies after fork) and shared memory escaped --memory-limit.
 * Behaviour: who takes four times the limit, in whatever way, is killed or refused; the sandbox goes on.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { repositoryRoot } from '../harness/repository.ts';
import { cliPath, runInSandbox } from '../harness/run.ts';

const REFUSED = 'status 3\n';
const KILLED = 'killed by 9\n';

test.runIf(existsSync(cliPath())).each([
  ['noreserve', KILLED],
  ['shared', KILLED],
  ['tmpfs', REFUSED],
  ['small', REFUSED],
  ['forks', /^(a child was killed by 9\nstatus 0\n|killed by 9\n)$/],
])('taking memory past the limit: %s', { timeout: 60_000 }, async (how, printed) => {
  const program = compileC([join(repositoryRoot(), 'test/guest/past_the_limit.c')]);
  const result = await runInSandbox([program, how], { timeoutMs: 50_000, doFlags: ['--memory-limit', '128m'] });
  expect(result).toMatchObject({ status: 0, timedOut: false });
  expect(result.stdout).toMatch(printed);
});
