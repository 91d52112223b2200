// SPDX-License-Identifier: Apache-2.0

/**
 * The OCI lifecycle as clients use it: create, start, state, kill, delete, exec and the rest, each with the texts and statuses
 * that clients read; what they adopt (the pid in the pid-file) ends with the container's status; nothing is left behind.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cliPath, runCli } from '../harness/run.ts';
import { makeTemporary } from '../harness/temporary.ts';

type Json = Record<string, unknown>;
let bundle = '';
let state = '';

beforeEach(async () => {
  bundle = makeTemporary('lifecycle-test');
  state = join(bundle, 'state');
  mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true });
  mkdirSync(join(bundle, 'rootfs/etc'));
  writeFileSync(join(bundle, 'rootfs/etc/passwd'), 'root:x:0:0::/root:/bin/sh\nfive:x:5:5::/home/five:/bin/sh\n');
  writeFileSync(join(bundle, 'rootfs/bin/busybox'), readFileSync('/bin/busybox'), { mode: 0o755 });
  for (const applet of ['sh', 'sleep', 'cat', 'id', 'echo', 'true', 'kill', 'stty']) symlinkSync('busybox', join(bundle, 'rootfs/bin', applet));
  expect((await runCli(['spec'], { cwd: bundle })).status).toBe(0);
});

afterEach(async () => {
  const left = existsSync(state) ? readdirSync(state) : [];
  if (left.length > 0) await cli('delete', '--force', ...left);
  expect(existsSync(state) ? readdirSync(state) : []).toEqual([]);
  rmSync(bundle, { recursive: true, force: true });
});

const cli = (...args: string[]) => runCli([`--root=${state}`, ...args], { cwd: bundle });

function configure(args: string[], edit: (config: Json & { process: Json; root: Json }) => void = () => {}): void {
  const file = join(bundle, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.process.args = args;
  config.process.terminal = false;
  config.root.readonly = false;
  edit(config);
  writeFileSync(file, JSON.stringify(config));
}

const stateOf = async (id: string): Promise<Json> => JSON.parse((await cli('state', id)).stdout) as Json;

async function until(what: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    if (await what()) return;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  expect.fail('it did not happen in time');
}

/** Runs a command whose container gets `out` as its output, as a client does. */
function detached(args: string[], out: string): Promise<number | null> {
  const fd = openSync(out, 'a');
  const child = spawn(cliPath(), [`--root=${state}`, ...args], { cwd: bundle, stdio: ['ignore', fd, fd] });
  return new Promise((resolve) => child.on('exit', resolve));
}

