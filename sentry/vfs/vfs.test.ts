// SPDX-License-Identifier: Apache-2.0

/** Path walk, permissions, rename shapes, mounts and the dentry cache, on tmpfs. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CAP_DAC_OVERRIDE, CAP_FOWNER } from '../../platform/abi/linux/capability.ts';
import * as e from '../../platform/abi/linux/errno.ts';
import * as f from '../../platform/abi/linux/fcntl.ts';
import {
  MNT_DETACH,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
} from '../../platform/abi/linux/mount.ts';
import type { HostInfo } from '../../platform/platform.ts';
import { nodeHostFiles } from '../../test/harness/node_host.ts';
import { VfsWorld } from '../../test/harness/vfs_world.ts';
import { CAP_EMPTY, type Credentials } from '../auth/credentials.ts';
import { type Tmpfs, makeTmpfs, tmpfsType } from '../fs/tmpfs/tmpfs.ts';
import { pathText } from './d_path.ts';
import { dentryCache } from './dentry_cache.ts';
import type { Path } from './mount.ts';
import { mountAt, pivotRoot, unmount } from './mount_calls.ts';
import { mountinfoText, mountsText } from './mount_text.ts';
import { cloneNamespace, enterNamespace, leaveNamespace, translatePath } from './mount_tree.ts';
import { walkPath } from './path_walk.ts';

const host = { files: nodeHostFiles, info: { memoryTotal: 1 << 30 } as HostInfo };
let w: VfsWorld;

/** Makes the world's caller an ordinary user with the given capabilities. */
function become(uid: number, caps: readonly number[] = [], groups: readonly number[] = []): void {
  const creds = (w.ctx.creds as Credentials).clone();
  Object.assign(creds, {
    ruid: uid,
    euid: uid,
    suid: uid,
    fsuid: uid,
    rgid: uid,
    egid: uid,
    sgid: uid,
    fsgid: uid,
    groups,
  });
  creds.effective = caps.reduce<readonly [number, number]>(
    (set, cap) => [(set[0] | (1 << cap)) >>> 0, set[1]],
    CAP_EMPTY,
  );
  (w.ctx as { creds: Credentials }).creds = creds;
}
function place(path: string): Path {
  const found = walkPath(w.ctx, null, path, true);
  if (typeof found === 'number') throw new Error(`${path}: ${found}`);
  return found;
}
function mount(target: string, flags: number, source = 'tmpfs', type: string | null = 'tmpfs', data = ''): number {
  return mountAt(w.vfs, w.ctx, place(target), { source, type, flags, data });
}
function moveTo(field: 'cwd' | 'rootDir', path: string): void {
  Object.assign(w.ctx, { [field]: place(path) });
}

beforeEach(() => {
  w = new VfsWorld(makeTmpfs(host, 'mode=755') as Tmpfs);
  w.vfs.registerType(tmpfsType(host));
});

