// SPDX-License-Identifier: Apache-2.0

/** Thousands of mounts on one place overflowed the kernel's stack: the tree was walked and copied by recursion. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { repositoryRoot } from '../harness/repository.ts';
import { cliPath, runInSandbox } from '../harness/run.ts';

test.runIf(existsSync(cliPath()))('a high stack of mounts is bounded and can be copied', { timeout: 130_000 }, async () => {
  const program = compileC([join(repositoryRoot(), 'test/guest/mount_stack.c')]);
  const sandboxed = await runInSandbox([program], { volumes: [`${dirname(program)}:${dirname(program)}:ro`], timeoutMs: 120_000 });
  expect([sandboxed.status, sandboxed.stdout, sandboxed.stderr]).toEqual([0, 'bounded\nbind 0\nnamespace 0\n', '']);
});
