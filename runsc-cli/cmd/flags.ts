// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts flags`: the global flags.
 */
import { EXIT_ERROR } from '../errors.ts';
import { describeOptions } from './arguments.ts';
import { GLOBAL_OPTIONS } from './global_flags.ts';
import { manual } from './manual.ts';
import type { Verb } from './verbs.ts';

export const flagsVerb: Verb = {
  name: 'flags',
  summary: 'describe the global flags',
  failureStatus: EXIT_ERROR,
  startsSandbox: false,
  usage: () => manual({ name: 'flags', summary: 'describe the global flags', usage: [''], text: '', options: [] }),
  run: () => {
    process.stdout.write(`${describeOptions(GLOBAL_OPTIONS)}\n`);
    return 0;
  },
};
