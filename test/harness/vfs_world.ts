// SPDX-License-Identifier: Apache-2.0

/**
 * A mount namespace without a kernel: one filesystem mounted as root, and the system calls' vfs operations on it.
 */
import { isErrno } from '../../platform/abi/linux/errno.ts';
import { rootCredentials } from '../../sentry/auth/credentials.ts';
import { UserNamespace } from '../../sentry/auth/user_namespace.ts';
import type { IoContext } from '../../sentry/vfs/context.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { Filesystem, StatFs } from '../../sentry/vfs/filesystem.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import { BufferIo } from '../../sentry/vfs/io.ts';
import type { MountNamespace, Path } from '../../sentry/vfs/mount.ts';
import * as names from '../../sentry/vfs/names.ts';
import { renamePath } from '../../sentry/vfs/rename.ts';
import { changeMode, changeOwner, changeTimes, truncatePath } from '../../sentry/vfs/set_attributes.ts';
import { VirtualFilesystem } from '../../sentry/vfs/virtual_filesystem.ts';
import { nodeHostClock, nodeHostFiles } from './node_host.ts';

/** Attributes as a plain object. */
export interface Stat {
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  size: number;
  rdev: number;
  mtimeSec: number;
  mtimeNsec: number;
}

export class VfsWorld {
  readonly vfs: VirtualFilesystem;
  readonly namespace: MountNamespace;
  readonly root: Path;
  readonly ctx: IoContext;

  constructor(fs: Filesystem) {
    this.vfs = new VirtualFilesystem({ clock: nodeHostClock, files: nodeHostFiles, info: null as never });
    this.namespace = this.vfs.newNamespace(fs, 0);
    this.root = { mount: this.namespace.root, dentry: this.namespace.root.root };
    this.ctx = {
      creds: rootCredentials(new UserNamespace()),
      memory: null as never,
      rootDir: this.root,
      cwd: this.root,
      umask: 0o022,
      fileSizeLimit: Number.POSITIVE_INFINITY,
      lockOwnerPid: 1,
      raiseSignal: () => {},
    } as IoContext;
  }

  open(path: string, flags: number, mode = 0o644): FileDescription | number {
    return this.vfs.open(this.ctx, null, path, flags, mode);
  }

  /** Opens or throws the errno. */
  mustOpen(path: string, flags: number, mode = 0o644): FileDescription {
    const file = this.open(path, flags, mode);
    if (isErrno(file)) throw new Error(`open ${path}: ${file}`);
    return file as FileDescription;
  }

  read(file: FileDescription, length: number): string | number {
    const buf = Buffer.alloc(length);
    const n = file.read(this.ctx, new BufferIo(buf));
    return n < 0 ? n : buf.toString('latin1', 0, n);
  }

  pread(file: FileDescription, length: number, offset: number): string | number {
    const buf = Buffer.alloc(length);
    const n = file.pread(this.ctx, new BufferIo(buf), offset);
    return n < 0 ? n : buf.toString('latin1', 0, n);
  }

  write(file: FileDescription, text: string): number {
    return file.write(this.ctx, new BufferIo(Buffer.from(text, 'latin1')));
  }

  pwrite(file: FileDescription, text: string, offset: number): number {
    return file.pwrite(this.ctx, new BufferIo(Buffer.from(text, 'latin1')), offset);
  }

  /** Whole content of a file, or errno. */
  cat(path: string): string | number {
    const file = this.open(path, 0);
    if (typeof file === 'number') return file;
    let text = '';
    for (;;) {
      const part = this.read(file, 65536);
      if (typeof part === 'number' || part === '') break;
      text += part;
    }
    file.decRef();
    return text;
  }

  /** Creates or replaces a file's content. */
  put(path: string, text: string, mode = 0o644): number {
    const file = this.open(path, 0o1101, mode);
    if (typeof file === 'number') return file;
    const n = this.write(file, text);
    file.decRef();
    return n;
  }

  /** Names in a directory (with "." and ".."), sorted; or errno. */
  ls(path: string): string[] | number {
    const dir = this.open(path, 0o200000);
    if (typeof dir === 'number') return dir;
    const out: string[] = [];
    const r = dir.readdir(this.ctx, (name) => out.push(name) > 0);
    dir.decRef();
    return r < 0 ? r : out.sort();
  }

  inode(path: string, follow = false): Inode | number {
    const place = this.vfs.resolve(this.ctx, null, path, follow);
    return isErrno(place) ? place : (place.dentry.inode as Inode);
  }

  stat(path: string, follow = false): Stat | number {
    const inode = this.inode(path, follow);
    return typeof inode === 'number' ? inode : this.statInode(inode);
  }

  statInode(inode: Inode): Stat | number {
    const r = inode.refreshAttributes();
    if (r < 0) return r;
    const { ino, mode, nlink, uid, gid, size, rdev, mtimeSec, mtimeNsec } = inode;
    return { ino, mode, nlink, uid, gid, size, rdev, mtimeSec, mtimeNsec };
  }

  private at(path: string, run: (path: Path) => number): number {
    const place = this.vfs.resolve(this.ctx, null, path, true);
    return isErrno(place) ? place : run(place);
  }

  mkdir = (path: string, mode = 0o755): number => names.makeDirectory(this.ctx, null, path, mode);
  mknod = (path: string, mode: number, rdev = 0): number => {
    const r = names.makeNode(this.ctx, null, path, mode, rdev);
    return isErrno(r) ? r : 0;
  };
  symlink = (target: string, path: string): number => names.makeSymlink(this.ctx, target, null, path);
  link = (old: string, path: string): number => {
    const place = this.vfs.resolve(this.ctx, null, old, false);
    return isErrno(place) ? place : names.makeLink(this.ctx, place, null, path);
  };
  unlink = (path: string): number => names.removeFile(this.ctx, null, path);
  rmdir = (path: string): number => names.removeDirectory(this.ctx, null, path);
  rename = (from: string, to: string, flags = 0): number => renamePath(this.ctx, null, from, null, to, flags);
  chmod = (path: string, mode: number): number => this.at(path, (p) => changeMode(this.ctx, p, mode));
  chown = (path: string, uid: number, gid: number): number => this.at(path, (p) => changeOwner(this.ctx, p, uid, gid));
  utimes = (path: string, sec: number, nsec: number): number =>
    this.at(path, (p) =>
      changeTimes(this.ctx, p, [
        { sec, nsec },
        { sec, nsec },
      ] as never),
    );
  truncate = (path: string, length: number): number => this.at(path, (p) => truncatePath(this.ctx, p, length));

  readlink(path: string): string | number {
    const inode = this.inode(path);
    return typeof inode === 'number' ? inode : inode.readlink(this.ctx);
  }

  statfs(): StatFs | number {
    const out = { type: 0, bsize: 0, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 0, flags: 0 };
    const r = this.root.mount.fs.statfs(out);
    return r < 0 ? r : out;
  }
}
