// SPDX-License-Identifier: Apache-2.0

/**
 * containerd as a client: starts a daemon of its own in a temporary directory and runs containers through our shim with ctr and over the CRI;
 * restarts the daemon, kills shims and sandboxes, and looks for what is left. Needs root, containerd and busybox (static); the pod also the
 * CNI plugins. Part of run.mjs; alone: node test/e2e/containerd.mjs [WORD...] (words: only the parts whose names have one).
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CriClient } from './containerd_cri.mjs';
import { Containerd, sleep, until } from './containerd_daemon.mjs';
import { makeImage } from './containerd_image.mjs';
import { onInterrupt, standsStill, watchInterrupts } from './interrupt.mjs';
import { finish, notRun, check as report } from './report.mjs';
import { own, removeCgroups, takeBack } from './take_back.mjs';

const IMAGE = 'docker.io/library/e2e:latest';
const RUNTIME = ['--runtime', 'io.containerd.runsc-ts.v1'];
let d;
let shim;
const ids = new Map();

const check = (ok, what, detail = '') => report(ok, `containerd: ${what}`, typeof detail === 'string' ? detail : JSON.stringify(detail));

/** A new container id. */
function id(name, namespace = d.namespace) {
  ids.set(name, namespace);
  return name;
}

/** `ctr run --rm` in the foreground. */
function run(name, args, options = {}) {
  return d.ctr(['run', '--rm', ...(options.flags ?? []), ...RUNTIME, IMAGE, id(name), ...args], options);
}

/** A container in the background that has printed "up". */
async function runDetached(name, script, flags = []) {
  const log = join(d.directory, `${name}.log`);
  const result = d.ctr(['run', '-d', '--log-uri', `file://${log}`, ...flags, ...RUNTIME, IMAGE, id(name), 'sh', '-c', script]);
  const isUp = result.status === 0 && (await until(() => existsSync(log) && readFileSync(log, 'utf8').includes('up'))) !== null;
  if (!isUp) check(false, `${name} comes up`, result);
  return { log: () => readFileSync(log, 'utf8'), isUp };
}

const LOOP = 'trap "echo term; exit 9" TERM; echo up; while :; do sleep 0.1; done';
const remove = (name) => d.ctr(['task', 'rm', '-f', name]).status === 0 && d.ctr(['c', 'rm', name]).status === 0;

/** The pid of the shim that serves a container. */
const shimOf = (name, namespace) => Number(readFileSync(join(d.bundle(name, namespace), 'shim.pid'), 'utf8'));
const isRunning = (pid) => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));

