// SPDX-License-Identifier: Apache-2.0

/**
 * Listings and attributes fetched ahead never show: a tree walked while it is being changed looks at every step as the host has it.
 */
import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dentryCache } from '../../sentry/vfs/dentry_cache.ts';
import { makeGofer, type TestGofer } from '../harness/in_process_gofer.ts';
import { type Stat, VfsWorld } from '../harness/vfs_world.ts';
import { makeTemporary } from '../harness/temporary.ts';

function random(seed: number): () => number {
  let s = seed;
  return () => {
    s = (Math.imul(s, 1103515245) + 12345) >>> 0;
    return (s >>> 8) / 0x1000000;
  };
}

describe('a tree walk with changes in between', () => {
  let dir = '';
  let g: TestGofer;
  let w: VfsWorld;
  const next = random(42);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const directories = (at = ''): string[] => {
    const out = [at];
    for (const d of nodeFs.readdirSync(join(dir, at), { withFileTypes: true }))
      if (d.isDirectory()) out.push(...directories(`${at}/${d.name}`));
    return out;
  };
  let serial = 0;

  beforeAll(() => {
    dir = makeTemporary('gofer-tree');
    for (let i = 0; i < 6; i++)
      for (let j = 0; j < 5; j++)
        for (let k = 0; k < 3; k++) {
          nodeFs.mkdirSync(`${dir}/a${i}/b${j}/c${k}`, { recursive: true });
          nodeFs.writeFileSync(`${dir}/a${i}/b${j}/c${k}/f`, 'x'.repeat(k));
        }
    g = makeGofer(dir, 'exclusive');
    w = new VfsWorld(g.fs);
  });
  afterAll(() => nodeFs.rmSync(dir, { recursive: true, force: true }));

  const change = (): void => {
    const at = pick(directories());
    const name = `n${serial++}`;
    const what = Math.floor(next() * 6);
    const names = nodeFs.readdirSync(join(dir, at));
    const old = names.length > 0 ? `${at}/${pick(names)}` : '';
    if (what === 0) expect(w.mkdir(`${at}/${name}`)).toBe(0);
    else if (what === 1) expect(w.put(`${at}/${name}`, 'y'.repeat(serial))).toBe(serial);
    else if (what === 2 && old !== '' && !nodeFs.lstatSync(join(dir, old)).isSymbolicLink())
      expect(w.chmod(old, 0o700 + (serial % 64))).toBe(0);
    else if (what === 3 && old !== '') {
      const to = pick(directories());
      if (!to.startsWith(old)) expect(w.rename(old, `${to}/${name}`)).toBe(0);
    } else if (what === 4 && old !== '' && !nodeFs.lstatSync(join(dir, old)).isDirectory())
      expect(w.unlink(old)).toBe(0);
    else if (what === 5) expect(w.symlink('x', `${at}/${name}`)).toBe(0);
  };

  const walk = (at: string, everything: boolean, mutate: boolean): number => {
    if (mutate && next() < 0.3) change();
    if (!nodeFs.existsSync(join(dir, at))) return 0;
    const host = nodeFs.readdirSync(join(dir, at));
    expect((w.ls(at === '' ? '/' : at) as string[]).filter((n) => n !== '.' && n !== '..')).toEqual(host.sort());
    let count = host.length;
    for (const name of host) {
      const path = `${at}/${name}`;
      const there = nodeFs.lstatSync(join(dir, path), { throwIfNoEntry: false });
      const here = w.stat(path);
      if (there === undefined) {
        expect(here).toBe(-2);
        continue;
      }
      if (!there.isDirectory() && !everything) continue;
      const st = here as Stat;
      expect([st.ino, st.mode, st.nlink, st.size, st.mtimeSec], path).toEqual([
        there.ino,
        there.mode,
        there.nlink,
        there.size,
        Math.floor(there.mtimeMs / 1000),
      ]);
      if (there.isDirectory()) count += walk(path, everything, mutate);
    }
    return count;
  };

  it('finds what is there in few calls', () => {
    const before = g.connection.callCount;
    const count = walk('', false, false);
    expect(count).toBe(6 + 30 + 90 + 90);
    expect(g.connection.callCount - before).toBeLessThan(40);
  });

  it('agrees with the host while it changes', () => {
    for (let round = 0; round < 12; round++) {
      walk('', round % 2 === 0, true);
      if (round % 3 === 2) dentryCache.dropAll();
    }
    expect(g.deaths).toEqual([]);
  });
});
