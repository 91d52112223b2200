// SPDX-License-Identifier: Apache-2.0

/**
 * What a case of the OCI conformance suite works with: a runtime's command line, a bundle of its own, and a transcript.
 *
 * Invariants: everything is synchronous and has a time limit; close() leaves no container and no file, whatever the case did.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, copyFileSync, existsSync, linkSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTemporary, removeTemporary } from '../../test/harness/temporary.ts';

export interface Runtime {
  readonly name: string;
  readonly path: string;
}

export interface Result {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

// biome-ignore lint/suspicious/noExplicitAny: configurations are edited in arbitrary, also wrong, ways.
export type Config = any;

/** One case: what it does, and the lines it must note. */
export interface Case {
  readonly name: string;
  /** Needs a daemon, much time or memory: not in the fast selection. */
  readonly isSlow?: boolean;
  /** Why this runtime's answer differs from runc's, which is then not compared. */
  readonly differs?: string;
  /** Needs root. */
  readonly needsRoot?: boolean;
  /** A cgroup v1 hierarchy that must be mounted. */
  readonly needsCgroup?: string;
  run(world: World): void;
  readonly expect: readonly string[];
}

const APPLETS = ['sh', 'cat', 'echo', 'id', 'ls', 'stat', 'sleep', 'touch', 'true', 'false', 'hostname', 'pwd', 'env', 'grep', 'kill', 'mkdir', 'readlink', 'umount', 'mknod', 'head', 'test', 'tty', 'dd', 'wc', 'rm', 'tr', 'nproc', 'chmod', 'sort', 'date', 'awk', 'cut', 'free', 'ps', 'nc', 'ping', 'mount'];
const COMMAND_MS = 60_000;
const UNTIL_MS = 20_000;

