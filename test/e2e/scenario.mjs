// SPDX-License-Identifier: Apache-2.0

/**
 * A scenario is a list of Docker (or Podman) commands that is run with runc and with this runtime at the same time, each with names of its own. Each
 * command's status and output, and each fact noted, must be the same for both.
 */
import { check } from './report.mjs';
import { until } from './command.mjs';
import { onTerminal } from './terminal.mjs';

/** What may differ: names of runtimes, ids, addresses. */
function normalise(text, tag) {
  return text
    .replaceAll('\r', '')
    .replaceAll(`-${tag}`, '-TAG')
    .replace(/\brunsc-ts\b|\brunc\b/g, 'RT')
    .replace(/\b[0-9a-f]{64}\b/g, 'ID')
    .replace(/\b[0-9a-f]{12}\b/g, 'ID')
    .replace(/\b10\.21[34]\.\d+\.\d+/g, 'IP')
    .replace(/\b\d+: eth(\d)@if\d+/g, 'N: eth$1@ifN')
    .replace(/\b02:42(:[0-9a-f]{2}){4}/g, 'MAC')
    // Podman resizes a terminal whose container may have ended just then.
    .replace(/[^\n]*container not running *\n/g, '');
}

/**
 * Docker with one of the runtimes, as a scenario uses it. `daemon` runs commands: docker(args, options) and must(...args); `program` are the
 * words that do the same on a terminal, `env` their environment.
 */
export class Client {
  constructor(daemon, runtime, index) {
    this.daemon = daemon;
    this.runtime = runtime;
    this.tag = `${runtime === 'runc' ? 'a' : 'b'}${index}`;
    /** [what, value] in order. */
    this.facts = [];
    this.isOurs = runtime !== 'runc';
  }

  name(short) {
    return `${short}-${this.tag}`;
  }

  /** Notes something that must be the same with both runtimes. */
  fact(what, value) {
    this.facts.push([what, typeof value === 'string' ? normalise(value, this.tag) : JSON.stringify(value)]);
    return value;
  }

  /** Runs a command and notes its status and output. */
  async docker(args, options = {}) {
    const result = await this.daemon.docker(args, options);
    this.fact(`${this.daemon.program[0]} ${args.join(' ')}`, `status ${result.status}\n${result.stdout}${result.stderr}`);
    return result;
  }

  /** Runs a command that must succeed and whose output does not matter; returns the output. */
  must(...args) {
    return this.daemon.must(...args);
  }

  /** The words of `run` with this runtime; no network unless it is asked for. */
  runWords(flags) {
    const network = flags.some((flag) => /^--net/.test(flag)) ? [] : ['--network', 'none'];
    return [...this.daemon.runWords(this.runtime), '--label', this.tag, ...network, ...flags];
  }

  /** `docker run --rm FLAGS bb COMMAND`, noted. A string is given to sh. */
  run(flags, command, options) {
    return this.docker([...this.runWords(['--rm', ...flags]), 'bb', ...words(command)], options);
  }

  /** `docker run -d --name SHORT FLAGS bb COMMAND`; must succeed. Returns the name. */
  async start(short, flags, command) {
    const name = this.name(short);
    await this.must(...this.runWords(['-d', '--name', name, ...flags]), 'bb', ...words(command));
    return name;
  }

  /** Waits until a container's log has `text`. */
  async logged(name, text) {
    const seen = await until(async () => (await this.daemon.docker(['logs', name])).stdout.includes(text));
    if (!seen) throw new Error(`${name} did not print ${text}: ${JSON.stringify(await this.daemon.docker(['logs', name]))}`);
  }

  /** Waits until `docker inspect -f FORMAT` prints `value`. */
  async inspected(name, format, value, limitMs) {
    let last = '';
    if (!(await until(async () => (last = await this.must('inspect', '-f', format, name)) === value, limitMs))) throw new Error(`${name}: ${format} is ${last}, not ${value}`);
  }

  async exited(name, limitMs) {
    await this.inspected(name, '{{.State.Status}}', 'exited', limitMs);
  }

  /** `docker ARGS` on a terminal, its status and output noted. */
  async terminal(args, steps, options = {}) {
    const result = await onTerminal([...this.daemon.program, ...args], steps, { env: this.daemon.env, ...options });
    this.fact(`terminal: ${this.daemon.program[0]} ${args.join(' ')}`, `status ${result.status}, never came: ${result.missing}\n${result.output}`);
    return result;
  }
}

function words(command) {
  return typeof command === 'string' ? ['sh', '-c', command] : command;
}

async function play(client, act) {
  try {
    await act(client);
  } catch (error) {
    client.facts.push(['went through', `no: ${error.message}`]);
    client.failed = true;
  }
  const ids = (await client.daemon.docker(['ps', '-aq', '--filter', `label=${client.tag}`])).stdout.split('\n').filter(Boolean);
  if (ids.length > 0) await client.daemon.docker(['rm', '-f', '-v', ...ids]);
  return client;
}

/** What differs between two clients' facts; nothing: they agree. */
function differencesOf(runc, ours) {
  const differences = [];
  for (let i = 0; i < Math.max(runc.facts.length, ours.facts.length); i++) {
    const [expected, actual] = [runc.facts[i], ours.facts[i]];
    if (expected?.[1] !== actual?.[1]) differences.push(`${(actual ?? expected)[0]}\nrunc: ${expected?.[1]}\nhere: ${actual?.[1]}`);
  }
  if (runc.failed && differences.length === 0) differences.push(`with neither: ${runc.facts.at(-1)[1]}`);
  return differences;
}

/** Counts the comparison of two clients' facts. */
export function compare(client, name, runc, ours) {
  const differences = differencesOf(runc, ours);
  check(differences.length === 0, `${client}: ${name} (${runc.facts.length} results as with runc)`, differences.join('\n'));
}

/**
 * Plays scenarios [name, act], `width` of them at a time. One whose results differ is played once more by itself, and said to be:
 * many of them wait for packets and programs, and beside others on a small machine those can be late with either runtime. `daemonOf` gives what runs the commands for a runtime.
 */
export async function playAll(client, daemonOf, scenarios, width) {
  const queue = scenarios.map(([name, act], index) => ({ name, act, index }));
  const again = [];
  const playBoth = (act, index) => Promise.all(['runc', 'runsc-ts'].map((runtime) => play(new Client(daemonOf(runtime), runtime, index), act)));
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { name, act, index } = next;
      const [runc, ours] = await playBoth(act, index);
      const differences = differencesOf(runc, ours);
      if (differences.length > 0) again.push({ ...next, differences });
      else compare(client, name, runc, ours);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  for (const { name, act, index, differences } of again) {
    console.log(`     ${client}: ${name}: differs, once more by itself\n${differences.join('\n').replace(/^/gm, '       ')}`);
    compare(client, name, ...(await playBoth(act, index + scenarios.length)));
  }
}
