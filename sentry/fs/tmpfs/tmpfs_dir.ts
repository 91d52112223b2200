// SPDX-License-Identifier: Apache-2.0

/**
 * tmpfs directories.
 *
 * Linux:      mm/shmem.c, fs/libfs.c (simple_offset_*)
 * Invariants: entries are kept in order of their cookies, which never change while an entry lives, so a listing under way
 *             neither skips nor repeats what stays. nlink is 2 plus the number of subdirectories.
 */
import { EINVAL, EISDIR, ENOENT, ENOTEMPTY, type Errno } from '../../../platform/abi/linux/errno.ts';
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from '../../../platform/abi/linux/fcntl.ts';
import { DT_DIR, S_IFCHR, S_IFDIR, S_IFREG, modeToDtype } from '../../../platform/abi/linux/stat.ts';
import { touchAccessed, touchChanged, touchModified } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import { type DirEmit, FileDescription } from '../../vfs/file_description.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { dotDotIno } from '../../vfs/pseudo_file.ts';
import { seekTo } from '../../vfs/seekable_file.ts';
import type { Tmpfs } from './tmpfs.ts';
import { TmpfsFile } from './tmpfs_file.ts';
import { TmpfsInode, TmpfsSpecial, TmpfsSymlink } from './tmpfs_inode.ts';

/** What an entry adds to a directory's st_size (BOGO_DIRENT_SIZE). */
const ENTRY_SIZE = 20;
/** First cookie: 0 is ".", 1 is "..". */
const FIRST_COOKIE = 2;

interface Entry {
  readonly name: ByteString;
  readonly cookie: number;
  inode: TmpfsInode;
  isGone: boolean;
}

export class TmpfsDir extends TmpfsInode {
  private readonly byName = new Map<ByteString, Entry>();
  /** In cookie order, with gone entries until the next compaction. */
  private ordered: Entry[] = [];
  private goneCount = 0;
  private nextCookie = FIRST_COOKIE;

  constructor(fs: Tmpfs, permissions: number, uid: number, gid: number) {
    super(fs, S_IFDIR | permissions, uid, gid);
    this.nlink = 2;
  }

  get isEmpty(): boolean {
    return this.byName.size === 0;
  }

