// SPDX-License-Identifier: Apache-2.0

/** A sandbox that a test talks to while it runs: waits for output, sends signals, then for the end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { descendantsOf, killAll } from './processes.ts';
import { cliCommand, FIXED_ENV } from './run.ts';

export interface Started {
  child: ChildProcess;
  pid: number;
  output(): string;
  /** Resolves when the output contains `text`; throws after `ms`. */
  waitFor(text: string, ms?: number): Promise<void>;
  /** Resolves with the status as a shell reports it; kills everything and throws after `ms`. */
  end(ms?: number): Promise<number>;
}

/** Starts the CLI with `args` in a session of its own. `marker` goes into its arguments, for leaksSince(). */
export function startCli(args: string[], marker = '', extraEnv: Record<string, string> = {}): Started {
  const command = [...cliCommand(), ...(marker === '' ? [] : [`--root=${join(tmpdir(), `state-${marker}`)}`]), ...args];
  const env = { ...FIXED_ENV, ...extraEnv };
  const child = spawn(command[0] as string, command.slice(1), { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const ended = new Promise<number>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
  const pid = child.pid ?? -1;
  return {
    child,
    pid,
    output: () => text,
    waitFor: (wanted, ms = 10_000) => poll(() => text.includes(wanted), ms, () => `no "${wanted}" in: ${text}`),
    end: async (ms = 10_000) => {
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          killAll(pid, [pid, ...descendantsOf(pid)]);
          child.stdout?.destroy();
          child.stderr?.destroy();
          reject(new Error(`did not end in ${ms} ms; output: ${text}`));
        }, ms);
      });
      try {
        return await Promise.race([ended, limit]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Resolves when `condition` holds; throws `message()` after `ms`. */
export async function poll(condition: () => boolean, ms: number, message: () => string): Promise<void> {
  for (const end = performance.now() + ms; !condition(); ) {
    if (performance.now() > end) throw new Error(message());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
