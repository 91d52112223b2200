// SPDX-License-Identifier: Apache-2.0

/**
 * Hostile guests with random input: whatever they do, the sandbox goes on and ends properly.
 * Behaviours: random system calls with random arguments from many processes; programs with random ELF headers; random ptrace
 * requests; netlink messages that are nearly right.
 * More seeds by hand: RUNSC_FUZZ_SEEDS=100-120.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { repositoryRoot } from '../harness/repository.ts';
import { cliPath, runInSandbox } from '../harness/run.ts';

const guest = (name: string) => compileC([join(repositoryRoot(), 'test/guest', `${name}.c`)]);

function seeds(): number[] {
  const [first, last] = (process.env['RUNSC_FUZZ_SEEDS'] ?? '1-3').split('-').map(Number) as [number, number];
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

describe.runIf(existsSync(cliPath()))('the sandbox survives', () => {
  test.each(seeds())('random system calls, seed %i', { timeout: 100_000 }, async (seed) => {
    const result = await runInSandbox([guest('fuzz_calls'), String(seed), '8', '3000'], { timeoutMs: 90_000 });
    expect(result.stderr).not.toContain('runsc-ts:');
    expect(result.timedOut, result.hang).toBe(false);
    expect(result.stdout.endsWith('end\n')).toBe(true);
    expect(result.status).toBe(0);
  });

  test.each(seeds())('programs with random headers, seed %i', { timeout: 100_000 }, async (seed) => {
    const result = await runInSandbox([guest('fuzz_elf'), String(seed), '150', '/bin/true'], { timeoutMs: 90_000 });
    expect(result).toMatchObject({ stderr: '', stdout: 'end\n', status: 0 });
  });

  test.each(seeds())('random ptrace requests, seed %i', { timeout: 100_000 }, async (seed) => {
    const result = await runInSandbox([guest('fuzz_ptrace'), String(seed), '3000'], { timeoutMs: 90_000 });
    // The tracees' C library may complain: their registers and memory were changed.
    expect(result.stderr).not.toContain('runsc-ts:');
    expect(result).toMatchObject({ stdout: 'end\n', status: 0, timedOut: false });
  });

  test.each(seeds())('random netlink messages, seed %i', { timeout: 100_000 }, async (seed) => {
    const result = await runInSandbox([guest('fuzz_netlink'), String(seed), '5000'], { timeoutMs: 90_000 });
    expect(result).toMatchObject({ stderr: '', stdout: 'end\n', status: 0 });
  });
});
