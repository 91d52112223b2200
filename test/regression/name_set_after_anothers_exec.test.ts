// SPDX-License-Identifier: Apache-2.0

/**
 * A process that named itself (prctl) just after another had exec'd performed the other's changes of memory a second time, in its own address
 * space, and died of SIGSEGV: busybox's `cat FILE | head -1`.
 */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { cliPath, runInSandbox } from '../harness/run.ts';

const BUSYBOX = '/bin/busybox';

test.runIf(existsSync(cliPath()) && existsSync(BUSYBOX))('applets of a pipeline name themselves while others are exec\'d', async () => {
  const script = 'i=0; while [ $i -lt 8 ]; do cat /etc/passwd | head -n 1 | wc -l; echo $?; i=$((i+1)); done';
  const { status, stdout, stderr } = await runInSandbox([BUSYBOX, 'sh', '-c', script]);
  expect([status, stdout, stderr]).toEqual([0, '1\n0\n'.repeat(8), '']);
});
