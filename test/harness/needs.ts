// SPDX-License-Identifier: Apache-2.0

/**
 * What a test needs of the machine. README's `npm test` must pass on a machine with nothing but Node: a test whose compiler or shell
 * is missing is skipped, and vitest's summary counts it as skipped. `.ci/run` installs them all, so there nothing is skipped.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const DIRECTORIES = (process.env['PATH'] ?? '/usr/bin:/bin').split(':');

/** True when every program is on PATH (and, for 'gcc', C headers and a static libc are there). */
export function have(...programs: readonly string[]): boolean {
  return programs.every((name) => {
    if (!DIRECTORIES.some((directory) => existsSync(join(directory, name)))) return false;
    return name !== 'gcc' || (existsSync('/usr/include/stdio.h') && existsSync('/usr/lib/x86_64-linux-gnu/libc.a'));
  });
}
