// SPDX-License-Identifier: Apache-2.0

/**
 * ^C and SIGTERM in the middle of the tests: what they had begun goes no further, and what they did to the machine is taken back.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { constants } from 'node:os';

const cleaning = new AsyncLocalStorage();
const cleanups = new Set();
let isInterrupted = false;

/** For a program of ours that is started by another: it is to end when its standard input does. */
export const CHILD_ENV = { RUNSC_TS_E2E_CHILD: '1' };

/** Registers what takes something back; returns what forgets it again. */
export function onInterrupt(clean) {
  cleanups.add(clean);
  return () => cleanups.delete(clean);
}

/** Is the caller something that is to stand still, because the tests are being ended? */
export const standsStill = () => isInterrupted && cleaning.getStore() === undefined;

/** Ends the process at signals, and a child with its parent, by way of what is registered. */
export function watchInterrupts() {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => void end(128 + constants.signals[name]));
  if (process.env.RUNSC_TS_E2E_CHILD !== '1') return;
  process.stdin.on('end', () => void end(1)).on('error', () => void end(1));
  process.stdin.resume();
  process.stdin.unref?.();
}

async function end(status) {
  // Twice: whoever asks is in a hurry.
  if (isInterrupted) process.exit(status);
  isInterrupted = true;
  console.log('interrupted: taking back what was begun');
  await cleaning.run(true, async () => {
    for (const clean of [...cleanups].reverse()) await Promise.resolve(clean()).catch((error) => console.log(`not taken back: ${error.message}`));
  });
  process.exit(status);
}
