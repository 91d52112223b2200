// SPDX-License-Identifier: Apache-2.0

/**
 * Whatever dies, nothing is left behind: no process, no mount, no file.
 * Behaviours: a run that ends normally leaves nothing; kill -9 of any one process of a running sandbox (CLI, Sentry, Gofer,
 * a stub) ends all the others promptly; a program that leaves background processes does not keep the sandbox.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { descendantsOf, describeProcess, leakSnapshot, leaksAfter } from '../harness/processes.ts';
import { cliPath } from '../harness/run.ts';
import { poll, startCli } from '../harness/started.ts';
import { makeTemporary } from '../harness/temporary.ts';

let scratch = '';
let serial = 0;
beforeAll(() => {
  scratch = makeTemporary('deaths');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A zombie whose parent died is the host's init to reap. */
function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
}

/** A stub whose program has just been replaced may be gone by now: that is a death, too. */
function killHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const marker = () => `deaths-${process.pid}-${serial++}`;
const BUSY = ['do', '--', 'sh', '-c', 'sleep 60 & cat /dev/zero > /dev/null & echo ready; wait'];

describe.runIf(existsSync(cliPath()))('nothing is left behind', () => {
  test('after a normal end, also with background processes of the program', async () => {
    const before = leakSnapshot();
    const mark = marker();
    const state = join(scratch, 'state');
    const started = startCli([`--root=${state}`, 'do', '--', 'sh', '-c', 'sleep 60 & (setsid sleep 60 &) ; echo x > /tmp/leak-test; exit 4'], mark);
    expect(await started.end()).toBe(4);
    expect(await leaksAfter(before, mark)).toEqual([]);
    expect(existsSync('/tmp/leak-test')).toBe(false);
    expect(existsSync(state) ? readdirSync(state) : []).toEqual([]);
  });

  test('after kill -9 of the command itself', async () => {
    const before = leakSnapshot();
    const mark = marker();
    const started = startCli(BUSY, mark);
    await started.waitFor('ready');
    const all = descendantsOf(started.pid);
    expect(all.length).toBeGreaterThan(2);
    process.kill(started.pid, 'SIGKILL');
    expect(await started.end()).toBe(137);
    expect(await leaksAfter(before, mark)).toEqual([]);
    await poll(
      () => !all.some(isAlive),
      3000,
      () => `alive: ${all.filter(isAlive).map(describeProcess).join('\n')}`,
    );
  });

  test('after kill -9 of each process below the command', { timeout: 120_000 }, async () => {
    for (let victim = 0; victim < 8; victim++) {
      const before = leakSnapshot();
      const mark = marker();
      const started = startCli(BUSY, mark);
      await started.waitFor('ready');
      const all = descendantsOf(started.pid);
      const target = all[victim];
      if (target === undefined) {
        process.kill(started.pid, 'SIGTERM');
        process.kill(started.pid, 'SIGKILL');
        await started.end();
        break;
      }
      const what = describeProcess(target);
      killHard(target);
      // A stub is one of the program's processes: the others may go on; the command must still end when asked to.
      const ended = await Promise.race([started.end(30_000), new Promise<'goes on'>((resolve) => setTimeout(() => resolve('goes on'), 3000))]);
      if (ended === 'goes on') {
        process.kill(started.pid, 'SIGTERM');
        await started.end(10_000);
      } else {
        // Without its pristine stub the program's next execs fail; a shell that then waits for nobody ends with 0.
        if (!what.includes('runsc-stub')) expect(ended, what).not.toBe(0);
      }
      expect(await leaksAfter(before, mark), `after killing ${what}`).toEqual([]);
      await poll(
        () => !all.some(isAlive),
        3000,
        () => `after killing ${what} alive: ${all.filter(isAlive).map(describeProcess).join('\n')}`,
      );
    }
  });
});
