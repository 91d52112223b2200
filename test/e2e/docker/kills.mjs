// SPDX-License-Identifier: Apache-2.0

/** kill -9 of parts of a container that Docker runs, of the clients, and of the daemon: what Docker says of it, and that nothing is left. */
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { sleep, until } from '../command.mjs';
import { check } from '../report.mjs';

const NONE = ['--network', 'none'];
const STATE = '{{.State.Status}} {{.State.ExitCode}}';

const start = (daemon, runtime, ...flags) => daemon.must('run', '-d', `--runtime=${runtime}`, ...NONE, ...flags, 'bb', 'sh', '-c', 'sleep 300 & while :; do sleep 0.1; done');

async function ended(daemon, id) {
  await until(async () => (await daemon.must('inspect', '-f', '{{.State.Running}}', id)) === 'false', 20_000);
  return daemon.must('inspect', '-f', STATE, id);
}

async function killSandboxParts(daemon) {
  for (const part of ['sentry', 'gofer']) {
    const id = await start(daemon, 'runsc-ts');
    process.kill(daemon.record(id)[part].pid, 'SIGKILL');
    const state = await ended(daemon, id);
    check(/^exited [1-9]/.test(state), `docker: kill -9 of the ${part}: the container has exited`, state);
    const again = await daemon.docker(['start', id]);
    check(again.status === 0, `docker: kill -9 of the ${part}: it can be started again`, again.stderr);
    await daemon.must('rm', '-f', id);
  }
}

/** The shim that containerd has for a container: a process whose command line names it. */
function shimOf(id) {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'latin1');
      if (line.includes('containerd-shim') && line.includes(id)) return Number(name);
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`no shim of ${id}`);
}

async function killShim(daemon) {
  const states = [];
  for (const runtime of ['runc', 'runsc-ts']) {
    const id = await start(daemon, runtime);
    process.kill(shimOf(id), 'SIGKILL');
    states.push(await ended(daemon, id));
    const again = await daemon.docker(['start', id]);
    states.push(`start: ${again.status}`);
    await daemon.must('rm', '-f', id);
  }
  check(states.slice(0, 2).join() === states.slice(2).join(), 'docker: kill -9 of the shim ends as with runc', states.join('\n'));
}

async function killClient(daemon) {
  const child = spawn('docker', ['run', '--name', 'clientless', '--runtime=runsc-ts', ...NONE, 'bb', 'sleep', '300'], { env: daemon.env, stdio: 'ignore' });
  const runs = async () => (await daemon.docker(['inspect', '-f', '{{.State.Running}}', 'clientless'])).stdout.trim() === 'true';
  await until(runs, 20_000);
  child.kill('SIGKILL');
  await sleep(200);
  check(await runs(), 'docker: kill -9 of the docker command: the container goes on');
  await daemon.must('rm', '-f', 'clientless');
}

/** Runtimes that are killed in the middle of `create`. (After a `start` or a `delete` that ends so, containerd gives up, with runc too.) */
async function killRuntime(daemon, runtime) {
  const runtimes = {};
  for (const ms of [20, 60, 120]) {
    const path = join(daemon.directory, `killed-create-${ms}`);
    const script = `case " $* " in *" create "*) ${runtime} "$@" & p=$!; sleep 0.${String(ms).padStart(3, '0')}; kill -9 $p; wait $p; exit;; esac`;
    writeFileSync(path, `#!/bin/sh\n${script}\nexec ${runtime} "$@"\n`);
    chmodSync(path, 0o755);
    runtimes[`killed-create-${ms}`] = { path };
  }
  daemon.configure({ runtimes: { ...daemon.config.runtimes, ...runtimes } });
  daemon.process.kill('SIGHUP');
  await until(async () => (await daemon.must('info', '-f', '{{json .Runtimes}}')).includes('killed-create-120'));
  for (const name of Object.keys(runtimes)) {
    const result = await daemon.docker(['run', '--name', name, `--runtime=${name}`, ...NONE, 'bb', 'true'], { limitMs: 40_000 });
    check(result.status !== null, `docker: ${name} (ms): docker answers`, `${result.stdout}${result.stderr}`);
    const removed = await until(async () => (await daemon.docker(['rm', '-f', name])).status === 0, 20_000, 500);
    const left = await daemon.leftovers();
    check(removed && left.length === 0, `docker: ${name} (ms): nothing is left`, left.join('\n'));
  }
}

async function killDaemon(daemon) {
  const ids = [await start(daemon, 'runc'), await start(daemon, 'runsc-ts')];
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  // Its containerd dies with it; where pid 1 reaps nobody, the new dockerd takes the zombie for one that runs.
  rmSync(join(daemon.directory, 'exec/containerd/containerd.pid'), { force: true });
  await daemon.boot();
  const states = [];
  for (const id of ids) states.push(await ended(daemon, id));
  check(states[0] === states[1], 'docker: kill -9 of dockerd, started again: the container is as with runc', states.join('\n'));
  for (const id of ids) await daemon.must('rm', '-f', id);
}

export async function dockerKills(daemon, runtime) {
  // What a client that ran out of time had begun may have come to be after its scenario was cleaned up.
  await daemon.removeAll();
  await killSandboxParts(daemon);
  await killShim(daemon);
  await killClient(daemon);
  await killRuntime(daemon, runtime);
  await killDaemon(daemon);
}
