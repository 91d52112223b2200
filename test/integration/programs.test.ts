// SPDX-License-Identifier: Apache-2.0

/**
 * Programs that must work unmodified: the same script prints the same natively and in the sandbox, with the same status.
 * Behaviours: one test for each of program_scripts.ts, and one for a static and a dynamic C program.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { cliPath, FIXED_ENV, type RunResult, runInSandbox, runNative } from '../harness/run.ts';
import { type ProgramScript, programScripts } from './program_scripts.ts';
import { have } from '../harness/needs.ts';
import { makeTemporary } from '../harness/temporary.ts';

const PATH = `${dirname(process.execPath)}:${FIXED_ENV['PATH']}`;
let scratch = '';

beforeAll(() => {
  scratch = makeTemporary('programs');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function isInstalled(command: string): boolean {
  return command.startsWith('/') ? existsSync(command) : PATH.split(':').some((entry) => existsSync(join(entry, command)));
}

/** A shell's complaints name pids. */
function withoutNumbers(text: string): string {
  return text.replaceAll(/ *\d+/g, ' N');
}

/** Runs a script in an empty directory of its own, natively or in the sandbox. */
function runScript(script: ProgramScript, ground: 'native' | 'sandbox'): Promise<RunResult> {
  const directory = mkdtempSync(join(scratch, 'run-'));
  const argv = [...(script.shell ?? ['bash', '-c']), script.script];
  const options = { cwd: directory, env: { ...FIXED_ENV, PATH, TMPDIR: directory }, timeoutMs: script.timeoutMs ?? 30_000 };
  return ground === 'native' ? runNative(argv, options) : runInSandbox(argv, options);
}

describe('the same script prints the same', () => {
  for (const script of programScripts) {
    const runnable = script.needs.every(isInstalled);
    test.runIf(runnable)(script.name, { timeout: 2 * (script.timeoutMs ?? 30_000) + 5_000 }, async () => {
      const native = await runScript(script, 'native');
      expect(native.timedOut, native.hang).toBe(false);
      expect(native.stdout).not.toBe('');
      if (process.env['RUNSC_TEST_NATIVE_ONLY'] === '1') {
        expect(await runScript(script, 'native')).toMatchObject({ stdout: native.stdout, status: native.status });
        return;
      }
      const sandboxed = await runScript(script, 'sandbox');
      expect(sandboxed.timedOut, sandboxed.hang).toBe(false);
      expect(sandboxed.stdout + withoutNumbers(sandboxed.stderr)).toBe(native.stdout + withoutNumbers(native.stderr));
      expect(sandboxed.status).toBe(native.status);
    });
  }
});

const HELLO = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
  char *b = malloc(1 << 20);
  memset(b, 'x', 1 << 20);
  printf("%s %d %c\\n", argv[1], argc, b[99999]);
  fprintf(stderr, "err\\n");
  return 42;
}
`;

describe('C programs', () => {
  for (const link of ['static', 'static-pie', 'dynamic'] as const) {
    test.runIf(existsSync(cliPath()) && have('gcc'))(`a ${link} program prints and exits as natively`, async () => {
      const source = join(scratch, 'hello.c');
      writeFileSync(source, HELLO);
      const program = compileC([source], { link });
      const native = await runNative([program, 'argument']);
      const sandboxed = await runInSandbox([program, 'argument']);
      expect(native.status).toBe(42);
      expect(sandboxed).toMatchObject({ status: 42, stdout: native.stdout, stderr: native.stderr });
    });
  }
});
