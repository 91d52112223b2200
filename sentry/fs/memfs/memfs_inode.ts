// SPDX-License-Identifier: Apache-2.0

/**
 * MemfsInode: one node of a memfs Volume.
 *
 * Invariants: attributes live in the Inode's fields while it exists and are written through to the node. `at` is one of the
 *             node's names (the last one found). mapFd >= 0: the content is in that memfd, the node's buffer is stale until flush().
 */
import { ENOENT, ENOSPC, ENOTEMPTY, ENXIO, EFBIG, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { modeToDtype, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../platform/abi/linux/stat.ts';
import { copyAttributes, touchBorn, touchChanged, touchModified } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import { ATTR_SIZE, type ByteString, Inode, type SetAttr } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { ListedDirDescription } from '../../vfs/pseudo_file.ts';
import { MemfsFile } from './memfs_file.ts';
import type { MemfsFilesystem } from './memfs_filesystem.ts';
import { type CoreLink, type CoreNode, fromVolumeName, toVolumeName } from './volume.ts';

const RENAME_EXCHANGE = 2;
/** Largest file: a Buffer must hold it. */
export const FILE_MAX = 1 << 30;
/** What a name costs of the volume's budget. */
const NAME_COST = 256;
const COPY_CHUNK = 262144;

export class MemfsInode extends Inode {
  declare readonly fs: MemfsFilesystem;
  readonly node: CoreNode;
  /** One of the node's names. */
  at: CoreLink;
  mapFd = -1;

  constructor(fs: MemfsFilesystem, node: CoreNode, link: CoreLink) {
    super(fs);
    this.node = node;
    this.at = link;
    this.ino = node.ino;
    this.mode = node.mode;
    this.uid = node.uid;
    this.gid = node.gid;
    this.rdev = node.rdev;
    const split = (date: Date): [number, number] => {
      const ms = date.getTime();
      return [Math.floor(ms / 1000), (ms - Math.floor(ms / 1000) * 1000) * 1e6];
    };
    [this.atimeSec, this.atimeNsec] = split(node.atime);
    [this.mtimeSec, this.mtimeNsec] = split(node.mtime);
    [this.ctimeSec, this.ctimeNsec] = split(node.ctime);
    [this.btimeSec, this.btimeNsec] = split(node.btime);
    this.sync();
    // memfs gives links rw-rw-rw-.
    if (this.isType(S_IFLNK)) this.mode = S_IFLNK | 0o777;
  }

  private isType(type: number): boolean {
    return (this.mode & S_IFMT) === type;
  }

  /** Reads size and link count from the node. */
  sync(): void {
    const { node } = this;
    this.nlink = node.nlink;
    if (this.isType(S_IFREG)) {
      if (this.mapFd < 0) this.size = node.getSize();
    } else if (this.isType(S_IFLNK)) {
      this.size = fromVolumeName(node.symlink).length;
    } else if (this.isType(S_IFDIR)) {
      this.size = 4096;
    }
    this.blocks = this.isType(S_IFREG) ? Math.ceil(this.size / 4096) * 8 : 0;
  }

  /** Writes the fields' times and modes to the node. */
  private writeThrough(): void {
    const { node } = this;
    node.mode = this.mode;
    node.uid = this.uid;
    node.gid = this.gid;
    node.atime = new Date(this.atimeSec * 1000 + Math.floor(this.atimeNsec / 1e6));
    node.mtime = new Date(this.mtimeSec * 1000 + Math.floor(this.mtimeNsec / 1e6));
  }

  override setAttributes(_ctx: IoContext, attr: SetAttr): number {
    if ((attr.valid & ATTR_SIZE) !== 0 && this.isType(S_IFREG)) {
      const err = this.resize(attr.size);
      if (err < 0) return err;
      touchModified(this);
    }
    copyAttributes(this, attr);
    this.writeThrough();
    return 0;
  }

  // Content

  /** Sets the size, within the budget. Returns 0, ENOSPC or EFBIG. */
  resize(size: number): number {
    if (size > FILE_MAX) return EFBIG;
    if (!this.fs.charge(size - this.size)) return ENOSPC;
    if (this.mapFd >= 0) {
      const r = this.fs.files.ftruncate(this.mapFd, size);
      if (r < 0) {
        this.fs.charge(this.size - size);
        return r;
      }
      this.size = size;
    } else {
      this.node.truncate(size);
    }
    this.sync();
    return 0;
  }

  /** A write of this inode's bytes happened. */
  modified(): void {
    touchModified(this);
    this.sync();
    this.node.mtime = new Date(this.mtimeSec * 1000 + Math.floor(this.mtimeNsec / 1e6));
  }

  /** Moves the content to a memfd, for mapping. Returns the descriptor or errno. */
  mapContent(): number {
    if (this.mapFd >= 0) return this.mapFd;
    const { files } = this.fs;
    const fd = files.memfdCreate('memfs');
    if (fd < 0) return fd;
    const bytes = this.node.getBuffer();
    let done = 0;
    while (done < bytes.length) {
      const n = files.pwrite(fd, bytes, done, Math.min(COPY_CHUNK, bytes.length - done), done);
      if (n <= 0) {
        files.close(fd);
        return n < 0 ? n : ENOSPC;
      }
      done += n;
    }
    this.mapFd = fd;
    return fd;
  }

  /** Copies mapped content back to the node. */
  flush(): void {
    if (this.mapFd < 0) return;
    const bytes = Buffer.alloc(this.size);
    let done = 0;
    while (done < bytes.length) {
      const n = this.fs.files.pread(this.mapFd, bytes, done, Math.min(COPY_CHUNK, bytes.length - done), done);
      if (n <= 0) break;
      done += n;
    }
    this.node.setBuffer(bytes);
    this.writeThrough();
  }

  /** Flushes and lets the memfd go. */
  unmapContent(): void {
    if (this.mapFd < 0) return;
    this.flush();
    this.fs.files.close(this.mapFd);
    this.mapFd = -1;
  }

  override evict(): void {
    if (this === this.fs.root) return;
    this.unmapContent();
    if (this.node.nlink <= 0) {
      this.fs.charge(-this.node.getSize());
      this.fs.chargeNode(-1);
      this.fs.volume._core.deleteNode(this.node);
    }
    this.fs.forget(this.node);
  }

  // Directories

  override lookup(_ctx: IoContext, name: ByteString): Inode | Errno {
    const key = toVolumeName(name);
    if (isErrno(key)) return ENOENT;
    const child = this.at.children.get(key);
    return child === undefined ? ENOENT : this.fs.inodeFor(child);
  }

  private add(name: ByteString, mode: number, uid: number, gid: number, init: (node: CoreNode) => void): Inode | Errno {
    const key = toVolumeName(name);
    if (isErrno(key)) return key;
    if (!this.fs.chargeNode(1)) return ENOSPC;
    if (!this.fs.charge(NAME_COST)) {
      this.fs.chargeNode(-1);
      return ENOSPC;
    }
    const node = this.fs.volume._core.createNode(mode);
    init(node);
    const inode = this.fs.inodeFor(this.at.createChild(key, node));
    inode.mode = mode;
    inode.uid = uid;
    inode.gid = gid;
    touchBorn(inode);
    inode.sync();
    inode.writeThrough();
    this.changed();
    return inode;
  }

  private changed(): void {
    touchModified(this);
    this.sync();
    this.writeThrough();
  }

  override create(_ctx: IoContext, name: ByteString, mode: number, uid: number, gid: number): Inode | Errno {
    return this.add(name, S_IFREG | mode, uid, gid, () => {});
  }
  override mkdir(_ctx: IoContext, name: ByteString, mode: number, uid: number, gid: number): Inode | Errno {
    return this.add(name, S_IFDIR | mode, uid, gid, () => {});
  }
  override mknod(
    _ctx: IoContext,
    name: ByteString,
    mode: number,
    rdev: number,
    uid: number,
    gid: number,
  ): Inode | Errno {
    const made = this.add(name, mode, uid, gid, (node) => {
      node.rdev = rdev;
    });
    if (!isErrno(made)) made.rdev = rdev;
    return made;
  }
  override symlink(_ctx: IoContext, name: ByteString, target: ByteString, uid: number, gid: number): Inode | Errno {
    const text = toVolumeName(target);
    if (isErrno(text)) return text;
    return this.add(name, S_IFLNK | 0o777, uid, gid, (node) => {
      node.symlink = text;
    });
  }

  override link(_ctx: IoContext, name: ByteString, target: Inode): number {
    const key = toVolumeName(name);
    if (isErrno(key)) return key;
    if (!this.fs.charge(NAME_COST)) return ENOSPC;
    const file = target as MemfsInode;
    file.node.nlink++;
    this.at.createChild(key, file.node);
    file.sync();
    touchChanged(file);
    this.changed();
    return 0;
  }

  override unlink(_ctx: IoContext, name: ByteString, child: Inode): number {
    return this.drop(name, child as MemfsInode);
  }

  override rmdir(_ctx: IoContext, name: ByteString, child: Inode): number {
    const dir = child as MemfsInode;
    for (const key of dir.at.children.keys()) if (key !== '.' && key !== '..') return ENOTEMPTY;
    return this.drop(name, dir);
  }

  private drop(name: ByteString, child: MemfsInode): number {
    const key = toVolumeName(name);
    if (isErrno(key)) return key;
    const link = this.at.children.get(key);
    if (link === undefined) return ENOENT;
    this.at.deleteChild(link);
    this.fs.charge(-NAME_COST);
    child.node.nlink = child.isType(S_IFDIR) ? 0 : child.node.nlink - 1;
    child.sync();
    touchChanged(child);
    this.changed();
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
    const to = newDir as MemfsInode;
    const from = toVolumeName(name);
    const into = toVolumeName(newName);
    if (isErrno(from)) return from;
    if (isErrno(into)) return into;
    const moved = this.at.children.get(from);
    const other = to.at.children.get(into);
    if (moved === undefined) return ENOENT;
    if ((flags & RENAME_EXCHANGE) !== 0) {
      if (other === undefined) return ENOENT;
      this.at.deleteChild(moved);
      to.at.deleteChild(other);
      place(this.at, from, other);
    } else {
      if (target !== null) {
        const err =
          target === child
            ? 0
            : (target as MemfsInode).isType(S_IFDIR)
              ? to.rmdir(_ctx, newName, target)
              : to.unlink(_ctx, newName, target);
        if (err < 0) return err;
      }
      this.at.deleteChild(moved);
    }
    place(to.at, into, moved);
    touchChanged(child);
    this.changed();
    to.changed();
    return 0;
  }

  // Links and open files

  override readlink(): ByteString | Errno {
    return fromVolumeName(this.node.symlink);
  }

  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    if (this.isType(S_IFDIR)) return new ListedDirDescription(ctx, path, this, flags, () => this.list());
    return this.isType(S_IFREG) ? new MemfsFile(path, this, flags, ctx.creds) : ENXIO;
  }

  private list(): { name: ByteString; ino: number; dtype: number }[] {
    const out: { name: ByteString; ino: number; dtype: number }[] = [];
    for (const [name, link] of this.at.children) {
      if (name === '.' || name === '..' || link === undefined) continue;
      const node = link.getNode();
      out.push({ name: fromVolumeName(name), ino: node.ino, dtype: modeToDtype(node.mode) });
    }
    return out;
  }
}

/** Puts a link that was taken out of its directory into another place. */
function place(dir: CoreLink, name: string, link: CoreLink): void {
  link.name = name;
  dir.setChild(name, link);
  link.parent = dir;
  link.syncSteps();
}
