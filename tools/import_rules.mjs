// SPDX-License-Identifier: Apache-2.0

/**
 * Keeps the rooms apart: which room may import which, and the few words a kernel room must not contain, as data.
 *
 * Run by `npm run rooms`; prints one line per violation ("file:line imports X: because") and exits 1 if there are any.
 * The table is docs/style.md's dependency direction. Test files beside the code may import anything.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const ROOMS = ['platform', 'sentry', 'syscalls', 'gofer', 'runsc-cli', 'test', 'conformance', 'bench'];

const INTERFACES = ['platform/abi', 'platform/platform.ts', 'platform/registers.ts'];
const PURE_NODE = ['node:buffer', 'node:util'];

/**
 * The first row whose `from` is a prefix of the file wins. `may`: prefixes of repository paths, or package names.
 * A file may always import from its own `from`.
 */
const rules = [
  { from: 'platform/abi', may: [], because: 'the numbers and layouts are a leaf that every room imports' },
  { from: 'platform/platform.ts', may: INTERFACES, because: 'the interfaces depend on nothing but the numbers' },
  { from: 'platform/registers.ts', may: INTERFACES, because: 'the interfaces depend on nothing but the numbers' },
  {
    from: 'platform/ffi',
    may: ['platform/abi', 'koffi', 'node:'],
    because: 'the FFI is a leaf above the numbers, and the only importer of koffi',
  },
  {
    from: 'platform',
    may: ['platform', 'node:'],
    because: 'a platform runs instructions and knows nothing of the kernel above it',
  },
  {
    from: 'sentry/auth',
    may: ['platform/abi', 'sentry/wait', 'sentry/time'],
    because: 'credentials are a leaf of the kernel',
  },
  { from: 'sentry/wait', may: ['platform/abi'], because: 'waiting is a leaf of the kernel' },
  { from: 'sentry/arch', may: [...INTERFACES, 'sentry/wait'], because: 'register layouts are a leaf of the kernel' },
  { from: 'sentry/time', may: [...INTERFACES, 'sentry/wait'], because: 'clocks are a leaf of the kernel' },
  {
    from: 'sentry/vfs',
    may: [...INTERFACES, 'sentry/auth', 'sentry/wait', 'sentry/arch', 'sentry/time', ...PURE_NODE],
    because: 'the VFS takes an IoContext and never sees tasks, filesystems or the platform',
  },
  {
    from: 'sentry/mm',
    may: [...INTERFACES, 'sentry/auth', 'sentry/wait', 'sentry/arch', 'sentry/time', 'sentry/vfs', ...PURE_NODE],
    because: 'the memory manager never sees tasks, filesystems or a particular platform',
  },
  {
    from: 'sentry/kernel',
    may: [
      ...INTERFACES,
      ...['auth', 'wait', 'arch', 'time', 'vfs', 'mm'].map((room) => `sentry/${room}`),
      ...PURE_NODE,
    ],
    because: 'the kernel receives its table, filesystems and platform by injection',
  },
  { from: 'sentry/control/messages', may: ['platform/abi', 'msgpackr', ...PURE_NODE], because: 'message types are a leaf shared with the CLI' },
  {
    from: 'sentry/fs/gofer',
    may: [...INTERFACES, ...belowFilesystems(), 'gofer/protocol', ...PURE_NODE],
    because: 'a filesystem sees the VFS and the kernel, never another filesystem',
  },
  {
    from: 'sentry/fs/memfs',
    may: [...INTERFACES, ...belowFilesystems(), 'memfs', ...PURE_NODE],
    because: 'a filesystem sees the VFS and the kernel, never another filesystem',
  },
  {
    from: /^sentry\/fs\/[^/]+\//,
    may: [...INTERFACES, ...belowFilesystems(), ...PURE_NODE],
    because: 'a filesystem sees the VFS and the kernel, never another filesystem',
  },
  {
    from: 'sentry/control',
    may: [...INTERFACES, 'sentry', 'msgpackr', ...PURE_NODE],
    because: 'the control server serves kernel state over a donated socket',
  },
  {
    from: /^sentry\/(net|loader)\//,
    may: [...INTERFACES, ...belowFilesystems(), ...PURE_NODE],
    because: 'sockets and loaders see the kernel, never filesystems, syscalls or a particular platform',
  },
  {
    from: 'syscalls',
    may: ['platform/abi', 'platform/platform.ts', 'platform/registers.ts', 'sentry', ...PURE_NODE],
    because: 'system calls decode, check and call the kernel; they reach the host through nothing else',
  },
  { from: 'gofer/protocol', may: ['platform/abi', 'msgpackr', ...PURE_NODE], because: 'the protocol is a leaf' },
  {
    from: 'gofer',
    may: ['platform/abi', 'platform/ffi', 'gofer', 'node:'],
    because: 'the Gofer is another process, which shares nothing with the kernel but its protocol',
  },
  { from: 'runsc-cli/boot', may: ['*'], because: 'the composition root sees all rooms' },
  {
    from: 'runsc-cli/shim',
    may: [
      ...['platform/ffi', 'sentry/control/messages', 'runsc-cli/cgroup', 'runsc-cli/console', 'runsc-cli/container', 'runsc-cli/spec'],
      ...['runsc-cli/errors.ts', 'runsc-cli/version.ts', 'runsc-cli/sandbox/node_flags.ts', 'node:', 'protobufjs'],
    ],
    because: 'the shim serves containerd and never loads the kernel',
  },
  {
    from: 'runsc-cli',
    may: [
      ...['platform/abi', 'platform/ffi', 'platform/host', 'sentry/control/messages', 'runsc-cli', 'syscalls/table'],
      ...['node:', 'pino', 'msgpackr', 'memfs'],
    ],
    because: 'the CLI starts containers and knows no kernel internals; only runsc-cli/boot does',
  },
  { from: 'test', may: ['*'], because: '' },
  { from: 'conformance', may: ['node:', 'test/harness', 'platform/abi'], because: 'conformance judges from outside' },
  { from: 'bench', may: ['*'], because: '' },
];