const parts = {
  async foreground() {
    const plain = run('plain', ['sh', '-c', 'echo out; echo err >&2; exit 3']);
    check(plain.status === 3 && plain.stdout === 'out\n' && plain.stderr.includes('err\n'), 'run: output, errors and exit status', plain);
    const piped = run('piped', ['sh', '-c', 'cat; echo end'], { input: 'x'.repeat(300_000) });
    check(piped.status === 0 && piped.stdout === `${'x'.repeat(300_000)}end\n`, 'run: input to its end', { ...piped, stdout: piped.stdout?.length });
    const much = run('much', ['sh', '-c', 'yes 0123456789 | head -c 20000000']);
    const hash = (text) => createHash('sha256').update(text).digest('hex');
    check(much.status === 0 && hash(much.stdout) === hash('0123456789\n'.repeat(2_000_000).slice(0, 20_000_000)), 'run: 20 MB of output', { status: much.status, length: much.stdout?.length });
    const set = run('set', ['sh', '-c', 'pwd; echo $A; touch /x 2>/dev/null || echo read-only; cat /m/passwd | head -c 4'], {
      flags: ['--cwd', '/tmp', '--env', 'A=b', '--read-only', '--mount', 'type=bind,src=/etc,dst=/m,options=rbind:ro'],
    });
    check(set.status === 0 && set.stdout === '/tmp\nb\nread-only\nroot', 'run: directory, environment, read-only root, a bind mount', set);
    const noPivot = run('nopivot', ['sh', '-c', 'cat /etc/passwd | head -c 4'], { flags: ['--no-pivot'] });
    check(noPivot.status === 0 && noPivot.stdout === 'root', "run: options in another message than runc's", noPivot);
    const settings = join(d.directory, 'shim.toml');
    writeFileSync(settings, `root = "${d.directory}/other-root"\n[runsc_config]\ndebug = true\ndebug-log = "${d.directory}/debug.log"\n`);
    const configured = run('configured', ['echo', 'configured'], { flags: ['--runtime-config-path', settings] });
    check(configured.stdout === 'configured\n' && existsSync(join(d.directory, 'debug.log')) && existsSync(join(d.directory, 'other-root', d.namespace)), 'run: a configuration file', configured);
    // Not through the launcher that install wrote: it has a start of its own.
    const byPath = d.ctr(['run', '--rm', '--runtime', shim, IMAGE, id('bypath'), 'echo', 'by path']);
    check(byPath.stdout === 'by path\n', 'run: the shim by its path', byPath);
    for (const [name, program, words] of [['nosuch', 'nosuch', 'executable file not found in $PATH'], ['nofile', '/nosuch', 'no such file or directory'], ['noexec', '/etc/passwd', 'permission denied']]) {
      const refused = run(name, [program]);
      check(refused.status !== 0 && refused.stderr.includes(words), `run ${program}: ${words}`, refused);
      d.ctr(['c', 'rm', name]);
    }
  },

  async terminal() {
    const command = ['ctr', ...d.args, 'run', '--rm', '-t', ...RUNTIME, IMAGE, id('tty'), 'sh', '-c', '"test -t 0 && tty; until stty size 2>/dev/null | grep 77; do sleep 0.1; done; echo done; exit 5"'].join(' ');
    const run = spawnSync('script', ['-qec', `stty rows 33 cols 77; ${command}`, '/dev/null'], { encoding: 'utf8', timeout: 60_000, input: '' });
    // The client sends the size when the program runs already.
    check(run.status === 5 && /\/dev\/(pts|console)/.test(run.stdout) && /33 77\r*\n/.test(run.stdout) && run.stdout.includes('done'), 'run -t: a terminal, and its exit status', run);
    const session = spawn('script', ['-qec', `stty rows 33 cols 77; ${['ctr', ...d.args, 'run', '--rm', '-t', ...RUNTIME, IMAGE, id('tty2'), 'sh'].join(' ')}`, '/dev/null']);
    let output = '';
    session.stdout.on('data', (chunk) => (output += chunk));
    const says = async (text) => (await until(() => output.includes(text))) !== null;
    let ok = await until(() => output.includes('# ') || output.includes('$ '));
    session.stdin.write('echo a$((1+1))b; sleep 1000\n');
    ok = ok && (await says('a2b\r'));
    // What is typed before sleep(1) has the terminal reaches the shell alone: again until there is a new prompt.
    const prompts = () => output.split(/[#$] /).length;
    for (const before = prompts(); ok && prompts() === before; ) {
      session.stdin.write('\x03');
      if ((await until(() => prompts() > before, 2000)) === null && output.length > 1e6) break;
    }
    session.stdin.write('until stty size 2>/dev/null | grep 77; do sleep 0.1; done; echo c$((2+2))d\n');
    ok = ok && (await says('c4d\r')) && output.includes('33 77');
    session.stdin.write('exit 6\n');
    const status = await Promise.race([new Promise((resolve) => session.on('exit', resolve)), sleep(30_000)]);
    check(ok && status === 6, 'run -t: typing, ^C, the size of the terminal, exit', { status, output });
  },

  async task() {
    const { log } = await runDetached('task', LOOP);
    check(d.status('task') === 'RUNNING', 'task ls: RUNNING');
    const shim = shimOf('task');
    check(/^\d+\s/m.test(d.ctr(['task', 'ps', 'task']).stdout), 'task ps: pids');
    const exec = (name, ...args) => d.ctr(['task', 'exec', '--exec-id', name, 'task', ...args]);
    const first = exec('e1', 'sh', '-c', 'echo in exec; echo bad >&2; exit 4');
    check(first.status === 4 && first.stdout === 'in exec\n' && first.stderr.includes('bad\n'), 'task exec: output and exit status', first);
    const cat = d.ctr(['task', 'exec', '--exec-id', 'e2', 'task', 'cat'], { input: 'y'.repeat(200_000) });
    check(cat.status === 0 && cat.stdout === 'y'.repeat(200_000), 'task exec: input to its end', { ...cat, stdout: cat.stdout?.length });
    const missing = exec('e3', 'nosuch');
    check(missing.status !== 0 && missing.stderr.includes('executable file not found in $PATH'), 'task exec: no such program', missing);
    const tty = spawnSync('script', ['-qec', `ctr ${d.args.join(' ')} task exec -t --exec-id e4 task sh -c "test -t 0 && test -t 1 && test -t 2 && echo all; exit 7"`, '/dev/null'], { encoding: 'utf8', timeout: 60_000, input: '' });
    check(tty.status === 7 && tty.stdout.includes('all'), 'task exec -t', tty);
    const opened = exec('e5', 'sh', '-c', 'ls /proc/self/fd | wc -l');
    check(Number(opened.stdout) === 4, "task exec: none of the shim's descriptors are inside", opened);
    const descriptors = () => readdirSync(`/proc/${shim}/fd`).length;
    const before = descriptors();
    const statuses = Array.from({ length: 50 }, (_, i) => exec(`many${i}`, 'sh', '-c', `exit ${i}`).status);
    check(statuses.every((status, i) => status === i), 'fifty execs end each with its own status', statuses);
    const zombies = readFileSync(`/proc/${shim}/task/${shim}/children`, 'latin1').trim().split(' ').filter((pid) => !isRunning(pid));
    check(zombies.length === 0, 'and leave no zombie', zombies);
    check(descriptors() <= before + 2, 'and leave no descriptor open in the shim', `${before} ${descriptors()}`);
    const long = spawn('ctr', [...d.args, 'task', 'exec', '--exec-id', 'long', 'task', 'sleep', '1000'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => long.on('exit', resolve));
    await until(() => d.ctr(['task', 'ps', 'task']).stdout.includes('long'));
    check(d.ctr(['task', 'kill', '-s', 'SIGTERM', '--exec-id', 'long', 'task']).status === 0 && (await Promise.race([ended, sleep(20_000)])) === 143, 'task kill --exec-id');
    const metrics = d.ctr(['task', 'metrics', '--format', 'json', 'task']);
    const data = JSON.parse(metrics.stdout || '{}');
    check(metrics.status === 0 && JSON.stringify(data).match(/"(current|usage|total|usage_usec)":\s*[1-9]/) !== null, 'task metrics', metrics);
    check(d.ctr(['task', 'pause', 'task']).status === 0 && d.status('task') === 'PAUSED', 'task pause');
    check(exec('paused', 'true').status !== 0, 'task exec: refused while paused');
    check(d.ctr(['task', 'resume', 'task']).status === 0 && d.status('task') === 'RUNNING', 'task resume');
    check(d.ctr(['task', 'checkpoint', 'task']).stderr.includes('not supported'), 'task checkpoint: says that it is not supported');
    check(d.ctr(['task', 'rm', 'task']).status !== 0, 'task rm: refused while it runs');
    check(d.ctr(['task', 'kill', '-s', 'SIGTERM', 'task']).status === 0 && (await until(() => d.status('task') === 'STOPPED')) !== null, 'task kill: SIGTERM reaches init');
    check(log().endsWith('term\n'), 'a file:// log has everything', log());
    const removed = d.ctr(['task', 'rm', 'task']);
    check(removed.stderr.includes('9') && d.ctr(['c', 'rm', 'task']).status === 0, 'task rm: tells the exit status', removed);
    check((await until(() => !isRunning(shim))) !== null, 'the shim ends with its last container');
  },

  async events() {
    const watcher = spawn('ctr', [...d.args, 'events'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    watcher.stdout.on('data', (chunk) => (text += chunk));
    // It is listening when it has seen something.
    await until(() => {
      d.ctr(['c', 'create', IMAGE, 'probe']);
      d.ctr(['c', 'rm', 'probe']);
      return text.includes('probe');
    });
    await runDetached('events', LOOP);
    d.ctr(['task', 'exec', '--exec-id', 'x', 'events', 'true']);
    d.ctr(['task', 'pause', 'events']);
    d.ctr(['task', 'resume', 'events']);
    const long = d.ctrAsync(['task', 'exec', '--exec-id', 'y', 'events', 'sleep', '1000']);
    await until(() => d.ctr(['task', 'ps', 'events']).stdout.includes('y'));
    d.ctr(['task', 'kill', '-s', 'SIGKILL', 'events']);
    check((await long).status === 137, 'an exec ends with its container');
    await until(() => d.status('events') === 'STOPPED');
    remove('events');
    const topics = () => text.split('\n').filter((line) => line.includes('"container_id":"events"')).map((line) => `${/\/tasks\/(\S+)/.exec(line)?.[1]}${/"id":"([xy])"/.exec(line)?.[1] ?? ''}`);
    await until(() => topics().includes('delete'), 10_000);
    watcher.kill();
    const expected = ['create', 'start', 'exec-added', 'exec-started', 'exitx', 'paused', 'resumed', 'exec-added', 'exec-started', 'exity', 'exit', 'delete'];
    check(JSON.stringify(topics()) === JSON.stringify(expected), 'events in their order', topics());
  },

  async restart() {
    const { log } = await runDetached('survivor', 'echo up; i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done');
    const { pid } = d.record('survivor').sentry;
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      await d.stop(signal);
      const before = log().length;
      await d.start();
      check(d.status('survivor') === 'RUNNING' && isRunning(pid), `containerd ended by ${signal}: the container runs on`);
      check((await until(() => log().length > before)) !== null, `containerd ended by ${signal}: its output goes on`);
      const exec = d.ctr(['task', 'exec', '--exec-id', `after-${signal}`, 'survivor', 'echo', 'still there']);
      check(exec.stdout === 'still there\n', `containerd ended by ${signal}: exec works`, exec);
    }
    await d.stop();
    process.kill(pid, 'SIGKILL');
    await until(() => !isRunning(pid));
    await d.start();
    await until(() => d.status('survivor') !== 'RUNNING');
    check(d.status('survivor') !== 'RUNNING', 'a container that ended while containerd was away is not running afterwards', d.ctr(['task', 'ls']).stdout);
    d.ctr(['task', 'rm', '-f', 'survivor']);
    d.ctr(['c', 'rm', 'survivor']);
  },

  async killed() {
    await runDetached('noshim', LOOP);
    const { sentry, gofer } = d.record('noshim');
    process.kill(shimOf('noshim'), 'SIGKILL');
    check((await until(() => !isRunning(sentry.pid) && !isRunning(gofer.pid))) !== null, 'kill -9 of the shim: the sandbox ends');
    check((await until(() => d.status('noshim') === null && d.record('noshim') === null)) !== null, 'kill -9 of the shim: containerd has cleaned up', d.log().slice(-2000));
    d.ctr(['c', 'rm', 'noshim']);
    for (const part of ['sentry', 'gofer']) {
      await runDetached(part, LOOP);
      process.kill(d.record(part)[part].pid, 'SIGKILL');
      check((await until(() => d.status(part) === 'STOPPED')) !== null, `kill -9 of the ${part}: the task has stopped`);
      const removed = d.ctr(['task', 'rm', part]);
      check(removed.status === 0 || /exit code|exit status/.test(removed.stderr), `kill -9 of the ${part}: it can be removed`, removed);
      d.ctr(['c', 'rm', part]);
    }
    await runDetached('frozen', LOOP);
    process.kill(d.record('frozen').sentry.pid, 'SIGSTOP');
    const kill = d.ctr(['task', 'kill', '-s', 'SIGKILL', 'frozen']);
    check(kill.status === 0 && (await until(() => d.status('frozen') === 'STOPPED')) !== null, 'a sandbox that does not answer is killed all the same', kill);
    check(remove('frozen'), 'and removed');
    await killedWhileCreating();
  },

  async logs() {
    const program = join(d.directory, 'logger');
    const file = join(d.directory, 'logger.out');
    writeFileSync(program, `#!/bin/sh\nexec 5>&-\n{ echo "$CONTAINER_NAMESPACE/$CONTAINER_ID $*"; cat <&3; } > ${file}\n`, { mode: 0o755 });
    const result = d.ctr(['run', '-d', '--log-uri', `binary://${program}?name=value`, ...RUNTIME, IMAGE, id('logged'), 'sh', '-c', 'echo to the logger']);
    await until(() => d.status('logged') === 'STOPPED');
    remove('logged');
    const expected = `${d.namespace}/logged name value\nto the logger\n`;
    check((await until(() => existsSync(file) && readFileSync(file, 'utf8') === expected)) !== null, 'a binary:// log gets everything', { result, text: existsSync(file) && readFileSync(file, 'utf8') });
    const bad = d.ctr(['run', '-d', '--log-uri', 'gopher://x', ...RUNTIME, IMAGE, id('badlog'), 'true']);
    check(bad.status !== 0 && bad.stderr.includes('unknown STDIO scheme'), 'an unknown scheme is refused', bad);
    d.ctr(['c', 'rm', 'badlog']);
  },

  async memory() {
    const watcher = spawn('ctr', [...d.args, 'events'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    watcher.stdout.on('data', (chunk) => (text += chunk));
    await until(() => {
      d.ctr(['c', 'create', IMAGE, 'probe2']);
      d.ctr(['c', 'rm', 'probe2']);
      return text.includes('probe2');
    });
    const result = run('oom', ['sh', '-c', 'tail /dev/zero; echo $?'], { flags: ['--memory-limit', '100000000'] });
    check((await until(() => /\/tasks\/oom.*"oom"/.test(text), 10_000)) !== null, 'a container that is out of memory: an event says so', { result, text });
    watcher.kill();
  },

  /** A client that does not read its output, and one that goes away. */
  async slow() {
    const client = spawn('ctr', [...d.args, 'run', ...RUNTIME, IMAGE, id('slow'), 'sh', '-c', 'yes 0123456789 | head -c 30000000; echo; echo the end; sleep 1000'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await until(() => d.status('slow') === 'RUNNING');
    const shim = shimOf('slow');
    const memory = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${shim}/status`, 'latin1'))[1]);
    const before = memory();
    // Nothing is read yet. The pipes are full when the writer sleeps.
    const writer = await until(() => sleepingIn(d.record('slow').sentry.pid));
    check(writer !== null && memory() - before < 20_000, 'output that nobody reads waits where it is', `${before} ${memory()}`);
    let length = 0;
    let tail = '';
    client.stdout.on('data', (chunk) => {
      length += chunk.length;
      tail = (tail + chunk).slice(-20);
    });
    check((await until(() => tail.endsWith('the end\n'))) !== null && length === 30_000_000 + 9, 'and arrives whole', { length, tail });
    client.kill('SIGKILL');
    check(remove('slow'), 'the client is killed: its container can be removed');
    const paused = await runDetached('paused', LOOP);
    d.ctr(['task', 'pause', 'paused']);
    check(paused.isUp && d.ctr(['task', 'kill', '-s', 'SIGKILL', 'paused']).status === 0 && (await until(() => d.status('paused') === 'STOPPED')) !== null, 'a paused container can be killed');
    check(remove('paused'), 'and removed');
  },

  async many() {
    const results = await Promise.all(Array.from({ length: 10 }, (_, i) => d.ctrAsync(['run', '--rm', ...RUNTIME, IMAGE, id(`many-${i}`), 'sh', '-c', `echo ${i}; exit ${i}`])));
    check(results.every(({ status, stdout }, i) => status === i && stdout === `${i}\n`), '10 containers at once', results);
  },

  pod: runPod,
};

/** The processor time that a sandbox has used does not change any more: it waits. */
function sleepingIn(pid) {
  const used = () => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 16).join();
  };
  const before = used();
  return sleep(1000).then(() => (used() === before ? true : null));
}

/** The shim is killed while it waits for `create`. */
async function killedWhileCreating() {
  const bundle = d.bundle(id('unborn'));
  const child = d.ctrAsync(['run', '-d', ...RUNTIME, IMAGE, 'unborn', 'sleep', '1000']);
  await until(() => existsSync(join(bundle, 'creating.json')), 20_000);
  try {
    process.kill(shimOf('unborn'), 'SIGKILL');
  } catch {
    // It was quicker.
  }
  const result = await child;
  const isGone = await until(() => d.status('unborn') === null && d.record('unborn') === null);
  check(isGone !== null, 'kill -9 of the shim during create: nothing runs', { result, log: d.log().slice(-1500) });
  d.ctr(['c', 'rm', 'unborn']);
}

async function runPod() {
  const imported = d.ctr(['images', 'import', join(d.directory, 'image.tar')], { namespace: 'k8s.io' });
  const hasNetwork = existsSync('/usr/lib/cni/ptp');
  if (!hasNetwork) notRun('containerd: the network of the pod', 'no CNI plugins');
  let cri = new CriClient(d.socket);
  let sandbox = '';
  try {
    const logs = join(d.directory, 'pod-logs');
    mkdirSync(logs);
    const config = {
      metadata: { name: 'pod', uid: `uid-${process.pid}`, namespace: 'e2e', attempt: 0 }, hostname: 'pod-host', logDirectory: logs,
      linux: { cgroupParent: `/${d.namespace}`, securityContext: { namespaceOptions: { network: hasNetwork ? 0 : 2, pid: 1, ipc: 0 } } },
    };
    sandbox = (await untilCri(() => cri.call('RunPodSandbox', { config, runtimeHandler: 'runsc-ts' }))).podSandboxId;
    id(sandbox, 'k8s.io');
    const make = async (name, command, { memory = 300_000_000, pid = 1 } = {}) => {
      const container = { metadata: { name, attempt: 0 }, image: { image: IMAGE }, command, logPath: `${name}.log`, linux: { resources: { cpuShares: 512, memoryLimitInBytes: memory }, securityContext: { namespaceOptions: { network: hasNetwork ? 0 : 2, pid } } } };
      const { containerId } = await cri.call('CreateContainer', { podSandboxId: sandbox, config: container, sandboxConfig: config });
      id(containerId, 'k8s.io');
      await cri.call('StartContainer', { containerId });
      return containerId;
    };
    const server = await make('server', ['sh', '-c', 'mkdir /www; echo page > /www/index.html; echo serving; exec httpd -f -p 127.0.0.1:8099 -h /www']);
    const client = await make('client', ['sh', '-c', 'trap "exit 8" TERM; while :; do sleep 0.1; done']);
    const exec = async (containerId, ...cmd) => {
      const { stdout, stderr, exitCode } = await cri.call('ExecSync', { containerId, cmd, timeout: 30 });
      return { out: stdout.toString(), err: stderr.toString(), exitCode };
    };
    check(shimOfPod(sandbox) === shimOfPod(server) && shimOfPod(server) === shimOfPod(client), 'pod: its containers share one shim');
    checkOneSentry(sandbox, [server, client]);
    const page = await until(async () => {
      const result = await exec(client, 'wget', '-q', '-O', '-', 'http://127.0.0.1:8099/index.html');
      return result.exitCode === 0 ? result : null;
    });
    check(page?.out === 'page\n', 'pod: one container reaches the other on the loopback', page);
    check((await exec(client, 'sh', '-c', 'echo o; echo e >&2; exit 3')).exitCode === 3, 'pod: exec');
    const name = await exec(client, 'hostname');
    check(name.out === 'pod-host\n', 'pod: its containers have its host name', name);
    await exec(server, 'sh', '-c', 'echo shared > /dev/shm/f');
    check((await exec(client, 'cat', '/dev/shm/f')).out === 'shared\n', 'pod: its containers share /dev/shm');
    check(readFileSync(join(logs, 'server.log'), 'utf8').includes('stdout F serving'), 'pod: the log has what was printed');
    const { stats } = await cri.call('ContainerStats', { containerId: client });
    check(stats.cpu.usageCoreNanoSeconds.value > 0 && stats.memory.workingSetBytes.value > 0, 'pod: statistics', stats);
    await cri.call('UpdateContainerResources', { containerId: client, linux: { memoryLimitInBytes: 200_000_000 } });
    check((await memoryLimit(client)) === '199999488' || (await memoryLimit(client)) === '200000000', 'pod: limits are changed', await memoryLimit(client));
    cri.close();
    await d.stop();
    await d.start();
    cri = new CriClient(d.socket);
    const after = await untilCri(() => exec(client, 'echo', 'after'));
    check(after.out === 'after\n', 'pod: exec after a restart of containerd', after);
    await cri.call('StopContainer', { containerId: client, timeout: 20 });
    const { status } = await cri.call('ContainerStatus', { containerId: client });
    check(status.state === 2 && status.exitCode === 8, 'pod: a container is stopped by its signal', status);
    const other = (await cri.call('ContainerStatus', { containerId: server })).status;
    check(other.state === 1, 'pod: the other goes on', other);
    const again = await make('again', ['sh', '-c', 'exit 11']);
    const end = await until(async () => {
      const result = (await cri.call('ContainerStatus', { containerId: again })).status;
      return result.state === 2 ? result : null;
    });
    check(end?.exitCode === 11, 'pod: a container that ends by itself', end);
    for (const containerId of await podDeaths({ cri, make, exec, sandbox, server })) await cri.call('RemoveContainer', { containerId });
    for (const containerId of [client, again]) await cri.call('RemoveContainer', { containerId });
  } catch (error) {
    check(false, 'pod', `${error.message}\n${imported.stderr}\n${d.log().slice(-2000)}`);
  } finally {
    if (sandbox !== '') {
      await cri.call('StopPodSandbox', { podSandboxId: sandbox }).catch((error) => check(false, 'pod: stop', error.message));
      await cri.call('RemovePodSandbox', { podSandboxId: sandbox }).catch((error) => check(false, 'pod: remove', error.message));
    }
    cri.close();
  }
}

/** The processes of a pod's shim that run as nobody are its Sentries. */
function checkOneSentry(sandbox, containers) {
  const { sentry } = d.record(sandbox, 'k8s.io');
  const shimPid = String(shimOf(sandbox, 'k8s.io'));
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((name) => {
    try {
      return { pid: Number(name), status: readFileSync(`/proc/${name}/status`, 'latin1') };
    } catch {
      return { pid: 0, status: '' };
    }
  }).filter(({ status }) => /^PPid:\s+(\d+)$/m.exec(status)?.[1] === shimPid);
  const sentries = children.filter(({ status }) => /^Uid:\s+65534\s/m.test(status)).map(({ pid }) => pid);
  check(sentries.length === 1 && sentries[0] === sentry.pid, 'pod: one Sentry for all its containers', { sentries, sentry });
  check(containers.every((container) => d.record(container, 'k8s.io').pod === sandbox), "pod: its containers are in its sandbox container's", containers);
}

/** Containers of a pod end, each in its own way; the others go on. Returns their ids. */
async function podDeaths({ cri, make, exec, sandbox, server }) {
  const ended = (containerId) => until(async () => {
    const { status } = await cri.call('ContainerStatus', { containerId });
    return status.state === 2 ? status : null;
  });
  const shared = await make('shared', ['sh', '-c', 'sleep 1000; :'], { pid: 0 });
  const seen = await exec(shared, 'sh', '-c', 'ps | grep -c "sleep 1000"; readlink /proc/1/ns/pid; readlink /proc/self/ns/pid');
  const lines = seen.out.split('\n');
  check(Number(lines[0]) >= 2 && lines[1] === lines[2] && !/^1\n/.test((await exec(shared, 'sh', '-c', 'echo $PPID')).out), 'pod: a container in the pod\'s pid namespace', seen);
  process.kill(d.record(shared, 'k8s.io').gofer.pid, 'SIGKILL');
  const noFiles = await ended(shared);
  check(noFiles?.exitCode === 137, 'pod: kill -9 of one container\'s Gofer ends that container', noFiles);
  const big = await make('big', ['sh', '-c', 'dd if=/dev/zero of=/dev/null bs=200M count=1; exit 3'], { memory: 50_000_000 });
  const oom = await ended(big);
  check(oom?.exitCode === 3 || oom?.exitCode === 137, 'pod: a memory limit holds for one container', oom);
  const waiter = await make('waiter', ['sleep', '1000']);
  process.kill(d.record(waiter, 'k8s.io').waiter.pid, 'SIGKILL');
  const gone = await ended(waiter);
  check(gone?.exitCode === 137, 'pod: kill -9 of what stands for a container ends that container', gone);
  const others = [];
  for (let i = 0; i < 3; i++) {
    const container = await make(`turn${i}`, ['sh', '-c', `echo ${i}; exit ${20 + i}`]);
    others.push(container);
    const status = await ended(container);
    if (status?.exitCode !== 20 + i) check(false, 'pod: containers one after the other', status);
  }
  const { status } = await cri.call('ContainerStatus', { containerId: server });
  check(status.state === 1 && (await exec(server, 'echo', 'here')).out === 'here\n', 'pod: the others went on', status);
  checkOneSentry(sandbox, [server]);
  return [shared, big, waiter, ...others];
}

/** The CRI plugin comes up after the daemon answers. */
async function untilCri(act) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await act();
    } catch (error) {
      if (attempt > 50 || !/not initialized|not ready|unknown service|connect/i.test(error.message)) throw error;
      await sleep(200);
    }
  }
}

/** The inode of the connection's other side: which socket a container's shim listens on. */
const shimOfPod = (container) => readFileSync(join(d.bundle(container, 'k8s.io'), 'address'), 'utf8');

async function memoryLimit(container) {
  const { cgroupsPath } = d.record(container, 'k8s.io');
  for (const file of [`/sys/fs/cgroup/memory${cgroupsPath}/memory.limit_in_bytes`, `/sys/fs/cgroup${cgroupsPath}/memory.max`]) if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  return '';
}

const socketOf = (name, namespace) => `/run/containerd/s/${createHash('sha256').update(join(d.socket, namespace, name)).digest('hex')}`;

/** Runs the parts whose names have one of the words (none: all). */
export async function containerdList(program, words = []) {
  if (process.getuid() !== 0 || spawnSync('containerd', ['--version']).status !== 0 || spawnSync('ctr', ['--version']).status !== 0) {
    notRun('containerd', 'it needs root, containerd and ctr');
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'containerd-e2e-'));
  let isOk = true;
  own(directory);
  const clean = async () => {
    cleanUp();
    await d?.stop();
    d?.removeParents();
    await takeBack(directory, basename(directory));
    if (d !== undefined) removeCgroups(d.namespace);
  };
  const forget = onInterrupt(clean);
  try {
    shim = join(dirname(realpathSync(program)), 'containerd-shim-runsc-ts-v1.cjs');
    d = new Containerd(directory, program, IMAGE);
    await d.start();
    const imported = d.ctr(['images', 'import', makeImage(directory, IMAGE)]);
    if (imported.status !== 0) throw new Error(`import: ${imported.stderr}`);
    for (const [name, part] of Object.entries(parts)) {
      if (standsStill()) await new Promise(() => undefined);
      if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
      await part().catch((error) => check(false, name, error.stack));
    }
    const sockets = [...ids].map(([name, namespace]) => socketOf(name, namespace));
    const isClean = await until(() => d.leftovers(sockets).length === 0, 15_000);
    isOk = check(isClean !== null, 'nothing is left: no process, mount, cgroup, state, socket', d.leftovers(sockets).join('\n'));
  } catch (error) {
    isOk = check(false, 'the test itself', error.stack);
  } finally {
    if (!isOk) writeFileSync(join(tmpdir(), 'containerd-e2e.log'), d?.log() ?? '');
    await clean();
    forget();
  }
}

/** What a failed part left. */
function cleanUp() {
  for (const [name, namespace] of ids) {
    const known = d.ctr(['c', 'ls', '-q'], { namespace }).stdout ?? '';
    if (!known.split('\n').includes(name)) continue;
    d.ctr(['task', 'rm', '-f', name], { namespace });
    d.ctr(['c', 'rm', name], { namespace });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  watchInterrupts();
  await containerdList(process.env.RUNSC_TS ?? join(import.meta.dirname, '../../dist/runsc-ts.cjs'), process.argv.slice(2));
  process.exit(finish());
}
