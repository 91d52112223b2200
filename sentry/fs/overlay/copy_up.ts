// SPDX-License-Identifier: Apache-2.0

/**
 * Copy-up: what the upper filesystem gets of a lower file before it is changed.
 *
 * Linux:      fs/overlayfs/copy_up.c
 * Invariants: all or nothing: a failed copy leaves no upper file behind. The parent directory's times do not change.
 */
import { EIO, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../platform/abi/linux/stat.ts';
import { emptyAttr } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import { ATTR_ATIME, ATTR_MODE, ATTR_MTIME, ATTR_SIZE, type Inode } from '../../vfs/inode.ts';
import { BufferIo } from '../../vfs/io.ts';
import { copyContext } from './overlay_filesystem.ts';
import type { OverlayInode } from './overlay_inode.ts';

const CHUNK = 262144;
const buffer = Buffer.allocUnsafeSlow(CHUNK);
const zeros = Buffer.alloc(CHUNK);

/**
 * Makes sure `inode` has an upper file. Of a regular file, content beyond `keep` bytes need not be copied (it is about to be
 * truncated). Returns 0 or errno.
 */
export function copyUp(ctx: IoContext, inode: OverlayInode, keep: number = Number.POSITIVE_INFINITY): number {
  if (inode.upper !== null) return 0;
  const { parent } = inode;
  if (parent === null) return copyUpNameless(ctx, inode, keep);
  const above = copyUp(ctx, parent);
  if (above < 0) return above;
  const dir = parent.upper as Inode;
  const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = dir;
  const made = makeUpper(ctx, dir, inode);
  if (isErrno(made)) return made;
  const err = fill(copyContext(ctx), inode, made, keep);
  if (err < 0) {
    if ((made.mode & S_IFMT) === S_IFDIR) dir.rmdir(ctx, inode.name, made);
    else dir.unlink(ctx, inode.name, made);
    made.evict();
  } else {
    inode.becameUpper(made, 'named');
  }
  dir.mtimeSec = mtimeSec;
  dir.mtimeNsec = mtimeNsec;
  dir.ctimeSec = ctimeSec;
  dir.ctimeNsec = ctimeNsec;
  return err;
}

/** An open file that lost its name. */
function copyUpNameless(ctx: IoContext, inode: OverlayInode, keep: number): number {
  const lower = inode.lower as Inode;
  if ((lower.mode & S_IFMT) !== S_IFREG) return EIO;
  const made = inode.fs.upper.root.tmpfile(ctx, lower.mode & 0o7777, lower.uid, lower.gid);
  if (isErrno(made)) return made;
  const err = fill(copyContext(ctx), inode, made, keep);
  if (err < 0) made.evict();
  else inode.becameUpper(made, 'nameless');
  return err;
}

function makeUpper(ctx: IoContext, dir: Inode, inode: OverlayInode): Inode | Errno {
  const { name, mode, uid, gid } = inode;
  const type = mode & S_IFMT;
  if (type === S_IFREG) return dir.create(ctx, name, mode & 0o7777, uid, gid);
  if (type === S_IFDIR) return dir.mkdir(ctx, name, mode & 0o7777, uid, gid);
  if (type !== S_IFLNK) return dir.mknod(ctx, name, mode, inode.rdev, uid, gid);
  const text = (inode.lower as Inode).readlink(ctx);
  return isErrno(text) ? text : dir.symlink(ctx, name, text, uid, gid);
}

/** Copies content, extended attributes, mode and times. */
function fill(ctx: IoContext, inode: OverlayInode, made: Inode, keep: number): number {
  const lower = inode.lower as Inode;
  const type = lower.mode & S_IFMT;
  if (type === S_IFREG) {
    const err = copyContent(ctx, inode, lower, made, Math.min(lower.size, keep));
    if (err < 0) return err;
  }
  if (type === S_IFREG || type === S_IFDIR) {
    const err = copyXattrs(ctx, lower, made);
    if (err < 0) return err;
  }
  const attr = emptyAttr();
  attr.valid = ATTR_ATIME | ATTR_MTIME;
  attr.atimeSec = lower.atimeSec;
  attr.atimeNsec = lower.atimeNsec;
  attr.mtimeSec = lower.mtimeSec;
  attr.mtimeNsec = lower.mtimeNsec;
  if (type !== S_IFLNK) {
    attr.valid |= ATTR_MODE;
    attr.mode = lower.mode & 0o7777;
  }
  return made.setAttributes(ctx, attr);
}

function copyXattrs(ctx: IoContext, lower: Inode, made: Inode): number {
  if (!lower.fs.supportsXattrs || !made.fs.supportsXattrs) return 0;
  const names = lower.listxattr(ctx);
  if (isErrno(names)) return 0;
  for (const name of names) {
    const value = lower.getxattr(ctx, name);
    if (isErrno(value)) continue;
    const err = made.setxattr(ctx, name, value, 0);
    if (err < 0) return err;
  }
  return 0;
}

function copyContent(ctx: IoContext, inode: OverlayInode, lower: Inode, made: Inode, size: number): number {
  if (size === 0) return 0;
  const path = inode.fs.internalPath();
  const from = lower.open(ctx, path, 0);
  if (isErrno(from)) return from;
  const to = made.open(ctx, path, 1);
  if (isErrno(to)) {
    from.decRef();
    return to;
  }
  const attr = emptyAttr();
  attr.valid = ATTR_SIZE;
  attr.size = size;
  let err = made.setAttributes(ctx, attr);
  if (err >= 0) err = copyBytes(ctx, from, to, size);
  from.decRef();
  to.decRef();
  return err;
}

/** Copies [0, size); blocks of zeros stay holes. */
function copyBytes(ctx: IoContext, from: FileDescription, to: FileDescription, size: number): number {
  for (let at = 0; at < size; ) {
    const want = Math.min(CHUNK, size - at);
    const n = from.pread(ctx, new BufferIo(buffer, want), at);
    if (n < 0) return n;
    if (n === 0) return 0;
    if (buffer.compare(zeros, 0, n, 0, n) !== 0) {
      for (let done = 0; done < n; ) {
        const written = to.pwrite(ctx, new BufferIo(buffer.subarray(done, n)), at + done);
        if (written < 0) return written;
        if (written === 0) return EIO;
        done += written;
      }
    }
    at += n;
  }
  return 0;
}
