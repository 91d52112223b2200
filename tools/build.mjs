// SPDX-License-Identifier: Apache-2.0

/**
 * Builds dist/: what `npm install` (through prepare), `npm run build` and CI run.
 *
 *   dist/runsc-ts       the front, for daemons: a shell script that does by itself what needs no Node (tools/front.sh)
 *   dist/runsc-ts.cjs   the launcher: shebang with the V8 flags that make the process forkable, Node version check
 *   dist/main.cjs       the command line in one CommonJS bundle, evaluated by the launcher through vm.Script
 *   dist/sentry.cjs, dist/gofer.cjs   the two processes of a sandbox, loaded when they are needed (runsc-cli/boot/parts.ts)
 *   dist/*.cache        V8's code caches for the three, made after warm-up runs; ignored when V8 rejects them
 *   dist/containerd-shim-runsc-ts-v1.cjs, dist/shim.cjs   containerd's shim: its launcher and its bundle, without the kernel
 *   dist/lib.cjs        the library entry (import { Sandbox } from 'runsc-ts')
 *   dist/conformance.cjs  the conformance runner, when its source is there
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, existsSync, lstatSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
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
 * and 300 forks and execs take a quarter less; a loop of 100,000 getppid 3 % more). The Sentry collects by itself when it is quiet.
 */
const FLAGS = ['--single-threaded', '--v8-pool-size=0', '--min-semi-space-size=16', '--interrupt-budget=500000', '--expose-gc'];

/**
 * The shim's: it forks too. (A thread that compiles holds locks, which a child would wait for for ever.) A small heap: what lives in a shim
 * is little, and by the rules for large heaps it would keep whatever it once used.
 */
const SHIM_FLAGS = ['--single-threaded', '--v8-pool-size=0', '--max-semi-space-size=1', '--optimize-for-size'];

/** msgpackr makes a TextDecoder when it is loaded, which is slower than the rest of it and than Buffer at the strings we exchange. */
const msgpackrDecoder = {
  name: 'msgpackr-decoder',
  setup(b) {
    b.onLoad({ filter: /msgpackr\/unpack\.js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const contents = text.replace('decoder = new TextDecoder()', 'decoder = { decode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString() }');
      if (contents === text) throw new Error('msgpackr/unpack.js has changed: see msgpackrDecoder in tools/build.mjs');
      return { contents, loader: 'js' };
    });
  },
};

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
  define: { RUNSC_TS_VERSION: JSON.stringify(packageJson.version), RUNSC_TS_NODE_FLAGS: JSON.stringify(FLAGS), RUNSC_TS_SHIM_FLAGS: JSON.stringify(SHIM_FLAGS), 'import.meta.url': '"file:///bundle"' },
  external: ['*.node', 'msgpackr-extract'],
  plugins: [koffiDirect, msgpackrDecoder],
};

mkdirSync(dist, { recursive: true });
const PARTS = { main: 'runsc-cli/main.ts', sentry: 'runsc-cli/boot/sentry_part.ts', gofer: 'runsc-cli/boot/gofer.ts' };
await build({ ...shared, entryPoints: ['runsc-cli/lib/sandbox.ts'], outfile: 'dist/lib.cjs', external: [...shared.external, 'memfs'] });
const SHIM_PARTS = { shim: 'runsc-cli/shim/main.ts', shim_serving: 'runsc-cli/shim/serving_part.ts' };
for (const [name, entry] of Object.entries(SHIM_PARTS)) await buildPart(name, entry);
if (existsSync(join(root, 'conformance/runner/main.ts'))) {
  await build({ ...shared, entryPoints: ['conformance/runner/main.ts'], outfile: 'dist/conformance.cjs' });
}
await buildParts({});
writeLauncher();
await buildParts({ RUNSC_TS_FILTERS: compileFilters() });
writeShimLauncher();
makeCodeCaches();
makeShimCaches();
linkBin();

/** A bundle that a launcher evaluates through vm.Script. Returns the names of its sources. */
async function buildPart(name, entry, moreDefines = {}) {
  const wrapper = { banner: { js: '(function (exports, require, module, __filename, __dirname) {' }, footer: { js: '})' } };
  const { metafile } = await build({
    ...shared, ...wrapper, define: { ...shared.define, ...moreDefines }, metafile: true, entryPoints: [entry], outfile: `dist/${name}.cjs`,
    minifySyntax: true, minifyWhitespace: true, lineLimit: 160, keepNames: false, external: [...shared.external, 'pino', 'memfs'],
  });
  rmSync(join(dist, `${name}.cache`), { force: true });
  return Object.keys(metafile.inputs);
}

