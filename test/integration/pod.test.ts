// SPDX-License-Identifier: Apache-2.0

/**
 * Several containers of one pod in one sandbox: hand-made bundles with the annotations that containerd's CRI plugin and CRI-O write. Each
 * container is acted on alone; each end, of whatever kind, is that of its own container; the sandbox's is everybody's; nothing is left behind.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cliPath, runCli } from '../harness/run.ts';

const CAPABILITIES = ['CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_DAC_OVERRIDE'];
let base = '';
let state = '';
let sandboxPid = 0;

const cli = (...args: string[]) => runCli([`--root=${state}`, ...args], { cwd: base });
const read = (...path: string[]): string => (existsSync(join(base, ...path)) ? readFileSync(join(base, ...path), 'utf8') : '');
const recordOf = (id: string) => JSON.parse(read('state', id, 'state.json')) as { sentry: { pid: number }; waiter: { pid: number }; gofer: { pid: number }; pod: string };
const statusOf = async (id: string): Promise<string> => (JSON.parse((await cli('state', id)).stdout) as { status: string }).status;
const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));

async function until(what: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    if (await what()) return;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  expect.fail('it did not happen in time');
}

type Namespaces = Record<string, string>;

/** A bundle; `namespaces`: type to path, '' for a new one. */
function bundle(id: string, args: string[], namespaces: Namespaces, annotations: Record<string, string>): void {
  const rootfs = join(base, id, 'rootfs');
  rmSync(rootfs, { recursive: true, force: true });
  mkdirSync(join(rootfs, 'bin'), { recursive: true });
  writeFileSync(join(rootfs, 'bin/busybox'), readFileSync('/bin/busybox'), { mode: 0o755 });
  for (const applet of ['sh', 'sleep', 'cat', 'hostname', 'echo', 'ps', 'nc', 'readlink', 'kill', 'true', 'mkfifo']) symlinkSync('busybox', join(rootfs, 'bin', applet));
  const mounts = [
    { destination: '/proc', type: 'proc', source: 'proc' }, { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts' }, { destination: '/dev/shm', type: 'bind', source: join(base, 'shm'), options: ['rbind'] },
  ];
  const config = {
    ociVersion: '1.0.2', hostname: id, root: { path: 'rootfs' }, mounts, annotations,
    process: { args, cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 }, capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES } },
    linux: { namespaces: Object.entries(namespaces).map(([type, path]) => (path === '' ? { type } : { type, path })) },
  };
  writeFileSync(join(base, id, 'config.json'), JSON.stringify(config));
}

/** Runs a command that makes a container; what the container prints is in `id`.out. */
function creating(verb: string[], id: string): Promise<number | null> {
  const fd = openSync(join(base, `${id}.out`), 'w');
  const child = spawn(cliPath(), [`--root=${state}`, ...verb, '--bundle', join(base, id), '--pid-file', join(base, `${id}.pid`), id], { cwd: base, stdio: ['ignore', fd, fd] });
  return new Promise((resolve) => child.on('exit', resolve));
}

/** Runs a command that leaves its descriptors to a process. */
function quietly(...args: string[]): Promise<number | null> {
  const child = spawn(cliPath(), [`--root=${state}`, ...args], { cwd: base, stdio: 'ignore' });
  return new Promise((resolve) => child.on('exit', resolve));
}

const inPod = (namespaces: Namespaces = {}): Namespaces => {
  const of = (type: string): string => `/proc/${sandboxPid}/ns/${type}`;
  return { pid: '', mount: '', ipc: of('ipc'), uts: of('uts'), network: of('net'), ...namespaces };
};

/** Makes and starts a container of the pod. */
async function add(id: string, script: string, namespaces: Namespaces = {}, annotations: Record<string, string> = { 'io.kubernetes.cri.container-type': 'container', 'io.kubernetes.cri.sandbox-id': 'pause' }): Promise<void> {
  bundle(id, ['sh', '-c', script], inPod(namespaces), annotations);
  expect(await creating(['create'], id), read(`${id}.out`)).toBe(0);
  expect(await cli('start', id)).toMatchObject({ status: 0 });
}

async function end(id: string): Promise<void> {
  await cli('kill', id, 'KILL');
  await cli('wait', id);
  expect(await cli('delete', id)).toMatchObject({ status: 0 });
}

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'pod-test-'));
  state = join(base, 'state');
  mkdirSync(join(base, 'shm'));
  bundle('pause', ['sleep', '1000'], { pid: '', mount: '', ipc: '', uts: '', network: '' }, { 'io.kubernetes.cri.container-type': 'sandbox', 'io.kubernetes.cri.sandbox-id': 'pause' });
  expect(await creating(['create'], 'pause'), read('pause.out')).toBe(0);
  expect((await cli('start', 'pause')).status).toBe(0);
  sandboxPid = Number(read('pause.pid'));
});

