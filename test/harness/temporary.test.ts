// SPDX-License-Identifier: Apache-2.0

/** makeTemporary(): a directory of a process that is gone is removed by the next, one of a live process is not. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { makeTemporary, removeTemporary, sweep } from './temporary.ts';

const PREFIX = `temporary-test-${process.pid}`;
const left: string[] = [];
afterEach(() => {
  for (const directory of left.splice(0)) rmSync(directory, { recursive: true, force: true });
});

test('sweep() removes what a process left that is gone, or whose id another has', () => {
  const own = makeTemporary(PREFIX);
  const stale = ['zzzzz.1', `${process.pid.toString(36)}.1`].map((owner) => join(tmpdir(), `${PREFIX}-${owner}-abcdef`));
  const other = join(tmpdir(), `${PREFIX}-notes`);
  for (const directory of [...stale, other]) {
    mkdirSync(directory);
    writeFileSync(join(directory, 'file'), '');
  }
  left.push(own, ...stale, other);
  const told: string[] = [];
  sweep(PREFIX, (directory) => told.push(directory));
  expect(told.sort()).toEqual([...stale].sort());
  expect(stale.map((directory) => existsSync(directory))).toEqual([false, false]);
  expect([own, other].map((directory) => existsSync(directory))).toEqual([true, true]);
  removeTemporary(own);
  expect(existsSync(own)).toBe(false);
});
