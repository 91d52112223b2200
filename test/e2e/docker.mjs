// SPDX-License-Identifier: Apache-2.0

/**
 * Docker as a client: starts a daemon of its own in a temporary directory, runs one list of commands with runc and with this runtime and
 * compares exit statuses and outputs; then kills parts of sandboxes and looks for what is left. Not part of npm test: needs root, dockerd,
 * busybox, and python3 for terminals. Usage: node test/e2e/docker.mjs (after npm run build).
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RUNTIME = process.env.RUNSC_TS ?? join(dirname(fileURLToPath(import.meta.url)), '../../dist/runsc-ts.cjs');
const scratch = mkdtempSync(join(tmpdir(), 'docker-e2e-'));
const socket = `unix://${scratch}/docker.sock`;
const env = { ...process.env, DOCKER_HOST: socket };
const hadBridge = existsSync('/sys/class/net/docker0');
let failures = 0;

/** Runs a docker command; returns its status and output. */
function docker(args, input = '') {
  const run = spawnSync('docker', args, { env, input, encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' });
  return { status: run.status, output: `${run.stdout}${run.stderr}` };
}

function check(ok, what, detail = '') {
  if (!ok) failures++;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}${ok ? '' : `\n${detail}`}`);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function startDaemon() {
  const log = openSync(join(scratch, 'log'), 'w');
  const flags = ['--data-root', `${scratch}/data`, '--exec-root', `${scratch}/exec`, '-p', `${scratch}/pid`, '-H', socket, '--add-runtime', `runsc-ts=${RUNTIME}`];
  return spawn('dockerd', flags, { stdio: ['ignore', log, log] });
}

function importImage() {
  const root = join(scratch, 'image');
  for (const dir of ['bin', 'proc', 'dev', 'sys', 'tmp', 'etc', 'root']) mkdirSync(join(root, dir), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of spawnSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n')) if (name !== 'busybox') symlinkSync('busybox', join(root, 'bin', name));
  for (const file of ['passwd', 'group']) copyFileSync(`/etc/${file}`, join(root, 'etc', file));
  const tar = spawnSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 1 << 28 });
  const run = spawnSync('docker', ['import', '-', 'bb'], { env, input: tar.stdout });
  if (run.status !== 0) throw new Error(`docker import: ${run.stderr}`);
}

const NONE = ['--network', 'none'];
const RUN = ['run', '--rm', '--runtime=RT'];
const LOOP = 'trap "echo term; exit 9" TERM; echo started; while :; do sleep 0.2; done';

/** [arguments, input, milliseconds to wait afterwards]; RT stands for the runtime. */
const LIST = [
  [[...RUN, ...NONE, 'bb', 'sh', '-c', 'echo hi; id; exit 3']],
  [[...RUN, ...NONE, 'bb', 'nosuch']],
  [[...RUN, ...NONE, 'bb', '/etc/passwd']],
  [[...RUN, ...NONE, 'bb', '/nosuch']],
  [[...RUN, ...NONE, '--user', '5:6', '--workdir', '/made/dir', '--env', 'A=b', '--hostname', 'hh', '--read-only', '--tmpfs', '/t', 'bb', 'sh', '-c', 'id; pwd; echo $A $HOME; hostname; touch /x; touch /t/x && echo ok']],
  [[...RUN, ...NONE, '-i', 'bb', 'cat'], 'piped\n'],
  [[...RUN, ...NONE, '--cap-drop', 'ALL', 'bb', 'grep', 'Cap', '/proc/self/status']],
  [[...RUN, ...NONE, '--mount', `type=bind,src=${scratch}/image/etc,dst=/m,ro`, 'bb', 'sh', '-c', 'ls /m; touch /m/x']],
  [[...RUN, ...NONE, '-v', 'e2e-volume:/v', 'bb', 'sh', '-c', 'echo v > /v/f']],
  [[...RUN, ...NONE, '-v', 'e2e-volume:/v', 'bb', 'cat', '/v/f']],
  [[...RUN, ...NONE, 'bb', 'sh', '-c', 'kill -9 $$']],
  [[...RUN, ...NONE, '-t', 'bb', 'sh', '-c', 'stty size; echo x']],
  [['run', '-d', '--runtime=RT', ...NONE, '--name', 'c', 'bb', 'sh', '-c', LOOP], '', 1000, 'hidden'],
  [['logs', 'c']],
  [['exec', 'c', 'sh', '-c', 'echo in exec; exit 4']],
  [['exec', '-i', 'c', 'cat'], 'data\n'],
  [['exec', 'c', 'nosuch']],
  [['exec', '-u', '5', '-w', '/etc', '-e', 'X=y', 'c', 'sh', '-c', 'id -u; pwd; echo $X']],
  [['pause', 'c']],
  [['inspect', '-f', '{{.State.Status}}', 'c']],
  [['exec', 'c', 'true']],
  [['unpause', 'c']],
  [['update', '--cpus', '0.5', '--memory', '300m', '--memory-swap', '600m', 'c']],
  [['cp', '/etc/hostname', 'c:/root/h']],
  [['exec', 'c', 'cat', '/root/h']],
  [['exec', 'c', 'sh', '-c', 'echo made > /root/made']],
  [['diff', 'c']],
  [['stop', '-t', '5', 'c']],
  [['logs', 'c']],
  [['inspect', '-f', '{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Status}}', 'c']],
  [['restart', 'c'], '', 500],
  [['commit', '-q', 'c', 'bb2'], '', 0, 'hidden'],
  [['kill', 'c']],
  [['inspect', '-f', '{{.State.ExitCode}}', 'c']],
  [['rm', '-f', 'c']],
  [[...RUN, ...NONE, 'bb2', 'cat', '/root/made']],
  [[...RUN, 'bb', 'sh', '-c', 'ip addr | grep "inet "; ip route']],
  [[...RUN, '--network', 'host', 'bb', 'sh', '-c', 'ip addr | grep -q "inet " && echo some']],
  [['network', 'create', 'e2e-net'], '', 0, 'hidden'],
  [['run', '-d', '--name', 'srv', '--runtime=RT', '--network', 'e2e-net', '-p', '127.0.0.1:18080:80', 'bb', 'sh', '-c', 'echo page > /tmp/index.html; httpd -f -p 80 -h /tmp'], '', 1500, 'hidden'],
  [[...RUN, '--network', 'e2e-net', 'bb', 'wget', '-q', '-O', '-', 'http://srv/index.html']],
  [[...RUN, '--network', 'container:srv', 'bb', 'wget', '-q', '-O', '-', 'http://127.0.0.1/index.html']],
  [[...RUN, '--network', 'host', 'bb', 'wget', '-q', '-O', '-', 'http://127.0.0.1:18080/index.html']],
  [['rm', '-f', 'srv']],
  [['network', 'rm', 'e2e-net']],
];

/** What may differ: the runtime's name, ids. */
const normal = (text) => text.replaceAll('runsc-ts', 'RT').replaceAll('runc', 'RT').replace(/\b[0-9a-f]{64}\b/g, 'ID').replace(/\b172\.\d+\.\d+\.\d+/g, 'IP');

async function runList(runtime) {
  const results = [];
  for (const [args, input, waitMs, hidden] of LIST) {
    const result = docker(args.map((word) => (word === '--runtime=RT' ? `--runtime=${runtime}` : word)), input);
    results.push({ status: result.status, output: hidden === 'hidden' ? '' : normal(result.output) });
    if (waitMs > 0) await sleep(waitMs);
  }
  docker(['volume', 'rm', 'e2e-volume']);
  docker(['rmi', 'bb2']);
  return results;
}

/** The state that this runtime keeps of a container. */
function record(id) {
  return JSON.parse(readFileSync(join(scratch, 'exec/runtime-runc/moby', id, 'state.json'), 'utf8'));
}

async function killParts() {
  for (const part of ['sentry', 'gofer']) {
    const id = docker(['run', '-d', '--runtime=runsc-ts', ...NONE, 'bb', 'sleep', '300']).output.trim();
    process.kill(record(id)[part].pid, 'SIGKILL');
    await sleep(1500);
    const { output } = docker(['inspect', '-f', '{{.State.Status}}', id]);
    check(output.trim() === 'exited', `kill -9 of the ${part}: the container has exited`, output);
    check(docker(['start', id]).status === 0, `kill -9 of the ${part}: it can be started again`);
    docker(['rm', '-f', id]);
  }
}

async function main() {
  const daemon = startDaemon();
  try {
    for (let i = 0; docker(['version']).status !== 0; i++) {
      if (i > 100 || daemon.exitCode !== null) throw new Error(`dockerd does not start:\n${readFileSync(join(scratch, 'log'), 'utf8').slice(-2000)}`);
      await sleep(200);
    }
    importImage();
    const expected = await runList('runc');
    const actual = await runList('runsc-ts');
    LIST.forEach(([args], i) => {
      const same = expected[i].status === actual[i].status && expected[i].output === actual[i].output;
      check(same, `docker ${args.join(' ').slice(0, 100)}`, `runc: ${JSON.stringify(expected[i])}\nhere: ${JSON.stringify(actual[i])}`);
    });
    await killParts();
    const many = await Promise.all(Array.from({ length: 20 }, () => new Promise((resolve) => spawn('docker', ['run', '--rm', '--runtime=runsc-ts', ...NONE, 'bb', 'true'], { env, stdio: 'ignore' }).on('exit', resolve))));
    check(many.every((status) => status === 0), '20 containers at once', JSON.stringify(many));
    const states = join(scratch, 'exec/runtime-runc/moby');
    check(!existsSync(states) || readdirSync(states).length === 0, 'no state is left');
    const left = readFileSync('/proc/mounts', 'utf8').split('\n').filter((line) => line.includes(`${scratch}/data/overlay2/`));
    check(left.length === 0, 'no mount is left', left.join('\n'));
  } finally {
    const ended = new Promise((resolve) => daemon.on('exit', resolve));
    for (const id of docker(['ps', '-aq']).output.trim().split('\n')) if (/^[0-9a-f]+$/.test(id)) docker(['rm', '-f', id]);
    daemon.kill('SIGTERM');
    await Promise.race([ended, sleep(20_000)]);
    if (failures > 0) writeFileSync(join(tmpdir(), 'docker-e2e.log'), readFileSync(join(scratch, 'log')));
    // What dockerd leaves: the mount of its own network namespace, and the bridge.
    for (const line of readFileSync('/proc/mounts', 'utf8').split('\n').reverse()) {
      const at = line.split(' ')[1] ?? '';
      if (at.startsWith(`${scratch}/`)) spawnSync('umount', ['-l', at]);
    }
    if (!hadBridge) spawnSync('ip', ['link', 'del', 'docker0']);
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(failures === 0 ? 'all as with runc' : `${failures} differ`);
  process.exit(failures === 0 ? 0 : 1);
}

await main();
