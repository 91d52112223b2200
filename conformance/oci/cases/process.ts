// SPDX-License-Identifier: Apache-2.0

/**
 * process of config.json (runtime-tools: process, process_user, process_rlimits, process_rlimits_fail, process_capabilities,
 * process_oom_score_adj, hostname; runc's bats: cwd, umask, env, rlimits, capabilities, start_hello).
 */
import { spawnSync } from 'node:child_process';
import type { Case } from '../world.ts';

const status = (fields: string): string => `grep -E "^(${fields}):" /proc/self/status | tr '\\t' ' '`;

export const processCases: readonly Case[] = [
  {
    name: 'user, groups, umask',
    differs: "runc 1.1.5 gives a tmpfs with a mode the mount point's permissions",
    run: (w) => {
      w.script('id -u; id -g; id -G; umask; touch /tmp/f; stat -c %a /tmp/f', (c) => {
        c.process.user = { uid: 1000, gid: 100, umask: 0o27, additionalGids: [5, 6] };
        c.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['mode=1777'] });
      });
      w.runAndNote();
      w.script('umask');
      w.runAndNote();
    },
    expect: ['1000', '100', '100 5 6', '0027', '640', '0022'],
  },
  {
    name: 'the working directory is made when it is missing; a relative one is refused',
    run: (w) => {
      w.configure(['pwd'], (c) => {
        c.process.cwd = '/made/for/it';
      });
      w.runAndNote();
      w.configure(['pwd'], (c) => {
        c.process.cwd = 'tmp';
      });
      w.note(`${w.cli('run', 'c').status}`);
    },
    expect: ['/made/for/it', '1'],
  },
  {
    name: 'environment: what is configured, and HOME',
    run: (w) => {
      w.script('echo "$A|$B|$HOME"', (c) => {
        c.process.env.push('A=a b', 'B=');
        c.process.user.uid = 5;
      });
      w.runAndNote();
    },
    expect: ['a b||/home/five'],
  },
  {
    name: 'limits: soft and hard; unknown and double ones are refused',
    differs: 'runc takes a limit twice, the specification does not',
    run: (w) => {
      w.script('ulimit -Sn; ulimit -Hn; ulimit -Sc; grep "Max processes" /proc/self/limits | tr -s " "', (c) => {
        c.process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 300, hard: 400 }, { type: 'RLIMIT_CORE', soft: 0, hard: 0 }, { type: 'RLIMIT_NPROC', soft: 50, hard: 60 }];
      });
      w.runAndNote();
      for (const rlimits of [[{ type: 'RLIMIT_TEST', soft: 1, hard: 1 }], [{ type: 'RLIMIT_CORE', soft: 1, hard: 1 }, { type: 'RLIMIT_CORE', soft: 1, hard: 1 }]]) {
        w.configure(['true'], (c) => {
          c.process.rlimits = rlimits;
        });
        w.note(`refused ${w.cli('run', 'c').status}`);
      }
    },
    expect: ['300', '400', '0', 'Max processes 50 60 processes ', 'refused 1', 'refused 1'],
  },
  {
    name: 'capabilities: all five sets; what is not known is left out',
    run: (w) => {
      w.script(status('Cap...'), (c) => {
        c.process.capabilities = {
          bounding: ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_RAW', 'CAP_UNKNOWN'], permitted: ['CAP_CHOWN', 'CAP_KILL'], effective: ['CAP_KILL'], inheritable: ['CAP_KILL'], ambient: ['CAP_KILL'],
        };
        c.process.user.uid = 1000;
      });
      w.runAndNote();
    },
    expect: ['CapInh: 0000000000000020', 'CapPrm: 0000000000000020', 'CapEff: 0000000000000020', 'CapBnd: 0000000000002021', 'CapAmb: 0000000000000020'],
  },
  {
    name: "root's capabilities after execve are the permitted ones within the bounding set",
    run: (w) => {
      w.script(status('CapPrm|CapEff|CapBnd|NoNewPrivs'));
      w.runAndNote();
      w.script(status('NoNewPrivs'), (c) => {
        c.process.noNewPrivileges = false;
      });
      w.runAndNote();
    },
    expect: ['CapPrm: 0000000020000420', 'CapEff: 0000000020000420', 'CapBnd: 0000000020000420', 'NoNewPrivs: 1', 'NoNewPrivs: 0'],
  },
  {
    name: 'exec --cap, --no-new-privs, --additional-gids',
    run: (w) => {
      w.configure(['sleep', '100'], (c) => {
        c.process.noNewPrivileges = false;
      });
      w.detached('run', '-d', 'c');
      w.note(w.cli('exec', '--cap', 'CAP_CHOWN', 'c', 'sh', '-c', status('CapEff|NoNewPrivs')).out.trim().replaceAll('\n', ' '));
      w.note(w.cli('exec', '--no-new-privs', 'c', 'sh', '-c', status('NoNewPrivs')).out.trim());
    },
    expect: ['CapEff: 0000000020000421 NoNewPrivs: 0', 'NoNewPrivs: 1'],
  },
  {
    name: 'oomScoreAdj is what the process sees',
    run: (w) => {
      w.configure(['cat', '/proc/self/oom_score_adj'], (c) => {
        c.process.oomScoreAdj = 100;
      });
      w.runAndNote();
    },
    expect: ['100'],
  },
  {
    name: 'hostname and domainname',
    differs: 'runc 1.1 does not know domainname',
    run: (w) => {
      w.script('hostname; cat /proc/sys/kernel/domainname', (c) => {
        c.hostname = 'a-name';
        c.domainname = 'a.domain';
      });
      w.runAndNote();
    },
    expect: ['a-name', 'a.domain'],
  },
  {
    name: 'a terminal for a program whose runtime has none: its name, its size, its owner',
    run: (w) => {
      w.script('tty; stat -c %u:%g:%a $(tty); stty size 2>/dev/null || true; echo done', (c) => {
        c.process.terminal = true;
        c.process.consoleSize = { height: 10, width: 110 };
        c.process.user.uid = 1000;
      });
      w.runAndNote();
    },
    differs: 'runc in the foreground wants the caller to have a terminal',
    expect: ['/dev/pts/0', '1000:5:620', '10 110', 'done'],
  },
  {
    name: 'programs that cannot run are told at create',
    run: (w) => {
      for (const [program, why] of [['nosuch', 'executable file not found in $PATH'], ['/nosuch', 'stat /nosuch: no such file or directory'], ['/etc/passwd', 'permission denied'], ['/etc', 'permission denied']] as const) {
        w.configure([program]);
        w.says(w.detached('create', 'c'), `unable to start container process: exec: "${program}": ${why}`);
      }
      w.says(w.cli('state', 'c'), 'container does not exist');
    },
    expect: [
      '1 unable to start container process: exec: "nosuch": executable file not found in $PATH', '1 unable to start container process: exec: "/nosuch": stat /nosuch: no such file or directory',
      '1 unable to start container process: exec: "/etc/passwd": permission denied', '1 unable to start container process: exec: "/etc": permission denied', '1 container does not exist',
    ],
  },
  {
    name: 'descriptors: the three standard ones, and those that are preserved',
    run: (w) => {
      w.script('ls /proc/self/fd | tr "\\n" " "');
      w.runAndNote();
      w.script('echo "$LISTEN_FDS $LISTEN_PID"; cat <&3; test -e /proc/self/fd/4 || echo no more');
      const passed = (options: string, environment = ''): void => {
        const result = spawnSync('sh', ['-c', `exec 3< ${w.write('three', 'content\n')}; ${environment} exec ${w.runtime.path} --root ${w.state} run ${options} c`], { cwd: w.directory, encoding: 'utf8', timeout: 30_000 });
        w.note(`${result.status} ${result.stdout.trim().replaceAll('\n', ', ')}`);
      };
      passed('--preserve-fds 1');
      passed('', 'LISTEN_FDS=1 LISTEN_PID=$$');
      passed('', 'LISTEN_FDS=1 LISTEN_PID=1');
    },
    expect: ['0 1 2 3 ', '0 content, no more', '0 1 1, content, no more', '0 no more'],
  },
];
