// SPDX-License-Identifier: Apache-2.0

/**
 * Wrong command lines, wrong bundles, wrong surroundings: one clear error, the status clients expect, nothing left behind.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from '../world.ts';

const OWN = 'runc has limits of its own';

export const errorCases: readonly Case[] = [
  {
    name: 'numbers of arguments, unknown commands and flags',
    run: (w) => {
      w.says(w.cli('create'), '"create" requires exactly 1 argument(s)');
      w.note(w.cli('create').out.split('\n')[0] ?? '');
      w.says(w.cli('state', 'a', 'b'), '"state" requires exactly 1 argument(s)');
      w.says(w.cli('spec', 'extra'), '"spec" requires exactly 0 argument(s)');
      w.says(w.cli('frobnicate'), "No help topic for 'frobnicate'");
      w.says(w.cli('create', '--nosuch', 'x'), 'flag provided but not defined: -nosuch');
      w.note(`${w.cli('--nosuch', 'list').status}`);
    },
    expect: [
      '1 "create" requires exactly 1 argument(s)', 'Incorrect Usage.', '1 "state" requires exactly 1 argument(s)', '1 "spec" requires exactly 0 argument(s)', "3 No help topic for 'frobnicate'",
      '1 flag provided but not defined: -nosuch', '1',
    ],
  },
  {
    name: 'ids',
    run: (w) => {
      for (const id of ['../x', 'a/b', '.', '..', 'ä', 'a b']) w.says(w.detached('create', id), 'invalid container ID format');
      w.configure(['true']);
      w.note(`${w.cli('run', 'A.b-c_d+1').status}`);
    },
    expect: [...Array.from({ length: 6 }, () => '1 invalid container ID format'), '0'],
  },
  {
    name: 'an id and a flag of a hundred thousand characters',
    differs: OWN,
    run: (w) => {
      const long = 'x'.repeat(100_000);
      for (const args of [['create', long], ['state', long], ['create', `--${long}`, 'x'], [`--${long}`, 'list'], [long], ['kill', 'c', long], ['exec', '-u', long, 'c', 'true']]) {
        const { status, err } = w.cli(...args);
        w.note(`${status !== 0} ${err.trim().split('\n').length} line, short: ${err.length < 1000}`);
      }
    },
    expect: Array.from({ length: 7 }, () => 'true 1 line, short: true'),
  },
  {
    name: 'bundles that are none',
    run: (w) => {
      w.says(w.detached('create', '--bundle', '/no/such', 'c'), '/no/such: no such file or directory');
      for (const text of ['', '{', '[]', '"x"', '{"ociVersion":1}']) {
        writeFileSync(join(w.directory, 'config.json'), text);
        w.note(`${JSON.stringify(text)} ${w.detached('create', 'c').status}`);
      }
      for (const edit of [(c: Record<string, unknown>) => delete c['process'], (c: Record<string, unknown>) => delete c['root'], (c: { root: { path: string } }) => (c.root.path = 'nosuch'), (c: { process: { args: string[] } }) => (c.process.args = [])]) {
        w.configure(['true'], edit);
        w.note(`${w.detached('create', 'c').status}`);
      }
      w.says(w.cli('state', 'c'), 'container does not exist');
    },
    expect: [
      '1 /no/such: no such file or directory', '"" 1', '"{" 1', '"[]" 1', '"\\"x\\"" 1', '"{\\"ociVersion\\":1}" 1', '1', '1', '1', '1', '1 container does not exist',
    ],
  },
  {
    name: 'config.json of a hundred megabytes, or nested a million deep',
    differs: OWN,
    run: (w) => {
      writeFileSync(join(w.directory, 'config.json'), `{"a":"${'x'.repeat(100_000_000)}"}`);
      w.says(w.detached('create', 'c'), 'larger than');
      writeFileSync(join(w.directory, 'config.json'), `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`);
      w.says(w.detached('create', 'c'), 'nested deeper than');
      writeFileSync(join(w.directory, 'config.json'), `${'{"a":'.repeat(1_000_000)}1${'}'.repeat(1_000_000)}`);
      w.says(w.detached('create', 'c'), 'nested deeper than');
      w.configure(['true'], (c) => {
        c.process.cwd = 'x'.repeat(1_000_000);
        c.hostname = 'h'.repeat(1_000_000);
      });
      const { status, err } = w.detached('create', 'c');
      w.note(`${status} short: ${err.length < 1000}`);
    },
    expect: ['1 larger than', '1 nested deeper than', '1 nested deeper than', '1 short: true'],
  },
  {
    name: 'terminals and console sockets that do not fit',
    run: (w) => {
      w.configure(['true'], (c) => {
        c.process.terminal = true;
      });
      w.says(w.detached('create', 'c'), 'cannot allocate tty if runc will detach without setting console socket');
      w.note(`${w.detached('create', '--console-socket', join(w.directory, 'nobody.sock'), 'c').status}`);
      w.configure(['true']);
      w.says(w.detached('create', '--console-socket', join(w.directory, 'x.sock'), 'c'), 'cannot use console socket if runc will not detach or allocate tty');
      w.says(w.cli('state', 'c'), 'container does not exist');
    },
    expect: [
      '1 cannot allocate tty if runc will detach without setting console socket', '1', '1 cannot use console socket if runc will not detach or allocate tty', '1 container does not exist',
    ],
  },
  {
    name: 'console sockets that refuse: a file, a datagram socket, one whose queue is full; one that nobody reads is none the worse',
    run: (w) => {
      const listen = `import socket, sys, time
dgram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); dgram.bind('dgram.sock')
full = socket.socket(socket.AF_UNIX); full.bind('full.sock'); full.listen(0)
waiting = [socket.socket(socket.AF_UNIX) for i in range(9)]
for one in waiting:
    one.setblocking(False)
    try: one.connect('full.sock')
    except BlockingIOError: break
quiet = socket.socket(socket.AF_UNIX); quiet.bind('quiet.sock'); quiet.listen(9)
open('listening', 'w').close()
time.sleep(100)`;
      const listener = spawn('python3', ['-c', listen], { cwd: w.directory, stdio: 'ignore' });
      try {
        w.until(() => existsSync(join(w.directory, 'listening')));
        w.write('file', '');
        w.configure(['sleep', '100'], (c) => {
          c.process.terminal = true;
        });
        const refusals = { file: 'connection refused', 'dgram.sock': 'protocol wrong type for socket', 'full.sock': 'resource temporarily unavailable', 'no.sock': 'no such file or directory' };
        for (const [name, words] of Object.entries(refusals)) w.says(w.detached('create', '--console-socket', join(w.directory, name), 'c'), words);
        w.note(`${w.detached('create', '--console-socket', join(w.directory, `${'x'.repeat(120)}.sock`), 'c').status}`);
        w.says(w.cli('state', 'c'), 'container does not exist');
        w.note(`${w.detached('run', '-d', '--console-socket', join(w.directory, 'quiet.sock'), 'c').status} ${w.stateOf()['status']}`);
        w.says(w.cli('exec', '-t', '-d', '--console-socket', join(w.directory, 'full.sock'), 'c', 'true'), 'resource temporarily unavailable');
      } finally {
        listener.kill('SIGKILL');
      }
    },
    expect: [
      '1 connection refused', '1 protocol wrong type for socket', '1 resource temporarily unavailable', '1 no such file or directory', '1', '1 container does not exist', '0 running',
      '255 resource temporarily unavailable',
    ],
  },
  {
    name: 'values of options that make no sense',
    differs: 'runc takes some of them, and words others otherwise',
    run: (w) => {
      w.configure(['sleep', '100']);
      w.detached('run', '-d', 'c');
      const wrong: [string, string][] = [
        ['events --interval 0 c', 'duration interval must be greater than 0'], ['events --interval 0s c', 'duration interval must be greater than 0'], ['events --interval soon c', 'invalid value "soon" for -interval'],
        ['exec --preserve-fds x c true', 'invalid value "x" for -preserve-fds'], ['exec --preserve-fds 9999 c true', 'invalid value "9999" for -preserve-fds'], ['exec -e NOVALUE c true', 'invalid environment variable: "NOVALUE"'],
        ['exec --cgroup sub c true', 'cannot be put into another'], ['exec --cgroup memory:../x c true', 'cannot be put into another'], ['exec --user -1 c true', 'invalid id "-1" for -user'], ['exec --cap CAP_NOSUCH c true', 'unknown capability "CAP_NOSUCH"'], ['kill c 999', 'unknown signal "999"'], ['ps --format xml c', 'invalid format option'],
        ['update --memory much c', 'invalid value for memory: much'], ['update --resources nosuch c', 'nosuch: no such file or directory'], ['--log no/such/log state c', 'log file no/such/log: no such file or directory'],
        ['resume c', 'container not paused'], ['checkpoint c', 'checkpoint is not supported yet'], ['restore d', 'restore is not supported yet'],
      ];
      for (const [line, words] of wrong) {
        const result = w.cli(...line.split(' '));
        const isOneLine = result.err.trim().split('\n').length === 1;
        w.note(`${line}: ${result.status !== 0 && isOneLine && result.err.includes(words) ? 'refused' : JSON.stringify(result)}`);
      }
      w.note(String(w.stateOf()['status']));
    },
    expect: [
      ...['events --interval 0 c', 'events --interval 0s c', 'events --interval soon c', 'exec --preserve-fds x c true', 'exec --preserve-fds 9999 c true', 'exec -e NOVALUE c true', 'exec --cgroup sub c true', 'exec --cgroup memory:../x c true', 'exec --user -1 c true', 'exec --cap CAP_NOSUCH c true'].map((line) => `${line}: refused`),
      ...['kill c 999', 'ps --format xml c', 'update --memory much c', 'update --resources nosuch c', '--log no/such/log state c', 'resume c', 'checkpoint c', 'restore d'].map((line) => `${line}: refused`),
      'running',
    ],
  },
  {
    name: 'a pid or mount namespace of another container is refused',
    differs: 'runc enters it',
    run: (w) => {
      w.configure(['sleep', '100']);
      w.detached('run', '-d', 'c');
      for (const [type, file] of [['pid', 'pid'], ['mount', 'mnt']] as const) {
        w.configure(['true'], (c) => {
          c.linux.namespaces = c.linux.namespaces.map((one: { type: string }) => (one.type === type ? { type, path: `/proc/${w.stateOf()['pid']}/ns/${file}` } : one));
        });
        w.says(w.detached('create', 'd'), 'cannot be joined by a sandbox of its own');
      }
      w.says(w.cli('state', 'd'), 'container does not exist');
    },
    expect: ['1 cannot be joined by a sandbox of its own', '1 cannot be joined by a sandbox of its own', '1 container does not exist'],
  },
  {
    name: 'a pid-file in a missing directory',
    run: (w) => {
      w.note(`${w.detached('create', '--pid-file', join(w.directory, 'no/such/pid'), 'c').status}`);
      w.says(w.cli('state', 'c'), 'container does not exist');
    },
    expect: ['1', '1 container does not exist'],
  },
  {
    name: 'no room for the state',
    needsRoot: true,
    run: (w) => {
      const small = join(w.directory, 'small');
      mkdirSync(small);
      w.note(`mounted ${spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', small]).status}`);
      writeFileSync(join(small, 'filler'), 'x'.repeat(8192));
      w.note(`${w.detached('--root', small, 'create', 'c').status}`);
      w.note(readdirSync(small).join(' '));
      w.configure(['sleep', '100']);
      w.note(`pid-file ${w.detached('create', '--pid-file', join(small, 'pid'), 'c').status} ${readdirSync(small).join(' ')}`);
      w.says(w.cli('state', 'c'), 'container does not exist');
      spawnSync('umount', [small]);
    },
    differs: 'runc leaves the directory and temporary files behind',
    expect: ['mounted 0', '1', 'filler', 'pid-file 1 filler', '1 container does not exist'],
  },
  {
    name: 'the disk with the state is full once the container is there: a start says so and can be repeated, and the rest works',
    needsRoot: true,
    differs: 'runc starts what it cannot note',
    run: (w) => {
      const small = join(w.directory, 'small');
      mkdirSync(small);
      w.note(`mounted ${spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]).status}`);
      w.configure(['sleep', '100']);
      const own = (...args: string[]): number | null => w.detached('--root', small, ...args).status;
      w.note(`create ${own('create', 'c')}`);
      const fill = (): unknown => spawnSync('dd', ['if=/dev/zero', `of=${small}/filler`, 'bs=1k'], { stdio: 'ignore' });
      fill();
      w.note(`start ${own('start', 'c')}`);
      rmSync(join(small, 'filler'));
      w.note(`with room, start ${own('start', 'c')}`);
      fill();
      w.note(`exec ${own('exec', 'c', 'true')}, state ${own('state', 'c')}, list ${own('list')}, kill ${own('kill', 'c', 'KILL')}`);
      w.note(`second ${own('create', 'second')}, ${readdirSync(small).join(' ')}`);
      w.note(`delete ${own('delete', '--force', 'c')}, ${readdirSync(small).join(' ')}`);
      spawnSync('umount', [small]);
    },
    expect: ['mounted 0', 'create 0', 'start 1', 'with room, start 0', 'exec 0, state 0, list 0, kill 0', 'second 1, c filler', 'delete 0, filler'],
  },
  {
    name: 'state of an earlier boot, and of a create that was killed',
    differs: "the state file is this runtime's own",
    run: (w) => {
      w.configure(['sleep', '100']);
      w.detached('run', '-d', 'c');
      const file = join(w.state, 'c/state.json');
      const record = JSON.parse(readFileSync(file, 'utf8')) as { sentry: { pid: number; start: string } };
      const { pid } = record.sentry;
      writeFileSync(file, JSON.stringify({ ...record, sentry: { pid, start: record.sentry.start.replace(/@.*/, '@00000000') } }));
      w.note(`${w.stateOf()['status']} ${w.cli('delete', 'c').status}`);
      process.kill(pid, 'SIGKILL');
      mkdirSync(join(w.state, 'k'), { recursive: true });
      w.note(`create ${w.detached('create', 'k').status}`);
      w.cli('kill', 'k', 'KILL');
      w.untilStatus('stopped', 'k');
      rmSync(join(w.state, 'k/state.json'));
      w.note(`${w.stateOf('k')['status']} ${w.cli('delete', 'k').status}`);
      writeFileSync(join(w.state, 'file'), '');
      w.note(w.cli('list', '-q').out);
      w.says(w.cli('state', 'file'), 'container does not exist');
      rmSync(join(w.state, 'file'));
    },
    expect: ['stopped 0', 'create 0', 'stopped 0', '', '1 container does not exist'],
  },
  {
    name: 'many commands at once on one id',
    run: (w) => {
      w.configure(['sleep', '100']);
      const script = (count: number, command: string): string => `for i in $(seq ${count}); do ${command} >/dev/null 2>&1 && echo ok >> ${w.directory}/done & done; wait`;
      const cli = `${w.runtime.path} --root ${w.state}`;
      const count = (): number => w.read('done').split('ok').length - 1;
      spawnSync('sh', ['-c', script(6, `${cli} create --bundle ${w.directory} c`)], { timeout: 60_000, stdio: 'ignore' });
      w.note(`created ${count()}`);
      rmSync(join(w.directory, 'done'), { force: true });
      spawnSync('sh', ['-c', script(6, `${cli} start c`)], { timeout: 60_000, stdio: 'ignore' });
      w.note(`started ${count()}, ${w.stateOf()['status']}`);
      rmSync(join(w.directory, 'done'), { force: true });
      spawnSync('sh', ['-c', script(6, `${cli} delete --force c`)], { timeout: 60_000, stdio: 'ignore' });
      w.note(`deleted ${count() > 0}`);
      w.says(w.cli('state', 'c'), 'container does not exist');
    },
    differs: 'runc has no lock',
    expect: ['created 1', 'started 1, running', 'deleted true', '1 container does not exist'],
  },
  {
    name: 'exec: process files that make no sense, nothing to run',
    run: (w) => {
      w.configure(['sleep', '100']);
      w.detached('run', '-d', 'c');
      w.note(`${w.cli('exec', '--process', join(w.directory, 'nosuch'), 'c').status}`);
      w.note(`${w.cli('exec', '--process', w.write('p', '{'), 'c').status}`);
      w.says(w.cli('exec', 'c'), 'process args cannot be empty');
      w.note(`${w.cli('exec', '--cwd', 'relative', 'c', 'true').status}`);
      w.note(`${w.cli('exec', '--user', 'nobody', 'c', 'true').status !== 0}`);
    },
    expect: ['255', '255', '255 process args cannot be empty', '255', 'true'],
  },
  {
    name: 'namespaces: unknown, twice, by a path that is none',
    run: (w) => {
      for (const namespace of [{ type: 'nosuch' }, { type: 'pid' }, { type: 'network', path: '/no/such/net' }]) {
        w.configure(['true'], (c) => {
          c.linux.namespaces = [...c.linux.namespaces.filter((n: { type: string }) => n.type !== 'network'), namespace];
        });
        w.note(`${w.detached('create', 'c').status}`);
      }
    },
    expect: ['1', '1', '1'],
  },
];
