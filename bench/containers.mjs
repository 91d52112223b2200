// SPDX-License-Identifier: Apache-2.0

/**
 * What a container costs as clients run it, as ratios taken in one run: the commands of a daemon for `true` from a bundle, against runc, crun and Debian's
 * runsc; `docker run --rm` of it; the memory of 20 idle ones. Run by `node bench/containers.mjs [--rounds N] [--best] [lifecycle] [docker] [idle]`
 * after `npm run build`, as root. Every round runs the runtimes one after the other; the tables show medians (--best: the best).
 *
 * Processor time is what the cgroup that everything here is in has used (cpuacct, where there is one) less our own: user and system, of the
 * daemon, its shims and what outlives a command too.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { DockerDaemon } from '../test/e2e/daemon.mjs';
import { makeRootfs } from '../test/e2e/image.mjs';
import { dir, front, have, launcher, median } from './harness.mjs';

if (process.geteuid() !== 0) {
  console.log('\nContainers: not measured (needs root).');
  process.exit(0);
}
// crun refuses to run where cgroups of both versions are mounted: for everybody alike, the second is hidden. Debian's runsc gives the null device
// that it has for its standard input to nobody: it gets another than the machine's.
if (process.env.RUNSC_TS_BENCH_INNER === undefined) {
  const apart = 'if [ -d /sys/fs/cgroup/unified ]; then umount -l /sys/fs/cgroup/unified; fi; mount -t tmpfs none /mnt && mknod -m 666 /mnt/null c 1 3 && mount --bind /mnt/null /dev/null; exec "$0" "$@"';
  const inner = spawnSync('unshare', ['--mount', 'sh', '-c', apart, process.execPath, ...process.argv.slice(1)], { stdio: 'inherit', env: { ...process.env, RUNSC_TS_BENCH_INNER: '1' } });
  process.exit(inner.status ?? 1);
}

const args = process.argv.slice(2);
const roundsAt = args.indexOf('--rounds');
const rounds = roundsAt < 0 ? 11 : Number(args.splice(roundsAt, 2)[1]);
const bestAt = args.indexOf('--best');
const isBest = bestAt >= 0 && args.splice(bestAt, 1).length === 1;
const wanted = (name) => args.length === 0 || args.includes(name);
const pick = isBest ? (list) => Math.min(...list) : median;
const how = isBest ? `best of ${rounds}` : `median of ${rounds}`;
const mark = basename(dir);
const IDLE = 20;

/** label -> words before the verb; only what is installed. */
const runtimes = [
  ['runsc-ts', [front, '--root', `${dir}/ours`, '--log', `${dir}/log`, '--log-format', 'json']],
  ['runsc-ts, all by Node', [launcher, '--root', `${dir}/ours`, '--log', `${dir}/log`, '--log-format', 'json']],
  ['runc', ['runc', '--root', `${dir}/runc`]],
  ['crun', ['crun', '--root', `${dir}/crun`, '--cgroup-manager=disabled']],
  ['runsc ptrace', ['runsc', '--root', `${dir}/runsc`, '--platform=ptrace', '--network=none']],
].filter(([, words]) => have(words[0]));

/** Our cgroup for counting processor time; null: there is none. */
const counter = existsSync('/sys/fs/cgroup/cpuacct') ? join('/sys/fs/cgroup/cpuacct', mark) : null;
if (counter !== null) {
  mkdirSync(counter);
  writeFileSync(join(counter, 'cgroup.procs'), String(process.pid));
}

/** Milliseconds of processor time that everything but this process has used. */
function cpu() {
  const own = process.cpuUsage();
  return counter === null ? Number.NaN : Number(readFileSync(join(counter, 'cpuacct.usage'), 'latin1')) / 1e6 - (own.user + own.system) / 1e3;
}

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

/** Runs a command of a runtime; what it starts keeps no pipe of ours. Returns its time. Throws when it fails. */
function command(words, ...rest) {
  const errors = join(dir, 'errors');
  const fd = openSync(errors, 'w');
  const started = now();
  const { status } = spawnSync(words[0], [...words.slice(1), ...rest], { stdio: [nothing, nothing, fd] });
  const spent = since(started);
  closeSync(fd);
  if (status !== 0) throw new Error(`${words[0]} ${rest.join(' ')}: ${status} ${readFileSync(errors, 'utf8').trim()}`);
  return spent;
}

const now = () => ({ ns: process.hrtime.bigint(), cpu: cpu() });
const since = (start) => ({ ms: Number(process.hrtime.bigint() - start.ns) / 1e6, cpu: cpu() - start.cpu });

