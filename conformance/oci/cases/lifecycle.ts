// SPDX-License-Identifier: Apache-2.0

/**
 * create, start, state, kill, delete: the runtime specification's operations (runtime-tools: create, start, state, kill, killsig,
 * kill_no_effect, delete, pidfile, config_updates_without_affect; runc's bats: create, start, state, list, kill, pause, exec).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from '../world.ts';

export const lifecycleCases: readonly Case[] = [
  {
    name: 'create does not run the program, start does; later changes of config.json have no effect',
    run: (w) => {
      w.script('echo ran > /ran; exec sleep 100');
      w.note(`create ${w.detached('create', 'c').status}`);
      w.note(`${w.stateOf()['status']} ran=${existsSync(join(w.rootfs, 'ran'))}`);
      w.configure(['false']);
      w.note(`start ${w.cli('start', 'c').status}`);
      w.until(() => existsSync(join(w.rootfs, 'ran')));
      w.note(String(w.stateOf()['status']));
    },
    expect: ['create 0', 'created ran=false', 'start 0', 'running'],
  },
  {
    name: 'state: the fields and their order',
    run: (w) => {
      w.configure(['sleep', '100'], (c) => {
        c.annotations = { 'a.b': 'c' };
      });
      w.detached('create', 'c');
      const state = w.stateOf();
      w.note(Object.keys(state).join(' '));
      w.note(`${state['id']} ${state['status']} ${state['bundle'] === w.directory} ${state['rootfs'] === w.rootfs} ${JSON.stringify(state['annotations'])}`);
      w.note(`pid lives: ${existsSync(`/proc/${state['pid']}`)}; created: ${/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(String(state['created']))}`);
    },
    expect: ['ociVersion id pid status bundle rootfs created annotations owner', 'c created true true {"a.b":"c"}', 'pid lives: true; created: true'],
  },
  {
    name: 'the pid-file: digits and nothing else, the pid of state',
    run: (w) => {
      w.configure(['sleep', '100']);
      w.note(`${w.detached('create', '--pid-file', join(w.directory, 'pid'), 'c').status}`);
      const text = readFileSync(join(w.directory, 'pid'), 'latin1');
      w.note(`${/^[1-9]\d*$/.test(text)} ${Number(text) === w.stateOf()['pid']}`);
    },
    expect: ['0', 'true true'],
  },
  {
    name: 'a container that has ended: state, kill, start, delete',
    run: (w) => {
      w.configure(['true']);
      w.detached('create', 'c');
      w.cli('start', 'c');
      w.untilStatus('stopped');
      w.note(`pid ${w.stateOf()['pid']}`);
      w.says(w.cli('kill', 'c', 'TERM'), 'container not running');
      w.note(`kill --all ${w.cli('kill', '--all', 'c', 'KILL').status}`);
      w.says(w.cli('start', 'c'), 'cannot start a container that has stopped');
      w.says(w.cli('pause', 'c'), 'container not running');
      w.note(w.cli('ps', '--format', 'json', 'c').out.trim());
      w.says(w.cli('events', '--stats', 'c'), 'container with id c is not running');
      w.note(`delete ${w.cli('delete', 'c').status}`);
      w.says(w.cli('state', 'c'), 'container does not exist');
    },
    expect: [
      'pid 0', '1 container not running', 'kill --all 0', '1 cannot start a container that has stopped', '1 container not running', 'null', '1 container with id c is not running', 'delete 0',
      '1 container does not exist',
    ],
  },
  {
    name: 'a running container: start, delete, create again, delete --force',
    run: (w) => {
      w.configure(['sleep', '100']);
      w.detached('create', 'c');
      w.cli('start', 'c');
      w.says(w.cli('start', 'c'), 'cannot start an already running container');
      w.says(w.cli('delete', 'c'), 'cannot delete container c that is not stopped: running');
      w.says(w.detached('create', 'c'), 'container with given ID already exists');
      w.note(`kill 0: ${w.cli('kill', 'c', '0').status}`);
      w.note(`delete --force ${w.cli('delete', '--force', 'c').status}; again ${w.cli('delete', '--force', 'c').status}`);
    },
    expect: [
      '1 cannot start an already running container', '1 cannot delete container c that is not stopped: running', '1 container with given ID already exists', 'kill 0: 0', 'delete --force 0; again 0',
    ],
  },
  {
    name: 'a created container can be deleted, executed in and killed',
    run: (w) => {
      w.configure(['sleep', '100']);
      w.detached('create', 'c');
      w.note(w.cli('exec', 'c', 'echo', 'in a created container').out.trim());
      w.note(`delete ${w.cli('delete', 'c').status}`);
      w.detached('create', 'c');
      w.note(`kill ${w.cli('kill', 'c', 'KILL').status}`);
      w.untilStatus('stopped');
    },
    expect: ['in a created container', 'delete 0', 'kill 0'],
  },
  {
    name: 'signals by name and number, in any spelling',
    run: (w) => {
      w.script('for s in HUP TERM USR1 USR2; do trap "echo got $s" $s; done; echo up; while :; do sleep 0.05; done');
      w.detached('create', 'c');
      w.cli('start', 'c');
      w.until(() => w.output().includes('up'));
      for (const [signal, name] of [['SIGHUP', 'HUP'], ['term', 'TERM'], ['10', 'USR1'], ['Usr2', 'USR2']] as const) {
        const { status } = w.cli('kill', 'c', signal);
        w.until(() => w.output().includes(`got ${name}`));
        w.note(`${signal} ${status}`);
      }
      w.says(w.cli('kill', 'c', 'NOSUCH'), 'unknown signal');
      w.cli('kill', 'c', 'KILL');
      w.untilStatus('stopped');
    },
    expect: ['SIGHUP 0', 'term 0', '10 0', 'Usr2 0', '1 unknown signal'],
  },
  {
    name: 'pause, resume; exec in a paused container',
    needsRoot: true,
    run: (w) => {
      w.configure(['sleep', '100'], (c) => {
        c.linux.cgroupsPath = `/oci-conformance-${process.pid}-${w.runtime.name}`;
      });
      w.detached('run', '-d', 'c');
      w.note(`pause ${w.cli('pause', 'c').status} ${w.stateOf()['status']}`);
      w.says(w.cli('exec', 'c', 'true'), 'cannot exec in a paused container');
      w.note(`resume ${w.cli('resume', 'c').status} ${w.stateOf()['status']}`);
      w.note(`exec ${w.cli('exec', 'c', 'true').status}`);
    },
    expect: ['pause 0 paused', '255 cannot exec in a paused container', 'resume 0 running', 'exec 0'],
  },
  {
    name: 'run: exit status, output, nothing left; --keep',
    run: (w) => {
      w.script('echo out; echo err >&2; exit 7');
      const result = w.cli('run', 'c');
      w.note(`${result.status} ${result.out.trim()} ${result.err.trim()}`);
      w.says(w.cli('state', 'c'), 'container does not exist');
      w.script('kill -9 $$');
      // The first process of a pid namespace does not hear a SIGKILL of its own.
      w.note(`${w.cli('run', 'c').status}`);
      w.configure(['true']);
      w.note(`keep ${w.cli('run', '--keep', 'c').status} ${w.stateOf()['status']}`);
    },
    expect: ['7 out err', '1 container does not exist', '0', 'keep 0 stopped'],
  },
  {
    name: 'exec: status, streams, user, groups, directory, environment, a process file',
    differs: 'runc 1.1.5 does not apply the umask of a process file',
    run: (w) => {
      w.configure(['sleep', '100']);
      w.detached('run', '-d', 'c');
      const result = w.withInput('in\n', 'exec', '-u', '5:6', '-g', '7', '--cwd', '/etc', '-e', 'A=b', 'c', 'sh', '-c', 'cat; id -u; id -G; echo $A; pwd; echo err >&2; exit 5');
      w.note(`${result.status} ${result.out.trim().replaceAll('\n', ' ')} | ${result.err.trim()}`);
      w.note(`${w.cli('exec', 'c', 'sh', '-c', 'kill -9 $$').status}`);
      const file = w.write('process.json', JSON.stringify({ args: ['sh', '-c', 'echo $X; pwd; umask'], cwd: '/tmp', env: ['PATH=/bin', 'X=file'], user: { uid: 0, gid: 0, umask: 0o27 } }));
      w.note(w.cli('exec', '--process', file, 'c').out.trim().replaceAll('\n', ' '));
      w.note(`detached ${w.detached('exec', '-d', '--pid-file', join(w.directory, 'epid'), 'c', 'sleep', '50').status} ${/^\d+$/.test(w.read('epid'))}`);
    },
    expect: ['5 in 5 6 7 b /etc | err', '137', 'file /tmp 0027', 'detached 0 true'],
  },
  {
    name: 'exec: programs that cannot run',
    run: (w) => {
      w.configure(['sleep', '100']);
      w.detached('run', '-d', 'c');
      w.says(w.cli('exec', 'c', 'nosuch'), 'exec: "nosuch": executable file not found in $PATH');
      w.says(w.cli('exec', 'c', '/nosuch'), 'exec: "/nosuch": stat /nosuch: no such file or directory');
      w.says(w.cli('exec', 'c', '/etc/passwd'), 'exec: "/etc/passwd": permission denied');
      w.cli('kill', 'c', 'KILL');
      w.untilStatus('stopped');
      w.says(w.cli('exec', 'c', 'true'), 'cannot exec in a stopped container');
    },
    expect: [
      '255 exec: "nosuch": executable file not found in $PATH', '255 exec: "/nosuch": stat /nosuch: no such file or directory', '255 exec: "/etc/passwd": permission denied', '255 cannot exec in a stopped container',
    ],
  },
  {
    name: 'list: a table, JSON, ids; none',
    run: (w) => {
      w.note(w.cli('list', '--format', 'json').out.trim());
      w.configure(['sleep', '100']);
      w.detached('create', 'b');
      w.detached('run', '-d', 'a');
      w.note(w.cli('list').out.split('\n')[0]?.replace(/ +/g, ' ') ?? '');
      w.note(w.cli('list', '-q').out.trim().replaceAll('\n', ' '));
      const all = JSON.parse(w.cli('list', '--format', 'json').out) as Record<string, unknown>[];
      w.note(all.map((c) => `${c['id']}=${c['status']}`).join(' '));
      w.says(w.cli('list', '--format', 'xml'), 'invalid format option');
    },
    expect: ['null', 'ID PID STATUS BUNDLE CREATED OWNER', 'a b', 'a=running b=created', '1 invalid format option'],
  },
  {
    name: 'unknown ids',
    run: (w) => {
      for (const verb of ['state', 'start', 'kill', 'delete', 'ps', 'pause', 'resume', 'update', 'events']) w.says(w.cli(verb, 'nobody'), 'container does not exist');
      w.says(w.cli('exec', 'nobody', 'true'), 'exec failed: container does not exist');
    },
    expect: [...Array.from({ length: 9 }, () => '1 container does not exist'), '255 exec failed: container does not exist'],
  },
];
