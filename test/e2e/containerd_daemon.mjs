// SPDX-License-Identifier: Apache-2.0

/**
 * A containerd of its own in a temporary directory, and what looks at what it and its shims leave.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { standsStill } from './interrupt.mjs';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `act` returns something that is not false, null or undefined; returns it, or null at the deadline. */
export async function until(act, ms = 30_000) {
  for (const deadline = Date.now() + ms; ; ) {
    if (standsStill()) await new Promise(() => undefined);
    const value = await act();
    if (value !== false && value !== null && value !== undefined) return value;
    if (Date.now() > deadline) return null;
    await sleep(50);
  }
}

function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

export class Containerd {
  /** `program`: the runtime's command line, whose `install` puts the launchers where containerd finds them. */
  constructor(directory, program, image) {
    this.directory = directory;
    this.namespace = `e2e-${process.pid}`;
    this.socket = join(directory, 'containerd.sock');
    this.process = null;
    mkdirSync(join(directory, 'bin'));
    const installed = spawnSync(program, ['install', '--config_file', join(directory, 'daemon.json'), '--launcher', join(directory, 'bin/runsc-ts')], { encoding: 'utf8' });
    if (installed.status !== 0 || !installed.stdout.includes('runtime_type = "io.containerd.runsc-ts.v1"')) throw new Error(`install: ${installed.stdout}${installed.stderr}`);
    mkdirSync(join(directory, 'cni'));
    writeFileSync(join(directory, 'cni/10-e2e.conflist'), JSON.stringify({
      cniVersion: '0.4.0', name: this.namespace,
      plugins: [{ type: 'ptp', ipMasq: false, ipam: { type: 'host-local', dataDir: join(directory, 'ipam'), ranges: [[{ subnet: '10.213.77.0/24' }]] } }],
    }));
    writeFileSync(join(directory, 'config.toml'), `
version = 2
root = "${directory}/root"
state = "${directory}/state"
[grpc]
  address = "${this.socket}"
[ttrpc]
  address = "${this.socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "${directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${image}"
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${directory}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runsc-ts"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc-ts]
    runtime_type = "io.containerd.runsc-ts.v1"
`);
  }

  /** Throws when it does not come up. */
  async start() {
    const log = openSync(join(this.directory, 'log'), 'a');
    // Little more than what a service manager gives.
    const env = { PATH: `/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin:${dirname(process.execPath)}:${this.directory}/bin` };
    this.process = spawn('containerd', ['-c', join(this.directory, 'config.toml')], { env, stdio: ['ignore', log, log], detached: true });
    const isUp = await until(() => this.process.exitCode !== null || this.ctr(['version']).status === 0, 60_000);
    if (isUp === null || this.process.exitCode !== null) throw new Error(`containerd does not start:\n${this.log().slice(-3000)}`);
  }

  async stop(signal = 'SIGTERM') {
    if (this.process === null || this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.on('exit', resolve));
    this.process.kill(signal);
    await Promise.race([ended, sleep(20_000)]);
  }

  log() {
    return read(join(this.directory, 'log'));
  }

  get args() {
    return ['-a', this.socket, '-n', this.namespace];
  }

  /** Runs ctr; its status and outputs. */
  ctr(args, { input = '', namespace = this.namespace, timeout = 60_000 } = {}) {
    if (standsStill()) throw new Error('the tests are being ended');
    const run = spawnSync('ctr', ['-a', this.socket, '-n', namespace, ...args], { input, encoding: 'utf8', timeout, killSignal: 'SIGKILL', maxBuffer: 1 << 28 });
    return { status: run.status, stdout: run.stdout, stderr: run.stderr };
  }

  /** The same without waiting for one before the next begins. */
  ctrAsync(args) {
    return new Promise((resolve) => {
      const child = spawn('ctr', [...this.args, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk) => (stdout += chunk));
      child.stderr.on('data', (chunk) => (stderr += chunk));
      child.on('close', (status) => resolve({ status, stdout, stderr }));
    });
  }

  bundle(id, namespace = this.namespace) {
    return join(this.directory, 'state/io.containerd.runtime.v2.task', namespace, id);
  }

  /** What this runtime knows of a container. */
  record(id, namespace = this.namespace) {
    return JSON.parse(read(join('/run/containerd/runsc-ts', namespace, id, 'state.json')) || 'null');
  }

  status(id) {
    return new RegExp(`^${id}\\s+\\d+\\s+(\\w+)`, 'm').exec(this.ctr(['task', 'ls']).stdout)?.[1] ?? null;
  }

  /** Processes, mounts, cgroups, sockets and states that name our directory or namespaces. */
  leftovers(sockets) {
    const left = [];
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const line = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
      const cgroup = read(`/proc/${pid}/cgroup`);
      if (Number(pid) !== this.process?.pid && (line.includes(this.directory) || cgroup.includes(this.namespace))) left.push(`process ${pid} ${line.slice(0, 150)} ${exe(pid)}`);
    }
    for (const line of read('/proc/mounts').split('\n')) if (line.includes(this.directory)) left.push(`mount ${line.slice(0, 150)}`);
    for (const controller of readdirSync('/sys/fs/cgroup')) {
      const parent = join('/sys/fs/cgroup', controller, this.namespace);
      if (existsSync(parent)) for (const name of readdirSync(parent, { withFileTypes: true })) if (name.isDirectory()) left.push(`cgroup ${parent}/${name.name}`);
    }
    for (const namespace of [this.namespace, 'k8s.io']) for (const id of names(join('/run/containerd/runsc-ts', namespace))) left.push(`state ${namespace}/${id}`);
    for (const path of sockets) if (existsSync(path)) left.push(`socket ${path}`);
    return left;
  }

  /** What containerd leaves by itself: the parents of cgroups, as with any runtime. */
  removeParents() {
    for (const controller of readdirSync('/sys/fs/cgroup')) removeEmpty(join('/sys/fs/cgroup', controller, this.namespace));
    removeEmpty(join('/run/containerd/runsc-ts', this.namespace));
  }
}

function exe(pid) {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return '';
  }
}

function names(directory) {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function removeEmpty(directory) {
  try {
    rmdirSync(directory);
  } catch {
    // It is not there, or not empty, which leftovers() has told.
  }
}
