// SPDX-License-Identifier: Apache-2.0

/** config.json: every rejection names its field; what is honoured is translated. */
import { describe, expect, it } from 'vitest';
import type { SandboxConfig } from '../sandbox/config.ts';
import { defaultSpec } from './default_spec.ts';
import { parseConfig } from './load.ts';
import { translateConfig } from './translate.ts';

// biome-ignore lint/suspicious/noExplicitAny: configurations are edited in arbitrary, also wrong, ways.
type Edit = (spec: any) => void;

function translate(edit: Edit, warnings: string[] = []): SandboxConfig {
  const spec = structuredClone(defaultSpec({ args: ['/bin/true'], cwd: '/', terminal: false, hasCgroupNamespace: true, rootless: null }));
  (spec as { root: { path: string } }).root.path = '/';
  edit(spec);
  const settings = { id: 'x', hostname: 'x', bundle: '/tmp', overlay: false, network: 'none', platform: 'ptrace', debug: false, strace: false } as const;
  return translateConfig(parseConfig(JSON.stringify(spec), 'config.json'), settings, warnings);
}

const REJECTED: readonly (readonly [string, Edit, RegExp])[] = [
  ['no ociVersion', (s) => delete s.ociVersion, /ociVersion: is required/],
  ['bad ociVersion', (s) => (s.ociVersion = 'one'), /ociVersion: invalid semver/],
  ['no process', (s) => delete s.process, /process: is required/],
  ['empty args', (s) => (s.process.args = []), /process\.args: must not be empty/],
  ['args of numbers', (s) => (s.process.args = [1]), /process\.args\[0\]: must be a string, is number 1/],
  ['relative cwd', (s) => (s.process.cwd = 'tmp'), /process\.cwd: must be an absolute path/],
  ['env without =', (s) => (s.process.env = ['A=1', 'B']), /process\.env\[1\]: must have the form/],
  ['uid out of range', (s) => (s.process.user.uid = 2 ** 32), /process\.user\.uid: must be between/],
  ['unknown limit', (s) => (s.process.rlimits = [{ type: 'RLIMIT_X', soft: 1, hard: 1 }]), /process\.rlimits\[0\]\.type: unknown limit/],
  ['duplicate limit', (s) => s.process.rlimits.push(s.process.rlimits[0]), /process\.rlimits\[1\]\.type: duplicate/],
  ['soft above hard', (s) => (s.process.rlimits[0].soft = 9999), /process\.rlimits\[0\]\.soft: is above/],
  ['no root', (s) => delete s.root, /root: is required/],
  ['missing root', (s) => (s.root.path = '/nosuch'), /root\.path: \/nosuch: no such file or directory/],
  ['unknown mount type', (s) => (s.mounts[0].type = 'zfs'), /mounts\[0\]\.type: unknown filesystem type "zfs"/],
  ['missing mount source', (s) => s.mounts.push({ destination: '/x', type: 'bind', source: '/nosuch', options: ['bind'] }), /mounts\[7\]\.source: \/nosuch/],
  ['mounts not an array', (s) => (s.mounts = {}), /mounts: must be an array/],
  ['duplicate namespace', (s) => s.linux.namespaces.push({ type: 'pid' }), /linux\.namespaces\[6\]\.type: duplicate/],
  ['unknown namespace', (s) => (s.linux.namespaces[0].type = 'time2'), /linux\.namespaces\[0\]\.type: must be one of/],
  ['long hostname', (s) => (s.hostname = 'h'.repeat(65)), /hostname: is longer/],
  ['time offsets without a namespace', (s) => (s.linux = { timeOffsets: { monotonic: { secs: 1 } } }), /linux.timeOffsets: needs a time namespace/],
  ['bad masked path', (s) => (s.linux.maskedPaths = ['proc']), /linux\.maskedPaths\[0\]/],
  ['bad annotation', (s) => (s.annotations = { a: 1 }), /annotations\.a: must be a string/],
  ['oomScoreAdj out of range', (s) => (s.process.oomScoreAdj = 1001), /process\.oomScoreAdj/],
];

describe('translateConfig()', () => {
  for (const [name, edit, message] of REJECTED) {
    it(`rejects: ${name}`, () => expect(() => translate(edit)).toThrow(message));
  }

  it('translates mounts, limits and capabilities', () => {
    const config = translate((s) => {
      s.mounts.push({ destination: '/data/../vol', type: 'none', source: '/usr', options: ['rbind', 'ro', 'nosuid'] });
    });
    expect(config.mounts.at(-1)).toEqual({ kind: 'bind', destination: '/vol', source: '/usr', flags: 3, data: '', tree: 1 });
    expect(config.trees[1]).toEqual({ source: '/usr', readonly: true, isExclusive: false, covered: [] });
    expect(config.mounts.find((m) => m.destination === '/dev')?.kind).toBe('dev');
    expect(config.process.rlimits).toEqual([{ resource: 7, soft: 1024, hard: 1024 }]);
    expect(config.process.capabilities.bounding).toEqual([(1 << 29) | (1 << 5) | (1 << 10), 0]);
  });

  it('ignores unknown properties and says what it does not apply', () => {
    const warnings: string[] = [];
    translate((s) => {
      s.whatever = { deep: [1] };
      s.process.capabilities.bounding.push('CAP_NEW');
    }, warnings);
    expect(warnings.filter((w) => !w.includes('cgroup'))).toEqual(['process.capabilities: ignoring unknown CAP_NEW']);
  });

  it('limits size and nesting', () => {
    expect(() => parseConfig('['.repeat(100), 'config.json')).toThrow(/nested deeper/);
    expect(() => parseConfig('{"a":', 'config.json')).toThrow(/not valid JSON/);
    expect(() => parseConfig('[]', 'config.json')).toThrow(/must be an object/);
  });
});
