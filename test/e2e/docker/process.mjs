// SPDX-License-Identifier: Apache-2.0

/** `docker run`: the process, its identity, its limits, its exit status. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CAPS = 'grep ^Cap /proc/self/status';

export const processScenarios = [
  [
    'exit statuses',
    async (d) => {
      await d.run([], 'echo hi; id; exit 3');
      await d.run([], 'echo to stderr >&2; exit 0');
      await d.run([], ['nosuch']);
      await d.run([], ['/etc/passwd']);
      await d.run([], ['/nosuch']);
      await d.run([], ['/etc']);
      await d.run([], 'kill -9 $$');
      await d.run([], 'kill -TERM $$; sleep 1; echo survived');
      await d.run([], 'sh -c "kill -SEGV \\$\\$" 2>/dev/null; echo $?');
      await d.run(['--entrypoint', '/bin/echo'], ['from', 'the entry point']);
    },
  ],
  [
    'input and output',
    async (d) => {
      await d.run(['-i'], ['cat'], { input: 'piped\n' });
      await d.run(['-i'], ['wc', '-c'], { input: Buffer.alloc(3_000_000, 'x') });
      await d.run([], 'cat; echo end of no input');
      await d.run([], 'i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done | md5sum; seq 1 20000');
      await d.run([], 'yes | head -c 1000000 | md5sum');
    },
  ],
  [
    '--user, --workdir, --env, --hostname, --group-add, --ulimit',
    async (d) => {
      await d.run(['--user', '5:6', '--workdir', '/made/dir', '--env', 'A=b c', '--hostname', 'hh', '--domainname', 'dd.example'], 'id; pwd; echo "$A" $HOME; hostname; uname -n; cat /etc/hostname; ls -ld /made/dir');
      await d.run(['--user', 'alice'], 'id; echo $HOME; touch /x; echo $?');
      await d.run(['--user', '1000', '--group-add', '29', '--group-add', '77'], ['id']);
      await d.run(['--user', 'nobodyknows'], ['id']);
      await d.run(['--ulimit', 'nofile=100:200', '--ulimit', 'core=0'], 'ulimit -n; ulimit -Hn; ulimit -c');
      await d.run(['-e', 'EMPTY=', '-e', 'PATH=/bin'], ['env']);
    },
  ],
  [
    '--cap-drop, --cap-add, --privileged, no-new-privileges',
    async (d) => {
      await d.run([], CAPS);
      await d.run(['--cap-drop', 'ALL'], `${CAPS}; chown 5 /tmp; echo $?`);
      await d.run(['--cap-drop', 'ALL', '--cap-add', 'CHOWN'], `${CAPS}; chown 5 /tmp && echo chowned`);
      await d.run(['--cap-add', 'SYS_ADMIN', '--cap-add', 'SYS_TIME'], CAPS);
      await d.run(['--cap-drop', 'SETUID', '--user', '5'], CAPS);
      await d.run(['--cap-add', 'NOSUCH'], ['true']);
      await d.run(['--security-opt', 'no-new-privileges'], 'grep NoNewPrivs /proc/self/status');
      await d.run(['--cap-drop', 'NET_BIND_SERVICE', '--user', '1000'], 'nc -l -p 80 -w 1 2>&1 | head -1');
    },
  ],
  [
    '--security-opt seccomp=FILE',
    async (d) => {
      const profile = (name, ...rules) => {
        const path = join(d.daemon.directory, `${d.name(name)}.json`);
        writeFileSync(path, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86_64'], syscalls: rules }));
        return ['--security-opt', `seccomp=${path}`];
      };
      const act = 'mkdir /x; echo "mkdir $?"; chmod 600 /tmp; echo "chmod $?"; chmod 700 /tmp; echo "chmod $?"; grep ^Seccomp: /proc/self/status';
      await d.run(profile('errno', { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }), act);
      const mode = { index: 1, value: 0o600, op: 'SCMP_CMP_EQ' };
      await d.run(profile('arguments', { names: ['chmod'], action: 'SCMP_ACT_ERRNO', args: [mode] }, { names: ['fchmodat', 'fchmodat2'], action: 'SCMP_ACT_ERRNO', args: [{ ...mode, index: 2 }] }), act);
      await d.run(profile('kill', { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_KILL_PROCESS' }), 'sh -c "mkdir /x; echo not here" 2>/dev/null; echo $?');
      await d.run(['--security-opt', 'seccomp=unconfined'], act);
      await d.run([], 'unshare -U true 2>/dev/null; echo $?; grep ^Seccomp: /proc/self/status');
      const c = await d.start('sc', profile('exec', { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }), 'echo up; sleep 300');
      await d.logged(c, 'up');
      await d.docker(['exec', c, 'mkdir', '/x']);
      await d.docker(['run', '--rm', `--runtime=${d.runtime}`, '--security-opt', 'seccomp=/nosuch/file', 'bb', 'true']);
    },
  ],
  [
    '--ipc, --pid, --uts, --init',
    async (d) => {
      await d.run(['--ipc', 'none'], 'ls /dev/shm; echo $?; grep -c " /dev/shm " /proc/mounts');
      await d.run(['--ipc', 'private', '--shm-size', '8m'], "df /dev/shm | awk 'END { print $2 }'");
      await d.run(['--ipc', 'host'], 'test -d /dev/shm && echo there');
      await d.run(['--pid', 'host'], 'ps | grep -c . > /tmp/n; test $(cat /tmp/n) -gt 0 && echo some');
      await d.run(['--uts', 'host'], 'test -n "$(hostname)" && echo named');
      await d.run(['--init'], 'cat /proc/1/comm; sh -c "exit 7" & wait $!; echo $?; exit 5');
      const c = await d.start('init', ['--init'], 'trap "echo got term; exit 9" TERM; echo up; while :; do sleep 0.1; done');
      await d.logged(c, 'up');
      await d.docker(['stop', '-t', '20', c]);
      await d.docker(['logs', c]);
      await d.docker(['inspect', '-f', '{{.State.ExitCode}}', c]);
    },
  ],
  [
    '--ipc container:X',
    async (d) => {
      const c = await d.start('shared', ['--ipc', 'shareable'], 'echo shared > /dev/shm/file; echo up; sleep 300');
      await d.logged(c, 'up');
      await d.run(['--ipc', `container:${c}`], ['cat', '/dev/shm/file']);
      await d.run(['--ipc', `container:${c}`], 'echo back > /dev/shm/reply');
      await d.docker(['exec', c, 'cat', '/dev/shm/reply']);
    },
  ],
  [
    'what /proc says',
    async (d) => {
      await d.run([], 'cat /proc/self/cgroup > /dev/null && echo cgroup; cat /proc/1/cmdline | tr "\\0" " "; echo; ls -l /proc/self/fd | wc -l; echo $$; ps -o pid,comm');
      await d.run([], 'ls /dev; ls -l /dev/null /dev/zero /dev/tty /dev/fd /dev/stdin | cut -c1-10; stat -c "%a %F" /dev/shm /dev/pts /dev/mqueue');
      await d.run([], "awk '{ print $5 }' /proc/self/mountinfo | sort | grep -v -e /proc/ -e /sys/fs/cgroup");
      await d.run([], 'echo 1 > /proc/sys/kernel/domainname; echo $?; ls /sys/firmware; test -w /proc/sys/kernel/domainname; echo $?');
      await d.run([], 'umask; nice; cat /proc/self/oom_score_adj; grep -e Seccomp: -e NoNewPrivs: /proc/self/status');
      await d.run(['--oom-score-adj', '300'], ['cat', '/proc/self/oom_score_adj']);
      await d.run(['--sysctl', 'net.ipv4.ip_forward=0', '--sysctl', 'kernel.shm_rmid_forced=1'], 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced');
    },
  ],
];
