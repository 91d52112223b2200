// SPDX-License-Identifier: Apache-2.0

/** A critical section claimed over the stub's own pages made the Sentry wait for a killed process whose threads nobody had collected. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { repositoryRoot } from '../harness/repository.ts';
import { cliPath, runInSandbox } from '../harness/run.ts';

test.runIf(existsSync(cliPath()))('rseq() with a critical section over the stub ends the process, and only that', async () => {
  const program = compileC([join(repositoryRoot(), 'test/guest/attack_rseq.c')]);
  const result = await runInSandbox([program], { volumes: [`${dirname(program)}:${dirname(program)}:ro`] });
  expect([result.status, result.stderr]).toEqual([0, '']);
  expect(result.stdout.trim().split('\n')).toHaveLength(10);
  // SIGKILL or SIGSEGV; or nothing, when the host never looked at the wrong moment. Never what the abort address does: loop until SIGALRM.
  for (const end of result.stdout.trim().split('\n')) expect(['9', '11', '0', '-0']).toContain(end);
});
