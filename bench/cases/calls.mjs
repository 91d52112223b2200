// SPDX-License-Identifier: Apache-2.0

/**
 * Single calls and short programs: what a system call, a fork, an exec and a start cost.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { dir, guest, lastLine, native, root, run } from '../harness.mjs';

const ownMicroseconds = (argv) => async (ground) => {
  const r = await run(ground, argv);
  return r === null ? null : Number(lastLine(r.stdout));
};
const wholeMilliseconds = (argv) => async (ground) => (await run(ground, argv))?.ms ?? null;
const call = (name, times, more = {}) => ({ name, unit: 'us', measure: ownMicroseconds([guest('calls'), name, String(times)]), ...more });
const program = (name, argv, more = {}) => ({ name, unit: 'ms', measure: wholeMilliseconds(argv), ...more });

let bundle = null;
/** The bare loops, in a Node like the Sentry's. */
function bare(field) {
  return () => {
    if (bundle === null) {
      bundle = join(dir, 'bare.cjs');
      const koffi = join(root, 'node_modules/koffi/index.cjs');
      buildSync({ entryPoints: [join(root, 'bench/platform/bare_sysemu.ts')], bundle: true, platform: 'node', format: 'cjs', outfile: bundle, alias: { koffi }, external: [koffi], logLevel: 'error' });
    }
    return JSON.parse(execFileSync(process.execPath, ['--single-threaded', '--v8-pool-size=0', bundle, '200000'], { encoding: 'utf8' }))[field];
  };
}

const hello = join(dir, 'hello.c');
const big = join(dir, 'big');

export default [
  // Long enough that the first fifty thousand calls, which V8 has not optimised yet, do not decide.
  call('getppid', 300_000, { floor: bare('getppidUs') }),
  call('forkexec', 200),
  call('pingpong', 10_000),
  call('fork64', 20, { floor: bare('fork64MbUs') }),
  program('find', ['/bin/sh', '-c', 'find /usr -xdev | wc -l']),
  program('python', ['/usr/bin/python3', '-c', 'pass']),
  program('gcc', ['/bin/sh', '-c', `gcc -o /tmp/hello.$$ ${hello} && rm /tmp/hello.$$`], {
    prepare: () => writeFileSync(hello, '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'),
  }),
  program('read256', ['/bin/sh', '-c', `cat ${big} > /dev/null`], { prepare: () => writeFileSync(big, Buffer.alloc(256 << 20, 7)) }),
  program('true', ['/bin/true'], { floor: async () => (await run(native, [process.execPath, '-e', '0'])).ms }),
];
