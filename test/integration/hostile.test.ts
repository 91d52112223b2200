// SPDX-License-Identifier: Apache-2.0

/**
 * Programs that attack the sandbox (test/guest/attack_*.c), each run under a shell that must live to tell.
 *
 * Behaviours: asking for more of everything than there is ends in an errno; random calls, damaged executables and attacks below
 * the system call table end the process that makes them and nobody else; the Sentry's memory stays bounded.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { listProcesses } from '../harness/processes.ts';
import { repositoryRoot } from '../harness/repository.ts';
import { cliPath } from '../harness/run.ts';
import { startCli } from '../harness/started.ts';

const guest = (name: string): string => compileC([join(repositoryRoot(), 'test/guest', `${name}.c`)]);
const MIB = 1024;

/** The largest resident set that any child of the command has had, in KiB. */
function peakOf(cli: number): number {
  let peak = 0;
  for (const child of listProcesses().filter((p) => p.ppid === cli)) {
    try {
      const text = readFileSync(`/proc/${child.pid}/status`, 'latin1');
      peak = Math.max(peak, Number(/^VmHWM:\s*(\d+)/m.exec(text)?.[1] ?? 0));
    } catch {
      // It has just ended.
    }
  }
  return peak;
}

async function attack(name: string, args: string[], ms: number): Promise<{ output: string; peakKib: number }> {
  const program = guest(name);
  const directory = dirname(program);
  const started = startCli(['do', `--volume=${directory}:${directory}:ro`, '--', '/bin/sh', '-c', '"$@"; echo "survived $?"', 'sh', program, ...args]);
  let peakKib = 0;
  const watch = setInterval(() => {
    peakKib = Math.max(peakKib, peakOf(started.pid));
  }, 100);
  try {
    expect(await started.end(ms), started.output()).toBe(0);
  } finally {
    clearInterval(watch);
  }
  return { output: started.output(), peakKib };
}

describe.runIf(existsSync(cliPath()))('a hostile program', () => {
  const COUNTS = ['memfds', 'nesting', 'exec', 'queues', 'pipes', 'sysv', 'xattrs', 'watches', 'eventfd', 'epoll', 'timerfd', 'socketpair', 'inotify', 'pty'];
  for (const what of COUNTS) {
    test(`asking for too much: ${what}`, { timeout: 40_000 }, async () => {
      const { output, peakKib } = await attack('attack_counts', [what], 30_000);
      expect(output).toMatch(/survived 0\n$/);
      expect(peakKib).toBeLessThan(1024 * MIB);
    });
  }

  test('below the system call table', { timeout: 60_000 }, async () => {
    const { output, peakKib } = await attack('attack_processor', [], 50_000);
    expect(output).toMatch(/^robust: exit 0\nsurvived 0\n$/m);
    expect(output).not.toMatch(/stub page is open|reads the stub|writes the stub| set$/m);
    expect(output).toMatch(/^unmapped 1$/m);
    // Code of another architecture's calls is not served: the process that tries ends.
    expect(output).toMatch(/^int80: signal 11$/m);
    expect(output).toMatch(/^x32 ENOSYS$/m);
    expect(peakKib).toBeLessThan(300 * MIB);
  });

  test('random system calls', { timeout: 60_000 }, async () => {
    const { output, peakKib } = await attack('attack_calls', ['1', '40', '2000'], 50_000);
    expect(output).toMatch(/^all ended\nsurvived 0\n$/m);
    expect(peakKib).toBeLessThan(400 * MIB);
  });

  test('processes that trace each other', { timeout: 60_000 }, async () => {
    const { output, peakKib } = await attack('attack_ptrace', ['1', '8'], 50_000);
    expect(output).toMatch(/^all gone\nsurvived 0\n$/m);
    expect(peakKib).toBeLessThan(400 * MIB);
  });

  test('damaged executables', { timeout: 60_000 }, async () => {
    const { output, peakKib } = await attack('attack_elf', ['1', '150'], 50_000);
    expect(output).toMatch(/^all ended\nsurvived 0\n$/m);
    expect(peakKib).toBeLessThan(300 * MIB);
  });
});
