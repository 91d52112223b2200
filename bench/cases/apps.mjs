// SPDX-License-Identifier: Apache-2.0

/**
 * Servers with their clients in one place, and a build. Cases whose programs are not installed are left out; `make` needs the sources of
 * a project with a makefile: BENCH_SOURCES=DIR (the table in docs/performance.md was taken with Lua's).
 */
import { app, have, run } from '../harness.mjs';

/** Runs a script that prints "name number" lines, once for all the cases that want one of its numbers in a round. */
function shared(argv) {
  const cache = new Map();
  return (line) => async (ground) => {
    let entry = cache.get(ground.label);
    if (entry === undefined || entry.used.has(line)) {
      entry = { used: new Set(), result: await run(ground, argv) };
      cache.set(ground.label, entry);
    }
    entry.used.add(line);
    const found = entry.result?.stdout.split('\n').find((l) => l.startsWith(`${line} `));
    return found === undefined ? null : Number(found.split(' ')[1]);
  };
}

const redis = shared([app('redis.sh'), '40000']);
const nginx = shared([app('nginx.sh'), '3']);
const postgres = shared([app('pgbench.sh'), '4000']);
const rate = (name, measure) => ({ name, unit: '/s', more: true, measure });

const cases = [];
if (have('redis-server', 'redis-benchmark')) cases.push(rate('redis-set', redis('SET')), rate('redis-get', redis('GET')));
if (have('nginx', 'wrk')) cases.push(rate('nginx', nginx('requests')));
if (have('/usr/lib/postgresql/*/bin/pgbench')) cases.push(rate('pgbench-select', postgres('select')), rate('pgbench-tpcb', postgres('tpcb')));
if (process.env.BENCH_SOURCES !== undefined)
  cases.push({ name: 'make', unit: 'ms', measure: async (ground) => (await run(ground, [app('make.sh'), process.env.BENCH_SOURCES]))?.ms ?? null });

export default cases;
