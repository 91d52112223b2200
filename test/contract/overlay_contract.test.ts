// SPDX-License-Identifier: Apache-2.0

/**
 * The overlay under the filesystem contract (tmpfs over a read-only gofer), and what is an overlay's own: merging, whiteouts,
 * copy-up, moved lower directories, hard links and numbers that survive copying.
 */
import * as nodeFs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as e from '../../platform/abi/linux/errno.ts';
import { OverlayFilesystem } from '../../sentry/fs/overlay/overlay_filesystem.ts';
import { makeGofer } from '../harness/in_process_gofer.ts';
import { makeTmpfs } from '../harness/make_tmpfs.ts';
import { type Stat, VfsWorld } from '../harness/vfs_world.ts';
import { fsContract } from './fs_contract.ts';

let contractDir = '';
fsContract({
  name: 'overlay of tmpfs over gofer',
  make: () => {
    contractDir = nodeFs.mkdtempSync('/tmp/overlay-contract-');
    return new OverlayFilesystem(makeTmpfs(), makeGofer(contractDir, 'exclusive', { readonly: true }).fs);
  },
  release: () => {
    expect(nodeFs.readdirSync(contractDir)).toEqual([]);
    nodeFs.rmSync(contractDir, { recursive: true, force: true });
  },
});

