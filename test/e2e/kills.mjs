// SPDX-License-Identifier: Apache-2.0

/**
 * kill -9 of every part of a sandbox at every stage of its life, with a bundle and commands of our own: afterwards `delete --force` leaves no
 * process, mount, cgroup, socket or file. Runs in pid and mount namespaces of its own, so that all that is found there is ours:
 * unshare --pid --fork --mount-proc --kill-child node test/e2e/kills.mjs RUNTIME [--long]
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { run, sleep, until } from './command.mjs';
import { makeRootfs } from './image.mjs';
import { snapshot } from './leftovers.mjs';
import { onInterrupt, standsStill, watchInterrupts } from './interrupt.mjs';
import { check, finish } from './report.mjs';
import { endProcesses, own, removeCgroups } from './take_back.mjs';

const [runtime, mode] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), 'e2e-kills-'));
const mark = basename(directory);
const states = join(directory, 'state');
const tries = mode === '--long' ? 12 : 3;
let serial = 0;
if (process.env.RUNSC_TS_E2E_OWNER !== undefined) own(directory);
watchInterrupts();
onInterrupt(clean);

/** Processes that run here, but for this one and what it waits for. */
function running() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, 'latin1');
        return /^State:\s+[ZX]/m.test(status) ? '' : `${name} ${/^Name:\s+(.*)$/m.exec(status)?.[1]}`;
      } catch {
        return '';
      }
    })
    .filter((text) => text !== '');
}

const mountsBefore = readFileSync('/proc/self/mounts', 'utf8');

/** Ends what runs here, and removes what is left of it. */
async function clean() {
  // In a pid namespace of its own all are its children; elsewhere they would be everybody's.
  for (const text of process.pid === 1 ? running() : []) process.kill(Number(text.split(' ')[0]), 'SIGKILL');
  await endProcesses(mark);
  removeCgroups(mark);
  rmSync(directory, { recursive: true, force: true });
}

/** What is there that should not be. */
function left() {
  const names = () => {
    try {
      return readdirSync(states);
    } catch {
      return [];
    }
  };
  const { cgroup, socket } = snapshot(mark);
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n').filter((line) => !mountsBefore.includes(line));
  return [...running().map((text) => `process ${text}`), ...names().map((name) => `state ${name}`), ...mounts.map((line) => `mount ${line}`), ...cgroup.map((path) => `cgroup ${path}`), ...socket.map((name) => `socket ${name}`)];
}

/** Runs the runtime, its output in files (a container may keep them open); `killAfter`: milliseconds after which it is killed. */
function cli(args, killAfter = 40_000) {
  if (standsStill()) return new Promise(() => undefined);
  const paths = ['stdout', 'stderr'].map((name) => join(directory, `${name}${++serial}`));
  const [out, err] = paths.map((path) => openSync(path, 'w'));
  const child = spawn(runtime, ['--root', states, ...args], { stdio: ['ignore', out, err] });
  closeSync(out);
  closeSync(err);
  const timer = setTimeout(() => child.kill('SIGKILL'), killAfter);
  return new Promise((resolve) => {
    child.on('exit', (code) => {
      clearTimeout(timer);
      const [stdout, stderr] = paths.map((path) => readFileSync(path, 'utf8'));
      for (const path of paths) rmSync(path);
      resolve({ status: code, stdout, stderr });
    });
  });
}

function makeBundle() {
  const bundle = join(directory, 'bundle');
  mkdirSync(bundle);
  makeRootfs(join(bundle, 'rootfs'));
  return bundle;
}

/** Writes config.json for a new container; returns its id. */
function configure(bundle) {
  const id = `k${++serial}`;
  const config = JSON.parse(readFileSync(join(bundle, 'base.json'), 'utf8'));
  config.process.terminal = false;
  config.process.args = ['sh', '-c', 'sleep 300 & sleep 301 & while :; do sleep 0.05; done'];
  config.linux.cgroupsPath = `/${mark}/${id}`;
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
  return id;
}

const record = (id) => JSON.parse(readFileSync(join(states, id, 'state.json'), 'utf8'));
const status = async (id) => {
  const result = await cli(['state', id]);
  return result.status === 0 ? JSON.parse(result.stdout).status : result.stderr.trim();
};

/** Forced deletion must succeed, and leave nothing. */
async function mustVanish(id, what) {
  const result = await cli(['delete', '--force', id]);
  let rest = [];
  await until(() => (rest = left()).length === 0, 10_000);
  return check(result.status === 0 && rest.length === 0, what, `delete: ${result.status} ${result.stderr}\n${rest.join('\n')}`);
}

async function must(...args) {
  const result = await cli(args);
  if (result.status !== 0) throw new Error(`${args.join(' ')}: ${result.status} ${result.stderr}`);
}

