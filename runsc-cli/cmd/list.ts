// SPDX-License-Identifier: Apache-2.0

/**
 * `list` and `ps`: tables and JSON of containers and of their processes.
 */
import { ask } from '../container/control_client.ts';
import { hostPids } from '../container/host_pids.ts';
import { hostPs, userName } from './host_ps.ts';
import { Container } from '../container/state.ts';
import { RunscError } from '../errors.ts';
import type { ProcessFacts } from '../../sentry/control/messages/commands.ts';
import { containerVerb, idOf, print } from './container_verb.ts';

const FORMAT = { name: 'format', short: 'f', kind: 'value', placeholder: 'table|json', help: 'format of the output (default table)' } as const;

function formatOf(value: string | undefined): 'table' | 'json' {
  if (value === undefined || value === 'table') return 'table';
  if (value !== 'json') throw new RunscError('invalid format option');
  return 'json';
}

/** Columns padded to their widest cell, with three spaces between, as runc's are. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => `${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd((widths[i] as number) + 3))).join('')}\n`).join('');
}

export const listVerb = containerVerb({
  name: 'list',
  summary: 'list containers',
  operands: '',
  text: 'Lists the containers under --root.',
  options: [FORMAT, { name: 'quiet', short: 'q', kind: 'flag', help: 'ids only' }],
  min: 0,
  max: 0,
  run: (parsed, _operands, { flags }) => {
    const format = formatOf(parsed.value('format'));
    const containers = Container.all(flags.root).map((container) => container.describe());
    if (parsed.flag('quiet')) return print(containers.map((c) => `${c['id']}\n`).join(''));
    if (format === 'json') return print(`${containers.length === 0 ? 'null' : JSON.stringify(containers)}\n`);
    const rows = containers.map((c) => [c['id'], c['pid'], c['status'], c['bundle'], c['created'], 'root'].map(String));
    return print(table([['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'], ...rows]));
  },
});

export const psVerb = containerVerb({
  name: 'ps',
  summary: 'list the processes of a container',
  operands: 'ID [PS OPTIONS]',
  text: "Lists the processes in a container: as the container sees them, or (json) the ids that the host knows them by.",
  options: [FORMAT],
  min: 1,
  max: Number.POSITIVE_INFINITY,
  run: (parsed, operands, { flags }) => {
    const container = Container.load(flags.root, idOf(operands));
    // Options may follow the id.
    const after = operands.slice(1).find((word, i) => operands[i] === '--format' || operands[i] === '-f' || /^--?f(ormat)?=/.test(word));
    const format = formatOf(parsed.value('format') ?? after?.replace(/^--?f(ormat)?=/, ''));
    const reply = container.status === 'stopped' ? null : ask(container.directory, { type: 'processes' });
    const processes = reply?.type === 'processes' ? reply.list : null;
    const options = operands.slice(1).filter((word, i) => !(word === '--format' || word === '-f' || /^--?f(ormat)?=/.test(word) || operands[i] === '--format' || operands[i] === '-f'));
    if (format === 'table' && options.length > 0) return print(hostPs(options, processes === null ? [] : pidsOutside(container, processes)));
    if (format === 'table') return print(table([['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'], ...(processes ?? []).map(row)]));
    return print(`${processes === null ? 'null' : JSON.stringify(pidsOutside(container, processes))}\n`);
  },
});

/** The host's numbers of a container's processes; that of the process which stands for it when there is none. */
function pidsOutside({ record, process }: Container, list: readonly ProcessFacts[]): number[] {
  const found = hostPids(record.sentry?.pid ?? 0, list.map((p) => p.stubPid));
  return found.length > 0 ? found : [process?.pid ?? 0];
}

function row(p: ProcessFacts): string[] {
  const clock = new Date(p.startedSeconds * 1000);
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  const time = `${two(p.cpuSeconds / 3600)}:${two((p.cpuSeconds / 60) % 60)}:${two(p.cpuSeconds % 60)}`;
  return [userName(p.uid), String(p.pid), String(p.ppid), '0', `${two(clock.getHours())}:${two(clock.getMinutes())}`, '?', time, p.command];
}
