// SPDX-License-Identifier: Apache-2.0

/** Finds the checkout that the tests run in: upwards from the working directory, then from the running script. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

let found: string | undefined;

/** Returns the directory of the project's package.json. */
export function repositoryRoot(): string {
  found ??= searchUpwards(process.cwd()) ?? searchUpwards(dirname(resolve(process.argv[1] ?? '.')));
  if (found === undefined) throw new Error('run this from inside the runsc-ts checkout');
  return found;
}

function searchUpwards(from: string): string | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const manifest = join(directory, 'package.json');
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'runsc-ts')
      return directory;
    if (directory === dirname(directory)) return undefined;
  }
}
