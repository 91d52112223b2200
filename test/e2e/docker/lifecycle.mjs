// SPDX-License-Identifier: Apache-2.0

/** A container's life: logs, exec, stop, kill, restart, pause, top, stats, health. */

const LOOP = 'trap "echo term; exit 9" TERM; trap "echo usr1" USR1; echo started; while :; do sleep 0.1; done';
const DEAF = 'trap "" TERM; echo started; while :; do sleep 0.1; done';
const STATE = '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Running}} {{.State.Paused}} {{.State.Error}}';

export const lifecycleScenarios = [
  [
    'run -d, logs, inspect, wait, rm',
    async (d) => {
      const c = await d.start('job', [], 'echo out; echo err >&2; echo more; exit 12');
      await d.docker(['wait', c]);
      await d.docker(['logs', c]);
      await d.docker(['inspect', '-f', STATE, c]);
      await d.docker(['start', '-a', c]);
      await d.docker(['logs', c]);
      await d.docker(['rm', c]);
      await d.docker(['rm', c]);
      const f = await d.start('follow', [], 'for i in 1 2 3; do echo $i; sleep 0.2; done');
      await d.docker(['logs', '-f', f]);
    },
  ],
  [
    'exec',
    async (d) => {
      const c = await d.start('ex', ['-e', 'FROM=run'], LOOP);
      await d.logged(c, 'started');
      await d.docker(['exec', c, 'sh', '-c', 'echo in exec; echo $FROM; exit 4']);
      await d.docker(['exec', '-i', c, 'cat'], { input: 'data\n' });
      await d.docker(['exec', '-i', c, 'md5sum'], { input: Buffer.alloc(1_000_000, 'y') });
      await d.docker(['exec', c, 'nosuch']);
      await d.docker(['exec', c, '/etc/passwd']);
      await d.docker(['exec', c, 'sh', '-c', 'kill -9 $$']);
      await d.docker(['exec', '-u', '5', '-w', '/etc', '-e', 'X=y', c, 'sh', '-c', 'id -u; pwd; echo $X']);
      await d.docker(['exec', '-w', '/nosuch/dir', c, 'pwd']);
      await d.docker(['exec', '-d', c, 'sh', '-c', 'echo detached > /tmp/d; sleep 300']);
      await d.docker(['exec', c, 'sh', '-c', 'while ! [ -s /tmp/d ]; do sleep 0.05; done; cat /tmp/d; ps -o comm,args | grep "[s]leep 300"']);
      await d.docker(['exec', c, 'sh', '-c', 'sleep 200 & exit 0']);
      const many = await Promise.all([1, 2, 3, 4, 5, 6].map((i) => d.daemon.docker(['exec', c, 'sh', '-c', `echo ${i}; exit ${i}`])));
      d.fact('six execs at once', many.map(({ status, stdout }) => `${status} ${stdout}`));
      await d.docker(['stop', '-t', '20', c]);
      await d.docker(['exec', c, 'true']);
    },
  ],
  [
    'stop: the signal, then the kill',
    async (d) => {
      const willing = await d.start('willing', [], LOOP);
      const deaf = await d.start('deaf', [], DEAF);
      const odd = await d.start('odd', ['--stop-signal', 'USR1'], 'trap "echo usr1; exit 3" USR1; echo started; while :; do sleep 0.1; done');
      for (const name of [willing, deaf, odd]) await d.logged(name, 'started');
      for (const [name, time] of [[willing, '20'], [deaf, '1'], [odd, '20']]) {
        await d.docker(['stop', '-t', time, name]);
        await d.docker(['logs', name]);
        await d.docker(['inspect', '-f', STATE, name]);
      }
    },
  ],
  [
    'kill',
    async (d) => {
      const c = await d.start('k', [], LOOP);
      await d.logged(c, 'started');
      await d.docker(['kill', '-s', 'USR1', c]);
      await d.logged(c, 'usr1');
      await d.docker(['kill', c]);
      await d.exited(c);
      await d.docker(['inspect', '-f', STATE, c]);
      await d.docker(['kill', c]);
      await d.docker(['kill', '-s', 'NOSUCH', c]);
      const t = await d.start('kt', [], 'exec sleep 300');
      await d.docker(['kill', '-s', '15', t]);
      await d.docker(['inspect', '-f', '{{.State.Status}}', t]);
      await d.docker(['rm', t]);
      await d.docker(['rm', '-f', t]);
    },
  ],
  [
    'restart, and a restart policy',
    async (d) => {
      const c = await d.start('r', [], `echo x >> /count; ${LOOP}`);
      await d.logged(c, 'started');
      await d.docker(['restart', '-t', '20', c]);
      await d.docker(['exec', c, 'wc', '-l', '/count']);
      await d.docker(['stop', '-t', '20', c]);
      await d.docker(['start', c]);
      await d.docker(['inspect', '-f', '{{.State.Status}}', c]);
      const p = await d.start('policy', ['--restart', 'on-failure:2'], 'echo again; exit 1');
      await d.inspected(p, '{{.RestartCount}} {{.State.Status}}', '2 exited', 30_000);
      await d.docker(['logs', p]);
    },
  ],
  [
    'pause, unpause',
    async (d) => {
      const c = await d.start('p', [], 'echo started; i=0; while :; do i=$((i+1)); echo $i > /tmp/n; sleep 0.05; done');
      await d.logged(c, 'started');
      await d.docker(['pause', c]);
      await d.docker(['inspect', '-f', STATE, c]);
      await d.docker(['pause', c]);
      await d.docker(['exec', c, 'true']);
      await d.docker(['unpause', c]);
      await d.docker(['inspect', '-f', STATE, c]);
      await d.docker(['exec', c, 'sh', '-c', 'a=$(cat /tmp/n); sleep 0.5; b=$(cat /tmp/n); test "$a" != "$b" && echo moves']);
      await d.docker(['pause', c]);
      await d.docker(['rm', '-f', c]);
    },
  ],
  [
    'top, stats',
    async (d) => {
      const c = await d.start('t', ['--memory', '200m'], 'sleep 301 & sleep 302 & echo started; wait');
      await d.logged(c, 'started');
      const top = await d.must('top', c, '-o', 'pid,comm');
      d.fact('two sleeps and a shell in top', [(top.match(/sleep/g) ?? []).length, /\bsh\b/.test(top)]);
      const args = await d.must('top', c, '-eo', 'pid,args');
      d.fact('pids in top', args.split('\n')[0].trim().split(/\s+/));
      const stats = await d.must('stats', '--no-stream', '--format', '{{.MemUsage}} {{.PIDs}} {{.CPUPerc}}', c);
      d.fact('limit in stats', /\/ 200MiB/.test(stats));
      d.fact('stats has memory, pids', /^[1-9][\d.]*[KM]iB/.test(stats) && /MiB [1-9]/.test(stats));
      const pid = Number(await d.must('inspect', '-f', '{{.State.Pid}}', c));
      d.fact('the pid lives', pid > 1);
      await d.docker(['rm', '-f', c]);
    },
  ],
  [
    'healthcheck',
    async (d) => {
      const flags = ['--health-cmd', 'test -e /tmp/well', '--health-interval', '300ms', '--health-retries', '2', '--health-timeout', '20s'];
      const c = await d.start('h', flags, 'touch /tmp/well; echo started; while :; do sleep 0.1; done');
      await d.inspected(c, '{{.State.Health.Status}}', 'healthy', 30_000);
      await d.must('exec', c, 'rm', '/tmp/well');
      await d.inspected(c, '{{.State.Health.Status}}', 'unhealthy', 30_000);
      await d.docker(['inspect', '-f', '{{(index .State.Health.Log 0).ExitCode}}', c]);
    },
  ],
];
