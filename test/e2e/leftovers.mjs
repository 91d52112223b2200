// SPDX-License-Identifier: Apache-2.0

/**
 * What is left on the machine of sandboxes that are gone: processes, mounts, cgroups, sockets, files. Ours are told from everybody else's by
 * a mark, a word that is part of the temporary directory, of the cgroup parent, and of the environment that every process inherits.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './command.mjs';

function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function list(path) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}

function linkOf(path) {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Processes that bear the mark, but for `known` pids: [{ pid, what }]. Zombies are gone. */
export function processes(mark, known = new Set()) {
  const found = [];
  for (const { name } of list('/proc')) {
    if (!/^\d+$/.test(name) || known.has(Number(name)) || Number(name) === process.pid) continue;
    const at = `/proc/${name}`;
    const marked = ['environ', 'cgroup', 'cmdline'].some((file) => read(`${at}/${file}`).includes(mark)) || linkOf(`${at}/cwd`).includes(mark);
    if (marked && !/^State:\tZ/m.test(read(`${at}/status`))) found.push({ pid: Number(name), what: `${read(`${at}/comm`).trim()}: ${read(`${at}/cmdline`).replaceAll('\0', ' ').slice(0, 150)}` });
  }
  return found;
}

/** Mounts, in this namespace, whose mount point bears one of the marks. */
function mounts(marks) {
  return read('/proc/self/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => marks.some((mark) => point.includes(mark)));
}

/** Directories below `root` whose name `isOurs`; it goes no deeper than `depth`. */
function directories(root, isOurs, depth) {
  return list(root).flatMap((entry) => {
    if (!entry.isDirectory()) return [];
    const path = join(root, entry.name);
    return [...(isOurs(path) ? [path] : []), ...(depth > 0 ? directories(path, isOurs, depth - 1) : [])];
  });
}

/** Cgroups below the marked parent. */
function cgroups(mark) {
  return directories('/sys/fs/cgroup', (path) => path.includes(`${mark}/`), 6);
}

/** Bound Unix sockets, named or abstract, that bear the mark. */
function sockets(mark) {
  return read('/proc/net/unix')
    .split('\n')
    .map((line) => line.split(' ').pop() ?? '')
    .filter((name) => name.includes(mark));
}

/**
 * Waits until nothing is left, and names what is. `before` is an earlier answer of `snapshot`, whose things do not count;
 * `states` are directories that must be empty; `isOurs` picks what counts.
 */
export async function leftovers(mark, { before, states = [], mountMarks = [mark], isOurs = () => true, limitMs = 15_000 } = {}) {
  let left = [];
  await until(() => {
    const now = snapshot(mark, mountMarks);
    left = Object.entries(now).flatMap(([kind, things]) => things.filter((thing) => !before?.[kind].includes(thing)).map((thing) => `${kind}: ${thing}`));
    for (const directory of states) for (const { name } of list(directory)) left.push(`state: ${join(directory, name)}`);
    left = left.filter(isOurs);
    return left.length === 0;
  }, limitMs);
  return left;
}

/** Does the state of a container bear the mark, in its bundle's path or in its cgroup's? */
function isMarked(path, mark) {
  return path.includes(mark) || read(join(path, 'state.json')).includes(mark);
}

/** Everything that bears the mark now. */
export function snapshot(mark, mountMarks = [mark]) {
  return {
    process: processes(mark).map(({ pid, what }) => `${pid} ${what}`),
    mount: mounts(mountMarks),
    cgroup: cgroups(mark),
    socket: sockets(mark),
    // State of containers under the default root, and what a sandbox makes outside it.
    file: [...list('/run/runsc-ts').map(({ name }) => `/run/runsc-ts/${name}`)].filter((path) => isMarked(path, mark)),
  };
}
