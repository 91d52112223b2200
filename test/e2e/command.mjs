// SPDX-License-Identifier: Apache-2.0

/** Running commands with a time limit, and waiting for a condition without sleeping for a guessed time. */
import { spawn } from 'node:child_process';
import { standsStill } from './interrupt.mjs';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Runs `argv`; returns its status (128 + number for a signal, null when it ran out of time) and what it printed.
 * `onSpawn` is given the child, for what is to be killed on the way.
 */
export function run(argv, { input = '', env = process.env, cwd, limitMs = 120_000, onSpawn } = {}) {
  if (standsStill()) return new Promise(() => undefined);
  return new Promise((resolve) => {
    const child = spawn(argv[0], argv.slice(1), { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    const out = { stdout: [], stderr: [] };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limitMs);
    child.stdout.on('data', (chunk) => out.stdout.push(chunk));
    child.stderr.on('data', (chunk) => out.stderr.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const finish = (status) => {
      clearTimeout(timer);
      resolve({ status, stdout: Buffer.concat(out.stdout).toString(), stderr: Buffer.concat(out.stderr).toString() });
    };
    child.on('error', (error) => finish(`cannot run: ${error.message}`));
    child.on('close', (code, signal) => finish(late ? null : signal !== null ? `signal ${signal}` : code));
    onSpawn?.(child);
  });
}

/** Tries `test` until it returns something truthy, which is returned; false after `limitMs`. */
export async function until(test, limitMs = 15_000, everyMs = 50) {
  for (const end = Date.now() + limitMs; ; await sleep(everyMs)) {
    if (standsStill()) await new Promise(() => undefined);
    const value = await test();
    if (value) return value;
    if (Date.now() > end) return false;
  }
}
