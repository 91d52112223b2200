// SPDX-License-Identifier: Apache-2.0

/** Podman as a client, each scenario with runc and with this runtime, compared. Its storage is in a temporary directory. */
import { chownSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { run, until } from './command.mjs';
import { imageTar, makeRootfs } from './image.mjs';
import { onInterrupt } from './interrupt.mjs';
import { leftovers } from './leftovers.mjs';
import { check, notRun } from './report.mjs';
import { playAll } from './scenario.mjs';
import { own, takeBack } from './take_back.mjs';

const LOOP = 'trap "echo term; exit 9" TERM; echo started; while :; do sleep 0.1; done';

/** An ordinary user: any id that nobody has. */
const USER = 65000;

/** Podman with a runtime, as root or as an ordinary user. */
class Podman {
  constructor(directory, runtime, user = 0) {
    this.directory = directory;
    this.mark = basename(directory);
    const storage = ['--root', `${directory}/root`, '--runroot', `${directory}/run`, '--tmpdir', `${directory}/tmp`];
    const podman = ['podman', ...storage, '--cgroup-manager=cgroupfs', '--events-backend=file', '--runtime', runtime];
    // The mark in its environment reaches all that it starts.
    const own = { RUNSC_TS_E2E: this.mark, CONTAINERS_CONF: `${directory}/containers.conf` };
    this.isRoot = user === 0;
    this.program = this.isRoot ? podman : ['setpriv', '--reuid', String(user), '--regid', String(user), '--clear-groups', ...podman, '--storage-driver', 'vfs'];
    this.env = this.isRoot ? { ...process.env, ...own } : { PATH: process.env.PATH, HOME: directory, XDG_RUNTIME_DIR: `${directory}/xdg`, USER: 'e2e', ...own };
  }

  runWords() {
    return this.isRoot ? ['run', '--cgroup-parent', `/${this.mark}`] : ['run'];
  }

  docker(args, options = {}) {
    return run([...this.program, ...args], { env: this.env, cwd: '/', ...options });
  }

  async must(...args) {
    const result = await this.docker(args);
    if (result.status !== 0) throw new Error(`podman ${args.join(' ')}: ${result.status} ${result.stdout}${result.stderr}`);
    return result.stdout.trim();
  }
}

const scenarios = [
  [
    'run: statuses, input, identity',
    async (d) => {
      await d.run([], 'echo hi; id; exit 3');
      await d.run(['-i'], ['cat'], { input: 'piped\n' });
      await d.run([], 'kill -9 $$');
      d.fact('a missing program', (await d.daemon.docker([...d.runWords(['--rm']), 'bb', 'nosuch'])).status);
      d.fact('one that cannot be run', (await d.daemon.docker([...d.runWords(['--rm']), 'bb', '/etc/passwd'])).status);
      await d.run(['--user', '5:6', '--workdir', '/tmp', '--env', 'A=b', '--hostname', 'hh', '--read-only', '--tmpfs', '/t'], 'id; pwd; echo $A $HOME; hostname; touch /x; touch /t/x && echo ok');
      await d.run(['--cap-drop', 'ALL', '--cap-add', 'CHOWN'], 'grep ^Cap /proc/self/status');
      await d.run(['--init'], 'exit 5');
      await d.run(['-v', `${d.daemon.directory}/image/etc:/m:ro`], 'cat /m/nsswitch.conf; touch /m/x');
      await d.run(['-v', `${d.name('vol')}:/v`], 'echo kept > /v/f; cat /v/f');
      await d.must('volume', 'rm', d.name('vol'));
    },
  ],
  [
    'run -d, exec, logs, stop, start, kill, rm',
    async (d) => {
      const c = await d.start('life', [], LOOP);
      await d.logged(c, 'started');
      await d.docker(['exec', c, 'sh', '-c', 'echo in exec; exit 4']);
      await d.docker(['exec', '-i', c, 'cat'], { input: 'data\n' });
      d.fact('exec of a missing program', (await d.daemon.docker(['exec', c, 'nosuch'])).status);
      await d.docker(['exec', '-u', '5', '-w', '/etc', '-e', 'X=y', c, 'sh', '-c', 'id -u; pwd; echo $X']);
      await d.docker(['exec', '-d', c, 'sh', '-c', 'echo detached > /tmp/d']);
      await d.docker(['exec', c, 'sh', '-c', 'while ! [ -s /tmp/d ]; do sleep 0.05; done; cat /tmp/d']);
      await d.docker(['pause', c]);
      await d.docker(['inspect', '-f', '{{.State.Status}}', c]);
      await d.docker(['unpause', c]);
      await d.docker(['stop', '-t', '20', c]);
      await d.docker(['logs', c]);
      await d.docker(['inspect', '-f', '{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Status}}', c]);
      await d.docker(['start', c]);
      await d.docker(['kill', c]);
      await d.docker(['wait', c]);
      await d.docker(['rm', c]);
      const deaf = await d.start('deaf', [], 'trap "" TERM; echo started; while :; do sleep 0.1; done');
      await d.logged(deaf, 'started');
      d.fact('stop of a deaf one', (await d.daemon.docker(['stop', '-t', '1', deaf])).status);
      await d.docker(['inspect', '-f', '{{.State.ExitCode}}', deaf]);
      const t = await d.start('top', [], 'sleep 301 & echo started; wait');
      await d.logged(t, 'started');
      d.fact('top', /sleep/.test(await d.must('top', t, '-eo', 'pid,comm')));
      d.fact('stats', /^\d+ /.test(await d.must('stats', '--no-stream', '--format', '{{.PIDs}} {{.MemUsage}}', t)));
      await d.docker(['restart', '-t', '1', t]).then(() => d.facts.pop());
      await d.docker(['inspect', '-f', '{{.State.Status}}', t]);
    },
  ],
  [
    'terminals',
    async (d) => {
      const shell = 'printf "ready> "; while read -r l; do eval "$l"; printf "ready> "; done';
      const words = (...flags) => [...d.runWords(['--rm', '-it', ...flags]), 'bb', 'sh', '-c', shell];
      await d.terminal(words(), [['expect', 'ready> '], ['send', 'until [ "$(stty size 2>/dev/null)" = "24 80" ]; do sleep 0.05; done; tty\n'], ['expect', 'ready> '], ['resize', 33, 101], ['send', 'until [ "$(stty size 2>/dev/null)" = "33 101" ]; do sleep 0.05; done; echo resized\n'], ['expect', 'resized\r'], ['expect', 'ready> '], ['send', 'exit 7\n']]);
      const c = await d.start('term', [], LOOP);
      await d.logged(c, 'started');
      await d.terminal(['exec', '-it', c, 'sh', '-c', shell], [['expect', 'ready> '], ['send', 'test -t 0 && tty\n'], ['expect', '/dev/pts/'], ['expect', 'ready> '], ['send', 'exit 5\n']]);
    },
  ],
  [
    'a pod with two containers',
    async (d) => {
      const pod = d.name('pod');
      // The pause image would have to be fetched or built: this one is there.
      await d.must('pod', 'create', '--name', pod, '--infra-image', 'bb', '--infra-command', '/bin/sleep 1000', '--network', 'none', '--cgroup-parent', `/${d.daemon.mark}`);
      const run = (name, ...command) => d.must('run', '-d', '--name', d.name(name), '--label', d.tag, '--pod', pod, 'bb', ...command);
      await run('server', 'sh', '-c', 'echo page > /tmp/index.html; echo up; exec httpd -f -p 8080 -h /tmp');
      await d.logged(d.name('server'), 'up');
      await run('client', 'sh', '-c', 'until wget -q -O - http://127.0.0.1:8080/; do sleep 0.1; done; hostname; sleep 300');
      await d.logged(d.name('client'), pod);
      await d.docker(['logs', d.name('client')]);
      await d.docker(['exec', d.name('client'), 'sh', '-c', 'echo in the pod']);
      d.fact('pod', (await d.must('pod', 'ps', '--filter', `name=${pod}`, '--format', '{{.Status}} {{.NumberOfContainers}}')));
      await d.docker(['pod', 'stop', '-t', '1', pod]).then(() => d.facts.pop());
      d.fact('stopped', await d.must('pod', 'ps', '--filter', `name=${pod}`, '--format', '{{.Status}}'));
      // conmon may not have left its cgroup yet.
      await until(async () => (await d.daemon.docker(['pod', 'rm', '-f', '-t', '0', pod])).status === 0, 10_000, 200);
    },
  ],
  [
    'limits and update',
    async (d) => {
      const c = await d.start('lim', ['--memory', '100m', '--pids-limit', '50', '--cpus', '0.5'], LOOP);
      await d.logged(c, 'started');
      await d.docker(['inspect', '-f', '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}', c]);
      d.fact('limit in stats', /104\.9MB/.test(await d.must('stats', '--no-stream', '--format', '{{.MemUsage}}', c)));
      const oom = await d.start('oom', ['--memory', '100m', '--memory-swap', '100m'], ['awk', 'BEGIN { s = "0123456789abcdef"; while (1) s = s s }']);
      d.fact('status of one out of memory', await d.must('wait', oom));
      d.fact('OOMKilled', await d.must('inspect', '-f', '{{.State.OOMKilled}}', oom));
    },
  ],
];

/** What works as an ordinary user everywhere that has user namespaces: no network but its own, no cgroups. */
const rootlessScenarios = [
  [
    'run, exec, logs, stop',
    async (d) => {
      await d.run([], 'echo hi; id; touch /x; stat -c "%u %g" /x; exit 3');
      await d.run(['-i'], ['cat'], { input: 'piped\n' });
      d.fact('a missing program', (await d.daemon.docker([...d.runWords(['--rm']), 'bb', 'nosuch'])).status);
      const c = await d.start('rl', [], LOOP);
      await d.logged(c, 'started');
      await d.docker(['exec', c, 'sh', '-c', 'echo in exec; exit 4']);
      await d.docker(['stop', '-t', '20', c]);
      await d.docker(['logs', c]);
      await d.docker(['inspect', '-f', '{{.State.ExitCode}} {{.State.Status}}', c]);
      await d.terminal([...d.runWords(['--rm', '-it']), 'bb', 'sh', '-c', 'tty; exit 6'], []);
    },
  ],
];

/** What of rootless Podman this machine lacks; '' when nothing. */
function rootlessLacks(runtime) {
  const asUser = (...argv) => spawnSync('setpriv', ['--reuid', String(USER), '--regid', String(USER), '--clear-groups', ...argv], { cwd: '/', encoding: 'utf8' });
  if (spawnSync('sh', ['-c', 'command -v newuidmap']).status !== 0) return 'newuidmap (package uidmap) is not installed';
  if (asUser('unshare', '--user', '--map-root-user', 'true').status !== 0) return 'an ordinary user may not make user namespaces here';
  if (asUser('test', '-x', runtime).status !== 0) return `an ordinary user may not run ${runtime}`;
  return '';
}

/** Makes a directory with an image, does `act`, and removes it. */
async function withPodman(runtime, user, act) {
  const directory = mkdtempSync(join(tmpdir(), 'e2e-podman-'));
  const hosts = new Map([['runc', new Podman(directory, 'runc', user)], ['runsc-ts', new Podman(directory, runtime, user)]]);
  const ours = hosts.get('runsc-ts');
  own(directory);
  // What Podman leaves behind: mounts, cgroups, its storage, and for an ordinary user a process.
  const clean = () => takeBack(directory, basename(directory));
  const forget = onInterrupt(async () => {
    await ours.docker(['pod', 'rm', '-a', '-f', '-t', '0']);
    await ours.docker(['rm', '-a', '-f', '-t', '0']);
    await clean();
  });
  try {
    // By default it asks for more descriptors than runc may give where this user may not raise the limit.
    writeFileSync(join(directory, 'containers.conf'), '[containers]\ndefault_ulimits = ["nofile=1024:2048", "nproc=1000:2000"]\n');
    makeRootfs(join(directory, 'image'));
    writeFileSync(join(directory, 'bb.tar'), imageTar(join(directory, 'image')));
    mkdirSync(join(directory, 'xdg'), { mode: 0o700 });
    if (user !== 0) for (const path of ['', 'xdg']) chownSync(join(directory, path), user, user);
    await ours.must('import', join(directory, 'bb.tar'), 'bb');
    await act(hosts);
    await ours.docker(['pod', 'rm', '-a', '-f', '-t', '0']);
    await ours.docker(['rm', '-a', '-f', '-t', '0']);
    // Podman's own cgroups (conmon's, and those of pods) and, for an ordinary user, a process stay with every runtime.
    const isOurs = (thing) => (thing.startsWith('cgroup') ? thing.includes('libpod-') : !/podman pause/.test(thing));
    const left = (await leftovers(basename(directory), { mountMarks: [], isOurs }));
    check(left.length === 0, `podman${user === 0 ? '' : ', rootless'}: nothing is left`, left.join('\n'));
  } finally {
    await clean();
    forget();
  }
}

/** Plays the scenarios whose names contain `filter`. */
export async function podmanList(runtime, filter) {
  const matching = (list) => list.filter(([name]) => name.includes(filter));
  await withPodman(runtime, 0, (hosts) => playAll('podman', (name) => hosts.get(name), matching(scenarios), 2));
  const lacks = rootlessLacks(runtime);
  if (lacks !== '') notRun('podman, rootless', lacks);
  else await withPodman(runtime, USER, (hosts) => playAll('podman, rootless', (name) => hosts.get(name), matching(rootlessScenarios), 1));
}
