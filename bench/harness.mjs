// SPDX-License-Identifier: Apache-2.0

/**
 * What the benchmarks share: the grounds a program is run on (native, this sandbox, Debian's runsc), a scratch directory, compiled
 * guests, and running one program with a time limit.
 *
 * Invariants: a ground's program writes to pipes (the peer loses what it writes to a file). Nothing outlives the run.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '..');
export const launcher = join(root, 'dist/runsc-ts.cjs');
/** What daemons are given. */
export const front = join(root, 'dist/runsc-ts');

/** Under /var/tmp: a sandbox may have a /tmp of its own. */
export const dir = mkdtempSync(join('/var/tmp', 'bench-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

export const native = { label: 'native', command: () => [] };
export const ours = { label: 'runsc-ts', command: (network) => [launcher, ...(network ? ['--network=host'] : []), 'do', '--'] };
const peer = {
  label: 'runsc ptrace',
  /** Its `do` has no use of the host's network. */
  lacksNetwork: true,
  command: (network) => ['runsc', '--platform=ptrace', `--network=${network ? 'host' : 'none'}`, 'do'],
};
/** The peer only where it is installed. */
export const grounds = [native, ours, ...(spawnSync('runsc', ['--version']).status === 0 ? [peer] : [])];

const compiled = new Map();

/** Compiles bench/guest/NAME.c once. Returns the program's path. */
export function guest(name) {
  if (!compiled.has(name)) {
    compiled.set(name, join(dir, name));
    execFileSync('gcc', ['-O2', '-pthread', '-o', compiled.get(name), join(root, 'bench/guest', `${name}.c`)]);
  }
  return compiled.get(name);
}

/** Path of a script of bench/apps. */
export function app(name) {
  return join(root, 'bench/apps', name);
}

/** Are all these programs installed? */
export function have(...programs) {
  return programs.every((p) => spawnSync('/bin/sh', ['-c', `command -v ${p}`]).status === 0);
}

/**
 * Runs argv on a ground. Returns {stdout, stderr, ms}, or null when it fails (said on stderr). `options`: network (the host's),
 * input (a stream for its standard input), output (where its standard output goes instead), seconds.
 */
export function run(ground, argv, options = {}) {
  const whole = [...ground.command(options.network === true), ...argv];
  const start = process.hrtime.bigint();
  const child = spawn(whole[0], whole.slice(1), { stdio: [options.input ?? 'ignore', options.output ?? 'pipe', 'pipe'] });
  const limit = setTimeout(() => child.kill('SIGKILL'), (options.seconds ?? 120) * 1000);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (d) => (stdout += d));
  child.stderr.on('data', (d) => (stderr += d));
  return new Promise((done) => {
    child.on('close', (status, signal) => {
      clearTimeout(limit);
      const ms = Number(process.hrtime.bigint() - start) / 1e6;
      if (status === 0) return done({ stdout, stderr, ms });
      console.error(`${ground.label}: ${basename(argv[0])} ${argv.slice(1).join(' ')}: ${signal ?? `status ${status}`} ${lastLine(stderr)}`);
      done(null);
    });
    child.on('error', (error) => console.error(`${ground.label}: ${error.message}`));
  });
}

export function lastLine(text) {
  return text.trim().split('\n').pop() ?? '';
}

export function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
