// SPDX-License-Identifier: Apache-2.0

/**
 * Other people's OCI suites, installed elsewhere: runc's bats files and runtime-tools' validation programs, compared with an expectations
 * file that may only improve (case -> "pass", or why it fails).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Runtime } from './world.ts';

export interface SuiteOptions {
  readonly kind: 'bats' | 'runtime-tools';
  readonly directory: string;
  readonly runtime: Runtime;
  readonly file: string | undefined;
  readonly repository: string;
}

interface Expectations {
  /** File -> why it is not run. */
  readonly skip: Readonly<Record<string, string>>;
  /** "file: test" -> why it fails. */
  readonly fail: Readonly<Record<string, string>>;
}

interface Outcome {
  readonly name: string;
  readonly isOk: boolean;
  readonly detail: readonly string[];
}

const FILE_MS = 600_000;

/** Runs a suite. Returns the exit status. */
export function runSuite(options: SuiteOptions): number {
  const expectations = JSON.parse(readFileSync(join(options.repository, 'conformance/expectations', options.kind === 'bats' ? 'oci_bats.json' : 'oci_runtime_tools.json'), 'utf8')) as Expectations;
  const files = (options.kind === 'bats' ? batsFiles(options.directory) : validationFiles(options.directory)).filter((file) => options.file === undefined || nameOf(file) === options.file);
  const counts = { passed: 0, known: 0, failed: 0 };
  for (const file of files) {
    const name = nameOf(file);
    const why = expectations.skip[name];
    if (why !== undefined && options.file === undefined) {
      console.log(`skip  ${name}: ${why}`);
      continue;
    }
    const printed = options.kind === 'bats' ? runBats(file, options.runtime) : runValidation(file, options.runtime);
    const tests = tap(printed);
    const isMute = tests.length === 0 && !/^\s*ok .*# skip/im.test(printed);
    if (isMute) counts.failed++;
    if (isMute) console.log(`FAIL  ${name}: it printed no results`);
    for (const test of tests) report(`${name}: ${test.name}`, test, expectations.fail[`${name}: ${test.name}`], counts);
  }
  console.log(`${counts.passed} passed, ${counts.known} known failures, ${counts.failed} failed`);
  return counts.failed === 0 ? 0 : 1;
}

function report(name: string, test: Outcome, reason: string | undefined, counts: { passed: number; known: number; failed: number }): void {
  if (test.isOk) {
    counts.passed++;
    if (reason !== undefined) console.log(`better ${name}: passes now, was expected to fail: ${reason}`);
    return;
  }
  if (reason !== undefined) {
    counts.known++;
    console.log(`known ${name}: ${reason}`);
    return;
  }
  counts.failed++;
  console.log([`FAIL  ${name}`, ...test.detail.slice(0, 12).map((line) => `      ${line}`)].join('\n'));
}

function batsFiles(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.endsWith('.bats')).sort().map((name) => join(directory, name));
}

function validationFiles(directory: string): string[] {
  const root = existsSync(join(directory, 'validation')) ? join(directory, 'validation') : directory;
  return readdirSync(root).sort().map((name) => join(root, name, `${name}.t`)).filter((path) => existsSync(path));
}

function nameOf(file: string): string {
  return basename(file).replace(/\.(bats|t)$/, '');
}

/** runc's tests want a terminal. */
function runBats(file: string, runtime: Runtime): string {
  const quoted = `'${file.replaceAll("'", "'\\''")}'`;
  const result = spawnSync('script', ['-qec', `bats -t ${quoted}`, '/dev/null'], { cwd: join(dirname(file), '../..'), env: { ...process.env, RUNC: runtime.path }, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', timeout: FILE_MS, killSignal: 'SIGKILL', maxBuffer: 1 << 26 });
  return result.stdout ?? '';
}

/** They look for rootfs-amd64.tar.gz and runtimetest in the working directory. */
function runValidation(file: string, runtime: Runtime): string {
  const result = spawnSync(file, [], { cwd: join(dirname(file), '../..'), env: { ...process.env, RUNTIME: runtime.path }, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', timeout: FILE_MS, killSignal: 'SIGKILL', maxBuffer: 1 << 26 });
  return result.stdout ?? '';
}

/** Test Anything Protocol; skipped tests are left out. */
export function tap(text: string): Outcome[] {
  const out: { name: string; isOk: boolean; detail: string[] }[] = [];
  let seen = false;
  for (const line of text.replaceAll('\r', '').split('\n')) {
    const match = /^\s*(not ok|ok) \d+(?: -)? ?(.*)$/.exec(line);
    if (match === null) {
      if (seen && /^\s*#/.test(line)) out.at(-1)?.detail.push(line.trim());
      continue;
    }
    seen = !/# skip/i.test(match[2] as string);
    if (seen) out.push({ name: (match[2] as string).trim(), isOk: match[1] === 'ok', detail: [] });
  }
  return out;
}
