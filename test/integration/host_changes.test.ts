// SPDX-License-Identifier: Apache-2.0

/**
 * Changes made outside the sandbox to a volume reach inotify inside.
 * Behaviours: the same events in the same order as a program on the host sees; the sandbox's own changes are told once.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { repositoryRoot } from '../harness/repository.ts';
import { cliPath, runInSandbox, runNative } from '../harness/run.ts';
import { makeTemporary } from '../harness/temporary.ts';

const TIME_LIMIT_MS = 30_000;

/** Runs a watcher on a directory's `f`, `d` and `e`, changes them from here, and returns what it printed. */
async function watchedFromOutside(command: (directory: string) => string[]): Promise<string> {
  const directory = makeTemporary('host-changes');
  const at = (name: string) => join(directory, name);
  mkdirSync(at('d'));
  mkdirSync(at('e'));
  writeFileSync(at('f'), 'x');
  const [program, ...args] = command(directory) as [string, ...string[]];
  const child = spawn(program, [...args, at('f'), at('d'), at('e')], { stdio: ['ignore', 'pipe', 'inherit'], timeout: TIME_LIMIT_MS });
  let printed = '';
  let arrived = () => {};
  child.stdout.on('data', (data) => {
    printed += data;
    arrived();
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  /** Waits until the watcher has printed `line`. */
  const until = async (line: string) => {
    while (!printed.includes(`${line}\n`)) await Promise.race([new Promise<void>((resolve) => (arrived = resolve)), ended.then(() => Promise.reject(new Error(`ended without ${line}: ${printed}`)))]);
  };
  await until('watching');
  appendFileSync(at('f'), 'more');
  await until('1 8 ');
  writeFileSync(at('d/new'), '');
  await until('2 8 new');
  renameSync(at('d/new'), at('e/moved'));
  chmodSync(at('e/moved'), 0o600);
  await until('3 4 moved');
  mkdirSync(at('d/sub'));
  rmdirSync(at('d/sub'));
  await until('2 40000200 sub');
  unlinkSync(at('e/moved'));
  await until('3 200 moved');
  rmdirSync(at('e'));
  await ended;
  rmSync(directory, { recursive: true });
  return printed;
}

test.runIf(existsSync(cliPath()))('changes from outside are told as on the host', { timeout: 2 * TIME_LIMIT_MS }, async () => {
  const watcher = compileC([join(repositoryRoot(), 'test/guest/watch_paths.c')]);
  const native = await watchedFromOutside(() => [watcher]);
  expect(native).toContain('3 8000 ');
  const volume = (directory: string) => [process.execPath, cliPath(), 'do', '--volume', `${directory}:${directory}`, '--', watcher];
  expect(await watchedFromOutside(volume)).toBe(native);
});

test.runIf(existsSync(cliPath()))("the sandbox's own changes to a volume are told once", { timeout: 2 * TIME_LIMIT_MS }, async () => {
  const watcher = compileC([join(repositoryRoot(), 'test/guest/watch_paths.c')]);
  const run = async (isNative: boolean) => {
    const directory = makeTemporary('own-changes');
    const script = `cd ${directory}; mkdir d e; echo a > f; ${watcher} f d e > out & until grep -qs watching out; do sleep 0.01; done
      echo x >> f; : > d/new; mv d/new d/other; chmod 600 d/other; mkdir d/sub; mv d/sub e/sub; rmdir e/sub; ln f d/link; rm d/link; rm d/other; rmdir e; wait`;
    const options = { timeoutMs: TIME_LIMIT_MS, volumes: [`${directory}:${directory}`] };
    const result = isNative ? await runNative(['bash', '-c', script], options) : await runInSandbox(['bash', '-c', script], options);
    expect(result).toMatchObject({ status: 0, stderr: '', timedOut: false });
    const told = readFileSync(join(directory, 'out'), 'latin1');
    rmSync(directory, { recursive: true });
    return told;
  };
  const native = await run(true);
  expect(native).toContain('3 8000 ');
  expect(await run(false)).toBe(native);
});