describe('path walk', () => {
  beforeEach(() => {
    w.mkdir('/a');
    w.mkdir('/a/b');
    w.put('/a/b/file', 'x');
    w.symlink('b/file', '/a/link');
    w.symlink('/a/b', '/abs');
  });

  it('handles dots, slashes, links and dot-dot at the root', () => {
    for (const path of [
      '/a/b/file',
      '//a//./b/../b/file',
      '/../../a/b/file',
      '/a/link',
      '/abs/file',
      '/abs/../b/file',
    ]) {
      expect(w.cat(path), path).toBe('x');
    }
  });

  it('trailing slashes ask for a directory', () => {
    expect(w.open('/a/b/file/', 0)).toBe(e.ENOTDIR);
    expect(w.open('/a/link/', 0)).toBe(e.ENOTDIR);
    expect(w.stat('/abs/', false)).toMatchObject({ mode: 0o040755 });
    expect(w.open('/a/new/', f.O_CREAT | f.O_WRONLY)).toBe(e.EISDIR);
    expect(w.open('/a', f.O_CREAT | f.O_WRONLY)).toBe(e.EISDIR);
    expect(w.mkdir('/a/dir/')).toBe(0);
    expect(w.mkdir('/a/.')).toBe(e.EEXIST);
    expect(w.unlink('/a/b/file/')).toBe(e.ENOTDIR);
    expect(w.rmdir('/a/dir/.')).toBe(e.EINVAL);
    expect(w.rmdir('/a/dir/..')).toBe(e.ENOTEMPTY);
    expect(w.rmdir('/')).toBe(e.EBUSY);
  });

  it('bounds names, paths and link chains', () => {
    expect(w.open(`/${'n'.repeat(256)}`, 0)).toBe(e.ENAMETOOLONG);
    expect(w.put(`/${'n'.repeat(255)}`, '1')).toBe(1);
    w.symlink('s1', '/s0');
    for (let i = 1; i < 40; i++) w.symlink(i === 39 ? 'a/b/file' : `s${i + 1}`, `/s${i}`);
    expect(w.cat('/s0')).toBe('x');
    w.symlink('s0', '/one-too-many');
    expect(w.cat('/one-too-many')).toBe(e.ELOOP);
    expect(w.open('', 0)).toBe(e.ENOENT);
    expect(w.open('/a/link', f.O_NOFOLLOW)).toBe(e.ELOOP);
    expect(w.open('/a/link', f.O_NOFOLLOW | f.O_DIRECTORY)).toBe(e.ENOTDIR);
  });

  it('O_CREAT through a dangling link makes its target, O_EXCL does not', () => {
    w.symlink('b/made', '/a/dangling');
    expect(w.open('/a/dangling', f.O_CREAT | f.O_EXCL | f.O_WRONLY)).toBe(e.EEXIST);
    expect(w.put('/a/dangling', 'through')).toBe(7);
    expect(w.cat('/a/b/made')).toBe('through');
  });

  it('RESOLVE_* restrict the walk', () => {
    const a = place('/a');
    const walk = (path: string, resolve: number): unknown => {
      const found = walkPath(w.ctx, a, path, true, resolve);
      return typeof found === 'number' ? found : pathText(w.root, found).text;
    };
    expect(walk('b/../b/file', f.RESOLVE_BENEATH)).toBe('/a/b/file');
    expect(walk('../a', f.RESOLVE_BENEATH)).toBe(e.EXDEV);
    expect(walk('/a', f.RESOLVE_BENEATH)).toBe(e.EXDEV);
    expect(walk('../../b', f.RESOLVE_IN_ROOT)).toBe('/a/b');
    expect(walk('/b/file', f.RESOLVE_IN_ROOT)).toBe('/a/b/file');
    expect(walk('link', f.RESOLVE_NO_SYMLINKS)).toBe(e.ELOOP);
  });

  it('a removed working directory knows nothing any more', () => {
    moveTo('cwd', '/a/b');
    w.unlink('/a/b/file');
    expect(w.rmdir('/a/b')).toBe(0);
    expect(w.open('x', f.O_CREAT | f.O_WRONLY)).toBe(e.ENOENT);
    expect(w.stat('.')).toMatchObject({ nlink: 0 });
  });

  it('keeps the dentry cache bounded and right', () => {
    const limit = dentryCache.limit;
    dentryCache.limit = 100;
    for (let i = 0; i < 2000; i++) expect(w.put(`/a/f${i}`, String(i))).toBeGreaterThan(0);
    expect(dentryCache.size).toBeLessThan(200);
    for (let i = 0; i < 2000; i += 97) expect(w.cat(`/a/f${i}`)).toBe(String(i));
    for (let i = 0; i < 2000; i++) expect(w.open(`/a/missing${i}`, 0)).toBe(e.ENOENT);
    expect(dentryCache.size).toBeLessThan(200);
    dentryCache.limit = limit;
  });
});

