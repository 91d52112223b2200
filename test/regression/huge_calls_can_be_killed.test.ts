// SPDX-License-Identifier: Apache-2.0

/**
 * Found by test/fuzz: mincore(2) over terabytes and a terminal write of gigabytes kept the kernel busy for minutes, deaf to
 * signals from inside and outside.
 * Behaviour: an alarm ends the program within seconds.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { repositoryRoot } from '../harness/repository.ts';
import { cliPath, runInSandbox } from '../harness/run.ts';

test.runIf(existsSync(cliPath())).each(['mincore', 'terminal'])('a huge %s call is ended by SIGALRM', async (call) => {
  const program = compileC([join(repositoryRoot(), 'test/guest/huge_calls.c')]);
  const result = await runInSandbox([program, call], { timeoutMs: 15_000 });
  expect(result).toMatchObject({ status: 128 + 14, stdout: 'start\n', timedOut: false });
});
