// SPDX-License-Identifier: Apache-2.0

/**
 * The numbers the project promises, as ratios taken in one run: native, this sandbox, Debian's runsc (when installed) and the bare
 * floors. Run by `npm run bench [case...]` after `npm run build`; prints markdown tables. Every round (`--rounds N`, default 5) runs all
 * grounds one after the other, so that a slow minute of the machine hits them all; the tables show medians, and the medians of each
 * round's ratios. `--best` shows the best of each ground instead and the ratio of those: for a machine that others use as well.
 */
import { join } from 'node:path';
import { median, grounds, native } from './harness.mjs';
import apps from './cases/apps.mjs';
import { spawnSync } from 'node:child_process';
import calls from './cases/calls.mjs';
import { crowds, idle } from './cases/crowd.mjs';
import streams from './cases/streams.mjs';

const args = process.argv.slice(2);
const roundsAt = args.indexOf('--rounds');
const rounds = roundsAt < 0 ? 5 : Number(args.splice(roundsAt, 2)[1]);
const bestAt = args.indexOf('--best');
const isBest = bestAt >= 0 && args.splice(bestAt, 1).length === 1;
const groups = { calls, streams, apps };
const all = [...calls, ...streams, ...apps];
const extra = ['crowd', 'idle', 'containers'];

for (const name of args)
  if (!(name in groups) && !extra.includes(name) && !all.some((c) => c.name === name))
    throw new Error(`no such case: ${name}; there are ${[...Object.keys(groups), ...extra, ...all.map((c) => c.name)].join(' ')}`);
const isWanted = (name, group) => args.length === 0 || args.includes(name) || args.includes(group);

/** Samples of one case: one list a ground, and the floor's. A ground that failed stays out of the later rounds. */
async function sample(test) {
  await test.prepare?.();
  const samples = grounds.map(() => []);
  const floor = [];
  for (let i = 0; i < rounds; i++) {
    for (const [which, ground] of grounds.entries()) {
      if (samples[which].includes(null)) continue;
      samples[which].push(await test.measure(ground));
    }
    if (test.floor !== undefined) floor.push(await test.floor());
  }
  return { samples: samples.map((list) => (list.includes(null) ? null : list)), floor };
}

const show = (v, unit) => (v === null || v === undefined ? '–' : `${v.toFixed(v < 10 ? 2 : v < 100 ? 1 : 0)} ${unit}`);
const best = (list, isMore) => (isMore ? Math.max(...list) : Math.min(...list));
const showOne = (list, test) => show(!list || list.length === 0 ? null : isBest ? best(list, test.more) : median(list), test.unit);
/** Median of the rounds' ratios, or the ratio of the bests. */
function ratio(a, b, test) {
  if (!a || !b || a.length === 0 || b.length === 0) return '–';
  return (isBest ? best(a, test.more) / best(b, test.more) : median(a.map((v, i) => v / b[i]))).toFixed(2);
}

for (const [group, cases] of Object.entries(groups)) {
  const chosen = cases.filter((c) => isWanted(c.name, group));
  if (chosen.length === 0) continue;
  const isMore = chosen[0].more === true;
  console.log(`\n### ${group}${isMore ? ' (more is better)' : ''}\n`);
  console.log('| case | native | runsc-ts | runsc ptrace | runsc-ts / native | runsc-ts / runsc | floor | runsc-ts / floor |\n|---|---|---|---|---|---|---|---|');
  for (const test of chosen) {
    const { samples, floor } = await sample(test);
    const [host, mine, theirs] = samples;
    console.log(
      `| ${test.name} | ${showOne(host, test)} | ${showOne(mine, test)} | ${showOne(theirs, test)} | ${ratio(mine, host, test)} | ${ratio(mine, theirs, test)} | ${showOne(floor, test)} | ${ratio(mine, floor, test)} |`,
    );
  }
}
console.log(`\n${isBest ? `Bests of ${rounds} interleaved rounds, and ratios of those.` : `Medians of ${rounds} interleaved rounds; ratios are medians of the rounds' ratios.`} Floors: getppid, a bare PTRACE_SYSEMU loop from Node; fork64, a bare injected host fork; true, ${native.label} node -e 0.`);
if (isWanted('crowd', 'crowd')) await crowds(rounds);
if (isWanted('idle', 'idle')) await idle();
if (isWanted('containers', 'containers')) spawnSync(process.execPath, [join(import.meta.dirname, 'containers.mjs'), '--rounds', String(rounds), ...(isBest ? ['--best'] : [])], { stdio: 'inherit' });
