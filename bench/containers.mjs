// SPDX-License-Identifier: Apache-2.0

/**
 * What a container costs as clients run it, as ratios taken in one run: create + start + wait + delete of `true` from a bundle, against runc, crun
 * and Debian's runsc; `docker run --rm` of it against runc and runsc; memory of 20 idle containers. Run by `node bench/containers.mjs [--rounds N]
 * [lifecycle] [docker] [idle]` after `npm run build`, as root. Every round runs the runtimes one after the other; the tables show medians.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { DockerDaemon } from '../test/e2e/daemon.mjs';
import { makeRootfs } from '../test/e2e/image.mjs';
import { dir, have, launcher } from './harness.mjs';

// crun refuses to run where cgroups of both versions are mounted: for everybody alike, the second is hidden.
const UNIFIED = '/sys/fs/cgroup/unified';
if (existsSync(UNIFIED)) {
  const hide = `umount -l ${UNIFIED}; exec "$0" "$@"`;
  if (process.env.RUNSC_TS_BENCH_INNER === undefined) {
    const inner = spawnSync('unshare', ['--mount', 'sh', '-c', hide, process.execPath, ...process.argv.slice(1)], { stdio: 'inherit', env: { ...process.env, RUNSC_TS_BENCH_INNER: '1' } });
    process.exit(inner.status ?? 1);
  }
}

const args = process.argv.slice(2);
const roundsAt = args.indexOf('--rounds');
const rounds = roundsAt < 0 ? 11 : Number(args.splice(roundsAt, 2)[1]);
const wanted = (name) => args.length === 0 || args.includes(name);
const mark = basename(dir);
const IDLE = 20;

/** label -> words before the verb; only what is installed. */
const runtimes = [
  ['runsc-ts', [launcher, '--root', `${dir}/ours`]],
  ['runc', ['runc', '--root', `${dir}/runc`]],
  ['crun', ['crun', '--root', `${dir}/crun`, '--cgroup-manager=disabled']],
  ['runsc ptrace', ['runsc', '--root', `${dir}/runsc`, '--platform=ptrace', '--network=none']],
].filter(([, words]) => have(words[0]));

function makeBundle() {
  const bundle = join(dir, 'bundle');
  mkdirSync(bundle);
  makeRootfs(join(bundle, 'rootfs'));
  spawnSync(launcher, ['spec', '--bundle', bundle]);
  return bundle;
}

function configure(bundle, argv, cgroup) {
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  config.ociVersion = '1.0.2';
  config.process.terminal = false;
  config.process.args = argv;
  config.linux.cgroupsPath = cgroup;
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
}

const nothing = openSync('/dev/null', 'r+');

/** Runs a command of a runtime; what it starts keeps no pipe of ours. Throws when it fails. */
function command(words, ...rest) {
  const errors = join(dir, 'errors');
  const fd = openSync(errors, 'w');
  const { status } = spawnSync(words[0], [...words.slice(1), ...rest], { stdio: [nothing, nothing, fd] });
  closeSync(fd);
  if (status !== 0) throw new Error(`${words[0]} ${rest.join(' ')}: ${status} ${readFileSync(errors, 'utf8').trim()}`);
}

function isRunning(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

const cell = new Int32Array(new SharedArrayBuffer(4));
let serial = 0;

function lifecycle(words, bundle) {
  const id = `bench-${process.pid}-${++serial}`;
  configure(bundle, ['/bin/true'], `/${mark}/${id}`);
  const pidFile = join(dir, 'pid');
  const started = process.hrtime.bigint();
  command(words, 'create', '--bundle', bundle, '--pid-file', pidFile, id);
  command(words, 'start', id);
  const pid = Number(readFileSync(pidFile, 'utf8'));
  // Looking all the time would take a processor from what is measured.
  while (isRunning(pid)) Atomics.wait(cell, 0, 0, 1);
  command(words, 'delete', id);
  return Number(process.hrtime.bigint() - started) / 1e6;
}

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];

/** Measures each of [label, act] in turn, `rounds` times after one for nothing. Returns rows of a table. */
function measure(cases) {
  const samples = cases.map(() => []);
  for (let round = 0; round <= rounds; round++)
    cases.forEach(([label, act], i) => {
      if (samples[i] === null) return;
      try {
        const value = act();
        if (round > 0) samples[i].push(value);
      } catch (error) {
        console.error(`${label}: ${error.message}`);
        samples[i] = null;
      }
    });
  const medians = samples.map((list) => (list === null ? null : median(list)));
  return cases.map(([label], i) => (medians[i] === null ? `| ${label} | fails | – |` : `| ${label} | ${medians[i].toFixed(1)} ms | ${(medians[0] / medians[i]).toFixed(2)} |`));
}

function table(title, rows) {
  console.log(`\n${title}\n\n| runtime | median of ${rounds} | runsc-ts / it |\n|---|---|---|\n${rows.join('\n')}`);
}

/** Proportional set size of all processes in our cgroups, and their number. */
function memory() {
  let kb = 0;
  let processes = 0;
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (!readFileSync(`/proc/${name}/cgroup`, 'latin1').includes(mark)) continue;
      kb += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
      processes++;
    } catch {
      // It has ended meanwhile.
    }
  }
  return { mb: kb / 1024, processes };
}

function idle(words, bundle) {
  const ids = Array.from({ length: IDLE }, () => `bench-${process.pid}-${++serial}`);
  try {
    for (const id of ids) {
      configure(bundle, ['sleep', '300'], `/${mark}/${id}`);
      command(words, 'run', '--detach', '--bundle', bundle, id);
    }
    const { mb, processes } = memory();
    return `${(mb / IDLE).toFixed(1)} MB | ${(processes / IDLE).toFixed(1)}`;
  } finally {
    for (const id of ids) spawnSync(words[0], [...words.slice(1), 'delete', '--force', id]);
  }
}

async function docker() {
  const peer = have('runsc') ? { 'runsc-ptrace': { path: 'runsc', runtimeArgs: ['--platform=ptrace', '--network=none'] } } : {};
  const daemon = await DockerDaemon.start(launcher, { runtimes: { 'runsc-ts': { path: launcher }, ...peer } });
  const run = (runtime) => () => {
    const started = process.hrtime.bigint();
    const { status, stderr } = spawnSync('docker', ['run', '--rm', '--network', 'none', `--runtime=${runtime}`, 'bb', 'true'], { env: daemon.env, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return Number(process.hrtime.bigint() - started) / 1e6;
  };
  try {
    table('docker run --rm --network none busybox true', measure(['runsc-ts', 'runc', ...Object.keys(peer)].map((runtime) => [runtime, run(runtime)])));
  } finally {
    await daemon.stop();
  }
}

const bundle = makeBundle();
if (wanted('lifecycle')) table('create + start + wait + delete of true', measure(runtimes.map(([label, words]) => [label, () => lifecycle(words, bundle)])));
if (wanted('docker')) await docker();
if (wanted('idle')) {
  console.log(`\n${IDLE} idle containers (sleep), proportional set size\n\n| runtime | per container | processes each |\n|---|---|---|`);
  // crun's, without cgroups, cannot be told from others'.
  for (const [label, words] of runtimes.filter(([name]) => name !== 'crun')) {
    try {
      console.log(`| ${label} | ${idle(words, bundle)} |`);
    } catch (error) {
      console.log(`| ${label} | fails: ${error.message} | |`);
    }
  }
}
for (const hierarchy of readdirSync('/sys/fs/cgroup')) spawnSync('find', [`/sys/fs/cgroup/${hierarchy}/${mark}`, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
