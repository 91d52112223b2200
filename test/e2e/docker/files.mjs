// SPDX-License-Identifier: Apache-2.0

/** The file system: read-only roots, tmpfs, bind mounts, volumes, cp, diff, commit, export, build. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A directory of this client's own on the host, with a file in it. */
function hostDirectory(d, name) {
  const at = join(d.daemon.directory, `${name}-${d.tag}`);
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, 'file'), 'on the host\n');
  return at;
}

export const fileScenarios = [
  [
    '--read-only, --tmpfs',
    async (d) => {
      await d.run(['--read-only', '--tmpfs', '/t'], 'touch /x; touch /t/x && echo ok; touch /dev/shm/y && echo shm; grep -c " / .*ro," /proc/mounts');
      await d.run(['--tmpfs', '/t:size=1m,mode=1700,noexec'], 'stat -c %a /t; head -c 2000000 /dev/zero > /t/big; echo $?; cp /bin/busybox /t/ 2>/dev/null; /t/busybox true; echo $?; df /t | tail -1 | awk "{ print \\$2 }"');
      await d.run(['--mount', 'type=tmpfs,dst=/t,tmpfs-size=64k'], 'head -c 100000 /dev/zero > /t/big 2>/dev/null; echo $?');
    },
  ],
  [
    '--mount type=bind, ro and rw',
    async (d) => {
      const at = hostDirectory(d, 'bind');
      await d.run(['--mount', `type=bind,src=${at},dst=/m,ro`], 'ls /m; cat /m/file; touch /m/x; rm /m/file; echo z > /m/file; echo $?');
      await d.run(['--mount', `type=bind,src=${at},dst=/m`], 'echo from inside > /m/made; chmod 640 /m/made; mkdir /m/sub; mv /m/made /m/sub/moved; ln -s moved /m/sub/link; ls -l /m/sub | cut -c1-10');
      d.fact('seen on the host', readFileSync(join(at, 'sub/link'), 'utf8'));
      await d.run(['-v', `${at}/file:/etc/one:ro`], 'cat /etc/one; echo > /etc/one; echo $?');
      await d.run(['-v', `${at}:/deep/er/m`], 'cat /deep/er/m/file');
      await d.run(['--mount', 'type=bind,src=/nosuch/dir,dst=/m'], ['true']);
      const c = await d.start('live', ['-v', `${at}:/m`], 'echo up; while ! [ -e /m/later ]; do sleep 0.05; done; cat /m/later');
      await d.logged(c, 'up');
      writeFileSync(join(at, 'later'), 'written while it ran\n');
      await d.exited(c);
      await d.docker(['logs', c]);
    },
  ],
  [
    'volumes',
    async (d) => {
      const v = d.name('vol');
      await d.run(['-v', `${v}:/v`], 'echo kept > /v/f; ln /v/f /v/g; mkfifo /v/p');
      await d.run(['-v', `${v}:/w:ro`], 'cat /w/f; stat -c "%h %F" /w/f /w/p; touch /w/x');
      // A new volume on a directory of the image takes its contents.
      await d.run(['-v', '/data'], 'cat /data/seed; echo more > /data/more; ls /data');
      await d.run(['-v', `${d.name('seeded')}:/data`], ['cat', '/data/seed']);
      const c = await d.start('holder', ['-v', '/hold'], 'echo held > /hold/x; echo up; sleep 300');
      await d.logged(c, 'up');
      await d.run(['--volumes-from', c], ['cat', '/hold/x']);
      await d.must('rm', '-f', '-v', c);
      await d.docker(['volume', 'rm', v]);
      await d.must('volume', 'rm', d.name('seeded'));
    },
  ],
  [
    'cp, diff, commit, export',
    async (d) => {
      const at = hostDirectory(d, 'cp');
      const c = await d.start('files', [], 'echo up; while :; do sleep 0.1; done');
      await d.logged(c, 'up');
      await d.must('cp', `${at}/file`, `${c}:/root/copied`);
      await d.docker(['exec', c, 'cat', '/root/copied']);
      await d.must('cp', at, `${c}:/root/dir`);
      await d.docker(['exec', c, 'ls', '/root/dir']);
      await d.docker(['exec', c, 'sh', '-c', 'echo made > /root/made; rm /data/seed; mkdir -p /a/b; chmod 600 /root/made']);
      await d.must('cp', `${c}:/root/made`, `${at}/back`);
      d.fact('copied out', readFileSync(join(at, 'back'), 'utf8'));
      await d.docker(['cp', `${c}:/nosuch`, `${at}/nothing`]);
      const diff = await d.must('diff', c);
      d.fact('diff', diff.split('\n').sort());
      const image = d.name('committed');
      await d.must('commit', '--change', 'CMD ["cat", "/root/made"]', c, image);
      await d.docker(['run', '--rm', `--runtime=${d.runtime}`, '--network', 'none', image]);
      await d.must('rm', '-f', c);
      await d.must('rmi', image);
    },
  ],
  [
    'the root file system',
    async (d) => {
      await d.run([], 'ls -la / | awk "{ print \\$1, \\$3, \\$4, \\$NF }" | grep -v -e " proc$" -e " sys$" -e " dev$" -e "^total"; stat -f -c %T /bin/busybox > /dev/null && echo statfs');
      await d.run([], 'echo a > /f; ln /f /g; ln -s f /h; mkfifo /p; mknod /n c 1 3; stat -c "%n %F %h %a %u" /f /g /h /p /n; cat /n; rm /f; cat /g; chown 5:6 /g; stat -c "%u %g" /g; mv /g /tmp/; ls /tmp');
      await d.run([], 'dd if=/dev/zero of=/big bs=1M count=20 2>/dev/null; stat -c %s /big; truncate -s 5 /big; wc -c < /big; cp -a /bin /bin2; ls /bin2 | wc -l; rm -r /bin2');
    },
  ],
];