function isRunning(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

const cell = new Int32Array(new SharedArrayBuffer(4));
let serial = 0;

/** A container's life: {column: {ms, cpu}}. */
function life(words, bundle) {
  const id = `bench-${process.pid}-${++serial}`;
  configure(bundle, ['/bin/true'], `/${mark}/${id}`);
  const pidFile = join(dir, 'pid');
  const begun = now();
  const create = command(words, 'create', '--bundle', bundle, '--pid-file', pidFile, id);
  const start = command(words, 'start', id);
  const pid = Number(readFileSync(pidFile, 'utf8'));
  // Looking all the time would take a processor from what is measured.
  while (isRunning(pid)) Atomics.wait(cell, 0, 0, 1);
  const remove = command(words, 'delete', id);
  const all = since(begun);
  return { create, start, delete: remove, 'delete --force of none': command(words, 'delete', '--force', id), '--version': command(words, '--version'), 'create to deleted': all };
}

/** Measures each of [label, act] in turn, `rounds` times after one for nothing. Returns [label, samples] of those that work. */
async function measure(cases) {
  const samples = cases.map(() => []);
  for (let round = 0; round <= rounds; round++)
    for (const [i, [label, act]] of cases.entries()) {
      if (samples[i] === null) continue;
      try {
        const value = await act();
        if (round > 0) samples[i].push(value);
      } catch (error) {
        console.error(`${label}: ${error.message}`);
        samples[i] = null;
      }
    }
  return cases.flatMap(([label], i) => (samples[i] === null ? [] : [[label, samples[i]]]));
}

/** Prints what measure() returned: a column for each key of a sample, and how the last compares with the first runtime's. */
function table(title, measured) {
  const columns = Object.keys(measured[0][1][0]);
  const last = columns.at(-1);
  const of = (list, column, what) => pick(list.map((sample) => sample[column][what]));
  console.log(`\n${title}: ms, ${how} (processor time)\n\n| runtime | ${columns.join(' | ')} | runsc-ts / it |\n|---|${'---|'.repeat(columns.length + 1)}`);
  for (const [label, list] of measured) {
    const cells = columns.map((column) => `${of(list, column, 'ms').toFixed(1)} (${of(list, column, 'cpu').toFixed(1)})`);
    console.log(`| ${label} | ${cells.join(' | ')} | ${(of(measured[0][1], last, 'ms') / of(list, last, 'ms')).toFixed(2)} |`);
  }
}

/** Proportional set size of all processes in our cgroups, and their number. */
function memory() {
  let kb = 0;
  let processes = 0;
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (!readFileSync(`/proc/${name}/cgroup`, 'latin1').includes(`${mark}/bench-`)) continue;
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

/** `docker run --rm`, with the default network (the peer refuses it) and with none. */
async function docker() {
  const peer = have('runsc') ? { 'runsc ptrace': { path: 'runsc', runtimeArgs: ['--platform=ptrace', '--network=none'] } } : {};
  const own = { 'runsc-ts': { path: front }, 'runsc-ts, all by Node': { path: launcher }, 'runsc-ts, shim': { runtimeType: join(launcher, '../containerd-shim-runsc-ts-v1.cjs') } };
  const named = (runtimes) => Object.fromEntries(Object.entries(runtimes).map(([label, what]) => [nameOf(label), what]));
  const daemon = await DockerDaemon.start(launcher, { runtimes: named({ ...own, ...peer }) });
  const run = (label, network) => async () => {
    const started = now();
    await daemon.must('run', `--runtime=${nameOf(label)}`, ...network, '--rm', 'bb', 'true');
    return { 'docker run': since(started) };
  };
  try {
    for (const [what, network, labels] of [['', [], Object.keys(own)], [' --network none', ['--network', 'none'], [...Object.keys(own), ...Object.keys(peer)]]]) {
      const [first, ...others] = labels;
      table(`docker run --rm${what} busybox true`, await measure([first, 'runc', ...others].map((label) => [label, run(label, network)])));
    }
  } finally {
    await daemon.stop();
  }
}

const nameOf = (label) => label.replace(/\W+/g, '-');

const bundle = makeBundle();
if (wanted('lifecycle')) table('A container that runs true', await measure(runtimes.map(([label, words]) => [label, () => life(words, bundle)])));
if (wanted('docker') && have('dockerd', 'runc')) await docker();
if (wanted('idle')) {
  console.log(`\n${IDLE} idle containers (sleep), proportional set size\n\n| runtime | per container | processes each |\n|---|---|---|`);
  // crun's, without cgroups, cannot be told from others'.
  for (const [label, words] of runtimes.filter(([name]) => name !== 'crun' && name !== 'runsc-ts, all by Node')) {
    try {
      console.log(`| ${label} | ${idle(words, bundle)} |`);
    } catch (error) {
      console.log(`| ${label} | fails: ${error.message} | |`);
    }
  }
}
if (counter !== null) writeFileSync(join(counter, '../cgroup.procs'), String(process.pid));
for (const hierarchy of readdirSync('/sys/fs/cgroup')) spawnSync('find', [`/sys/fs/cgroup/${hierarchy}/${mark}`, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
