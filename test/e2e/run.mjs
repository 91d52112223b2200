// SPDX-License-Identifier: Apache-2.0

/**
 * The clients' own programs, on this machine, with daemons of our own. Needs root and `npm run build`; installs what is missing from apt. Ends with
 * "N passed, N failed".
 *
 * node test/e2e/run.mjs [--long] [--only docker,podman,kills,containerd] [--filter TEXT]; --long: more of each; --filter: only scenarios with TEXT.
 */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DockerDaemon } from './daemon.mjs';
import { dockerList } from './docker.mjs';
import { CHILD_ENV, onInterrupt, standsStill, watchInterrupts } from './interrupt.mjs';
import { podmanList } from './podman.mjs';
import { addCounts, check, finish, notRun } from './report.mjs';
import { ownerEnv, sweep } from './take_back.mjs';

const { values } = parseArgs({ options: { long: { type: 'boolean' }, only: { type: 'string' }, filter: { type: 'string', default: '' } } });
const runtime = process.env.RUNSC_TS ?? join(import.meta.dirname, '../../dist/runsc-ts');
const wanted = (part) => values.only === undefined || values.only.split(',').includes(part);

const PACKAGES = { dockerd: 'docker.io', containerd: 'containerd', runc: 'runc', podman: 'podman', newuidmap: 'uidmap', busybox: 'busybox-static', python3: 'python3', ip: 'iproute2', ping: 'iputils-ping', iptables: 'iptables', tar: 'tar' };

function installMissing() {
  const isThere = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
  const missing = Object.keys(PACKAGES).filter((command) => !isThere(command));
  if (missing.length === 0) return;
  const packages = missing.map((command) => PACKAGES[command]);
  console.log(`installing ${packages.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-qq'], { env });
  const result = spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env, encoding: 'utf8' });
  if (result.status !== 0) console.log(result.stderr.slice(-500));
}

/** Runs a program that counts by itself, its output shown. */
async function child(what, argv) {
  // Its standard input stays open for as long as we are there.
  const started = spawn(argv[0], argv.slice(1), { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...CHILD_ENV, ...ownerEnv() } });
  const forget = onInterrupt(async () => {
    started.stdin.end();
    await new Promise((resolve) => (started.exitCode === null ? started.on('close', resolve) : resolve()));
  });
  const text = [];
  started.stdout.on('data', (chunk) => {
    text.push(chunk);
    process.stdout.write(chunk);
  });
  const status = await new Promise((resolve) => started.on('close', resolve));
  if (standsStill()) await new Promise(() => undefined);
  forget();
  addCounts(what, status, Buffer.concat(text).toString());
}

async function main() {
  if (process.geteuid() !== 0) {
    notRun('test/e2e', 'it needs root');
    return;
  }
  watchInterrupts();
  installMissing();
  await sweep();
  if (wanted('docker')) {
    const daemon = await DockerDaemon.start(runtime);
    try {
      await dockerList(daemon, runtime, { filter: values.filter, isLong: values.long === true });
    } finally {
      await daemon.stop();
    }
  }
  const long = values.long ? ['--long'] : [];
  if (wanted('kills')) await child('kills', ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', process.execPath, join(import.meta.dirname, 'kills.mjs'), runtime, ...long]);
  if (wanted('containerd')) await child('containerd', [process.execPath, join(import.meta.dirname, 'containerd.mjs')]);
  if (wanted('podman')) await podmanList(runtime, values.filter);
}

await main().catch((error) => check(false, 'the tests themselves', error.stack));
process.exit(finish());
