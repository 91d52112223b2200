// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts install` and `uninstall`: registers this runtime in Docker's daemon.json, through a launcher that names its interpreter (daemons
 * start runtimes with hardly a PATH), and prints what containerd and Podman need.
 *
 * Invariants: nothing but the one entry changes in daemon.json; one that is not valid JSON is refused and not touched.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RunscError, systemReason, UsageError } from '../errors.ts';
import { SHIM_FLAGS } from '../sandbox/node_flags.ts';
import type { Option, Parsed } from './arguments.ts';
import { containerVerb, print } from './container_verb.ts';

const OPTIONS: readonly Option[] = [
  { name: 'config_file', kind: 'value', placeholder: 'FILE', help: "Docker's configuration (default /etc/docker/daemon.json)" },
  { name: 'runtime', kind: 'value', placeholder: 'NAME', help: 'name of the runtime (default runsc-ts)' },
  { name: 'launcher', kind: 'value', placeholder: 'FILE', help: 'launcher to write (default /usr/local/bin/NAME)' },
];

const SHIM: Option = { name: 'shim', kind: 'flag', help: "register containerd's shim, with which containers start faster (Docker 23 or newer; takes no global flags)" };

function names(parsed: Parsed): { file: string; runtime: string; launcher: string } {
  const runtime = parsed.value('runtime') ?? 'runsc-ts';
  if (!/^[A-Za-z0-9_.-]+$/.test(runtime) || runtime === 'runc') throw new RunscError(`invalid runtime name "${runtime}"`);
  return { runtime, file: parsed.value('config_file') ?? '/etc/docker/daemon.json', launcher: parsed.value('launcher') ?? `/usr/local/bin/${runtime}` };
}

/** containerd finds the shim of runtime type io.containerd.NAME.v1 by this name, in its PATH. */
function shimOf(runtime: string, launcher: string): { type: string; path: string } {
  const name = runtime.replaceAll('.', '-');
  return { type: `io.containerd.${name}.v1`, path: join(dirname(launcher), `containerd-shim-${name}-v1`) };
}

/** A launcher that names its interpreter: the front (tools/front.sh), told where everything is. */
function launcherText(home: string, flags: readonly string[]): string {
  const more = flags.length === 0 ? '' : `set -- ${flags.map(quote).join(' ')} "$@"\n`;
  return `#!/bin/sh\n${MARK}\nrunsc_ts_node=${quote(process.execPath)}\nrunsc_ts_home=${quote(home)}\n${more}. "$runsc_ts_home/runsc-ts"\n`;
}

/** The shim's: what `start` starts becomes the shim itself when it has printed its address, which saves one start of Node. */
function shimLauncherText(command: readonly string[]): string {
  const words = command.map(quote).join(' ');
  return `#!/bin/sh
# containerd's shim of runsc-ts
unset NODE_EXTRA_CA_CERTS
for action; do :; done
[ "$action" = start ] || exec ${words} "$@"
exec 3<&0
address=$(${words} -stay "$@" <&3 3<&- &)
printf %s "$address"
[ -n "$address" ]
`;
}

function writeLauncher(path: string, text: string): void {
  replace(path, text);
  chmodSync(path, 0o755);
}

function removeLauncher(path: string): void {
  const text = existsSync(path) ? readFileSync(path, 'latin1') : '';
  if (text.startsWith(`#!/bin/sh\n${MARK}\n`) || text.startsWith('#!/bin/sh\nexec ') || text.startsWith("#!/bin/sh\n# containerd's shim of runsc-ts\n")) rmSync(path);
}

const MARK = '# runsc-ts';

type Config = Record<string, unknown> & { runtimes?: Record<string, unknown> };

/** The configuration; {} when there is none. Throws RunscError when it cannot be understood. */
function readConfig(file: string): Config {
  if (!existsSync(file)) return {};
  let value: unknown;
  try {
    const text = readFileSync(file, 'utf8');
    value = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw new RunscError(`${file} is not valid JSON and was not changed: ${error instanceof Error ? error.message : ''}`);
  }
  const config = value as Config;
  const isObject = (thing: unknown): boolean => typeof thing === 'object' && thing !== null && !Array.isArray(thing);
  if (!isObject(config) || (config.runtimes !== undefined && !isObject(config.runtimes))) throw new RunscError(`${file} is not a Docker configuration and was not changed`);
  return config;
}

function replace(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new RunscError(`${file}: ${systemReason(error)}`);
  }
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

export const installVerb = containerVerb({
  name: 'install',
  summary: 'register this runtime with Docker',
  operands: '[-- GLOBAL FLAGS]',
  text: "Adds this runtime to Docker's daemon.json, with the global flags given, and prints what containerd and Podman need.",
  options: [...OPTIONS, SHIM],
  min: 0,
  max: 100,
  run: (parsed, operands) => {
    const { file, runtime, launcher } = names(parsed);
    const isShim = parsed.flag('shim');
    if (isShim && operands.length > 0) throw new UsageError('install --shim takes no global flags: a shim is not a command');
    const config = readConfig(file);
    const script = realpathSync(process.argv[1] ?? '');
    const shim = shimOf(runtime, launcher);
    writeLauncher(launcher, launcherText(dirname(script), operands));
    writeLauncher(shim.path, shimLauncherText([process.execPath, ...SHIM_FLAGS, join(dirname(script), 'containerd-shim-runsc-ts-v1.cjs')]));
    const runtimes = { ...config.runtimes, [runtime]: isShim ? { runtimeType: shim.path } : { path: launcher } };
    replace(file, `${JSON.stringify({ ...config, runtimes }, null, 4)}\n`);
    return print(`Added runtime ${runtime} to ${file}. Restart Docker, then: docker run --runtime=${runtime} ...

containerd (its shim is ${shim.path}, which must be in containerd's PATH):
  ctr run --runtime ${shim.type} ...
and for Kubernetes, in /etc/containerd/config.toml:
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${runtime}]
    runtime_type = "${shim.type}"

Podman:
  podman --runtime ${launcher} run ...
`);
  },
});

export const uninstallVerb = containerVerb({
  name: 'uninstall',
  summary: "take this runtime out of Docker's configuration",
  operands: '',
  text: "Takes this runtime out of Docker's daemon.json, and removes its launchers.",
  options: OPTIONS,
  min: 0,
  max: 0,
  run: (parsed) => {
    const { file, runtime, launcher } = names(parsed);
    const config = readConfig(file);
    if (config.runtimes?.[runtime] === undefined) throw new RunscError(`${file} has no runtime ${runtime}`);
    const runtimes = { ...config.runtimes };
    delete runtimes[runtime];
    const { runtimes: _old, ...rest } = config;
    replace(file, `${JSON.stringify(Object.keys(runtimes).length > 0 ? { ...rest, runtimes } : rest, null, 4)}\n`);
    for (const path of [launcher, shimOf(runtime, launcher).path]) removeLauncher(path);
    return print(`Removed runtime ${runtime} from ${file}. Restart Docker.\n`);
  },
});
