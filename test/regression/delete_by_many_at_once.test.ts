// SPDX-License-Identifier: Apache-2.0

/**
 * A command that waited for a container's lock made the lock's file anew while another removed the directory: "directory not empty".
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cliPath, runCli } from '../harness/run.ts';
import { makeTemporary } from '../harness/temporary.ts';

let root = '';
const remove = (id: string) => runCli([`--root=${root}`, 'delete', '--force', id], { cwd: root });

beforeEach(() => {
  root = makeTemporary('delete-test');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe.runIf(existsSync(cliPath()))('delete', () => {
  test('of one container by many commands at once', async () => {
    for (let i = 0; i < 5; i++) {
      mkdirSync(join(root, 'c'));
      for (const [name, text] of [['state.json', '{"id":"c","phase":"running"}'], ['lock', ''], ['status', '0'], ['control.sock', '']] as const) writeFileSync(join(root, 'c', name), text);
      const results = await Promise.all(Array.from({ length: 6 }, () => remove('c')));
      expect(results.map(({ status, stderr }) => ({ status, stderr }))).toEqual(results.map(() => ({ status: 0, stderr: '' })));
      expect(readdirSync(root)).toEqual([]);
    }
  });

  test('of what a command left that was killed before it had the lock', async () => {
    mkdirSync(join(root, 'c'));
    expect(await remove('c')).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(root)).toEqual([]);
  });
});