describe('overlay', () => {
  let dir = '';
  let w: VfsWorld;
  let before = '';
  const snapshot = (): string =>
    JSON.stringify(
      nodeFs
        .readdirSync(dir, { recursive: true, withFileTypes: true })
        .map((d) => [d.parentPath, d.name])
        .sort(),
    );
  const stat = (path: string): Stat => w.stat(path) as Stat;

  beforeAll(() => {
    dir = nodeFs.mkdtempSync('/tmp/overlay-test-');
    nodeFs.mkdirSync(`${dir}/etc/deep/er`, { recursive: true });
    nodeFs.writeFileSync(`${dir}/etc/passwd`, 'root:x:0:0\n');
    nodeFs.writeFileSync(`${dir}/etc/deep/f`, 'deep');
    nodeFs.writeFileSync(`${dir}/etc/deep/er/g`, 'deeper');
    nodeFs.writeFileSync(`${dir}/h1`, 'linked');
    nodeFs.linkSync(`${dir}/h1`, `${dir}/h2`);
    nodeFs.symlinkSync('etc/passwd', `${dir}/link`);
    for (const name of ['a', 'b', 'c']) nodeFs.mkdirSync(`${dir}/tree/${name}`, { recursive: true });
    nodeFs.writeFileSync(`${dir}/tree/a/x`, 'x');
    nodeFs.writeFileSync(`${dir}/big`, Buffer.concat([Buffer.alloc(500_000), Buffer.from('end')]));
    before = snapshot();
    w = new VfsWorld(new OverlayFilesystem(makeTmpfs(), makeGofer(dir, 'exclusive', { readonly: true }).fs));
  });
  afterAll(() => {
    expect(snapshot()).toBe(before);
    expect(nodeFs.readFileSync(`${dir}/etc/passwd`, 'utf8')).toBe('root:x:0:0\n');
    nodeFs.rmSync(dir, { recursive: true, force: true });
  });

  it('reads and lists what is below', () => {
    expect(w.cat('/etc/passwd')).toBe('root:x:0:0\n');
    expect(w.cat('/link')).toBe('root:x:0:0\n');
    expect(w.ls('/etc')).toEqual(['.', '..', 'deep', 'passwd']);
  });

  it('a write copies up: content, number, times; a reader opened before sees it', () => {
    const old = stat('/etc/passwd');
    const reader = w.mustOpen('/etc/passwd', 0);
    const writer = w.mustOpen('/etc/passwd', 0o2001);
    expect(w.write(writer, 'me:x:1:1\n')).toBe(9);
    writer.decRef();
    expect(w.read(reader, 100)).toBe('root:x:0:0\nme:x:1:1\n');
    reader.decRef();
    expect(stat('/etc/passwd').ino).toBe(old.ino);
    expect(stat('/etc/passwd').size).toBe(20);
    expect(w.ls('/etc')).toEqual(['.', '..', 'deep', 'passwd']);
    expect(w.put('/etc/new', 'n')).toBe(1);
    expect(w.ls('/etc')).toEqual(['.', '..', 'deep', 'new', 'passwd']);
  });

  it('chmod copies up and keeps content and mtime', () => {
    const old = stat('/big');
    expect(w.chmod('/big', 0o600)).toBe(0);
    const now = stat('/big');
    expect([now.mode & 0o777, now.size, now.ino, now.mtimeSec]).toEqual([0o600, old.size, old.ino, old.mtimeSec]);
    expect((w.cat('/big') as string).slice(-4)).toBe('\0end');
    expect(w.truncate('/big', 2)).toBe(0);
    expect(w.cat('/big')).toBe('\0\0');
  });

  it('hard links below stay one file', () => {
    expect(stat('/h1').nlink).toBe(2);
    w.put('/h1', 'changed');
    expect(w.cat('/h2')).toBe('changed');
    expect(stat('/h2').ino).toBe(stat('/h1').ino);
    expect(stat('/h2').nlink).toBe(2);
    expect(w.unlink('/h1')).toBe(0);
    expect(stat('/h2').nlink).toBe(1);
    expect(w.rename('/h2', '/h3')).toBe(0);
    expect(w.cat('/h3')).toBe('changed');
    expect(w.stat('/h2')).toBe(e.ENOENT);
  });

  it('unlink hides; making it again starts afresh', () => {
    expect(w.unlink('/link')).toBe(0);
    expect(w.stat('/link')).toBe(e.ENOENT);
    expect(w.ls('/')).not.toContain('link');
    expect(w.mkdir('/link')).toBe(0);
    expect(w.ls('/link')).toEqual(['.', '..']);
    expect(w.rmdir('/link')).toBe(0);
    expect(w.stat('/link')).toBe(e.ENOENT);
  });

  it('a removed directory made again does not show what was below', () => {
    expect(w.rmdir('/tree/a')).toBe(e.ENOTEMPTY);
    expect(w.unlink('/tree/a/x')).toBe(0);
    expect(w.rmdir('/tree/a')).toBe(0);
    expect(w.mkdir('/tree/a')).toBe(0);
    expect(w.ls('/tree/a')).toEqual(['.', '..']);
    expect(w.stat('/tree/a/x')).toBe(e.ENOENT);
  });

  it('a lower directory moves with everything in it, and can be changed there', () => {
    expect(w.rename('/etc/deep', '/moved')).toBe(0);
    expect(w.stat('/etc/deep')).toBe(e.ENOENT);
    expect(w.cat('/moved/f')).toBe('deep');
    expect(w.cat('/moved/er/g')).toBe('deeper');
    w.put('/moved/er/g', 'new');
    expect(w.cat('/moved/er/g')).toBe('new');
    expect(w.rename('/moved/er', '/moved/re')).toBe(0);
    expect(w.cat('/moved/re/g')).toBe('new');
    expect(w.ls('/moved')).toEqual(['.', '..', 'f', 're']);
    expect(w.mkdir('/etc/deep')).toBe(0);
    expect(w.ls('/etc/deep')).toEqual(['.', '..']);
    expect(w.rename('/tree/b', '/tree/c')).toBe(0);
    expect(w.ls('/tree')).toEqual(['.', '..', 'a', 'c']);
  });

  it('survives the dentry cache being emptied', async () => {
    const { dentryCache } = await import('../../sentry/vfs/dentry_cache.ts');
    dentryCache.dropAll();
    expect(w.cat('/moved/re/g')).toBe('new');
    expect(w.cat('/h3')).toBe('changed');
    expect(w.stat('/h1')).toBe(e.ENOENT);
    expect(w.stat('/link')).toBe(e.ENOENT);
    expect(w.cat('/etc/passwd')).toBe('root:x:0:0\nme:x:1:1\n');
  });
});
