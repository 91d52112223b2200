// SPDX-License-Identifier: Apache-2.0

/** Limits: memory and the OOM killer, cpus, pids, update. */

const LOOP = 'echo started; while :; do sleep 0.1; done';
/** Grows without end, in memory of its own. */
const HOG = 'echo started; exec awk \'BEGIN { s = "0123456789abcdef"; while (1) s = s s }\'';

export const resourceScenarios = [
  [
    '--memory: a container that wants more is killed',
    async (d) => {
      const c = await d.start('oom', ['--memory', '100m', '--memory-swap', '100m'], HOG);
      await d.exited(c, 60_000);
      await d.docker(['inspect', '-f', '{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Status}}', c]);
      await d.docker(['start', c]);
      await d.exited(c, 60_000);
    },
  ],
  [
    '--memory: a child that wants more is killed, the container goes on',
    async (d) => {
      const hog = HOG.replace('echo started; exec ', '');
      const c = await d.start('oomchild', ['--memory', '100m', '--memory-swap', '100m'], `${hog}; echo child $?; exit 6`);
      await d.exited(c, 60_000);
      await d.docker(['logs', c]);
      await d.docker(['inspect', '-f', '{{.State.ExitCode}}', c]);
    },
  ],
  [
    'limits seen inside',
    async (d) => {
      await d.run(['--cpus', '0.5'], 'nproc');
      await d.run(['--cpuset-cpus', '0'], 'nproc; grep Cpus_allowed_list /proc/self/status');
      await d.run(['--cpus', '99'], ['true']);
      await d.run(['--memory', '3m'], ['true']);
    },
  ],
  [
    '--pids-limit',
    async (d) => {
      await d.run(['--pids-limit', '30'], 'i=0; while [ $i -lt 60 ] && sleep 300 & do i=$((i+1)); done 2>/tmp/e; grep -q -i "fork" /tmp/e && echo refused; kill -9 -1');
      const c = await d.start('pids', ['--pids-limit', '20'], LOOP);
      await d.logged(c, 'started');
      await d.docker(['exec', c, 'true']);
    },
  ],
  [
    'update',
    async (d) => {
      const c = await d.start('u', ['--memory', '100m', '--memory-swap', '200m'], LOOP);
      await d.logged(c, 'started');
      await d.docker(['update', '--cpus', '0.5', '--memory', '300m', '--memory-swap', '600m', '--pids-limit', '77', c]);
      await d.docker(['inspect', '-f', '{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}', c]);
      const stats = await d.must('stats', '--no-stream', '--format', '{{.MemUsage}}', c);
      d.fact('the new limit', /\/ 300MiB/.test(stats));
      await d.docker(['update', '--memory', '1', c]);
      await d.docker(['exec', c, 'true']);
      await d.docker(['stop', '-t', '1', c]);
      await d.docker(['update', '--memory', '150m', '--memory-swap', '200m', c]);
      await d.docker(['start', c]);
    },
  ],
];