/** Brings a new container to a stage. */
async function containerAt(bundle, stage) {
  const id = configure(bundle);
  if (stage === 'none') return id;
  await must('create', '--bundle', bundle, id);
  if (stage === 'created') return id;
  await must('start', id);
  if (stage === 'paused') await must('pause', id);
  if (stage === 'killed') await must('kill', id, 'KILL');
  return id;
}

/** kill -9 of the command itself, at several moments of its run. */
async function killCommands(bundle) {
  const commands = [
    ['create', 'none', (id) => ['create', '--bundle', bundle, id]],
    ['run --detach', 'none', (id) => ['run', '--detach', '--bundle', bundle, id]],
    ['run', 'none', (id) => ['run', '--bundle', bundle, id], 1500],
    ['start', 'created', (id) => ['start', id]],
    ['exec', 'running', (id) => ['exec', id, 'sh', '-c', 'sleep 302 & sleep 303'], 700],
    ['exec --detach', 'running', (id) => ['exec', '--detach', id, 'sleep', '304']],
    ['kill', 'running', (id) => ['kill', id, 'KILL']],
    ['pause', 'running', (id) => ['pause', id]],
    ['resume', 'paused', (id) => ['resume', id]],
    ['update', 'running', (id) => ['update', '--pids-limit', '500', id]],
    ['delete --force', 'running', (id) => ['delete', '--force', id]],
  ];
  for (const [name, stage, words, fixed] of commands) {
    let span = fixed;
    if (span === undefined) {
      const id = await containerAt(bundle, stage);
      const started = performance.now();
      await cli(words(id));
      span = performance.now() - started;
      await mustVanish(id, `${name}, not disturbed: nothing is left`);
    }
    for (let i = 0; i < tries; i++) {
      const id = await containerAt(bundle, stage);
      await cli(words(id), Math.round((span * (i + 0.5)) / tries));
      await mustVanish(id, `kill -9 of ${name} at ${i + 1}/${tries} of its time`);
    }
  }
}

/** A create that was killed before it was done leaves nothing that runs, without anybody deleting it. */
async function killCreateAndLook(bundle) {
  for (let i = 0; i < tries; i++) {
    const id = configure(bundle);
    const pidFile = join(directory, 'pid');
    rmSync(pidFile, { force: true });
    await cli(['create', '--bundle', bundle, '--pid-file', pidFile, id], 15 + i * 25);
    let isDone = true;
    try {
      readFileSync(pidFile);
    } catch {
      isDone = false;
    }
    let rest = [];
    if (!isDone) await until(() => (rest = running()).length === 0, 10_000);
    check(rest.length === 0, `create killed after ${15 + i * 25} ms: nothing runs on by itself`, rest.join('\n'));
    await mustVanish(id, `create killed after ${15 + i * 25} ms: nothing is left`);
  }
}

/** kill -9 of the Sentry, the Gofer, both, a stub, at each stage. */
async function killParts(bundle) {
  for (const stage of ['created', 'running', 'paused']) {
    for (const parts of [['sentry'], ['gofer'], ['sentry', 'gofer']]) {
      const id = await containerAt(bundle, stage);
      const known = record(id);
      for (const part of parts) process.kill(known[part].pid, 'SIGKILL');
      const isStopped = await until(async () => (await status(id)) === 'stopped', 10_000);
      check(isStopped, `kill -9 of ${parts.join(' and ')}, ${stage}: stopped`, await status(id));
      const plain = await cli(['delete', id]);
      check(plain.status === 0, `kill -9 of ${parts.join(' and ')}, ${stage}: it can be deleted`, plain.stderr);
      await mustVanish(id, `kill -9 of ${parts.join(' and ')}, ${stage}: nothing is left`);
    }
  }
  const id = await containerAt(bundle, 'running');
  const sleeper = await until(() => running().find((text) => / sleep$/.test(text)));
  process.kill(Number(sleeper.split(' ')[0]), 'SIGKILL');
  await sleep(100);
  check((await status(id)) === 'running', 'kill -9 of one process of the container: it goes on');
  const waiter = await cli(['exec', '--detach', '--pid-file', join(directory, 'exec'), id, 'sleep', '777']);
  process.kill(Number(readFileSync(join(directory, 'exec'), 'utf8')), 'SIGKILL');
  const isGone = await until(async () => !/sleep 777/.test((await cli(['exec', id, 'ps', '-o', 'args'])).stdout), 10_000);
  check(waiter.status === 0 && isGone, 'kill -9 of an exec waiter: its process is gone');
  await mustVanish(id, 'after that, nothing is left');
}

try {
  const bundle = makeBundle();
  const spec = await run([runtime, 'spec', '--bundle', bundle]);
  if (spec.status !== 0) throw new Error(`spec: ${spec.stderr}`);
  writeFileSync(join(bundle, 'base.json'), readFileSync(join(bundle, 'config.json')));
  await killParts(bundle);
  await killCreateAndLook(bundle);
  await killCommands(bundle);
} catch (error) {
  check(false, 'the test itself', error.stack);
} finally {
  await clean();
}
process.exit(finish());
