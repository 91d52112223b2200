// SPDX-License-Identifier: Apache-2.0

/** docker build: RUN lines are executed by the daemon's default runtime, so each runtime in turn becomes that. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../command.mjs';
import { imageTar } from '../image.mjs';
import { Client, compare } from '../scenario.mjs';

const DOCKERFILE = `FROM scratch
ADD rootfs.tar /
ENV A=b
WORKDIR /made/dir
RUN echo "$A" > file && id -u && uname -s && pwd
RUN ["/bin/busybox", "sh", "-c", "cat file; ip -o -4 addr | wc -l"]
COPY copied /made/
RUN chown 5:6 /made/copied && rm -r /data && ln -s file link && mkdir -m 700 secret
USER alice
RUN id -un; cat /made/copied
CMD ["sh", "-c", "cat link; stat -c '%u %g' ../copied; stat -c %a secret; test -e /data; echo $?; id -un"]
`;

async function makeDefault(daemon, runtime) {
  daemon.configure({ 'default-runtime': runtime });
  daemon.process.kill('SIGHUP');
  if (!(await until(async () => (await daemon.must('info', '-f', '{{.DefaultRuntime}}')) === runtime))) throw new Error(`dockerd does not take ${runtime} as its default`);
}

async function build(daemon, runtime) {
  const d = new Client(daemon, runtime, 'build');
  const at = join(daemon.directory, d.name('context'));
  mkdirSync(at);
  writeFileSync(join(at, 'rootfs.tar'), imageTar(daemon.rootfs));
  writeFileSync(join(at, 'copied'), 'copied in\n');
  writeFileSync(join(at, 'Dockerfile'), DOCKERFILE);
  writeFileSync(join(at, 'Fails'), 'FROM bb\nRUN echo before; exit 3\n');
  await makeDefault(daemon, runtime);
  const image = d.name('built');
  await d.docker(['build', '--no-cache', '-t', image, at]);
  await d.docker(['run', '--rm', '--network', 'none', image]);
  await d.docker(['build', '--no-cache', '-f', join(at, 'Fails'), at]);
  await daemon.docker(['rmi', image]);
  return d;
}

export async function dockerBuild(daemon) {
  const results = [];
  for (const runtime of ['runc', 'runsc-ts']) results.push(await build(daemon, runtime));
  await makeDefault(daemon, 'runc');
  compare('docker', 'build', ...results);
}
