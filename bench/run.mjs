// SPDX-License-Identifier: Apache-2.0

/**
 * The numbers the project promises, as ratios taken in one run: native, this sandbox, Debian's runsc (when installed) and the bare
 * floors. Run by `npm run bench [case...]` after `npm run build`; prints a markdown table. `--rounds N`: best of N (default 3).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const ours = [join(root, 'dist/runsc-ts.cjs'), 'do', '--'];
const peer = ['runsc', '--platform=ptrace', '--network=none', 'do'];
const hasPeer = spawnSync('runsc', ['--version']).status === 0;

const args = process.argv.slice(2);
const roundsAt = args.indexOf('--rounds');
const rounds = roundsAt < 0 ? 3 : Number(args.splice(roundsAt, 2)[1]);

// Under /var/tmp: a sandbox may have a /tmp of its own.
const dir = mkdtempSync(join('/var/tmp', 'bench-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));

const guest = join(dir, 'calls');
execFileSync('gcc', ['-O2', '-o', guest, join(root, 'bench/guest/calls.c')]);
writeFileSync(join(dir, 'hello.c'), '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n');
const big = join(dir, 'big');

/** Each: what to run, and whether the program prints its own microseconds or is timed from outside. */
const cases = {
  getppid: { argv: [guest, 'getppid', '50000'], unit: 'us' },
  forkexec: { argv: [guest, 'forkexec', '200'], unit: 'us' },
  pingpong: { argv: [guest, 'pingpong', '10000'], unit: 'us' },
  fork64: { argv: [guest, 'fork64', '20'], unit: 'us' },
  find: { argv: ['/bin/sh', '-c', 'find /usr -xdev | wc -l'], unit: 'ms' },
  python: { argv: ['/usr/bin/python3', '-c', 'pass'], unit: 'ms' },
  gcc: { argv: ['/bin/sh', '-c', `gcc -o /tmp/hello.$$ ${join(dir, 'hello.c')} && rm /tmp/hello.$$`], unit: 'ms' },
  read256: { argv: ['/bin/sh', '-c', `cat ${big} > /dev/null`], unit: 'ms', prepare: makeBig },
  true: { argv: ['/bin/true'], unit: 'ms' },
};

function makeBig() {
  writeFileSync(big, Buffer.alloc(256 << 20, 7));
}

/** Best of `rounds`, or null when it fails. */
function measure(prefix, test) {
  let best = null;
  for (let i = 0; i < rounds; i++) {
    const argv = [...prefix, ...test.argv];
    const start = process.hrtime.bigint();
    const r = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 120_000 });
    const ms = Number(process.hrtime.bigint() - start) / 1e6;
    if (r.status !== 0) {
      console.error(`${argv.join(' ')}: status ${r.status} ${r.stderr?.trim().split('\n').pop() ?? ''}`);
      return null;
    }
    const value = test.unit === 'us' ? Number(r.stdout.trim().split('\n').pop()) : ms;
    if (best === null || value < best) best = value;
  }
  return best;
}

/** The floors: a bare PTRACE_SYSEMU loop and a bare injected fork, in a Node like the Sentry's. */
function floors() {
  const bundle = join(dir, 'bare.cjs');
  const koffi = join(root, 'node_modules/koffi/index.cjs');
  buildSync({ entryPoints: [join(root, 'bench/platform/bare_sysemu.ts')], bundle: true, platform: 'node', format: 'cjs', outfile: bundle, alias: { koffi }, external: [koffi], logLevel: 'error' });
  let best = { getppidUs: Number.POSITIVE_INFINITY, fork64MbUs: Number.POSITIVE_INFINITY };
  for (let i = 0; i < rounds; i++) {
    const r = JSON.parse(execFileSync(process.execPath, ['--single-threaded', '--v8-pool-size=0', bundle], { encoding: 'utf8' }));
    best = { getppidUs: Math.min(best.getppidUs, r.getppidUs), fork64MbUs: Math.min(best.fork64MbUs, r.fork64MbUs) };
  }
  return best;
}

const show = (v, unit) => (v === null || v === undefined ? '–' : `${v.toFixed(v < 10 ? 2 : v < 100 ? 1 : 0)} ${unit}`);
const ratio = (a, b) => (a && b ? (a / b).toFixed(2) : '–');

const chosen = args.length > 0 ? args : Object.keys(cases);
console.log('| case | native | runsc-ts | runsc ptrace | runsc-ts / runsc | floor | runsc-ts / floor |\n|---|---|---|---|---|---|---|');
const bare = chosen.some((c) => c === 'getppid' || c === 'fork64') ? floors() : null;
const nodeBoot = chosen.includes('true') ? measure([], { argv: [process.execPath, '-e', '0'], unit: 'ms' }) : null;
for (const name of chosen) {
  const test = cases[name];
  if (test === undefined) throw new Error(`no such case: ${name}; there are ${Object.keys(cases).join(' ')}`);
  test.prepare?.();
  const native = measure([], test);
  const mine = measure(ours, test);
  const theirs = hasPeer ? measure(peer, test) : null;
  const floor = name === 'getppid' ? bare.getppidUs : name === 'fork64' ? bare.fork64MbUs : name === 'true' ? nodeBoot : null;
  console.log(`| ${name} | ${show(native, test.unit)} | ${show(mine, test.unit)} | ${show(theirs, test.unit)} | ${ratio(mine, theirs)} | ${show(floor, test.unit)} | ${ratio(mine, floor)} |`);
}
console.log(`\nBest of ${rounds}. Floors: getppid, a bare PTRACE_SYSEMU loop from Node; fork64, a bare injected host fork; true, node -e 0.`);