describe.runIf(existsSync(cliPath()))('lifecycle', () => {
  test('create, start, state, delete; the process starts only at start', async () => {
    configure(['sh', '-c', 'echo ran > /ran; exec sleep 100']);
    const out = join(bundle, 'out');
    expect(await detached(['create', '--pid-file', join(bundle, 'pid'), 'c'], out)).toBe(0);
    const pid = readFileSync(join(bundle, 'pid'), 'latin1');
    expect(pid).toMatch(/^[1-9]\d*$/);
    expect(await stateOf('c')).toMatchObject({ id: 'c', pid: Number(pid), status: 'created', bundle, rootfs: join(bundle, 'rootfs') });
    configure(['false']);
    expect(existsSync(join(bundle, 'rootfs/ran'))).toBe(false);
    expect((await cli('start', 'c')).status).toBe(0);
    await until(() => existsSync(join(bundle, 'rootfs/ran')));
    expect((await stateOf('c'))['status']).toBe('running');
    expect(await cli('start', 'c')).toMatchObject({ status: 1, stderr: expect.stringContaining('cannot start an already running container') });
    expect(await cli('delete', 'c')).toMatchObject({ status: 1, stderr: expect.stringContaining('cannot delete container c that is not stopped: running') });
    expect(await cli('create', 'c')).toMatchObject({ status: 1, stderr: expect.stringContaining('container with given ID already exists') });
    expect((await cli('kill', 'c', 'SIGKILL')).status).toBe(0);
    await until(async () => (await stateOf('c'))['status'] === 'stopped');
    expect((await stateOf('c'))['pid']).toBe(0);
    expect(await cli('kill', 'c')).toMatchObject({ status: 1, stderr: expect.stringContaining('container not running') });
    expect((await cli('kill', '--all', 'c', '9')).status).toBe(0);
    expect(await cli('start', 'c')).toMatchObject({ status: 1, stderr: expect.stringContaining('cannot start a container that has stopped') });
    expect((await cli('ps', '--format', 'json', 'c')).stdout.trim()).toBe('null');
    expect((await cli('delete', 'c')).status).toBe(0);
    await until(() => !isRunning(Number(pid)));
  });

  test('texts and statuses for what is not there', async () => {
    for (const verb of ['state', 'start', 'kill', 'delete', 'ps', 'pause', 'resume', 'update', 'events']) {
      expect(await cli(verb, 'nobody'), verb).toMatchObject({ status: 1, stderr: expect.stringContaining('container does not exist') });
    }
    expect(await cli('exec', 'nobody', 'true')).toMatchObject({ status: 255, stderr: expect.stringContaining('exec failed: container does not exist') });
    expect(await cli('delete', '--force', 'nobody')).toMatchObject({ status: 0, stderr: '', stdout: '' });
    expect(await cli('create', '../x')).toMatchObject({ status: 1, stderr: expect.stringContaining('invalid container ID format') });
    expect(await cli('create', '--bundle', '/nosuch', 'x')).toMatchObject({ status: 1, stderr: expect.stringContaining('chdir /nosuch: no such file or directory') });
    expect(await cli('create')).toMatchObject({ status: 1, stdout: expect.stringContaining('Incorrect Usage.'), stderr: expect.stringContaining('"create" requires exactly 1 argument(s)') });
    expect((await cli('list', '--format', 'json')).stdout.trim()).toBe('null');
    expect(await cli('checkpoint', 'x')).toMatchObject({ status: 1, stderr: expect.stringContaining('not supported yet') });
    expect(await cli('frobnicate')).toMatchObject({ status: 3, stderr: expect.stringContaining("No help topic for 'frobnicate'") });
  });

  test('a program that cannot run is told at create, in the log too', async () => {
    const log = join(bundle, 'log.json');
    for (const [program, why] of [['nosuch', 'exec: "nosuch": executable file not found in $PATH'], ['/nosuch', 'exec: "/nosuch": stat /nosuch: no such file or directory'], ['/etc/passwd', 'exec: "/etc/passwd": permission denied']] as const) {
      configure([program]);
      rmSync(log, { force: true });
      expect(await cli('--log', log, '--log-format', 'json', 'create', 'c')).toMatchObject({ status: 1 });
      const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
      expect(lines).toHaveLength(1);
      expect(JSON.parse(lines[0] as string)).toMatchObject({ level: 'error', msg: expect.stringContaining(`unable to start container process: ${why}`) });
    }
  });

  test('who adopts the pid is told the status; signals sent to it reach the container', async () => {
    configure(['sh', '-c', 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done']);
    const out = join(bundle, 'out');
    const script = `
      const { spawnSync } = require('node:child_process'); const fs = require('node:fs');
      const fd = fs.openSync(${JSON.stringify(out)}, 'a');
      const r = (args) => spawnSync(${JSON.stringify(cliPath())}, ['--root=${state}', ...args], { stdio: ['ignore', fd, fd], cwd: ${JSON.stringify(bundle)} }).status;
      process.exit(r(['create', '--pid-file', 'pid', 'c']) + r(['start', 'c']));`;
    expect((await runShell(`node -e '${script.replaceAll("'", "'\\''")}'`)).status).toBe(0);
    await until(() => readFileSync(out, 'utf8').includes('up'));
    const wait = cli('wait', 'c');
    process.kill(Number(readFileSync(join(bundle, 'pid'), 'latin1')), 'SIGTERM');
    expect(JSON.parse((await wait).stdout)).toEqual({ id: 'c', exitStatus: 9 });
    expect((await cli('delete', 'c')).status).toBe(0);
  });

  test('the caller reads end of file as soon as the command has ended, or the container', async () => {
    configure(['sleep', '100']);
    const created = spawn(cliPath(), [`--root=${state}`, 'create', 'c'], { cwd: bundle, stdio: ['ignore', 'pipe', 'pipe'] });
    await new Promise((resolve) => created.on('exit', resolve));
    // These pipes are the container's stdio: they close when it ends.
    const closed = new Promise((resolve) => created.on('close', resolve));
    const start = spawn(cliPath(), [`--root=${state}`, 'start', 'c'], { cwd: bundle, stdio: ['ignore', 'pipe', 'pipe'] });
    await new Promise((resolve) => start.on('close', resolve));
    expect((await cli('kill', 'c', 'KILL')).status).toBe(0);
    await closed;
    expect((await cli('delete', 'c')).status).toBe(0);
  });

  test('exec: stdio, status, user, cwd, environment, home; --process; errors', async () => {
    configure(['sleep', '100']);
    expect(await detached(['run', '--detach', 'c'], join(bundle, 'out'))).toBe(0);
    const script = 'cat; id -u; id -g; echo $HOME $A; pwd; echo err >&2; exit 5';
    expect(await runCli([`--root=${state}`, 'exec', '-u', '5:6', '--cwd', '/etc', '-e', 'A=b', 'c', 'sh', '-c', script], { cwd: bundle, stdin: 'in\n' })).toMatchObject({
      status: 5, stdout: 'in\n5\n6\n/home/five b\n/etc\n', stderr: 'err\n',
    });
    expect(await cli('exec', 'c', 'sh', '-c', 'kill -9 $$')).toMatchObject({ status: 137 });
    const spec = join(bundle, 'process.json');
    writeFileSync(spec, JSON.stringify({ args: ['echo', 'from a file'], cwd: '/', env: ['PATH=/bin'] }));
    expect(await cli('exec', '--process', spec, 'c')).toMatchObject({ status: 0, stdout: 'from a file\n' });
    expect(await cli('exec', 'c', 'nosuch')).toMatchObject({ status: 255, stderr: expect.stringContaining('exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH') });
    const large = 'x'.repeat(100_000);
    expect((await cli('exec', '-e', `L=${large}`, 'c', 'sh', '-c', 'echo ${#L}')).stdout).toBe('100000\n');
    expect((await cli('pause', 'c')).status).toBe(0);
    expect((await stateOf('c'))['status']).toBe('paused');
    expect(await cli('exec', 'c', 'true')).toMatchObject({ status: 255, stderr: expect.stringContaining('cannot exec in a paused container') });
    expect((await cli('resume', 'c')).status).toBe(0);
    expect((await cli('kill', 'c', '9')).status).toBe(0);
    await until(async () => (await stateOf('c'))['status'] === 'stopped');
    expect(await cli('exec', 'c', 'true')).toMatchObject({ status: 255, stderr: expect.stringContaining('cannot exec in a stopped container') });
  });

  test('exec --detach: its pid is a process of its own whose death kills what it stands for', async () => {
    configure(['sleep', '100']);
    expect(await detached(['run', '--detach', 'c'], join(bundle, 'out'))).toBe(0);
    expect(await detached(['exec', '--detach', '--pid-file', join(bundle, 'epid'), 'c', 'sleep', '77'], join(bundle, 'eout'))).toBe(0);
    const pid = Number(readFileSync(join(bundle, 'epid'), 'latin1'));
    expect((await cli('ps', 'c')).stdout).toContain('sleep 77');
    const targets = readdirSync(`/proc/${pid}/fd`).map(Number);
    for (const fd of [0, 1, 2]) expect(targets).not.toContain(fd);
    process.kill(pid, 'SIGKILL');
    await until(async () => !(await cli('ps', 'c')).stdout.includes('sleep 77'));
    const pids = JSON.parse((await cli('ps', '--format', 'json', 'c')).stdout) as number[];
    expect(pids).toHaveLength(1);
    expect(existsSync(`/proc/${pids[0]}`)).toBe(true);
  });

  test('kill -9 of the sandbox or of its gofer leaves a stopped container that can be deleted', async () => {
    configure(['sleep', '100']);
    for (const which of ['sentry', 'gofer']) {
      expect(await detached(['run', '--detach', 'c'], join(bundle, 'out'))).toBe(0);
      const record = JSON.parse(readFileSync(join(state, 'c/state.json'), 'utf8')) as Record<string, { pid: number }>;
      process.kill((record[which] as { pid: number }).pid, 'SIGKILL');
      await until(async () => (await stateOf('c'))['status'] === 'stopped');
      expect((await cli('delete', 'c')).status, which).toBe(0);
      for (const part of ['sentry', 'gofer']) await until(() => !isRunning((record[part] as { pid: number }).pid));
    }
  });

  test('create interrupted by kill -9 leaves nothing that runs', async () => {
    configure(['sleep', '100'], (config) => {
      config['hooks'] = { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '3'] }] };
    });
    const child = spawn(cliPath(), [`--root=${state}`, 'create', 'c'], { cwd: bundle, stdio: 'ignore' });
    await until(() => existsSync(join(state, 'c/state.json')) && (JSON.parse(readFileSync(join(state, 'c/state.json'), 'utf8')) as Json)['sentry'] !== null);
    const record = JSON.parse(readFileSync(join(state, 'c/state.json'), 'utf8')) as Record<string, { pid: number }>;
    child.kill('SIGKILL');
    await until(() => !isRunning((record['sentry'] as { pid: number }).pid) && !isRunning((record['gofer'] as { pid: number }).pid));
    expect((await stateOf('c'))['status']).toBe('stopped');
    expect((await cli('delete', '--force', 'c')).status).toBe(0);
  });

  test('hooks run in order with the state on their standard input; one that fails undoes the container', async () => {
    const trace = join(bundle, 'trace');
    const hook = (name: string, more = '') => ({ path: '/bin/sh', args: ['sh', '-c', `echo ${name} $(cat | tr -d '{}" ' | tr , '\\n' | grep ^status:) >> ${trace}; ${more}`] });
    const inside = { path: '/bin/sh', args: ['sh', '-c', 'echo inside > /inside'] };
    const hooks = { prestart: [hook('prestart')], createRuntime: [hook('createRuntime')], createContainer: [hook('createContainer')], startContainer: [inside], poststart: [hook('poststart')], poststop: [hook('poststop')] };
    configure(['sleep', '100'], (config) => {
      config['hooks'] = hooks;
    });
    expect(await detached(['create', 'c'], join(bundle, 'out'))).toBe(0);
    expect(existsSync(join(bundle, 'rootfs/inside'))).toBe(false);
    expect((await cli('start', 'c')).stderr).toBe('');
    expect(existsSync(join(bundle, 'rootfs/inside'))).toBe(true);
    expect((await cli('delete', '--force', 'c')).status).toBe(0);
    expect(readFileSync(trace, 'utf8')).toBe('prestart status:creating\ncreateRuntime status:creating\ncreateContainer status:creating\npoststart status:running\npoststop status:stopped\n');
    configure(['sleep', '100'], (config) => {
      config['hooks'] = { prestart: [hook('failing', 'exit 3')] };
    });
    expect(await cli('create', 'c')).toMatchObject({ status: 1, stderr: expect.stringContaining('error running prestart hook #0: exit status 3, stdout: , stderr:') });
    expect(readdirSync(state)).toEqual([]);
    configure(['sleep', '100'], (config) => {
      config['hooks'] = { prestart: [{ path: '/bin/sleep', args: ['sleep', '30'], timeout: 1 }] };
    });
    expect(await cli('create', 'c')).toMatchObject({ status: 1, stderr: expect.stringContaining('hook ran past specified timeout of 1.0s') });
  });

  test('terminals: without a console socket refused; with one the master gets there', async () => {
    configure(['sh', '-c', 'stty size; sleep 100'], (config) => {
      config.process['terminal'] = true;
      config.process['consoleSize'] = { height: 33, width: 77 };
    });
    expect(await cli('create', 'c')).toMatchObject({ status: 1, stderr: expect.stringContaining('cannot allocate tty if runc will detach without setting console socket') });
    const socket = join(bundle, 'console.sock');
    let received = '';
    const server: Server = createServer((connection) => connection.on('data', (data) => (received += data.toString('latin1'))));
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const out = join(bundle, 'out');
    expect(await detached(['create', '--console-socket', socket, 'c'], out)).toBe(0);
    await until(() => received === '/dev/ptmx');
    server.close();
    configure(['true']);
    expect(await cli('create', '--console-socket', socket, 'd')).toMatchObject({ status: 1, stderr: expect.stringContaining('cannot use console socket if runc will not detach or allocate tty') });
  });

  test('many commands on one id at once end in one consistent state', async () => {
    configure(['sleep', '100']);
    const outcomes = await Promise.all(Array.from({ length: 4 }, (_, i) => detached(['create', 'c'], join(bundle, `out${i}`))));
    expect(outcomes.filter((status) => status === 0)).toHaveLength(1);
    const starts = await Promise.all(Array.from({ length: 3 }, () => cli('start', 'c')));
    expect(starts.filter(({ status }) => status === 0)).toHaveLength(1);
    const deletes = await Promise.all(Array.from({ length: 3 }, () => cli('delete', '--force', 'c')));
    expect(deletes.map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(readdirSync(state)).toEqual([]);
  });

  test('install changes one entry of daemon.json and refuses what it cannot read', async () => {
    const file = join(bundle, 'daemon.json');
    const launcher = join(bundle, 'launcher');
    writeFileSync(file, JSON.stringify({ debug: true, runtimes: { other: { path: '/x' } } }));
    expect((await cli('install', '--config_file', file, '--launcher', launcher)).status).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ debug: true, runtimes: { other: { path: '/x' }, 'runsc-ts': { path: launcher } } });
    expect((await runShell(`env -i ${launcher} --root=${state} list --quiet`)).status).toBe(0);
    const shim = join(bundle, 'containerd-shim-runsc-ts-v1');
    expect((await runShell(`env -i ${shim} -v`)).status).toBe(0);
    expect((await cli('uninstall', '--config_file', file, '--launcher', launcher)).status).toBe(0);
    expect((await cli('install', '--shim', '--config_file', file, '--launcher', launcher)).status).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8')).runtimes['runsc-ts']).toEqual({ runtimeType: shim });
    expect((await cli('install', '--shim', '--config_file', file, '--launcher', launcher, '--', '--debug')).status).toBe(1);
    expect((await cli('uninstall', '--config_file', file, '--launcher', launcher)).status).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ debug: true, runtimes: { other: { path: '/x' } } });
    expect([launcher, shim].filter((path) => existsSync(path))).toEqual([]);
    writeFileSync(file, '{ not json');
    expect(await cli('install', '--config_file', file, '--launcher', launcher)).toMatchObject({ status: 1, stderr: expect.stringContaining('was not changed') });
    expect(readFileSync(file, 'utf8')).toBe('{ not json');
  });
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function runShell(command: string): Promise<{ status: number | null }> {
  const child = spawn('/bin/sh', ['-c', command], { stdio: 'ignore' });
  return new Promise((resolve) => child.on('exit', (status) => resolve({ status })));
}