describe('permissions', () => {
  it('search, read and write bits by owner, group and other', () => {
    w.mkdir('/private', 0o700);
    w.put('/private/f', '1');
    w.put('/g', '1', 0o640);
    w.chown('/g', 5, 50);
    become(1000, [], [50]);
    expect(w.open('/private/f', 0)).toBe(e.EACCES);
    expect(w.cat('/g')).toBe('1');
    expect(w.open('/g', f.O_WRONLY)).toBe(e.EACCES);
    expect(w.mkdir('/new')).toBe(e.EACCES);
    expect(w.chmod('/g', 0o777)).toBe(e.EPERM);
    expect(w.open('/g', f.O_NOATIME)).toBe(e.EPERM);
    become(1000, [CAP_DAC_OVERRIDE]);
    expect(w.cat('/private/f')).toBe('1');
    expect(w.mkdir('/new')).toBe(0);
  });

  it('sticky directories protect what is not yours', () => {
    w.mkdir('/tmp');
    w.chmod('/tmp', 0o1777);
    become(1000);
    w.put('/tmp/mine', '1');
    become(1001);
    w.put('/tmp/other', '1');
    expect(w.unlink('/tmp/mine')).toBe(e.EPERM);
    expect(w.rename('/tmp/mine', '/tmp/x')).toBe(e.EPERM);
    expect(w.rename('/tmp/other', '/tmp/mine')).toBe(e.EPERM);
    expect(w.link('/tmp/mine', '/tmp/hard')).toBe(e.EPERM);
    become(1001, [CAP_FOWNER]);
    expect(w.unlink('/tmp/mine')).toBe(0);
  });

  it('set-gid directories pass on their group; set-id bits go on write and chown', () => {
    w.mkdir('/shared');
    w.chown('/shared', 0, 77);
    w.chmod('/shared', 0o2777);
    become(1000);
    w.mkdir('/shared/sub');
    w.put('/shared/file', '1', 0o755);
    expect(w.stat('/shared/sub')).toMatchObject({ gid: 77, mode: 0o042755 });
    expect(w.stat('/shared/file')).toMatchObject({ gid: 77, uid: 1000 });
    w.chmod('/shared/file', 0o4755);
    expect(w.stat('/shared/file')).toMatchObject({ mode: 0o104755 });
    const file = w.mustOpen('/shared/file', f.O_WRONLY);
    w.write(file, 'changed');
    file.decRef();
    expect(w.stat('/shared/file')).toMatchObject({ mode: 0o100755 });
    expect(w.chown('/shared/file', 1001, -1)).toBe(e.EPERM);
  });
});

describe('rename', () => {
  beforeEach(() => {
    w.mkdir('/d');
    w.mkdir('/d/sub');
    w.put('/d/f', 'f');
    w.mkdir('/e');
  });
  it('refuses loops, shapes that do not fit and non-empty targets', () => {
    expect(w.rename('/d', '/d/sub/x')).toBe(e.EINVAL);
    expect(w.rename('/d/f', '/e')).toBe(e.EISDIR);
    expect(w.rename('/e', '/d/f')).toBe(e.ENOTDIR);
    expect(w.rename('/e', '/d')).toBe(e.ENOTEMPTY);
    expect(w.rename('/d/sub', '/d')).toBe(e.ENOTEMPTY);
    expect(w.rename('/d/.', '/x')).toBe(e.EBUSY);
    expect(w.rename('/d/f', '/e/f', f.RENAME_NOREPLACE | f.RENAME_EXCHANGE)).toBe(e.EINVAL);
    expect(w.rename('/d/f', '/e/none', f.RENAME_EXCHANGE)).toBe(e.ENOENT);
  });
  it('moves an open directory with what is in it', () => {
    moveTo('cwd', '/d/sub');
    expect(w.rename('/d/sub', '/e/moved')).toBe(0);
    expect(pathText(w.root, w.ctx.cwd).text).toBe('/e/moved');
    expect(w.stat('..')).toMatchObject({ ino: (w.stat('/e') as { ino: number }).ino });
    expect(w.stat('/d/sub')).toBe(e.ENOENT);
  });
  it('exchanges, and leaves a whiteout', () => {
    expect(w.rename('/d/f', '/e', f.RENAME_EXCHANGE)).toBe(0);
    expect(w.cat('/e')).toBe('f');
    expect(w.ls('/d/f')).toEqual(['.', '..']);
    expect(w.rename('/e', '/g', f.RENAME_WHITEOUT)).toBe(0);
    expect(w.stat('/e')).toMatchObject({ mode: 0o020000, rdev: 0 });
  });
});

