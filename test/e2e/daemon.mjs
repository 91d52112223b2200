// SPDX-License-Identifier: Apache-2.0

/**
 * A Docker daemon of one's own: everything of it is in one temporary directory, its bridge and cgroup parent have names of their own, and
 * nothing of it is left on the machine when it has been stopped.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { spawn, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { run, until } from './command.mjs';
import { firewall, removeRules } from './firewall.mjs';
import { imageTar, makeRootfs } from './image.mjs';
import { onInterrupt } from './interrupt.mjs';
import { leftovers, snapshot } from './leftovers.mjs';
import { endProcesses, own, takeBack } from './take_back.mjs';

const hostRun = (...argv) => spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' });

export class DockerDaemon {
  /** Starts one that knows `runtime` (a program) as runsc-ts. `config` is added to its daemon.json. */
  static async start(runtime, config = {}) {
    const daemon = new DockerDaemon();
    const how = process.env.RUNSC_TS_E2E_SHIM === undefined ? { path: runtime } : { runtimeType: process.env.RUNSC_TS_E2E_SHIM };
    daemon.configure({ runtimes: { 'runsc-ts': how }, ...config });
    daemon.makeBridge();
    await daemon.boot();
    daemon.before = snapshot(daemon.mark);
    makeRootfs(daemon.rootfs);
    const imported = await daemon.docker(['import', '-', 'bb'], { input: imageTar(daemon.rootfs) });
    if (imported.status !== 0) throw new Error(`docker import: ${imported.stderr}`);
    return daemon;
  }

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'e2e-docker-'));
    /** What tells our things from others'. */
    this.mark = basename(this.directory);
    this.socket = `unix://${this.directory}/docker.sock`;
    this.rootfs = join(this.directory, 'image');
    this.configFile = join(this.directory, 'daemon.json');
    this.states = join(this.directory, 'exec/runtime-runc/moby');
    this.env = { ...process.env, DOCKER_HOST: this.socket, DOCKER_CONFIG: join(this.directory, 'client'), DOCKER_BUILDKIT: '0' };
    this.program = ['docker'];
    this.bridge = `e2e${process.pid}`;
    this.firewall = firewall();
    own(this.directory, { bridge: this.bridge });
    this.forget = onInterrupt(() => this.stop());
    mkdirSync(join(this.directory, 'client'));
  }

  /** Changes daemon.json. A running dockerd reads it at SIGHUP. */
  configure(changes) {
    this.config = { ...this.config, ...changes };
    writeFileSync(this.configFile, JSON.stringify(this.config));
  }

  /** What is left of containers that are gone, waited for: nothing, it is hoped. */
  leftovers() {
    // Not ours: dockerd itself, its containerd, sockets and the host's network namespace as it names it.
    const isOurs = (thing) => !/^process: \d+ (dockerd|containerd): |^socket: .*(libnetwork|docker.sock)|^mount: .*netns.default$/.test(thing);
    return leftovers(this.mark, { before: this.before, states: [this.states, join(this.directory, 'exec/containerd/daemon/io.containerd.runtime.v2.task/moby')], isOurs });
  }

  makeBridge() {
    const third = process.pid % 200;
    // An address of its own: without one a bridge takes the lowest of its ports', another with each container that comes or goes, and the
    // packets that the others send to the old one are lost.
    const address = `02:42:0a:d5:${third.toString(16).padStart(2, '0')}:01`;
    hostRun('ip', 'link', 'add', this.bridge, 'address', address, 'type', 'bridge');
    hostRun('ip', 'addr', 'add', `10.213.${third}.1/24`, 'dev', this.bridge);
    hostRun('ip', 'link', 'set', this.bridge, 'up');
  }

  /** Starts dockerd and waits until it answers. */
  async boot() {
    const at = this.directory;
    const log = openSync(join(at, 'log'), 'a');
    const flags = ['--data-root', `${at}/data`, '--exec-root', `${at}/exec`, '-p', `${at}/pid`, '-H', this.socket, '--config-file', this.configFile];
    const own = ['-b', this.bridge, '--cgroup-parent', `/${this.mark}`, '--default-address-pool', 'base=10.214.0.0/16,size=24'];
    // The mark in its environment reaches all that it starts.
    this.process = spawn('dockerd', [...flags, ...own], { stdio: ['ignore', log, log], env: { ...process.env, RUNSC_TS_E2E: this.mark } });
    this.ended = new Promise((resolve) => this.process.on('exit', resolve));
    closeSync(log);
    const answers = await until(async () => this.process.exitCode !== null || (await this.docker(['version'])).status === 0, 60_000, 200);
    if (!answers || this.process.exitCode !== null) throw new Error(`dockerd does not start:\n${this.log().slice(-2000)}`);
  }

  log() {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** The beginning of a `docker run`. */
  runWords(runtime) {
    return ['run', `--runtime=${runtime}`];
  }

  docker(args, options = {}) {
    return run(['docker', ...args], { env: this.env, ...options });
  }

  /** Runs a command that must succeed; returns what it printed, trimmed. */
  async must(...args) {
    const result = await this.docker(args);
    if (result.status !== 0) throw new Error(`docker ${args.join(' ')}: ${result.status} ${result.stdout}${result.stderr}`);
    return result.stdout.trim();
  }

  /** What this runtime keeps of a container. */
  record(id) {
    return JSON.parse(readFileSync(join(this.states, id, 'state.json'), 'utf8'));
  }

  async removeAll() {
    const ids = (await this.docker(['ps', '-aq'])).stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await this.docker(['rm', '-f', '-v', ...ids]);
  }

  /** Ends dockerd alone. */
  async halt() {
    if (this.process === undefined) return;
    this.process.kill('SIGTERM');
    if (!(await until(() => this.process.exitCode !== null || this.process.signalCode !== null, 30_000))) this.process.kill('SIGKILL');
    await this.ended;
  }

  /** Removes all containers, ends dockerd and takes back what it did to the machine. */
  async stop() {
    try {
      await this.removeAll();
      await this.docker(['network', 'prune', '-f']);
    } finally {
      await this.halt();
      await (process.env.KEEP === undefined ? takeBack(this.directory, this.mark) : endProcesses(this.mark));
      hostRun('ip', 'link', 'del', this.bridge);
      removeRules(this.bridge, this.firewall);
      this.forget();
    }
  }
}