async function buildParts(moreDefines) {
  for (const [name, entry] of Object.entries(PARTS)) {
    const kernel = (await buildPart(name, entry, moreDefines)).find((file) => /^(syscalls|sentry(?!\/control\/messages)|platform\/ptrace)\//.test(file));
    if (name === 'main' && kernel !== undefined) throw new Error(`the command line's part has ${kernel} in it: load it as a part (runsc-cli/boot/parts.ts)`);
  }
}

/** The seccomp filters that never change (platform/seccomp/compiled.ts), by the parts just built; without libseccomp here each start makes them. */
function compileFilters() {
  const run = spawnSync(process.execPath, [...FLAGS, join(dist, 'runsc-ts.cjs'), 'internal-filters'], { env: { ...process.env, NODE_OPTIONS: '' }, encoding: 'utf8', timeout: 30000 });
  if (run.status === 0) return run.stdout;
  console.error(`warning: the seccomp filters could not be compiled, start-up will be slower: ${run.stderr.trim()}`);
  return 'undefined';
}

/** The launcher is plain old JavaScript, so that an old Node reaches the line that says it is too old. */
function writeLauncher() {
  writeProgram('runsc-ts.cjs', 'tools/launcher.cjs', FLAGS);
  writeProgram('runsc-ts', 'tools/front.sh', FLAGS);
}

function writeShimLauncher() {
  writeProgram('containerd-shim-runsc-ts-v1.cjs', 'tools/shim_launcher.cjs', SHIM_FLAGS);
}

function writeProgram(name, source, flags) {
  const text = readFileSync(join(root, source), 'utf8').replace('@FLAGS@', flags.join(' '));
  if (text.indexOf('\n') > 255) throw new Error('the first line is longer than what Linux reads of it');
  const path = join(dist, name);
  rmSync(path, { force: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

/**
 * A cache must be made under the flags it will be used with (V8 compares them), best by a process of a sandbox that has just run a program;
 * where none can run here, the command line's alone. Each run starts with the cache of the one before and adds to it.
 */
function makeCodeCaches() {
  const isMade = ['sentry', 'gofer', 'main'].every((part) => makeCodeCache(part, ['do', '--', '/bin/sh', '-c', 'exit 0']));
  if (isMade) addContainerCommands();
  else if (!makeCodeCache('main', ['--version'])) console.error('warning: no code cache was made, start-up will be slower');
}

/** What a daemon asks for: a container's life, each command adding to the caches. Where a container cannot run here they stay as they are. */
function addContainerCommands() {
  const scratch = mkdtempSync(join(tmpdir(), 'runsc-ts-build-'));
  const settings = ['--root', join(scratch, 'state'), '--log', join(scratch, 'log'), '--log-format', 'json', '--ignore-cgroups'];
  const create = [...settings, 'create', '--bundle', scratch, '--pid-file', join(scratch, 'pid'), 'warm'];
  const others = [['start', 'warm'], ['state', 'warm'], ['list'], ['kill', 'warm', 'KILL'], ['delete', '--force', 'warm'], ['delete', '--force', 'warm']];
  try {
    writeBundle(scratch);
    for (const args of [create, ...others.map((words) => [...settings, ...words])]) makeCodeCache('main', args);
    makeCodeCache('sentry', create, () => {
      for (const words of others.slice(0, -2)) runCommand([...settings, ...words], 'none', 'ignore');
      waitForEnd(Number(readFileSync(join(scratch, 'pid'), 'latin1')));
    });
  } finally {
    runCommand([...settings, 'delete', '--force', 'warm'], 'none', 'ignore');
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A bundle on the host's own files, read-only. */
function writeBundle(directory) {
  runCommand(['spec', '--bundle', directory], 'none', 'ignore');
  const path = join(directory, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  Object.assign(config.process, { terminal: false, args: ['/bin/sleep', '60'] });
  config.root = { path: '/', readonly: true };
  writeFileSync(path, JSON.stringify(config));
}

/** Waits until a process that is not our child is gone, or a zombie. */
function waitForEnd(pid) {
  const isAlive = () => existsSync(`/proc/${pid}/stat`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  for (let i = 0; i < 500 && isAlive(); i++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}

/** Runs a command whose process for `part` writes the cache, before `then` has returned at the latest. Returns whether there is one. */
function makeCodeCache(part, args, then = () => {}) {
  const cache = join(dist, `${part}.cache`);
  const fd = openSync(`${cache}.new`, 'w');
  const status = runCommand(args, part, fd);
  closeSync(fd);
  if (status === 0) then();
  const isMade = status === 0 && statSync(`${cache}.new`).size > 0;
  if (isMade) renameSync(`${cache}.new`, cache);
  else rmSync(`${cache}.new`, { force: true });
  return isMade;
}

/** Runs the program just built, with `cacheFile` as descriptor 9. Returns its status. */
function runCommand(args, part, cacheFile) {
  const env = { ...process.env, RUNSC_TS_MAKE_CACHE: part, NODE_OPTIONS: '' };
  const stdio = ['ignore', 'ignore', 'ignore', ...new Array(6).fill('ignore'), cacheFile];
  return spawnSync(process.execPath, [...FLAGS, join(dist, 'runsc-ts.cjs'), ...args], { env, stdio, timeout: 30000 }).status;
}

function makeShimCaches() {
  for (const part of Object.keys(SHIM_PARTS)) rmSync(join(dist, `${part}.cache`), { force: true });
  const run = spawnSync(process.execPath, [...SHIM_FLAGS, join(dist, 'containerd-shim-runsc-ts-v1.cjs')], { env: { ...process.env, RUNSC_TS_MAKE_CACHE: 'shim', NODE_OPTIONS: '' }, stdio: 'inherit', timeout: 30000 });
  if (run.status !== 0) console.error('warning: no code cache was made for the shim, it will start slower');
}

/** npm does not link a package's own bin into its own node_modules; `npx runsc-ts` inside the repository needs it. */
function linkBin() {
  const bin = join(root, 'node_modules/.bin');
  if (!existsSync(bin) || lstatSync(join(root, 'node_modules')).isSymbolicLink()) return;
  const link = join(bin, 'runsc-ts');
  rmSync(link, { force: true });
  symlinkSync('../../dist/runsc-ts', link);
}