afterEach(async () => {
  const pids = readdirSync(state).flatMap((id) => {
    const { sentry, waiter, gofer } = recordOf(id);
    return [sentry, waiter, gofer].filter((p) => p !== null).map(({ pid }) => pid);
  });
  // The sandbox first: with it everything ends.
  await cli('delete', '--force', 'pause');
  await cli('delete', '--force', ...readdirSync(state));
  expect(readdirSync(state)).toEqual([]);
  await until(() => pids.every((pid) => !isRunning(pid)));
  rmSync(base, { recursive: true, force: true });
});

describe.runIf(existsSync(cliPath()) && process.geteuid?.() === 0)('a pod', () => {
  test('its containers share a Sentry, its name, network and IPC, not processes or files', async () => {
    await add('one', 'hostname; echo from one > /dev/shm/f; echo one > /own; nc -l -p 4000 -e echo through the loopback & sleep 1000');
    await add('two', 'until test -e /dev/shm/f; do sleep 0.02; done; cat /dev/shm/f; sleep 1000', {}, { 'io.kubernetes.cri-o.ContainerType': 'container', 'io.kubernetes.cri-o.SandboxID': 'pause' });
    await until(() => read('two.out') === 'from one\n');
    expect(read('one.out')).toBe('pause\n');
    expect([recordOf('one'), recordOf('two')]).toMatchObject([{ pod: 'pause', sentry: { pid: sandboxPid } }, { pod: 'pause', sentry: { pid: sandboxPid } }]);
    let page = '';
    await until(async () => (page = (await cli('exec', 'two', 'nc', '127.0.0.1', '4000')).stdout) !== '');
    expect(page).toBe('through the loopback\n');
    expect((await cli('exec', 'two', 'cat', '/own')).status).not.toBe(0);
    // A file of a volume is one file for all.
    expect(await quietly('exec', '--detach', 'one', 'sh', '-c', 'mkfifo /dev/shm/fifo; echo through a fifo > /dev/shm/fifo')).toBe(0);
    await until(() => existsSync(join(base, 'shm/fifo')));
    expect((await cli('exec', 'two', 'cat', '/dev/shm/fifo')).stdout).toBe('through a fifo\n');
    const inTwo = (await cli('exec', 'two', 'ps')).stdout;
    expect(inTwo).toMatch(/^\s*1\s.*sleep 1000$/m);
    expect(inTwo).not.toContain('nc -l');
    expect((await cli('ps', 'two')).stdout.trim().split('\n').length).toBe(2);
    const links = async (id: string) => (await cli('exec', id, 'sh', '-c', 'for n in net ipc uts mnt pid; do readlink /proc/self/ns/$n; done')).stdout.trim().split('\n');
    const [one, two] = [await links('one'), await links('two')];
    expect(one.slice(0, 3)).toEqual(two.slice(0, 3));
    expect(one.slice(3).filter((link) => two.includes(link))).toEqual([]);
  });

  test('namespaces: the pod\'s processes by path; names and networks of its own; one of somebody else is refused', async () => {
    await add('seeing', 'sleep 1000', { pid: `/proc/${sandboxPid}/ns/pid` });
    expect((await cli('exec', 'seeing', 'ps')).stdout.match(/sleep 1000/g)?.length).toBe(2);
    await add('target', 'sleep 777');
    await add('beside', 'sleep 1000', { pid: `/proc/${read('target.pid')}/ns/pid` });
    expect((await cli('exec', 'beside', 'ps')).stdout).toMatch(/^\s*1\s.*sleep 777$/m);
    await add('named', 'hostname; sleep 1000', { uts: '' });
    await until(() => read('named.out') === 'named\n');
    bundle('stranger', ['true'], inPod({ network: '/proc/self/ns/net' }), { 'io.kubernetes.cri.container-type': 'container', 'io.kubernetes.cri.sandbox-id': 'pause' });
    expect(await creating(['create'], 'stranger')).toBe(1);
    expect(read('stranger.out')).toContain('network namespace /proc/self/ns/net is not that of sandbox pause');
    // The container that shares the pod's processes ends with its first one, and takes only its own with it.
    expect(await quietly('exec', '--detach', 'seeing', 'sleep', '555')).toBe(0);
    expect((await cli('exec', 'pause', 'ps')).stdout).toContain('sleep 555');
    await end('seeing');
    const left = (await cli('exec', 'pause', 'ps')).stdout;
    expect([left.includes('sleep 555'), left.includes('sleep 777')]).toEqual([false, true]);
  });

  test('signals, pauses, execs and ends concern one container', async () => {
    await add('one', 'trap "exit 7" TERM; echo up; while :; do sleep 0.05; done');
    await add('two', 'echo up; sleep 1000');
    await until(() => read('one.out') + read('two.out') === 'up\nup\n');
    expect((await cli('pause', 'two')).status).toBe(0);
    expect(await Promise.all(['pause', 'one', 'two'].map(statusOf))).toEqual(['running', 'running', 'paused']);
    expect((await cli('exec', 'one', 'echo', 'runs')).stdout).toBe('runs\n');
    expect((await cli('resume', 'two')).status).toBe(0);
    expect((await cli('exec', 'two', 'sh', '-c', 'exit 5')).status).toBe(5);
    const waiting = cli('wait', 'one');
    expect((await cli('kill', 'one', 'TERM')).status).toBe(0);
    expect(JSON.parse((await waiting).stdout)).toEqual({ id: 'one', exitStatus: 7 });
    await until(async () => (await statusOf('one')) === 'stopped');
    expect(await statusOf('two')).toBe('running');
    expect((await cli('delete', 'one')).status).toBe(0);
    await add('one', 'echo again; sleep 1000');
    await until(() => read('one.out') === 'again\n');
    expect((await cli('delete', '--force', 'one', 'two')).status).toBe(0);
    expect(await statusOf('pause')).toBe('running');
  });

  test('a command in the foreground; a signal to what stands for a container', async () => {
    bundle('fg', ['sh', '-c', 'echo in; exit 9'], inPod(), { 'io.kubernetes.cri.container-type': 'container', 'io.kubernetes.cri.sandbox-id': 'pause' });
    expect(await creating(['run'], 'fg')).toBe(9);
    expect(read('fg.out')).toBe('in\n');
    expect(existsSync(join(state, 'fg'))).toBe(false);
    // The command's signal pipe is not its waiter's: a signal to the command goes through both.
    bundle('fg', ['sh', '-c', 'trap "exit 8" INT; echo up; while :; do sleep 0.05; done'], inPod(), { 'io.kubernetes.cri.container-type': 'container', 'io.kubernetes.cri.sandbox-id': 'pause' });
    const running = creating(['run'], 'fg');
    await until(() => read('fg.out') === 'up\n');
    process.kill(Number(read('fg.pid')), 'SIGINT');
    expect(await running).toBe(8);
    await add('one', 'trap "echo term; exit 3" TERM; echo up; while :; do sleep 0.05; done');
    await until(() => read('one.out') === 'up\n');
    process.kill(recordOf('one').waiter.pid, 'SIGTERM');
    expect(JSON.parse((await cli('wait', 'one')).stdout)).toEqual({ id: 'one', exitStatus: 3 });
    expect(read('one.out')).toBe('up\nterm\n');
  });

  test('kill -9 of a container\'s Gofer or waiter ends that container; of the Sentry, all', async () => {
    for (const id of ['one', 'two', 'three']) await add(id, 'sleep 1000');
    process.kill(recordOf('one').gofer.pid, 'SIGKILL');
    process.kill(recordOf('two').waiter.pid, 'SIGKILL');
    for (const id of ['one', 'two']) await until(async () => (await statusOf(id)) === 'stopped');
    expect(await Promise.all(['three', 'pause'].map(statusOf))).toEqual(['running', 'running']);
    expect((await cli('exec', 'three', 'echo', 'here')).stdout).toBe('here\n');
    process.kill(sandboxPid, 'SIGKILL');
    await until(async () => (await Promise.all(['three', 'pause'].map(statusOf))).every((status) => status === 'stopped'));
    bundle('late', ['true'], inPod({ network: '', ipc: '', uts: '' }), { 'io.kubernetes.cri.container-type': 'container', 'io.kubernetes.cri.sandbox-id': 'pause' });
    expect(await creating(['create'], 'late')).toBe(1);
    expect(read('late.out')).toContain('sandbox pause is not running');
  });

  test('the end of the first container is everybody\'s; a container that cannot be made leaves nothing', async () => {
    await add('one', 'sleep 1000');
    const before = readdirSync(`/proc/${sandboxPid}/fd`).length;
    for (const args of [['nosuch'], ['/nosuch']]) {
      bundle('bad', args, inPod(), { 'io.kubernetes.cri.container-type': 'container', 'io.kubernetes.cri.sandbox-id': 'pause' });
      expect(await creating(['create'], 'bad')).toBe(1);
    }
    expect(read('bad.out')).toContain('exec: "/nosuch": stat /nosuch: no such file or directory');
    for (let i = 0; i < 3; i++) {
      await add('short', 'exit 4');
      expect(JSON.parse((await cli('wait', 'short')).stdout)).toEqual({ id: 'short', exitStatus: 4 });
      expect((await cli('delete', 'short')).status).toBe(0);
    }
    await until(() => readdirSync(`/proc/${sandboxPid}/fd`).length <= before);
    const waiting = cli('wait', 'one');
    expect((await cli('kill', 'pause', 'KILL')).status).toBe(0);
    expect(JSON.parse((await waiting).stdout)).toEqual({ id: 'one', exitStatus: 137 });
    await until(async () => (await Promise.all(['one', 'pause'].map(statusOf))).every((status) => status === 'stopped'));
  });
});
