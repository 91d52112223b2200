// SPDX-License-Identifier: Apache-2.0

/**
 * Forks the running Node into a child that never comes back to the event loop.
 *
 * Invariants: the child ends in _exit, whatever its main function does. Signal dispositions are default and nothing is blocked
 *             when main starts: Node's handlers belong to a loop that no longer turns.
 */
import { cloneInto, exitNow, fork, SIG_SETMASK, setSignalHandler, sigprocmask, write } from '../../ffi/lifecycle.ts';

const SIGKILL = 9;
const SIGPIPE = 13;
const SIGSTOP = 19;
const SIG_IGN = 1;

/** The exit status of a child whose main function threw. */
export const EXIT_INTERNAL = 128;

/** As forkChild(), with the child born in new namespaces (CLONE_NEW*). */
export function cloneChild(namespaces: number, main: () => number): number {
  return runChild(cloneInto(namespaces), main);
}

/** Forks; `main` runs in the child and returns its exit status. Returns the child's pid or errno. */
export function forkChild(main: () => number): number {
  return runChild(fork(), main);
}

function runChild(pid: number, main: () => number): number {
  if (pid !== 0) return pid;
  let status = EXIT_INTERNAL;
  try {
    resetSignals();
    status = main();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    write(2, Buffer.from(`runsc-ts: internal error: ${text}\n`));
  }
  exitNow(status);
}

/** Default dispositions for everything (SIGPIPE ignored: writes report EPIPE), empty mask. */
export function resetSignals(): void {
  for (let signo = 1; signo <= 64; signo++) {
    if (signo === SIGKILL || signo === SIGSTOP || signo === 32 || signo === 33) continue;
    setSignalHandler(signo, signo === SIGPIPE ? SIG_IGN : 0, 0);
  }
  sigprocmask(SIG_SETMASK, []);
}