describe('mounts', () => {
  beforeEach(() => {
    w.mkdir('/m');
    w.mkdir('/n');
    w.put('/m/below', '1');
  });

  it('covers and uncovers, and is busy while used', () => {
    expect(mount('/m', MS_NODEV, 'src', 'tmpfs', 'size=64k')).toBe(0);
    expect(w.stat('/m/below')).toBe(e.ENOENT);
    expect(w.put('/m/inside', '2')).toBe(1);
    const file = w.mustOpen('/m/inside', 0);
    expect(unmount(w.vfs, w.ctx, '/m', 0)).toBe(e.EBUSY);
    expect(w.rmdir('/m')).toBe(e.EBUSY);
    expect(w.rename('/m', '/k')).toBe(e.EBUSY);
    expect(w.rename('/m/inside', '/inside')).toBe(e.EXDEV);
    expect(w.stat('/m/..')).toMatchObject({ ino: (w.stat('/') as { ino: number }).ino });
    file.decRef();
    expect(mountsText(w.root)).toContain('src /m tmpfs rw,nodev,relatime,size=64k,inode64 0 0\n');
    expect(unmount(w.vfs, w.ctx, '/m', 0)).toBe(0);
    expect(w.cat('/m/below')).toBe('1');
    expect(unmount(w.vfs, w.ctx, '/m', 0)).toBe(e.EINVAL);
  });

  it('flags forbid what they say', () => {
    mount('/m', 0);
    w.put('/m/f', 'x', 0o755);
    w.mknod('/m/null', 0o020666, 0x103);
    w.symlink('f', '/m/l');
    expect(mount('/m', MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW)).toBe(0);
    expect(w.open('/m/f', f.O_WRONLY)).toBe(e.EROFS);
    expect(w.open('/m/g', f.O_CREAT | f.O_WRONLY)).toBe(e.EROFS);
    expect(w.mkdir('/m/d')).toBe(e.EROFS);
    expect(w.unlink('/m/nothing')).toBe(e.EROFS);
    expect(w.chmod('/m/f', 0)).toBe(e.EROFS);
    expect(w.open('/m/null', 0)).toBe(e.EACCES);
    expect(w.open('/m/l', 0)).toBe(e.ELOOP);
  });

  it('binds directories and files, recursively when asked', () => {
    mount('/m', 0);
    w.mkdir('/m/deep');
    mount('/m/deep', 0);
    w.put('/m/deep/x', 'deep');
    expect(mount('/n', MS_BIND, '/m', null)).toBe(0);
    expect(w.stat('/n/deep/x')).toBe(e.ENOENT);
    expect(unmount(w.vfs, w.ctx, '/n', 0)).toBe(0);
    expect(mount('/n', MS_BIND | MS_REC, '/m', null)).toBe(0);
    expect(w.cat('/n/deep/x')).toBe('deep');
    expect(unmount(w.vfs, w.ctx, '/n', 0)).toBe(e.EBUSY);
    expect(unmount(w.vfs, w.ctx, '/n', MNT_DETACH)).toBe(0);
    w.put('/file', 'bound');
    w.put('/over', '');
    expect(mount('/over', MS_BIND, '/file', null)).toBe(0);
    expect(w.cat('/over')).toBe('bound');
    expect(mount('/n', MS_BIND, '/file', null)).toBe(e.ENOTDIR);
    expect(mountinfoText(w.root)).toMatch(/ \/file \/over rw - tmpfs /);
  });

  it('a detached mount lives until its last user goes', () => {
    mount('/m', 0);
    w.put('/m/f', 'alive');
    const file = w.mustOpen('/m/f', 0);
    const fs = file.inode.fs;
    expect(unmount(w.vfs, w.ctx, '/m', MNT_DETACH)).toBe(0);
    expect(w.read(file, 10)).toBe('alive');
    expect(fs.mountRefs).toBe(1);
    file.decRef();
    expect(fs.mountRefs).toBe(0);
  });

  it('pivots and copies namespaces', () => {
    mount('/m', 0);
    w.mkdir('/m/old');
    const copy = cloneNamespace(w.vfs, w.namespace);
    expect(pathText(translatePath(copy, w.root), translatePath(copy, place('/m/old'))).text).toBe('/m/old');
    const { fs } = place('/m').mount;
    expect(fs.mountRefs).toBe(2);
    enterNamespace(copy);
    leaveNamespace(w.vfs, copy);
    expect(fs.mountRefs).toBe(1);
    const pivot = pivotRoot(w.ctx, '/m', '/m/old');
    expect(typeof pivot).toBe('object');
    const root = (pivot as { to: Path }).to;
    (w.ctx as { rootDir: Path }).rootDir = root;
    expect(w.cat('/old/m/below')).toBe('1');
    expect(w.ls('/')).toEqual(['.', '..', 'old']);
    expect(unmount(w.vfs, w.ctx, '/old', MNT_DETACH)).toBe(0);
    expect(w.ls('/old')).toEqual(['.', '..']);
  });

  it('needs CAP_SYS_ADMIN', () => {
    become(1000);
    expect(mount('/m', 0)).toBe(e.EPERM);
    expect(unmount(w.vfs, w.ctx, '/m', 0)).toBe(e.EPERM);
  });
});

