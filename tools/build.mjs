// SPDX-License-Identifier: Apache-2.0

/**
 * Builds dist/: what `npm install` (through prepare), `npm run build` and CI run.
 *
 *   dist/runsc-ts.cjs   the launcher: shebang with the V8 flags that make the process forkable, Node version check
 *   dist/main.cjs       the whole runtime in one CommonJS bundle, evaluated by the launcher through vm.Script
 *   dist/main.cache     V8's code cache for main.cjs, made after a warm-up run; ignored when V8 rejects it
 *   dist/containerd-shim-runsc-ts-v1.cjs, dist/shim.cjs   containerd's shim: its launcher and its bundle, without the kernel
 *   dist/lib.cjs        the library entry (import { Sandbox } from 'runsc-ts')
 *   dist/conformance.cjs  the conformance runner, when its source is there
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, existsSync, lstatSync, mkdirSync, openSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/**
 * Node's flags in every process of a sandbox. The first two make a running Node forkable (docs/architecture.md, "One Node boot"). A larger
 * young generation spares short runs their collections. With one thread TurboFan compiles while the guest waits: at the default
 * budget it took half of the Sentry's and the Gofer's time in the first seconds, so only what runs really often is worth it (gcc hello.c
 * and 300 forks and execs take a quarter less; a loop of 100,000 getppid 3 % more).
 */
const FLAGS = ['--single-threaded', '--v8-pool-size=0', '--min-semi-space-size=16', '--interrupt-budget=500000'];

/** Small and quick to start: a shim lives as long as its containers, and does little. */
const SHIM_FLAGS = ['--single-threaded', '--v8-pool-size=0', '--max-semi-space-size=1', '--max-lazy'];

/**
 * koffi's own entry spends 14 ms of start-up finding its native half; on glibc x86-64 the file is where its package puts
 * it, so require that directly and leave every other case to koffi.
 */
const koffiDirect = {
  name: 'koffi-direct',
  setup(b) {
    b.onResolve({ filter: /^koffi$/ }, () => ({ path: 'koffi', namespace: 'koffi-direct' }));
    b.onLoad({ filter: /.*/, namespace: 'koffi-direct' }, () => ({
      contents: `
        let native;
        try { native = require('@koromix/koffi-linux-x64/linux_x64/koffi.node'); } catch { native = require('koffi'); }
        module.exports = native;`,
      loader: 'js',
    }));
  },
};

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  logLevel: 'warning',
  legalComments: 'none',
  define: { RUNSC_TS_VERSION: JSON.stringify(packageJson.version), RUNSC_TS_NODE_FLAGS: JSON.stringify(FLAGS), 'import.meta.url': '"file:///bundle"' },
  external: ['*.node', 'msgpackr-extract'],
  plugins: [koffiDirect],
};

mkdirSync(dist, { recursive: true });
await build({ ...shared, entryPoints: ['runsc-cli/main.ts'], outfile: 'dist/main.cjs', minifySyntax: true, minifyWhitespace: true, lineLimit: 160, keepNames: false, banner: { js: '(function (exports, require, module, __filename, __dirname) {' }, footer: { js: '})' }, plugins: [koffiDirect], external: [...shared.external, 'pino', 'memfs'] });
await build({ ...shared, entryPoints: ['runsc-cli/lib/sandbox.ts'], outfile: 'dist/lib.cjs', external: [...shared.external, 'memfs'] });
await build({ ...shared, entryPoints: ['runsc-cli/shim/main.ts'], outfile: 'dist/shim.cjs', minifySyntax: true, minifyWhitespace: true, lineLimit: 160, external: [...shared.external, 'pino'] });
if (existsSync(join(root, 'conformance/runner/main.ts'))) {
  await build({ ...shared, entryPoints: ['conformance/runner/main.ts'], outfile: 'dist/conformance.cjs' });
}
writeLauncher();
writeShimLauncher();
makeCodeCache();
linkBin();

/** The launcher is plain old JavaScript, so that an old Node reaches the line that says it is too old. */
function writeLauncher() {
  const text = readFileSync(join(root, 'tools/launcher.cjs'), 'utf8').replace('@FLAGS@', FLAGS.join(' '));
  if (text.indexOf('\n') > 255) throw new Error('the first line is longer than what Linux reads of it');
  rmSync(join(dist, 'runsc-ts.cjs'), { force: true });
  writeFileSync(join(dist, 'runsc-ts.cjs'), text);
  chmodSync(join(dist, 'runsc-ts.cjs'), 0o755);
}

function writeShimLauncher() {
  const launcher = join(dist, 'containerd-shim-runsc-ts-v1.cjs');
  const text = readFileSync(join(root, 'tools/shim_launcher.cjs'), 'utf8').replace('@FLAGS@', SHIM_FLAGS.join(' '));
  rmSync(launcher, { force: true });
  writeFileSync(launcher, text);
  chmodSync(launcher, 0o755);
}

/**
 * The cache must be made under the flags it will be used with (V8 compares them), best by a sandbox that has just run a program;
 * where none can run here, by the command line alone.
 */
function makeCodeCache() {
  const cache = join(dist, 'main.cache');
  const env = { ...process.env, RUNSC_TS_MAKE_CACHE: '1', NODE_OPTIONS: '' };
  for (const args of [['do', '--', '/bin/sh', '-c', 'exit 0'], ['--version']]) {
    rmSync(cache, { force: true });
    const fd = openSync(cache, 'w');
    const stdio = ['ignore', 'ignore', 'ignore', ...new Array(6).fill('ignore'), fd];
    const run = spawnSync(process.execPath, [...FLAGS, join(dist, 'runsc-ts.cjs'), ...args], { env, stdio, timeout: 30000 });
    closeSync(fd);
    if (run.status === 0 && statSync(cache).size > 0) return;
  }
  rmSync(cache, { force: true });
  console.error('warning: no code cache was made, start-up will be slower');
}

/** npm does not link a package's own bin into its own node_modules; `npx runsc-ts` inside the repository needs it. */
function linkBin() {
  const bin = join(root, 'node_modules/.bin');
  if (!existsSync(bin) || lstatSync(join(root, 'node_modules')).isSymbolicLink()) return;
  const link = join(bin, 'runsc-ts');
  rmSync(link, { force: true });
  symlinkSync('../../dist/runsc-ts.cjs', link);
}
