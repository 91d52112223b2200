// SPDX-License-Identifier: Apache-2.0

/** Runs a command on a terminal, as a person would: see terminal.py. */
import { join } from 'node:path';
import { run } from './command.mjs';

/** Runs `argv` on a pty and does `steps`. Returns { status, output, missing }. */
export async function onTerminal(argv, steps, { env, size = [24, 80], limit = 40 } = {}) {
  const input = JSON.stringify({ argv, steps, size, limit });
  const result = await run(['python3', join(import.meta.dirname, 'terminal.py')], { input, env, limitMs: (limit + 20) * 1000 });
  if (result.status !== 0) return { status: null, output: result.stderr, missing: 'terminal.py failed' };
  return JSON.parse(result.stdout);
}
