// SPDX-License-Identifier: Apache-2.0

/** Runs an area's driver on one ground (host or sandbox) and takes its output apart into what each case printed. */
import { tmpdir } from 'node:os';
import { type RunResult, runInSandbox, runNative } from '../../test/harness/run.ts';
import { makeTemporary, removeTemporary } from '../../test/harness/temporary.ts';

/** Where a case's files live inside the sandbox: the overlay over the host's /tmp, a tmpfs, or a Gofer volume. */
export type Ground = 'overlay' | 'tmpfs' | 'volume';

export interface CaseOutcome {
  lines: string[];
  /** How the case's process ended: "exit 0", "killed by SIGSEGV", "hung", "never ran". */
  end: string;
  /** Where it hung, or what the sandbox said on stderr. */
  note: string;
}

export interface ExecuteOptions {
  strace: boolean;
  timeoutMs: number;
}

/** Runs cases natively. Takes the driver and case names; returns an outcome for each. */
export function executeNative(program: string, cases: string[], options: ExecuteOptions): Promise<Map<string, CaseOutcome>> {
  return executeAll(cases, (rest, directory) =>
    runNative([program, '--dir', directory, ...rest], { timeoutMs: options.timeoutMs }),
  );
}

/** Runs cases in a sandbox, with files on `ground`. Takes the driver and case names; returns an outcome for each. */
export function executeSandboxed(
  program: string,
  cases: string[],
  ground: Ground,
  options: ExecuteOptions,
): Promise<Map<string, CaseOutcome>> {
  return executeAll(cases, (rest, directory) => {
    const place = ground === 'tmpfs' ? directory.replace(tmpdir(), '/dev/shm') : directory;
    const volumes = ground === 'volume' ? [`${directory}:${directory}`] : [];
    return runInSandbox([program, '--dir', place, ...rest], {
      timeoutMs: options.timeoutMs,
      strace: options.strace,
      volumes,
    });
  });
}

/** Runs a batch; when a run ends early, blames the case that was running and goes on behind it in another run. */
async function executeAll(
  cases: string[],
  run: (cases: string[], directory: string) => Promise<RunResult>,
): Promise<Map<string, CaseOutcome>> {
  const outcomes = new Map<string, CaseOutcome>();
  let rest = cases;
  let fruitless = 0;
  while (rest.length > 0 && fruitless < 2) {
    const directory = makeTemporary('conformance');
    const result = await run(rest, directory);
    removeTemporary(directory);
    if (result.trace !== '') console.error(result.trace);
    const before = outcomes.size;
    parseOutput(result, outcomes);
    fruitless = outcomes.size === before ? fruitless + 1 : 0;
    if (fruitless > 0) lastNote = noteOf(result);
    rest = rest.filter((name) => !outcomes.has(name));
  }
  for (const name of rest) outcomes.set(name, { lines: [], end: 'never ran', note: lastNote });
  return outcomes;
}

let lastNote = '';

function parseOutput(result: RunResult, outcomes: Map<string, CaseOutcome>): void {
  let current: { name: string; lines: string[] } | undefined;
  for (const line of result.stdout.split('\n')) {
    const marker = /^## (begin|end) (\w+) ?(.*)$/.exec(line);
    if (marker === null) {
      current?.lines.push(line);
    } else if (marker[1] === 'begin') {
      current = { name: marker[2] as string, lines: [] };
    } else if (current !== undefined) {
      outcomes.set(current.name, { lines: current.lines, end: marker[3] as string, note: '' });
      current = undefined;
    }
  }
  if (current === undefined) return;
  const end = result.timedOut ? 'hung' : `sandbox ended, status ${result.status}`;
  outcomes.set(current.name, { lines: current.lines.filter((line) => line !== ''), end, note: noteOf(result) });
}

function noteOf(result: RunResult): string {
  return [result.hang, result.stderr.trim().split('\n').slice(-12).join('\n')].filter((text) => text !== '').join('\n');
}