/** Rooms that a filesystem, a socket family or a loader stands on. */
function belowFilesystems() {
  return ['auth', 'wait', 'arch', 'time', 'vfs', 'mm', 'kernel'].map((room) => `sentry/${room}`);
}

/** Nobody may import these, whatever the row above says. `except`: the only rooms that may. */
const forbidden = [
  { to: /^koffi(\/|$)/, except: ['platform/ffi'], because: 'koffi is imported by platform/ffi and nobody else' },
  {
    to: /^(test|conformance|bench)\//,
    except: ['test', 'conformance', 'bench'],
    because: 'nobody depends on the tests',
  },
  {
    to: /^runsc-cli\/boot\//,
    except: ['runsc-cli', 'test', 'bench'],
    because: 'the composition root is imported by nobody below it',
  },
];

/** Words that kernel rooms must not contain. */
const KERNEL_ROOMS = ['platform', 'sentry', 'syscalls', 'gofer'];
const words = [
  {
    word: /(?<![.\w$])(async|await|Promise|setTimeout|setInterval|setImmediate|queueMicrotask|WeakRef|FinalizationRegistry)(?![\w$])(?!\s*[:?])/g,
    rooms: KERNEL_ROOMS,
    except: [],
    because: 'the event loop never turns in the Sentry and the Gofer: nothing asynchronous ever runs',
  },
  {
    word: /(?<![.\w$])new\s+Worker(?![\w$])/g,
    rooms: KERNEL_ROOMS,
    except: [],
    because: 'the Sentry and the Gofer are forked and have one thread',
  },
  {
    word: /(?<![.\w$])throw(?![\w$])(?!\s*[:(?])/g,
    rooms: KERNEL_ROOMS,
    // Load-time checks of declarations, and of the machine the program was started on, have nobody to return an errno to.
    except: ['platform/abi/layout', 'platform/asm', 'platform/ffi', 'platform/ptrace/refusal.ts', 'platform/registry.ts', 'syscalls/table'],
    because: 'failures are negative numbers; throw is for kernel bugs, through panic()',
  },
  {
    word: /(?<![.\w$])export\s+default(?![\w$])/g,
    rooms: ROOMS,
    except: [],
    because: 'names are the same everywhere when nothing is exported by default',
  },
];

const STRIP = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
const IMPORT =
  /(?:^|[\n;])\s*(?:import|export)\s+(?:type\s+)?(?:[\w$*{][^;'"]*?\s*from\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

const root = normalize(join(dirname(new URL(import.meta.url).pathname), '..'));
const violations = [];

for (const room of ROOMS) for (const file of typescriptFiles(room)) check(file);
if (violations.length > 0) {
  console.error(violations.join('\n'));
  console.error(`${violations.length} import rule violation${violations.length === 1 ? '' : 's'}`);
  process.exit(1);
}

function check(file) {
  const text = readFileSync(join(root, file), 'utf8');
  const lineOf = (index) => text.slice(0, index).split('\n').length;
  const report = (index, message) => violations.push(`${file}:${lineOf(index)} ${message}`);
  if (!text.startsWith('// SPDX-License-Identifier: Apache-2.0\n')) report(0, 'does not start with its SPDX line');
  if (/(^|\/)(utils?|common|helpers?|index)(\.ts$|\/)/.test(file)) report(0, 'is named for no concern: say what it does');
  if (!/^[a-z0-9_./-]+$/.test(file)) report(0, 'file names are snake_case');
  if (file.endsWith('.test.ts')) return;
  for (const match of text.matchAll(IMPORT)) {
    const specifier = match[1] ?? match[2];
    const because = whyNot(file, specifier);
    if (because !== undefined) report(match.index + match[0].search(/import|export/), `imports ${specifier}: ${because}`);
  }
  const code = text.replace(STRIP, (token) => token.replace(/[^\n]/g, ' '));
  for (const rule of words) {
    if (!rule.rooms.some((prefix) => isUnder(file, prefix)) || rule.except.some((prefix) => isUnder(file, prefix)))
      continue;
    for (const match of code.matchAll(rule.word)) {
      if (match[0] === 'throw' && isInPanic(code, match.index)) continue;
      report(match.index, `says ${match[0]}: ${rule.because}`);
    }
  }
}

/** Returns why `file` may not import `specifier`, or undefined when it may. */
function whyNot(file, specifier) {
  const relative = specifier.startsWith('.');
  const target = relative ? normalize(join(dirname(file), specifier)) : specifier;
  if (relative && !/\.(ts|mjs|json)$/.test(specifier)) return 'relative imports name the file, with its extension';
  for (const rule of forbidden)
    if (rule.to.test(target) && !rule.except.some((prefix) => isUnder(file, prefix))) return rule.because;
  const rule = rules.find(({ from }) => (typeof from === 'string' ? isUnder(file, from) : from.test(file)));
  if (rule === undefined || rule.may.includes('*')) return undefined;
  const own = typeof rule.from === 'string' ? rule.from : file.match(rule.from)[0].replace(/\/$/, '');
  return isUnder(target, own) || rule.may.some((prefix) => isUnder(target, prefix)) ? undefined : rule.because;
}

/** A `throw` is a panic when the nearest function above it is named so. */
function isInPanic(code, index) {
  const above = code.slice(0, index).match(/(?:function\s*\*?\s*|class\s+)([\w$]+)/g);
  return above !== null && /panic|assertNever/i.test(above[above.length - 1]);
}

function isUnder(path, prefix) {
  return path === prefix || path.startsWith(prefix.endsWith('/') || prefix.endsWith(':') ? prefix : `${prefix}/`);
}

function* typescriptFiles(directory) {
  let entries;
  try {
    entries = readdirSync(join(root, directory), { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory() && entry.name !== 'node_modules') yield* typescriptFiles(path);
    else if (entry.isFile() && entry.name.endsWith('.ts')) yield path;
  }
}
