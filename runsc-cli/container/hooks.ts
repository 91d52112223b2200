// SPDX-License-Identifier: Apache-2.0

/**
 * Runs a container's hooks: one after the other, the state on their standard input.
 *
 * Differs: of the container's namespaces createContainer hooks run in the network namespace alone: the others exist only inside the Sentry.
 */
import type * as childProcess from 'node:child_process';
import { constants } from 'node:os';
import { RunscError } from '../errors.ts';
import type { Hook, HookKind, Hooks } from '../spec/hooks.ts';

/** The bundle's own require: loading node:child_process takes 10 ms, which a start without hooks need not wait for. */
declare const require: (name: string) => unknown;

/** Runs all hooks of one kind. Throws RunscError, in runc's words, for the first that fails. */
export function runHooks(hooks: Hooks, kind: HookKind, state: Record<string, unknown>): void {
  (hooks[kind] ?? []).forEach((hook, i) => {
    const why = runHook(hook, state);
    if (why !== '') throw new RunscError(hookError(kind, i, why));
  });
}

/** Runs all hooks of one kind, whether they fail or not: each failure is told to `warn`. */
export function runHooksAnyway(hooks: Hooks, kind: HookKind, state: Record<string, unknown>, warn: (message: string) => void): void {
  (hooks[kind] ?? []).forEach((hook, i) => {
    const why = runHook(hook, state);
    if (why !== '') warn(hookError(kind, i, why));
  });
}

export function hookError(kind: HookKind, index: number, why: string): string {
  return `error running ${kind} hook #${index}: ${why}`;
}

const SIGNALS: Record<number, string> = {
  1: 'hangup', 2: 'interrupt', 3: 'quit', 4: 'illegal instruction', 5: 'trace/breakpoint trap', 6: 'aborted', 7: 'bus error', 8: 'floating point exception',
  9: 'killed', 10: 'user defined signal 1', 11: 'segmentation fault', 12: 'user defined signal 2', 13: 'broken pipe', 14: 'alarm clock', 15: 'terminated', 31: 'bad system call',
};

/** How a process died of a signal, in runc's words. */
export function signalWords(signo: number): string {
  return `signal: ${SIGNALS[signo] ?? `signal ${signo}`}`;
}

/** '' or why it failed. */
function runHook(hook: Hook, state: Record<string, unknown>): string {
  const [argv0, ...args] = hook.args.length > 0 ? hook.args : [hook.path];
  const env = hook.env === null ? process.env : Object.fromEntries(hook.env.map((item) => [item.split('=', 1)[0] as string, item.slice(item.indexOf('=') + 1)]));
  const { spawnSync } = require('node:child_process') as typeof childProcess;
  const result = spawnSync(hook.path, args, {
    argv0: argv0 as string,
    env,
    input: JSON.stringify(state),
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 20,
    ...(hook.timeout === null ? {} : { timeout: hook.timeout * 1000 }),
  });
  const code = (result.error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ETIMEDOUT') return `hook ran past specified timeout of ${hook.timeout}.0s`;
  // EPIPE: it did not read the state, which is its own business.
  if (result.error !== undefined && code !== 'EPIPE') return `fork/exec ${hook.path}: ${code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : result.error.message}`;
  if (result.status === 0) return '';
  const how = result.signal !== null ? signalWords(constants.signals[result.signal]) : `exit status ${result.status}`;
  return `${how}, stdout: ${result.stdout.toString()}, stderr: ${result.stderr.toString()}`;
}
