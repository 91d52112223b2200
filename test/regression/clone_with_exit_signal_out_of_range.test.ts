// SPDX-License-Identifier: Apache-2.0

/** A child whose exit signal was no signal number took the whole kernel down when it ended (found by random system calls). */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { repositoryRoot } from '../harness/repository.ts';
import { cliPath, runInSandbox, runNative } from '../harness/run.ts';

test.runIf(existsSync(cliPath()))('clone() with an exit signal out of range sends nothing and can be waited for', async () => {
  const program = compileC([join(repositoryRoot(), 'test/guest/clone_exit_signal.c')]);
  const native = await runNative([program]);
  expect(native.stdout).toContain('255 waited 3');
  const sandboxed = await runInSandbox([program], { volumes: [`${dirname(program)}:${dirname(program)}:ro`] });
  expect([sandboxed.status, sandboxed.stdout, sandboxed.stderr]).toEqual([native.status, native.stdout, '']);
});