describe('tmpfs', () => {
  it('runs out of its size, not of memory', () => {
    mount_small();
    expect(w.put('/s/a', 'a'.repeat(40000))).toBe(40000);
    expect(w.put('/s/b', 'b'.repeat(40000))).toBe(65536 - 40960);
    expect(w.put('/s/c', 'c')).toBe(e.ENOSPC);
    expect(w.unlink('/s/a')).toBe(0);
    expect(w.put('/s/c', 'c'.repeat(30000))).toBe(30000);
    const big = w.mustOpen('/s/sparse', f.O_CREAT | f.O_RDWR);
    expect(w.truncate('/s/sparse', 2 ** 40)).toBe(0);
    expect(w.pwrite(big, 'x', 2 ** 39)).toBe(1);
    expect(big.seek(w.ctx, 0, f.SEEK_DATA)).toBe(2 ** 39);
    expect(big.seek(w.ctx, 2 ** 39, f.SEEK_HOLE)).toBe(2 ** 39 + 4096);
    expect(big.fallocate(w.ctx, 0, 0, 1 << 20)).toBe(e.ENOSPC);
    expect(big.fallocate(w.ctx, 3, 2 ** 39, 4096)).toBe(0);
    expect(w.pread(big, 1, 2 ** 39)).toBe('\0');
    big.decRef();
  });

  function mount_small(): void {
    w.mkdir('/s');
    expect(mount('/s', 0, 'tmpfs', 'tmpfs', 'size=64k,nr_inodes=10')).toBe(0);
  }

  it('runs out of inodes and refuses unknown options', () => {
    mount_small();
    for (let i = 0; i < 9; i++) expect(w.mkdir(`/s/d${i}`)).toBe(0);
    expect(w.mkdir('/s/one-more')).toBe(e.ENOSPC);
    expect(w.rmdir('/s/d0')).toBe(0);
    expect(w.mkdir('/s/one-more')).toBe(0);
    expect(makeTmpfs(host, 'size=1x')).toBe(e.EINVAL);
    expect(makeTmpfs(host, 'colour=red')).toBe(e.EINVAL);
    expect((makeTmpfs(host, 'size=50%,mode=700,uid=5') as Tmpfs).showOptions()).toBe(',mode=700,uid=5,inode64');
  });

  it('RLIMIT_FSIZE cuts a write short, then signals', () => {
    const signals: number[] = [];
    Object.assign(w.ctx, { fileSizeLimit: 5, raiseSignal: (n: number) => signals.push(n) });
    const file = w.mustOpen('/limited', f.O_CREAT | f.O_RDWR);
    expect(w.write(file, '0123456789')).toBe(5);
    expect(w.write(file, 'x')).toBe(e.EFBIG);
    expect(w.truncate('/limited', 6)).toBe(e.EFBIG);
    expect(signals).toEqual([25, 25]);
    file.decRef();
  });

  it('O_TMPFILE has no name until it is linked', () => {
    const file = w.mustOpen('/', f.O_TMPFILE | f.O_RDWR, 0o600);
    w.write(file, 'late');
    expect(file.inode.nlink).toBe(0);
    expect(w.ls('/')).toEqual(['.', '..']);
    file.decRef();
  });
});
