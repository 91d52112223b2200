// SPDX-License-Identifier: Apache-2.0

/**
 * The numbers the project promises, as ratios taken in one run: native, this sandbox, Debian's runsc (when installed) and the bare
 * floors. Run by `npm run bench [case...]` after `npm run build`; prints a markdown table. Every round (`--rounds N`, default 5)
 * runs the three one after the other, so that a slow minute of the machine hits them all; the table shows medians.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const ours = [join(root, 'dist/runsc-ts.cjs'), 'do', '--'];
const peer = ['runsc', '--platform=ptrace', '--network=none', 'do'];
const hasPeer = spawnSync('runsc', ['--version']).status === 0;

const args = process.argv.slice(2);
const roundsAt = args.indexOf('--rounds');
const rounds = roundsAt < 0 ? 5 : Number(args.splice(roundsAt, 2)[1]);

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

/** Runs once. Returns microseconds or milliseconds as the case's unit says, or null when it fails. */
function measureOnce(prefix, test) {
  const argv = [...prefix, ...test.argv];
  const start = process.hrtime.bigint();
  const r = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 120_000, killSignal: 'SIGKILL' });
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  if (r.status !== 0) {
    console.error(`${argv.join(' ')}: status ${r.status} ${r.stderr?.trim().split('\n').pop() ?? ''}`);
    return null;
  }
  return test.unit === 'us' ? Number(r.stdout.trim().split('\n').pop()) : ms;
}

/** Measures `test` on each of `grounds` (prefixes), interleaved. Returns a median for each, or null when it failed. */
function measure(grounds, test) {
  const samples = grounds.map(() => []);
  for (let i = 0; i < rounds; i++)
    grounds.forEach((prefix, which) => {
      if (samples[which].includes(null)) return;
      samples[which].push(measureOnce(prefix, test));
    });
  return samples.map((list) => (list.includes(null) ? null : list.sort((a, b) => a - b)[list.length >> 1]));
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
const [nodeBoot] = chosen.includes('true') ? measure([[]], { argv: [process.execPath, '-e', '0'], unit: 'ms' }) : [null];
for (const name of chosen) {
  const test = cases[name];
  if (test === undefined) throw new Error(`no such case: ${name}; there are ${Object.keys(cases).join(' ')}`);
  test.prepare?.();
  const [native, mine, theirs] = measure([[], ours, ...(hasPeer ? [peer] : [])], test);
  const floor = name === 'getppid' ? bare.getppidUs : name === 'fork64' ? bare.fork64MbUs : name === 'true' ? nodeBoot : null;
  console.log(`| ${name} | ${show(native, test.unit)} | ${show(mine, test.unit)} | ${show(theirs, test.unit)} | ${ratio(mine, theirs)} | ${show(floor, test.unit)} | ${ratio(mine, floor)} |`);
}
console.log(`\nMedians of ${rounds} interleaved rounds. Floors: getppid, a bare PTRACE_SYSEMU loop from Node; fork64, a bare injected host fork; true, node -e 0.`);
if (chosen.includes('true')) console.log(`Sentry and Gofer, proportional set size of an idle sandbox: ${await idleMemory()} MB.`);

/** Starts an idle sandbox and sums the PSS of the Sentry and the Gofer (the CLI's descendants that are not stubs). */
async function idleMemory() {
  const child = spawn(ours[0], ['do', '--', 'sh', '-c', 'echo ready; sleep 30'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve);
      child.once('exit', () => reject(new Error('ended')));
    });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const pids = descendants(child.pid).filter((pid) => statusOf(pid, 'VmRSS') > 4000 && isSentryOrGofer(pid));
    return (pids.reduce((sum, pid) => sum + pssOf(pid), 0) / 1024).toFixed(1);
  } catch (error) {
    return `not measured (${error.message})`;
  } finally {
    child.kill('SIGTERM');
  }
}

/** A stub is a process whose memory is the application's: no heap of Node is mapped in it. */
function isSentryOrGofer(pid) {
  return readFileSync(`/proc/${pid}/maps`, 'latin1').includes('/node');
}
function descendants(pid) {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), statusOf(name, 'PPid')]);
  const result = [];
  for (let queue = [pid]; queue.length > 0; ) {
    queue = parents.filter(([, parent]) => queue.includes(parent)).map(([child]) => child);
    result.push(...queue);
  }
  return result;
}
function statusOf(pid, key) {
  try {
    return Number(new RegExp(`${key}:\\s*(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
function pssOf(pid) {
  return Number(/^Pss:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
}
