// SPDX-License-Identifier: Apache-2.0

/**
 * Taking back what tests did to the machine, when they have not done so themselves: by the mark, a word that is the name of their temporary
 * directory and part of all else. sweep() does so for tests that were killed.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './command.mjs';
import { sweepRules } from './firewall.mjs';
import { processes } from './leftovers.mjs';

const OWNER = 'owner';
const PREFIXES = /^(e2e-docker|e2e-podman|e2e-kills|containerd-e2e)-/;

function startOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return null;
  }
}

/** Notes in a temporary directory whose it is; `bridge`: a network device that goes with it. */
export function own(directory, { bridge = '' } = {}) {
  const owner = process.env.RUNSC_TS_E2E_OWNER ?? `${process.pid} ${startOf(process.pid)}`;
  writeFileSync(join(directory, OWNER), `${owner} ${bridge}`);
}

/** The environment of a program of ours that is started in other namespaces: whose directories it makes. */
export const ownerEnv = () => ({ RUNSC_TS_E2E_OWNER: `${process.pid} ${startOf(process.pid)}` });

/** Kills the processes that bear the mark, and waits until they are gone. */
export async function endProcesses(mark) {
  await until(
    () => {
      const left = processes(mark);
      for (const { pid } of left) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // Gone by itself.
        }
      }
      return left.length === 0;
    },
    10_000,
  );
}

/** Removes the cgroups below each hierarchy's directory of that name; some are mere directories of the tmpfs there. */
export function removeCgroups(name) {
  if (!existsSync('/sys/fs/cgroup')) return;
  for (const hierarchy of ['', ...readdirSync('/sys/fs/cgroup')]) {
    const at = join('/sys/fs/cgroup', hierarchy, name);
    if (!existsSync(at)) continue;
    spawnSync('find', [at, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
    if (existsSync(at) && !existsSync(join(at, 'cgroup.procs'))) rmSync(at, { recursive: true, force: true });
  }
}

/** Unmounts all that is mounted below a directory. */
export function unmountBelow(directory) {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n').reverse()) {
    const at = line.split(' ')[1] ?? '';
    if (at.startsWith(`${directory}/`)) spawnSync('umount', ['-l', at]);
  }
}

/** States of containers, in directories of many, that speak of the mark. */
export function removeStates(mark) {
  const parents = ['/run/runsc-ts', ...directoriesIn('/run/containerd/runsc-ts')];
  for (const path of parents.flatMap(directoriesIn)) {
    const file = join(path, 'state.json');
    if (path.includes(mark) || (existsSync(file) && readFileSync(file, 'latin1').includes(mark))) rmSync(path, { recursive: true, force: true });
  }
}

function directoriesIn(directory) {
  return existsSync(directory) ? readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name)) : [];
}

/** Takes back everything that bears the mark of a temporary directory, and removes that. */
export async function takeBack(directory, mark) {
  await endProcesses(mark);
  unmountBelow(directory);
  removeCgroups(mark);
  removeStates(mark);
  rmSync(directory, { recursive: true, force: true });
}

/** Takes back what tests that were killed have left. */
export async function sweep() {
  for (const name of readdirSync(tmpdir()).filter((entry) => PREFIXES.test(entry))) {
    const directory = join(tmpdir(), name);
    const file = join(directory, OWNER);
    if (!existsSync(file)) continue;
    const [pid, start, bridge = ''] = readFileSync(file, 'utf8').split(' ');
    if (startOf(pid) === start) continue;
    console.log(`taking back what ${name} left`);
    await takeBack(directory, name);
    if (/^e2e\d+$/.test(bridge)) spawnSync('ip', ['link', 'del', bridge]);
  }
  sweepRules();
}
