// SPDX-License-Identifier: Apache-2.0

/**
 * tmpcopyup: a new tmpfs begins with a copy of the directory it is mounted on.
 */
import { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_WRONLY } from '../../platform/abi/linux/fcntl.ts';
import { ELOOP, isErrno } from '../../platform/abi/linux/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../platform/abi/linux/stat.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import type { IoContext } from '../../sentry/vfs/context.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import { BufferIo } from '../../sentry/vfs/io.ts';
import type { Path } from '../../sentry/vfs/mount.ts';
import { makeDirectory, makeNode, makeSymlink } from '../../sentry/vfs/names.ts';
import { openPath } from '../../sentry/vfs/open.ts';
import { walkPath } from '../../sentry/vfs/path_walk.ts';
import { changeMode, changeOwner, changeTimes } from '../../sentry/vfs/set_attributes.ts';

const MAX_DEPTH = 100;
const CHUNK = 1 << 18;

/** Copies what is in directory `from` (not what is mounted in it) to the absolute path `to`. Returns 0 or errno. */
export function copyTree(kernel: Kernel, ctx: IoContext, from: Path, to: string, depth = 0): number {
  if (depth > MAX_DEPTH) return ELOOP;
  const names = namesIn(kernel, ctx, from);
  if (typeof names === 'number') return names;
  for (const name of names) {
    const child = walkPath(ctx, from, name, false);
    if (isErrno(child) || child.mount !== from.mount) continue;
    const err = copyOne(kernel, ctx, child, `${to}/${name}`, depth);
    if (err !== 0) return err;
  }
  return 0;
}

function namesIn(kernel: Kernel, ctx: IoContext, from: Path): string[] | number {
  const file = openPath(kernel.vfs, ctx, from, '.', O_RDONLY | O_DIRECTORY, 0, 0);
  if (isErrno(file)) return file;
  const names: string[] = [];
  const err = file.readdir(ctx, (name) => {
    if (name !== '.' && name !== '..') names.push(name);
    return true;
  });
  file.decRef();
  return err < 0 ? err : names;
}

function copyOne(kernel: Kernel, ctx: IoContext, from: Path, to: string, depth: number): number {
  const inode = from.dentry.inode as Inode;
  const permissions = inode.mode & 0o7777;
  switch (inode.mode & S_IFMT) {
    case S_IFDIR: {
      const err = makeDirectory(ctx, null, to, permissions) || copyTree(kernel, ctx, from, to, depth + 1);
      return err === 0 ? copyAttributes(ctx, inode, to) : err;
    }
    case S_IFLNK: {
      const target = inode.readlink(ctx);
      return isErrno(target) ? target : makeSymlink(ctx, target, null, to) || copyAttributes(ctx, inode, to);
    }
    case S_IFREG:
      return copyFile(kernel, ctx, from, to) || copyAttributes(ctx, inode, to);
    default: {
      const made = makeNode(ctx, null, to, inode.mode, inode.rdev);
      return isErrno(made) ? made : copyAttributes(ctx, inode, to);
    }
  }
}

function copyFile(kernel: Kernel, ctx: IoContext, from: Path, to: string): number {
  const input = openPath(kernel.vfs, ctx, { mount: from.mount, dentry: from.dentry.parent ?? from.dentry }, from.dentry.name, O_RDONLY, 0, 0);
  if (isErrno(input)) return input;
  const output = openPath(kernel.vfs, ctx, null, to, O_WRONLY | O_CREAT | O_EXCL, 0o600, 0);
  let result: number = isErrno(output) ? output : 0;
  const buffer = Buffer.alloc(CHUNK);
  while (result === 0 && !isErrno(output)) {
    const n = input.read(ctx, new BufferIo(buffer));
    if (n <= 0) {
      result = n;
      break;
    }
    const written = output.write(ctx, new BufferIo(buffer, n));
    if (written < 0) result = written;
  }
  input.decRef();
  if (!isErrno(output)) output.decRef();
  return result;
}

function copyAttributes(ctx: IoContext, inode: Inode, to: string): number {
  const at = walkPath(ctx, null, to, false);
  if (isErrno(at)) return at;
  const owner = changeOwner(ctx, at, inode.uid, inode.gid);
  if (owner !== 0 || (inode.mode & S_IFMT) === S_IFLNK) return owner;
  const times = [{ sec: inode.atimeSec, nsec: inode.atimeNsec }, { sec: inode.mtimeSec, nsec: inode.mtimeNsec }] as const;
  return changeMode(ctx, at, inode.mode & 0o7777) || changeTimes(ctx, at, times);
}
