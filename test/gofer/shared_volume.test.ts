// SPDX-License-Identifier: Apache-2.0

/**
 * Shared filesystems (bind mounts): what the host changes shows at once, and a path of several components costs one round trip.
 */
import * as nodeFs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENOENT } from '../../platform/abi/linux/errno.ts';
import { makeGofer, type TestGofer } from '../harness/in_process_gofer.ts';
import { type Stat, VfsWorld } from '../harness/vfs_world.ts';
import { makeTemporary } from '../harness/temporary.ts';

describe('a shared gofer filesystem', () => {
  let dir = '';
  let g: TestGofer;
  let w: VfsWorld;
  beforeAll(() => {
    dir = makeTemporary('gofer-shared');
    nodeFs.mkdirSync(`${dir}/a/b/c`, { recursive: true });
    nodeFs.writeFileSync(`${dir}/a/b/c/f`, '1');
    g = makeGofer(dir, 'shared');
    w = new VfsWorld(g.fs);
  });
  afterAll(() => nodeFs.rmSync(dir, { recursive: true, force: true }));

  it('sees changes of content, attributes, names and directories at once', () => {
    for (let i = 0; i < 50; i++) {
      nodeFs.writeFileSync(`${dir}/a/b/c/f`, 'x'.repeat(i));
      expect((w.stat('/a/b/c/f') as Stat).size).toBe(i);
      expect(w.cat('/a/b/c/f')).toBe('x'.repeat(i));
      nodeFs.chmodSync(`${dir}/a/b/c/f`, 0o600 + (i % 8));
      expect((w.stat('/a/b/c/f') as Stat).mode & 0o777).toBe(0o600 + (i % 8));
      nodeFs.renameSync(`${dir}/a/b`, `${dir}/a/moved`);
      expect(w.stat('/a/b/c/f')).toBe(ENOENT);
      expect((w.stat('/a/moved/c/f') as Stat).size).toBe(i);
      nodeFs.renameSync(`${dir}/a/moved`, `${dir}/a/b`);
      nodeFs.writeFileSync(`${dir}/a/b/other`, '');
      nodeFs.renameSync(`${dir}/a/b/other`, `${dir}/a/b/c/f`);
      expect((w.stat('/a/b/c/f') as Stat).size).toBe(0);
      nodeFs.unlinkSync(`${dir}/a/b/c/f`);
      expect(w.stat('/a/b/c/f')).toBe(ENOENT);
      expect(w.ls('/a/b/c')).toEqual(['.', '..']);
    }
  });

  it('an open file is the file that was opened', () => {
    nodeFs.writeFileSync(`${dir}/keep`, 'old');
    const f = w.mustOpen('/keep', 2);
    nodeFs.writeFileSync(`${dir}/next`, 'new content');
    nodeFs.renameSync(`${dir}/next`, `${dir}/keep`);
    expect(w.cat('/keep')).toBe('new content');
    expect(w.pread(f, 10, 0)).toBe('old');
    const st = w.statInode(f.inode) as Stat;
    expect([st.nlink, st.size]).toEqual([0, 3]);
    expect(w.write(f, 'longer')).toBe(6);
    expect((w.statInode(f.inode) as Stat).size).toBe(6);
    f.decRef();
  });

  it('stat of a known path costs one call', () => {
    nodeFs.writeFileSync(`${dir}/a/b/c/f`, 'again');
    w.stat('/a/b/c/f');
    const before = g.connection.callCount;
    expect((w.stat('/a/b/c/f') as Stat).size).toBe(5);
    expect(g.connection.callCount - before).toBe(1);
  });
});
