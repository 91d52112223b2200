// SPDX-License-Identifier: Apache-2.0

/**
 * What containers cost: the life of one that does nothing, by the commands a daemon runs and through Docker, and the memory of twenty that sleep.
 * As root; the peers are those that are installed.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DockerDaemon } from '../../test/e2e/daemon.mjs';
import { dir, have, launcher, median } from '../harness.mjs';

const runtimes = [['runsc-ts', [launcher]], ...['runc', 'crun'].map((name) => [name, [name]]), ['runsc', ['runsc', '--platform=ptrace', '--network=none', '--ignore-cgroups']]].filter(([, [program]]) => program === launcher || have(program));
const COUNT = 20;
const SECONDS = 60;

function bundle(args) {
  const at = join(dir, `bundle-${args.join('-')}`);
  mkdirSync(join(at, 'rootfs/bin'), { recursive: true });
  cpSync('/bin/busybox', join(at, 'rootfs/bin/busybox'));
  for (const name of ['true', 'sleep']) symlinkSync('busybox', join(at, 'rootfs/bin', name));
  spawnSync(launcher, ['spec', '--bundle', at]);
  const config = JSON.parse(readFileSync(join(at, 'config.json'), 'utf8'));
  Object.assign(config.process, { args, terminal: false });
  writeFileSync(join(at, 'config.json'), JSON.stringify(config));
  return at;
}

/** Runs a command; null when it fails. Its standard files are nobody's: a container keeps those of create. */
function ms(command, args) {
  const start = process.hrtime.bigint();
  const { status, signal } = spawnSync(command[0], [...command.slice(1), ...args], { stdio: 'ignore', timeout: SECONDS * 1000 });
  if (status === 0) return Number(process.hrtime.bigint() - start) / 1e6;
  console.error(`${command[0]} ${args.join(' ')}: ${signal ?? `status ${status}`}`);
  return null;
}

const isAlive = (pid) => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};

/** create, start, until it has ended, delete: milliseconds of each; null when one fails. */
function life(command, at, id) {
  const pidFile = join(dir, `${id}.pid`);
  const flags = ['--root', join(dir, 'state')];
  const create = ms(command, [...flags, 'create', '--bundle', at, '--pid-file', pidFile, id]);
  const start = create === null ? null : ms(command, [...flags, 'start', id]);
  const begun = Date.now();
  if (start !== null) while (isAlive(Number(readFileSync(pidFile, 'latin1'))) && Date.now() - begun < SECONDS * 1000) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  const remove = start === null ? (ms(command, [...flags, 'delete', '--force', id]), null) : ms(command, [...flags, 'delete', id]);
  return remove === null ? null : { create, start, delete: remove, all: create + start + (Date.now() - begun) + remove };
}

const row = (name, cells) => console.log(`| ${name} | ${cells.join(' | ')} |`);

/** Prints what the life of a container takes. */
function lives(rounds, pick) {
  const at = bundle(['true']);
  const samples = new Map(runtimes.map(([name]) => [name, []]));
  const node = [];
  for (let i = 0; i < rounds; i++) {
    node.push(ms([process.execPath], ['-e', '0']));
    for (const [name, command] of runtimes) {
      const sample = life(command, at, `${name}${i}`);
      if (sample !== null) samples.get(name).push({ ...sample, version: ms(command, ['--version']) });
    }
  }
  console.log(`\n| ms (node -e 0: ${pick(node).toFixed(1)}) | create | start | delete | --version | create to deleted |\n|---|---|---|---|---|---|`);
  for (const [name, list] of samples) if (list.length > 0) row(name, ['create', 'start', 'delete', 'version', 'all'].map((key) => pick(list.map((sample) => sample[key])).toFixed(1)));
}

function pss(pid) {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
}

/** Prints the proportional set size of containers that sleep: Sentry, Gofer and stubs. */
function sleepers() {
  const at = bundle(['sleep', '1000']);
  const flags = ['--root', join(dir, 'sleepers')];
  const ids = Array.from({ length: COUNT }, (_, i) => `s${i}`);
  try {
    for (const id of ids) for (const args of [['create', '--bundle', at, id], ['start', id]]) ms([launcher], [...flags, ...args]);
    let total = 0;
    for (const id of ids) {
      const { sentry, gofer } = JSON.parse(readFileSync(join(dir, 'sleepers', id, 'state.json'), 'utf8'));
      const stubs = readFileSync(`/proc/${sentry.pid}/task/${sentry.pid}/children`, 'latin1').split(' ').filter(Boolean);
      for (const pid of [sentry.pid, gofer.pid, ...stubs]) total += pss(pid);
    }
    console.log(`\n${COUNT} containers that sleep: ${(total / COUNT / 1024).toFixed(1)} MB proportional set size each (Sentry, Gofer, stubs).`);
  } finally {
    for (const id of readdirSync(join(dir, 'sleepers'))) ms([launcher], [...flags, 'delete', '--force', id]);
  }
}

/** Prints what `docker run --rm` takes: with runc, with this runtime as a command, and with its shim. */
async function dockers(rounds, pick) {
  if (!have('dockerd', 'runc')) return;
  const daemon = await DockerDaemon.start(launcher, {
    runtimes: { command: { path: launcher }, shim: { runtimeType: join(launcher, '../containerd-shim-runsc-ts-v1.cjs') } },
  });
  try {
    const samples = { runc: [], command: [], shim: [] };
    for (let i = 0; i <= rounds; i++) {
      for (const [name, list] of Object.entries(samples)) {
        const start = process.hrtime.bigint();
        await daemon.must(...daemon.runWords(name), '--rm', 'bb', 'true');
        if (i > 0) list.push(Number(process.hrtime.bigint() - start) / 1e6);
      }
    }
    console.log('\n| docker run --rm busybox true | ms | / runc |\n|---|---|---|');
    for (const [name, list] of Object.entries(samples)) row(name, [pick(list).toFixed(0), (pick(list) / pick(samples.runc)).toFixed(2)]);
  } finally {
    await daemon.stop();
  }
}

/** Prints all three. `isBest`: the best of the rounds instead of the median. */
export async function containers(rounds, isBest) {
  if (process.geteuid() !== 0) {
    console.log('\nContainers: not measured (needs root).');
    return;
  }
  const pick = isBest ? (list) => Math.min(...list) : median;
  lives(rounds, pick);
  sleepers();
  await dockers(rounds, pick);
}
