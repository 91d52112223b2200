// SPDX-License-Identifier: Apache-2.0

/** `runsc-ts install` and `uninstall` with a dockerd that reads what they wrote. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, until } from '../command.mjs';
import { check } from '../report.mjs';

export async function dockerInstall(daemon, runtime) {
  daemon.configure({ labels: ['kept=yes'] });
  const launcher = join(daemon.directory, 'installed-launcher');
  const words = ['--config_file', daemon.configFile, '--runtime', 'installed', '--launcher', launcher];
  const reload = async (isThere) => {
    daemon.process.kill('SIGHUP');
    return until(async () => (await daemon.must('info', '-f', '{{json .Runtimes}}')).includes('"installed"') === isThere);
  };
  const installed = await run([runtime, 'install', ...words, '--', '--debug-log', join(daemon.directory, 'debug.log'), '--debug']);
  check(installed.status === 0, 'install', installed.stderr);
  const config = JSON.parse(readFileSync(daemon.configFile, 'utf8'));
  check(config.labels?.[0] === 'kept=yes' && config.runtimes['runsc-ts'] !== undefined, 'install keeps what else is in daemon.json', JSON.stringify(config));
  check(await reload(true), 'dockerd knows the runtime after install');
  const result = await daemon.docker(['run', '--rm', '--runtime=installed', '--network', 'none', 'bb', 'sh', '-c', 'echo installed; exit 3']);
  check(result.status === 3 && result.stdout === 'installed\n', 'a container of the installed runtime', JSON.stringify(result));
  check(existsSync(join(daemon.directory, 'debug.log')), 'global flags given to install are in force');
  const removed = await run([runtime, 'uninstall', ...words]);
  const left = JSON.parse(readFileSync(daemon.configFile, 'utf8'));
  const isRight = removed.status === 0 && left.runtimes.installed === undefined && left.runtimes['runsc-ts'] !== undefined && !existsSync(launcher);
  check(isRight, 'uninstall takes back what install did, and nothing else', `${removed.stderr}${JSON.stringify(left)}`);
  check(await reload(false), 'dockerd does not know the runtime after uninstall');
  const again = await run([runtime, 'uninstall', ...words]);
  check(again.status === 1, 'uninstall of what is not installed fails', again.stderr);
}
