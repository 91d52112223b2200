// SPDX-License-Identifier: Apache-2.0

/**
 * `npm run conformance [area...]`: runs each area's cases natively and in the sandbox and compares what they print.
 *
 *   --case NAME     only this case (may be repeated)
 *   --fast          without the slow areas and the second filesystems
 *   --self          native against native: are the cases themselves deterministic?
 *   --strace        show the sandbox's strace of the run
 *   --ground NAME   only overlay, tmpfs or volume
 *   --verbose       show the differences of known failures too
 *   --list          names of areas and cases
 *
 * `oci` as the first word runs the OCI suite instead: conformance/oci/main.ts.
 *
 * Ends with "N passed, N failed"; exits 1 when anything failed that is not expected to.
 */
import { parseArgs } from 'node:util';
import { main as ociMain } from '../oci/main.ts';
import { endRunning } from '../../test/harness/run.ts';
import { removeAtSignals } from '../../test/harness/temporary.ts';
import { repositoryRoot } from '../../test/harness/repository.ts';
import { type Area, buildArea, findAreas } from './areas.ts';
import { type Judgement, judge, type Verdict } from './compare.ts';
import { type CaseOutcome, type ExecuteOptions, executeNative, executeSandboxed, type Ground } from './execute.ts';
import { readExpectations } from './expectations.ts';

const NEVER_RAN: CaseOutcome = { lines: [], end: 'never ran', note: '' };

/**
 * How often a case that differs is run again, by itself, before it counts as failed. Cases about time (a 30 ms timer that must find the
 * program waiting) differ on Linux too when the machine is busy; each repetition is a line of the output.
 */
const TRIES = 3;

interface Settings {
  cases: string[];
  fast: boolean;
  self: boolean;
  strace: boolean;
  verbose: boolean;
  ground: string | undefined;
}

type Counts = Record<Verdict, number>;

function settingsFrom(argv: string[]): { settings: Settings; areas: string[]; list: boolean } {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      case: { type: 'string', multiple: true, default: [] },
      fast: { type: 'boolean', default: false },
      self: { type: 'boolean', default: false },
      strace: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      ground: { type: 'string' },
    },
  });
  const settings: Settings = {
    cases: values.case ?? [],
    fast: values.fast === true,
    self: values.self === true,
    strace: values.strace === true,
    verbose: values.verbose === true,
    ground: values.ground,
  };
  return { settings, areas: positionals, list: values.list === true };
}

function groundsOf(area: Area, settings: Settings): Ground[] {
  const grounds: Ground[] = area.onEveryFilesystem && !settings.fast && !settings.self ? ['overlay', 'tmpfs', 'volume'] : ['overlay'];
  return settings.ground === undefined ? grounds : [settings.ground as Ground];
}

/** Runs one area on one ground. Returns the verdict counts; prints what differs. */
async function runArea(area: Area, cases: string[], ground: Ground, settings: Settings): Promise<Counts> {
  const counts: Counts = { pass: 0, fail: 0, known: 0, skip: 0, better: 0 };
  const options: ExecuteOptions = { strace: settings.strace, timeoutMs: 20_000 + 500 * cases.length };
  const expectations = readExpectations(area.name, area.cases);
  const wanted = cases.filter((name) => settings.self || expectations(name, ground).expect !== 'skip');
  const program = buildArea(area);
  const native = await executeNative(program, wanted, options);
  const other = settings.self
    ? await executeNative(program, wanted, options)
    : await executeSandboxed(program, wanted, ground, options);
  for (const name of cases) {
    const expectation = settings.self ? ({ expect: 'pass' } as const) : expectations(name, ground);
    let judgement = judge(native.get(name) ?? NEVER_RAN, other.get(name) ?? NEVER_RAN, expectation);
    for (let tries = 2; judgement.verdict === 'fail' && !settings.self && tries <= TRIES; tries++) {
      judgement = judge(await alone(executeNative(program, [name], options), name), await alone(executeSandboxed(program, [name], ground, options), name), expectation);
      if (judgement.verdict === 'pass') console.log(`busy ${area.name}/${name}@${ground}: differed at first, passed alone at try ${tries}`);
    }
    counts[judgement.verdict]++;
    printCase(`${area.name}/${name}@${ground}`, judgement, settings);
    const end = native.get(name)?.end;
    if (settings.self && end !== 'exit 0') {
      counts.fail++;
      console.log(`FAIL ${area.name}/${name}: natively ${end}`);
    }
  }
  return counts;
}

async function alone(running: Promise<Map<string, CaseOutcome>>, name: string): Promise<CaseOutcome> {
  return (await running).get(name) ?? NEVER_RAN;
}

function printCase(name: string, judgement: Judgement, settings: Settings): void {
  if (judgement.verdict === 'pass' || judgement.verdict === 'skip') return;
  if (judgement.verdict === 'known' && !settings.verbose) return;
  console.log(`${judgement.verdict === 'known' ? 'known' : 'FAIL'} ${name}`);
  for (const line of judgement.difference) console.log(`    ${line}`);
}

async function main(argv: string[]): Promise<number> {
  const { settings, areas: names, list } = settingsFrom(argv);
  const all = findAreas();
  const unknown = names.find((name) => !all.some((area) => area.name === name));
  if (unknown !== undefined) {
    console.error(`no area is called ${unknown}; there are: ${all.map((area) => area.name).join(' ')}`);
    return 2;
  }
  const chosen = all.filter((area) => (names.length === 0 ? !(settings.fast && area.slow) : names.includes(area.name)));
  if (list) {
    for (const area of chosen) console.log(`${area.name}: ${area.cases.join(' ')}`);
    console.log(`${chosen.reduce((sum, area) => sum + area.cases.length, 0)} cases in ${chosen.length} areas`);
    return 0;
  }
  const rows: string[] = [];
  let passed = 0;
  let failed = 0;
  for (const area of chosen) {
    const cases = settings.cases.length === 0 ? area.cases : area.cases.filter((name) => settings.cases.includes(name));
    if (cases.length === 0) continue;
    for (const ground of groundsOf(area, settings)) {
      const started = performance.now();
      const counts = await runArea(area, cases, ground, settings);
      passed += counts.pass + counts.known;
      failed += counts.fail + counts.better;
      const cells = [counts.pass, counts.known, counts.skip, counts.fail + counts.better].map((n) => String(n).padStart(6));
      const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(7);
      rows.push(`${area.name.padEnd(24)} ${ground.padEnd(8)}${cells.join('')}${seconds}`);
      console.log(rows[rows.length - 1]);
    }
  }
  console.log(`\n${'area'.padEnd(24)} ${'files on'.padEnd(8)}${['pass', 'known', 'skip', 'FAIL', 's'].map((h) => h.padStart(6)).join('')}`);
  console.log(rows.join('\n'));
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

const argv = process.argv.slice(2);
if (argv[0] !== 'oci') removeAtSignals(endRunning);
(argv[0] === 'oci' ? Promise.resolve(ociMain(argv.slice(1), repositoryRoot())) : main(argv)).then(
  (status) => {
    process.exitCode = status;
  },
  (problem: unknown) => {
    console.error(problem instanceof Error ? problem.message : problem);
    process.exitCode = 2;
  },
);
