// SPDX-License-Identifier: Apache-2.0

/**
 * What every writable filesystem owes its users, whatever it is made of: applied to tmpfs, gofer, overlay and memfs.
 *
 * Owed: create/read/write/append/truncate; O_EXCL, O_TRUNC; sparse files; directories, ENOTEMPTY, listing with types and stable
 * offsets under removal; symbolic and hard links; unlink while open; rename (replace, NOREPLACE, EXCHANGE, directories); modes,
 * owners, times; FIFOs; extended attributes where supported; mmap of a file.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as e from '../../platform/abi/linux/errno.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { Filesystem } from '../../sentry/vfs/filesystem.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import { type Stat, VfsWorld } from '../harness/vfs_world.ts';

const O_RDONLY = 0;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_APPEND = 0o2000;

export interface FsGround {
  readonly name: string;
  make(): Filesystem;
  release?(): void;
  /** Names must be UTF-8. */
  hasUtf8Names?: boolean;
}

/** Defines the contract's tests for one filesystem. */
export function fsContract(ground: FsGround): void {
  describe(`filesystem contract: ${ground.name}`, () => {
    let w: VfsWorld;
    let serial = 0;
    let d = '';
    beforeAll(() => {
      w = new VfsWorld(ground.make());
    });
    afterAll(() => ground.release?.());

    /** A fresh directory for each test. */
    const fresh = (): string => {
      d = `/t${++serial}`;
      expect(w.mkdir(d)).toBe(0);
      return d;
    };
    const stat = (path: string): Stat => {
      const st = w.stat(path);
      if (typeof st === 'number') throw new Error(`stat ${path}: ${st}`);
      return st;
    };

    it('files: create, write, read back, append, size', () => {
      fresh();
      expect(w.put(`${d}/a`, 'hello')).toBe(5);
      expect(w.cat(`${d}/a`)).toBe('hello');
      const f = w.mustOpen(`${d}/a`, O_WRONLY | O_APPEND);
      expect(w.write(f, ' world')).toBe(6);
      f.decRef();
      expect(w.cat(`${d}/a`)).toBe('hello world');
      expect(stat(`${d}/a`).size).toBe(11);
      expect(stat(`${d}/a`).mode).toBe(0o100644);
      expect(w.open(`${d}/a`, O_CREAT | O_EXCL | O_RDWR)).toBe(e.EEXIST);
      expect(w.open(`${d}/none`, O_RDONLY)).toBe(e.ENOENT);
      expect(w.open(`${d}/a/b`, O_RDONLY)).toBe(e.ENOTDIR);
    });

    it('files: two opens see each other, positions are their own', () => {
      fresh();
      w.put(`${d}/a`, '0123456789');
      const r = w.mustOpen(`${d}/a`, O_RDONLY);
      const rw = w.mustOpen(`${d}/a`, O_RDWR);
      expect(w.read(r, 3)).toBe('012');
      expect(w.pwrite(rw, 'ABC', 3)).toBe(3);
      expect(w.read(r, 3)).toBe('ABC');
      expect(w.read(rw, 2)).toBe('01');
      expect(r.seek(w.ctx, -2, 2)).toBe(8);
      expect(w.read(r, 10)).toBe('89');
      expect(w.read(r, 10)).toBe('');
      r.decRef();
      rw.decRef();
    });

    it('files: holes read as zeros, truncate shrinks and extends', () => {
      fresh();
      const f = w.mustOpen(`${d}/s`, O_RDWR | O_CREAT);
      expect(w.pwrite(f, 'x', 100_000)).toBe(1);
      expect(stat(`${d}/s`).size).toBe(100_001);
      expect(w.pread(f, 4, 50_000)).toBe('\0\0\0\0');
      expect(w.truncate(`${d}/s`, 10)).toBe(0);
      expect(w.pread(f, 100, 0)).toBe('\0'.repeat(10));
      expect(w.truncate(`${d}/s`, 20)).toBe(0);
      expect(stat(`${d}/s`).size).toBe(20);
      expect(w.pread(f, 100, 5)).toBe('\0'.repeat(15));
      f.decRef();
      w.put(`${d}/s`, 'new');
      expect(w.cat(`${d}/s`)).toBe('new');
    });

    it('files: larger than any internal buffer', () => {
      fresh();
      const big = 'abcdefghij'.repeat(120_000);
      expect(w.put(`${d}/big`, big)).toBe(big.length);
      expect(w.cat(`${d}/big`)).toBe(big);
    });

    it('directories: make, list, remove', () => {
      fresh();
      expect(w.mkdir(`${d}/x`)).toBe(0);
      expect(w.mkdir(`${d}/x`)).toBe(e.EEXIST);
      expect(w.mkdir(`${d}/no/x`)).toBe(e.ENOENT);
      expect(w.put(`${d}/x/f`, '')).toBe(0);
      expect(w.ls(`${d}/x`)).toEqual(['.', '..', 'f']);
      expect(w.rmdir(`${d}/x`)).toBe(e.ENOTEMPTY);
      expect(w.unlink(`${d}/x`)).toBe(e.EISDIR);
      expect(w.rmdir(`${d}/x/f`)).toBe(e.ENOTDIR);
      expect(w.unlink(`${d}/x/f`)).toBe(0);
      expect(stat(d).nlink).toBeGreaterThanOrEqual(1);
      expect(w.rmdir(`${d}/x`)).toBe(0);
      expect(w.stat(`${d}/x`)).toBe(e.ENOENT);
      expect(w.ls(d)).toEqual(['.', '..']);
    });

    it('directories: entries tell type and inode number', () => {
      fresh();
      w.put(`${d}/f`, '1');
      w.mkdir(`${d}/d`);
      w.symlink('f', `${d}/l`);
      const dir = w.mustOpen(d, 0o200000);
      const seen = new Map<string, [number, number]>();
      dir.readdir(w.ctx, (name, ino, dtype) => seen.set(name, [ino, dtype]) !== undefined);
      dir.decRef();
      expect(seen.get('f')).toEqual([stat(`${d}/f`).ino, 8]);
      expect(seen.get('d')).toEqual([stat(`${d}/d`).ino, 4]);
      expect(seen.get('l')).toEqual([stat(`${d}/l`).ino, 10]);
      expect(seen.get('.')?.[0]).toBe(stat(d).ino);
      expect(seen.get('..')?.[0]).toBe(stat('/').ino);
    });

    it('directories: a reader that removes what it reads sees every entry', () => {
      fresh();
      const want = new Set<string>();
      for (let i = 0; i < 300; i++) {
        w.put(`${d}/file${i}`, '');
        want.add(`file${i}`);
      }
      const dir = w.mustOpen(d, 0o200000);
      for (let rounds = 0; rounds < 100; rounds++) {
        const batch: string[] = [];
        dir.readdir(w.ctx, (name) => batch.length < 7 && batch.push(name) > 0);
        if (batch.length === 0) break;
        for (const name of batch) {
          if (name === '.' || name === '..') continue;
          expect(want.delete(name)).toBe(true);
          expect(w.unlink(`${d}/${name}`)).toBe(0);
        }
      }
      dir.decRef();
      expect(want.size).toBe(0);
      expect(w.ls(d)).toEqual(['.', '..']);
    });

    it('directories: rewinding sees what was made since', () => {
      fresh();
      const dir = w.mustOpen(d, 0o200000);
      const list = (): string[] => {
        const out: string[] = [];
        dir.readdir(w.ctx, (name) => out.push(name) > 0);
        return out.sort();
      };
      expect(list()).toEqual(['.', '..']);
      w.put(`${d}/new`, '');
      expect(dir.seek(w.ctx, 0, 0)).toBe(0);
      expect(list()).toEqual(['.', '..', 'new']);
      dir.decRef();
    });

    it('symbolic links: text, following, dangling', () => {
      fresh();
      w.put(`${d}/f`, 'through');
      expect(w.symlink('f', `${d}/l`)).toBe(0);
      expect(w.readlink(`${d}/l`)).toBe('f');
      expect(w.cat(`${d}/l`)).toBe('through');
      expect(stat(`${d}/l`).mode).toBe(0o120777);
      expect(stat(`${d}/l`).size).toBe(1);
      w.symlink('nowhere', `${d}/dangling`);
      expect(w.cat(`${d}/dangling`)).toBe(e.ENOENT);
      w.symlink('loop', `${d}/loop`);
      expect(w.cat(`${d}/loop`)).toBe(e.ELOOP);
    });

    it('hard links: one file, two names', () => {
      fresh();
      w.put(`${d}/a`, 'one');
      expect(w.link(`${d}/a`, `${d}/b`)).toBe(0);
      expect(stat(`${d}/a`).nlink).toBe(2);
      expect(stat(`${d}/b`).ino).toBe(stat(`${d}/a`).ino);
      w.put(`${d}/b`, 'two!');
      expect(w.cat(`${d}/a`)).toBe('two!');
      expect(w.unlink(`${d}/a`)).toBe(0);
      expect(stat(`${d}/b`).nlink).toBe(1);
      expect(w.cat(`${d}/b`)).toBe('two!');
      expect(w.chmod(`${d}/b`, 0o600)).toBe(0);
      expect(w.link(`${d}/b`, `${d}/b`)).toBe(e.EEXIST);
      expect(w.link(d, `${d}/dirlink`)).toBe(e.EPERM);
    });

    it('unlink while open: the file goes on until closed', () => {
      fresh();
      w.put(`${d}/f`, 'data');
      const f = w.mustOpen(`${d}/f`, O_RDWR);
      expect(w.unlink(`${d}/f`)).toBe(0);
      expect(w.stat(`${d}/f`)).toBe(e.ENOENT);
      expect(w.read(f, 10)).toBe('data');
      expect(w.write(f, '+more')).toBe(5);
      expect(w.pread(f, 20, 0)).toBe('data+more');
      const st = w.statInode(f.inode) as Stat;
      expect(st.nlink).toBe(0);
      expect(st.size).toBe(9);
      w.put(`${d}/f`, 'other');
      expect(w.pread(f, 20, 0)).toBe('data+more');
      f.decRef();
      expect(w.cat(`${d}/f`)).toBe('other');
    });

    it('rename: files and directories, replacing', () => {
      fresh();
      w.put(`${d}/a`, 'A');
      w.put(`${d}/b`, 'B');
      const open = w.mustOpen(`${d}/b`, O_RDONLY);
      const ino = stat(`${d}/a`).ino;
      expect(w.rename(`${d}/a`, `${d}/b`)).toBe(0);
      expect(w.stat(`${d}/a`)).toBe(e.ENOENT);
      expect(w.cat(`${d}/b`)).toBe('A');
      expect(stat(`${d}/b`).ino).toBe(ino);
      expect(w.read(open, 5)).toBe('B');
      open.decRef();
      w.mkdir(`${d}/x`);
      w.mkdir(`${d}/x/deep`);
      w.put(`${d}/x/deep/f`, 'F');
      w.mkdir(`${d}/y`);
      expect(w.rename(`${d}/x`, `${d}/y`)).toBe(0);
      expect(w.cat(`${d}/y/deep/f`)).toBe('F');
      expect(w.put(`${d}/y/deep/g`, 'G')).toBe(1);
      w.mkdir(`${d}/full`);
      w.put(`${d}/full/f`, '');
      expect(w.rename(`${d}/y`, `${d}/full`)).toBe(e.ENOTEMPTY);
      expect(w.rename(`${d}/b`, `${d}/full`)).toBe(e.EISDIR);
      expect(w.rename(`${d}/full`, `${d}/b`)).toBe(e.ENOTDIR);
      expect(w.rename(`${d}/y`, `${d}/y/deep/z`)).toBe(e.EINVAL);
      expect(w.ls(d)).toEqual(['.', '..', 'b', 'full', 'y']);
    });

    it('rename: NOREPLACE and EXCHANGE', () => {
      fresh();
      w.put(`${d}/a`, 'A');
      w.put(`${d}/b`, 'B');
      expect(w.rename(`${d}/a`, `${d}/b`, 1)).toBe(e.EEXIST);
      expect(w.rename(`${d}/a`, `${d}/b`, 2)).toBe(0);
      expect(w.cat(`${d}/a`)).toBe('B');
      expect(w.cat(`${d}/b`)).toBe('A');
      expect(w.rename(`${d}/a`, `${d}/c`, 1)).toBe(0);
      expect(w.cat(`${d}/c`)).toBe('B');
    });

    it('rename: onto another link of the same file does nothing', () => {
      fresh();
      w.put(`${d}/a`, 'A');
      w.link(`${d}/a`, `${d}/b`);
      expect(w.rename(`${d}/a`, `${d}/b`)).toBe(0);
      expect(w.cat(`${d}/a`)).toBe('A');
      expect(w.cat(`${d}/b`)).toBe('A');
    });

    it('attributes: mode, owner, times', () => {
      fresh();
      w.put(`${d}/f`, '', 0o640);
      expect(stat(`${d}/f`).mode & 0o7777).toBe(0o640);
      expect(w.chmod(`${d}/f`, 0o4711)).toBe(0);
      expect(stat(`${d}/f`).mode & 0o7777).toBe(0o4711);
      expect(w.chown(`${d}/f`, 12, 34)).toBe(0);
      expect([stat(`${d}/f`).uid, stat(`${d}/f`).gid]).toEqual([12, 34]);
      expect(w.utimes(`${d}/f`, 1_000_000_000, 123_000_000)).toBe(0);
      expect([stat(`${d}/f`).mtimeSec, stat(`${d}/f`).mtimeNsec]).toEqual([1_000_000_000, 123_000_000]);
      w.mkdir(`${d}/sticky`, 0o1777);
      expect(stat(`${d}/sticky`).mode & 0o1000).toBe(0o1000);
    });

    it('a write moves mtime', () => {
      fresh();
      w.put(`${d}/f`, 'x');
      w.utimes(`${d}/f`, 1000, 0);
      const f = w.mustOpen(`${d}/f`, O_WRONLY);
      w.write(f, 'y');
      expect(stat(`${d}/f`).mtimeSec).toBeGreaterThan(1000);
      f.decRef();
      w.utimes(d, 1000, 0);
      w.put(`${d}/g`, '');
      expect(stat(d).mtimeSec).toBeGreaterThan(1000);
    });

    it('nodes: a FIFO has its type', () => {
      fresh();
      expect(w.mknod(`${d}/p`, 0o010644)).toBe(0);
      expect(stat(`${d}/p`).mode).toBe(0o010644);
      expect(w.unlink(`${d}/p`)).toBe(0);
    });

    it('names: every byte but slash and NUL, up to 255', () => {
      fresh();
      const top = ground.hasUtf8Names ? 127 : 255;
      const odd = [...Array(top).keys()]
        .map((i) => String.fromCharCode(i + 1))
        .filter((ch) => ch !== '/')
        .join('');
      expect(w.put(`${d}/${odd}`, 'odd')).toBe(3);
      expect(w.cat(`${d}/${odd}`)).toBe('odd');
      expect(w.ls(d)).toContain(odd);
      expect(w.unlink(`${d}/${odd}`)).toBe(0);
      expect(w.put(`${d}/${'n'.repeat(255)}`, 'ok')).toBe(2);
      expect(w.put(`${d}/${'n'.repeat(256)}`, 'no')).toBe(e.ENAMETOOLONG);
    });

    it('extended attributes', () => {
      fresh();
      w.put(`${d}/f`, '');
      const inode = w.inode(`${d}/f`) as Inode;
      const set = inode.setxattr(w.ctx, 'user.color', Buffer.from('blue'), 0);
      if (!inode.fs.supportsXattrs || set === e.EOPNOTSUPP) return;
      expect(set).toBe(0);
      expect(Buffer.from(inode.getxattr(w.ctx, 'user.color') as Uint8Array).toString()).toBe('blue');
      expect(inode.listxattr(w.ctx)).toEqual(['user.color']);
      expect(inode.setxattr(w.ctx, 'user.color', Buffer.from('red'), 1)).toBe(e.EEXIST);
      expect(inode.setxattr(w.ctx, 'user.shape', Buffer.from('x'), 2)).toBe(e.ENODATA);
      expect(inode.removexattr(w.ctx, 'user.color')).toBe(0);
      expect(inode.getxattr(w.ctx, 'user.color')).toBe(e.ENODATA);
    });

    it('mmap: a descriptor that holds the content, shared with later writes', () => {
      fresh();
      w.put(`${d}/f`, 'mapped content');
      const f: FileDescription = w.mustOpen(`${d}/f`, O_RDWR);
      const m = f.mmap(w.ctx, 0, 4096, 3, 'shared');
      expect(typeof m).toBe('object');
      if (typeof m !== 'object') return;
      expect(m.fd).toBeGreaterThanOrEqual(0);
      const buf = Buffer.alloc(14);
      const files = w.vfs.host.files;
      expect(files.pread(m.fd, buf, 0, 14, m.offset)).toBe(14);
      expect(buf.toString()).toBe('mapped content');
      expect(w.pwrite(f, 'M', 0)).toBe(1);
      files.pread(m.fd, buf, 0, 14, m.offset);
      expect(buf.toString()).toBe('Mapped content');
      files.pwrite(m.fd, Buffer.from('!'), 0, 1, m.offset + 13);
      expect(w.cat(`${d}/f`)).toBe('Mapped conten!');
      f.decRef();
    });

    it('statfs tells something plausible', () => {
      const st = w.statfs();
      expect(typeof st).toBe('object');
      if (typeof st === 'object') expect(st.bsize).toBeGreaterThanOrEqual(512);
    });
  });
}
