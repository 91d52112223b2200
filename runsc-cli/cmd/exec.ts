// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts exec`: a further process in a running container.
 */
import { readFileSync } from 'node:fs';
import { normalize, resolve } from 'node:path';
import { runExec } from '../container/exec.ts';
import { Container } from '../container/state.ts';
import { RunscError, shorten, systemReason } from '../errors.ts';
import type { ProcessConfig } from '../sandbox/config.ts';
import { capabilityWords } from '../spec/capability_names.ts';
import { parseConfig } from '../spec/load.ts';
import { translateProcess } from '../spec/translate.ts';
import type { ConsoleSize } from '../console/pty.ts';
import type { Parsed } from './arguments.ts';
import { containerVerb, idOf } from './container_verb.ts';
import { parseId, parsePreserveFds } from './values.ts';

const EXIT_EXEC_FAILED = 255;

export const execVerb = containerVerb({
  name: 'exec',
  summary: 'run a process in a running container',
  operands: 'ID [COMMAND [ARGS]]',
  text: 'Runs a process in a running container and, without --detach, waits for it.',
  options: [
    { name: 'process', short: 'p', kind: 'value', placeholder: 'FILE', help: 'process description (JSON as in config.json) instead of a command' },
    { name: 'cwd', kind: 'value', placeholder: 'DIR', help: 'working directory' },
    { name: 'env', short: 'e', kind: 'list', placeholder: 'NAME=VALUE', help: 'set an environment variable' },
    { name: 'tty', short: 't', kind: 'flag', help: 'give it a terminal' },
    { name: 'user', short: 'u', kind: 'value', placeholder: 'UID[:GID]', help: 'user it runs as' },
    { name: 'additional-gids', short: 'g', kind: 'list', placeholder: 'GID', help: 'further group' },
    { name: 'cap', short: 'c', kind: 'list', placeholder: 'CAP', help: 'further capability' },
    { name: 'detach', short: 'd', kind: 'flag', help: 'do not wait for it' },
    { name: 'pid-file', kind: 'value', placeholder: 'FILE', help: 'write the id of the process that stands for it there' },
    { name: 'console-socket', kind: 'value', placeholder: 'SOCKET', help: 'Unix socket that the master of the terminal is sent to' },
    { name: 'no-new-privs', kind: 'flag', help: 'it can gain no privileges' },
    { name: 'ignore-paused', kind: 'flag', help: 'also in a paused container (it runs when that goes on)' },
    { name: 'preserve-fds', kind: 'value', placeholder: 'N', help: 'pass descriptors 3 to 3+N-1 on to it' },
    { name: 'pidfd-socket', kind: 'value', help: 'accepted', isIgnored: true },
    { name: 'process-label', kind: 'value', help: 'accepted', isIgnored: true },
    { name: 'apparmor', kind: 'value', help: 'accepted', isIgnored: true },
    { name: 'cgroup', kind: 'list', placeholder: '[CONTROLLER,...:]PATH', help: "only /, the container's own: a sandbox is in one cgroup" },
  ],
  min: 1,
  max: Number.POSITIVE_INFINITY,
  startsSandbox: true,
  failureStatus: EXIT_EXEC_FAILED,
  run: (parsed, operands, { flags }) => {
    try {
      const container = Container.load(flags.root, idOf(operands));
      checkCgroups(parsed.list('cgroup'));
      const { process, consoleSize } = describeProcess(parsed, operands.slice(1), container);
      return runExec(container, process, {
        isDetached: parsed.flag('detach'),
        pidFile: pathOf(parsed, 'pid-file'),
        consoleSocket: pathOf(parsed, 'console-socket'),
        consoleSize,
        preserveFds: parsePreserveFds(parsed.value('preserve-fds')),
        ignorePaused: parsed.flag('ignore-paused'),
      });
    } catch (error) {
      if (error instanceof RunscError) throw new RunscError(`exec failed: ${error.message}`, EXIT_EXEC_FAILED);
      throw error;
    }
  },
});

/** All that a sandbox runs is in the Sentry's cgroup, and so in the container's. Throws RunscError for any other. */
function checkCgroups(wanted: readonly string[]): void {
  const other = wanted.find((text) => normalize(`/${text.slice(text.indexOf(':') + 1)}`) !== '/');
  if (other !== undefined) throw new RunscError(`cgroup ${JSON.stringify(shorten(other))}: processes of a sandbox are in the container's cgroup and cannot be put into another`);
}

function pathOf(parsed: Parsed, name: string): string | null {
  const value = parsed.value(name);
  return value === undefined || value === '' ? null : resolve(value);
}

/** The process, from --process or from the container's own with what the options change. Throws RunscError. */
function describeProcess(parsed: Parsed, args: readonly string[], container: Container): { process: ProcessConfig; consoleSize: ConsoleSize | null } {
  const file = parsed.value('process');
  if (file !== undefined) {
    if (args.length > 0) throw new RunscError('a command and --process exclude each other');
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      throw new RunscError(`open ${file}: ${systemReason(error)}`);
    }
    const field = parseConfig(text, file);
    const size = field.get('consoleSize');
    const consoleSize = size.isPresent ? { height: size.get('height').integer(0, 0xffff), width: size.get('width').integer(0, 0xffff) } : null;
    const process = translateProcess(field, []);
    return { process: parsed.flag('tty') ? { ...process, terminal: true } : process, consoleSize };
  }
  if (args.length === 0) throw new RunscError('process args cannot be empty');
  if (container.record.process === null) throw new RunscError('container is not complete');
  return { process: { ...changed(container.record.process, parsed), args }, consoleSize: null };
}

function changed(base: ProcessConfig, parsed: Parsed): ProcessConfig {
  const nameless = parsed.list('env').find((text) => text.indexOf('=') < 1);
  if (nameless !== undefined) throw new RunscError(`invalid environment variable: ${JSON.stringify(shorten(nameless))}`);
  const user = parsed.value('user');
  const [uid, gid] = (user ?? '').split(':');
  const unknown: string[] = [];
  const [low, high] = capabilityWords(parsed.list('cap'), unknown);
  if (unknown.length > 0) throw new RunscError(`unknown capability "${unknown[0]}"`);
  const add = (set: readonly [number, number]): [number, number] => [(set[0] | low) >>> 0, (set[1] | high) >>> 0];
  const { bounding, effective, permitted, inheritable, ambient } = base.capabilities;
  return {
    ...base,
    env: [...base.env, ...parsed.list('env')],
    cwd: parsed.value('cwd') ?? base.cwd,
    uid: user === undefined ? base.uid : parseId(uid as string, 'user'),
    gid: user === undefined ? base.gid : gid === undefined ? 0 : parseId(gid, 'user'),
    groups: [...base.groups, ...parsed.list('additional-gids').map((text) => parseId(text, 'additional-gids'))],
    capabilities: { bounding: add(bounding), effective: add(effective), permitted: add(permitted), inheritable, ambient },
    terminal: parsed.flag('tty'),
    noNewPrivileges: base.noNewPrivileges || parsed.flag('no-new-privs'),
  };
}
