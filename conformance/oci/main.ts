// SPDX-License-Identifier: Apache-2.0

/**
 * `node dist/conformance.cjs oci`: the OCI cases against this runtime and, where it is installed, against runc.
 *
 *   --case TEXT            only cases whose name has it
 *   --runtime PATH         another runtime than dist/runsc-ts
 *   --no-runc              without the comparison
 *   --list                 names only
 *   --bats DIR             runc's test directory (…/tests/integration) instead: its *.bats against expectations/oci_bats.json
 *   --runtime-tools DIR    runtime-tools' directory with validation/*.t instead, against expectations/oci_runtime_tools.json
 *   --file NAME            with those: only this file
 *
 * Ends with "N passed, N failed"; exits 1 when anything failed that is not expected to.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorCases } from './cases/errors.ts';
import { hookCases } from './cases/hooks.ts';
import { lifecycleCases } from './cases/lifecycle.ts';
import { mountCases } from './cases/mounts.ts';
import { networkCases } from './cases/network.ts';
import { processCases } from './cases/process.ts';
import { resourceCases } from './cases/resources.ts';
import { seccompCases } from './cases/seccomp.ts';
import { runSuite } from './suites.ts';
import { type Case, type Runtime, World } from './world.ts';

export const CASES: readonly Case[] = [...lifecycleCases, ...processCases, ...mountCases, ...networkCases, ...hookCases, ...seccompCases, ...resourceCases, ...errorCases];

/** Why a case cannot run here; '': it can. */
function obstacle(one: Case): string {
  if (one.needsRoot === true && process.geteuid?.() !== 0) return 'needs root';
  if (one.needsCgroup !== undefined && !existsSync(`/sys/fs/cgroup/${one.needsCgroup}/cgroup.procs`)) return `needs the cgroup v1 controller ${one.needsCgroup}`;
  return '';
}

function transcript(one: Case, runtime: Runtime): string[] {
  const world = new World(runtime);
  try {
    one.run(world);
  } catch (error) {
    world.note(`the case ended: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    world.close();
  }
  return world.lines;
}

/** The lines that differ; none: as expected. */
function difference(found: readonly string[], expected: readonly string[]): string[] {
  if (found.join('\n') === expected.join('\n')) return [];
  const count = Math.max(found.length, expected.length);
  return Array.from({ length: count }, (_, i) => i).flatMap((i) => (found[i] === expected[i] ? [] : [`      expected: ${expected[i] ?? '(nothing)'}`, `      found:    ${found[i] ?? '(nothing)'}`]));
}

function runcPath(): string | null {
  const found = spawnSync('sh', ['-c', 'command -v runc'], { encoding: 'utf8' });
  return found.status === 0 && process.geteuid?.() === 0 ? found.stdout.trim() : null;
}

/** Cgroups that cases of this process, or of one that is gone, had above their own. */
function removeParents(): void {
  for (const controller of existsSync('/sys/fs/cgroup') ? readdirSync('/sys/fs/cgroup') : []) {
    const at = `/sys/fs/cgroup/${controller}`;
    if (!statSync(at).isDirectory()) continue;
    for (const name of readdirSync(at)) {
      const pid = /^oci-conformance-(\d+)-/.exec(name)?.[1];
      if (pid === undefined || (Number(pid) !== process.pid && existsSync(`/proc/${pid}`))) continue;
      spawnSync('find', [`${at}/${name}`, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], { stdio: 'ignore' });
    }
  }
}

/** Runs what the arguments ask for. Returns the exit status. */
export async function main(argv: readonly string[], repository: string): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      case: { type: 'string' }, runtime: { type: 'string' }, 'no-runc': { type: 'boolean' }, list: { type: 'boolean' }, bats: { type: 'string' }, 'runtime-tools': { type: 'string' }, file: { type: 'string' },
    },
  });
  const own: Runtime = { name: 'runsc-ts', path: values.runtime ?? join(repository, 'dist/runsc-ts') };
  if (values.bats !== undefined) return runSuite({ kind: 'bats', directory: values.bats, runtime: own, file: values.file, repository });
  if (values['runtime-tools'] !== undefined) return runSuite({ kind: 'runtime-tools', directory: values['runtime-tools'], runtime: own, file: values.file, repository });
  const cases = CASES.filter((one) => values.case === undefined || one.name.includes(values.case));
  if (values.list === true) {
    for (const one of cases) console.log(one.name);
    return 0;
  }
  const runc = values['no-runc'] === true ? null : runcPath();
  let passed = 0;
  let failed = 0;
  let ending = 0;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => (ending = 128 + constants.signals[name]));
  for (const one of cases) {
    // Cases are synchronous: a signal is heard of between two.
    await new Promise((resolve) => setImmediate(resolve));
    if (ending !== 0) break;
    const why = obstacle(one);
    if (why !== '') {
      console.log(`skip  ${one.name}: ${why}`);
      continue;
    }
    const lines = difference(transcript(one, own), one.expect);
    const reference = runc === null || one.differs !== undefined ? [] : difference(transcript(one, { name: 'runc', path: runc }), one.expect);
    if (lines.length === 0) passed++;
    else failed++;
    console.log(`${lines.length === 0 ? 'ok   ' : 'FAIL '} ${one.name}`);
    for (const line of lines) console.log(line);
    if (reference.length > 0) console.log(['      runc answers otherwise:', ...reference].join('\n'));
  }
  removeParents();
  if (ending !== 0) return ending;
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