export class World {
  readonly directory: string;
  readonly lines: string[] = [];
  readonly runtime: Runtime;
  readonly state: string;
  readonly rootfs: string;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
    this.directory = makeTemporary('oci-conformance', endContainers);
    writeFileSync(join(this.directory, RUNTIME), runtime.path);
    this.state = join(this.directory, 'state');
    this.rootfs = join(this.directory, 'rootfs');
    for (const name of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'root']) mkdirSync(join(this.rootfs, name), { recursive: true });
    // The directory is mkdtemp's, for its owner alone: a container's other users must get through.
    chmodSync(this.directory, 0o755);
    writeFileSync(join(this.rootfs, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nfive:x:5:5::/home/five:/bin/sh\n');
    writeFileSync(join(this.rootfs, 'etc/group'), 'root:x:0:\nfive:x:5:\n');
    const busybox = join(this.rootfs, 'bin/busybox');
    copyFileSync('/bin/busybox', busybox);
    chmodSync(busybox, 0o755);
    for (const name of APPLETS) linkSync(busybox, join(this.rootfs, 'bin', name));
    this.configure(['true']);
  }

  /** Writes config.json for a program, changed by `edit`. */
  configure(args: readonly string[], edit: (config: Config) => void = () => {}): void {
    const config = baseConfig(args);
    edit(config);
    writeFileSync(join(this.directory, 'config.json'), JSON.stringify(config));
  }

  /** A shell script as the container's program. */
  script(script: string, edit?: (config: Config) => void): void {
    this.configure(['sh', '-c', script], edit);
  }

  note(line: string): void {
    this.lines.push(line);
  }

  /** Runs the runtime; what it prints is captured. Not for commands whose descriptors a container keeps. */
  cli(...args: string[]): Result {
    return this.command(args, '');
  }
  withInput(input: string, ...args: string[]): Result {
    return this.command(args, input);
  }

  private command(args: readonly string[], input: string): Result {
    const result = spawnSync(this.runtime.path, ['--root', this.state, ...args], { cwd: this.directory, input, encoding: 'utf8', timeout: COMMAND_MS, killSignal: 'SIGKILL', maxBuffer: 1 << 24 });
    return { status: result.status, out: result.stdout ?? '', err: this.plain(result.stderr ?? '') };
  }

  /** Runs a command that leaves a container behind: that one's output goes to a file, see output(). */
  detached(...args: string[]): Result {
    const out = openSync(join(this.directory, 'out'), 'a');
    const log = join(this.directory, 'log');
    rmSync(log, { force: true });
    const result = spawnSync(this.runtime.path, ['--root', this.state, '--log', log, '--log-format', 'json', ...args], { cwd: this.directory, stdio: ['ignore', out, out], timeout: COMMAND_MS, killSignal: 'SIGKILL' });
    closeSync(out);
    const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').filter((line) => line.includes('"error"')) : [];
    return { status: result.status, out: '', err: lines.map((line) => String((JSON.parse(line) as { msg: string }).msg)).join('; ') };
  }

  /** What the container has printed, without what the runtime's own commands did. */
  output(): string {
    const path = join(this.directory, 'out');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** Runs the container to its end in the foreground; notes its status and output. */
  runAndNote(...options: string[]): void {
    const result = this.cli('run', ...options, 'c');
    for (const line of result.out.split('\n').filter((text) => text !== '')) this.note(line);
    if (result.status !== 0) this.note(`status ${result.status}`);
  }

  /** Notes a command's status and, of its error, that it says `words` (or what it says instead). */
  says(result: Result, words: string): void {
    // runc quotes its text lines.
    const err = result.err.includes('msg="') ? result.err.replaceAll('\\"', '"') : result.err;
    this.note(`${result.status} ${err.includes(words) ? words : `NOT "${words}" BUT ${result.err}`}`);
  }

  stateOf(id = 'c'): Record<string, unknown> {
    const { status, out } = this.cli('state', id);
    return status === 0 ? (JSON.parse(out) as Record<string, unknown>) : {};
  }

  until(what: () => boolean): boolean {
    for (const end = Date.now() + UNTIL_MS; Date.now() < end; ) {
      if (what()) return true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25);
    }
    this.note('it did not happen in time');
    return false;
  }

  untilStatus(status: string, id = 'c'): void {
    this.until(() => this.stateOf(id)['status'] === status);
  }

  /** A file of the bundle's directory as text; '' when there is none. */
  read(name: string): string {
    const path = join(this.directory, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }
  write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** Error text without what differs from run to run. */
  private plain(text: string): string {
    return text.replaceAll(this.directory, 'BUNDLE');
  }

  close(): void {
    for (const id of existsSync(this.state) ? readdirSync(this.state) : []) this.cli('delete', '--force', id);
    const left = existsSync(this.state) ? readdirSync(this.state) : [];
    if (left.length > 0) this.note(`left behind: ${left.join(' ')}`);
    removeTemporary(this.directory);
  }
}

/** A file with the path of the runtime whose containers a directory holds. */
const RUNTIME = 'runtime';

/** Deletes the containers that a process left which was killed. */
function endContainers(directory: string): void {
  const state = join(directory, 'state');
  if (!existsSync(state)) return;
  const runtime = readFileSync(join(directory, RUNTIME), 'utf8');
  for (const id of readdirSync(state)) spawnSync(runtime, ['--root', state, 'delete', '--force', id], { timeout: COMMAND_MS, killSignal: 'SIGKILL', stdio: 'ignore' });
}

const CAPABILITIES = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];

function baseConfig(args: readonly string[]): Config {
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args,
      env: ['PATH=/bin', 'TERM=xterm'],
      cwd: '/',
      capabilities: { bounding: [...CAPABILITIES], effective: [...CAPABILITIES], permitted: [...CAPABILITIES] },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: false },
    hostname: 'conformance',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
      { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'] },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'] },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
    ],
    linux: {
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      maskedPaths: [],
      readonlyPaths: [],
    },
  };
}