  /** Names from here to a file with this number, wherever below; null: there is none. */
  findByNumber(ino: number): ByteString[] | null {
    if (ino === this.ino) return [];
    const open: { dir: TmpfsDir; names: ByteString[] }[] = [{ dir: this, names: [] }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const [name, { inode }] of next.dir.byName) {
        if (inode.ino === ino) return [...next.names, name];
        if (inode instanceof TmpfsDir) open.push({ dir: inode, names: [...next.names, name] });
      }
    }
    return null;
  }

  override lookup(_ctx: IoContext, name: ByteString): Inode | Errno {
    return this.byName.get(name)?.inode ?? ENOENT;
  }

  override create(_ctx: IoContext, name: ByteString, mode: number, uid: number, gid: number): Inode | Errno {
    const err = this.fs.chargeInode();
    return err !== 0 ? err : this.insert(name, new TmpfsFile(this.fs, S_IFREG | mode, uid, gid));
  }
  override tmpfile(_ctx: IoContext, mode: number, uid: number, gid: number): Inode | Errno {
    const err = this.fs.chargeInode();
    if (err !== 0) return err;
    const file = new TmpfsFile(this.fs, S_IFREG | mode, uid, gid);
    file.nlink = 0;
    return file;
  }
  override mkdir(_ctx: IoContext, name: ByteString, mode: number, uid: number, gid: number): Inode | Errno {
    const err = this.fs.chargeInode();
    return err !== 0 ? err : this.insert(name, new TmpfsDir(this.fs, mode, uid, gid));
  }
  override mknod(
    _ctx: IoContext,
    name: ByteString,
    mode: number,
    rdev: number,
    uid: number,
    gid: number,
  ): Inode | Errno {
    const err = this.fs.chargeInode();
    return err !== 0 ? err : this.insert(name, new TmpfsSpecial(this.fs, mode, rdev, uid, gid));
  }
  override symlink(_ctx: IoContext, name: ByteString, target: ByteString, uid: number, gid: number): Inode | Errno {
    const err = this.fs.chargeInode();
    return err !== 0 ? err : this.insert(name, new TmpfsSymlink(this.fs, target, uid, gid));
  }
  override link(_ctx: IoContext, name: ByteString, target: Inode): number {
    this.insert(name, target as TmpfsInode);
    target.nlink++;
    touchChanged(target);
    return 0;
  }

  override unlink(_ctx: IoContext, name: ByteString, child: Inode): number {
    this.erase(name);
    (child as TmpfsInode).dropLink();
    return 0;
  }
  override rmdir(_ctx: IoContext, name: ByteString, child: Inode): number {
    const dir = child as TmpfsDir;
    if (!dir.isEmpty) return ENOTEMPTY;
    this.erase(name);
    dir.nlink = 0;
    touchChanged(dir);
    return 0;
  }

  override rename(
    _ctx: IoContext,
    name: ByteString,
    child: Inode,
    newDir: Inode,
    newName: ByteString,
    target: Inode | null,
    flags: number,
  ): number {
    const to = newDir as TmpfsDir;
    const moved = child as TmpfsInode;
    const over = target as TmpfsInode | null;
    if ((flags & RENAME_EXCHANGE) !== 0) {
      this.replace(name, over as TmpfsInode);
      to.replace(newName, moved);
    } else {
      if (over instanceof TmpfsDir && !over.isEmpty) return ENOTEMPTY;
      if ((flags & RENAME_WHITEOUT) !== 0) {
        const err = this.fs.chargeInode();
        if (err !== 0) return err;
      }
      this.erase(name);
      if (over !== null) {
        to.erase(newName);
        if (over instanceof TmpfsDir) over.nlink = 0;
        else over.nlink--;
        touchChanged(over);
      }
      to.insert(newName, moved);
      if ((flags & RENAME_WHITEOUT) !== 0) this.insert(name, new TmpfsSpecial(this.fs, S_IFCHR, 0, 0, 0));
    }
    touchModified(this);
    touchModified(to);
    touchChanged(moved);
    if ((flags & RENAME_EXCHANGE) !== 0) touchChanged(over as TmpfsInode);
    return 0;
  }

  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return new TmpfsDirDescription(path, this, flags, ctx.creds);
  }

  /** Emits entries whose cookie is at least `from`; returns the cookie to go on at. */
  emitFrom(from: number, emit: DirEmit): number {
    let low = 0;
    let high = this.ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.ordered[middle] as Entry).cookie < from) low = middle + 1;
      else high = middle;
    }
    let at = from;
    for (; low < this.ordered.length; low++) {
      const entry = this.ordered[low] as Entry;
      if (entry.isGone) continue;
      if (!emit(entry.name, entry.inode.ino, modeToDtype(entry.inode.mode), entry.cookie + 1)) return at;
      at = entry.cookie + 1;
    }
    return at;
  }

  /** The filesystem goes: gives everything below back. */
  releaseTree(): void {
    for (const { inode } of this.byName.values()) {
      if (inode instanceof TmpfsDir) inode.releaseTree();
      else inode.free();
    }
    this.byName.clear();
    this.ordered = [];
    this.free();
  }

  private insert(name: ByteString, inode: TmpfsInode): TmpfsInode {
    const entry = { name, cookie: this.nextCookie++, inode, isGone: false };
    this.byName.set(name, entry);
    this.ordered.push(entry);
    if (inode instanceof TmpfsDir) this.nlink++;
    this.size += ENTRY_SIZE;
    touchModified(this);
    return inode;
  }

  private erase(name: ByteString): void {
    const entry = this.byName.get(name) as Entry;
    entry.isGone = true;
    this.byName.delete(name);
    if (entry.inode instanceof TmpfsDir) this.nlink--;
    this.size -= ENTRY_SIZE;
    touchModified(this);
    if (++this.goneCount > 16 && this.goneCount > this.ordered.length / 2) {
      this.ordered = this.ordered.filter((e) => !e.isGone);
      this.goneCount = 0;
    }
  }

  private replace(name: ByteString, inode: TmpfsInode): void {
    const entry = this.byName.get(name) as Entry;
    if (entry.inode instanceof TmpfsDir) this.nlink--;
    if (inode instanceof TmpfsDir) this.nlink++;
    entry.inode = inode;
  }
}

/** An open tmpfs directory; the position is the cookie of the next entry. */
class TmpfsDirDescription extends FileDescription {
  override readdir(_ctx: IoContext, emit: DirEmit): number {
    const dir = this.inode as TmpfsDir;
    if (this.position === 0) {
      if (!emit('.', dir.ino, DT_DIR, 1)) return 0;
      this.position = 1;
    }
    if (this.position === 1) {
      if (!emit('..', dotDotIno(this.path), DT_DIR, 2)) return 0;
      this.position = 2;
    }
    this.position = dir.emitFrom(this.position, emit);
    touchAccessed(this);
    return 0;
  }
  override seek(_ctx: IoContext, offset: number, whence: number): number {
    const target = whence > 1 ? EINVAL : seekTo(this.position, offset, whence, () => 0);
    if (target >= 0) this.position = target;
    return target;
  }
  override read(): number {
    return EISDIR;
  }
  override pread(): number {
    return EISDIR;
  }
  override fsync(): number {
    return 0;
  }
}
