// SPDX-License-Identifier: Apache-2.0

/**
 * What all tmpfs inodes share: attributes in the fields, extended attributes, symbolic links and special nodes.
 *
 * Linux: mm/shmem.c (shmem_get_inode, shmem_xattr_handlers)
 */
import { EEXIST, ELOOP, ENODATA, ENOSPC, ENOTTY, ENXIO, EOPNOTSUPP, type Errno } from '../../../platform/abi/linux/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../platform/abi/linux/stat.ts';
import { copyAttributes, touchBorn, touchChanged } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import { type ByteString, Inode, type SetAttr, XATTR_CREATE, XATTR_REPLACE } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { PAGE_SIZE } from './options.ts';
import type { Tmpfs } from './tmpfs.ts';

/** Names and values of one inode's extended attributes together. */
const XATTR_MAX = 65536;

export abstract class TmpfsInode extends Inode {
  declare readonly fs: Tmpfs;
  private xattrs: Map<ByteString, Uint8Array> | null = null;
  private xattrBytes = 0;
  private isFreed = false;

  constructor(fs: Tmpfs, mode: number, uid: number, gid: number) {
    super(fs);
    this.ino = fs.allocIno();
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    touchBorn(this);
  }

  override setAttributes(_ctx: IoContext, attr: SetAttr): number {
    copyAttributes(this, attr);
    return 0;
  }

  override fileFlags(): number {
    const type = this.mode & S_IFMT;
    return type === S_IFREG || type === S_IFDIR ? this.fsFlags : ENOTTY;
  }
  override setFileFlags(_ctx: IoContext, flags: number): number {
    this.fsFlags = flags;
    touchChanged(this);
    return 0;
  }

  /** A name of it was removed. */
  dropLink(): void {
    this.nlink--;
    touchChanged(this);
  }

  override evict(): void {
    if (this.nlink === 0) this.free();
  }

  /** Gives memory and the inode back to the budget. Once. */
  free(): void {
    if (this.isFreed) return;
    this.isFreed = true;
    if (this.xattrBytes > 0) this.fs.uncharge(Math.ceil(this.xattrBytes / PAGE_SIZE));
    this.xattrs = null;
    this.freeContent();
    this.fs.unchargeInode();
  }
  protected freeContent(): void {}

  override getxattr(_ctx: IoContext, name: ByteString): Uint8Array | Errno {
    if (name.startsWith('system.')) return EOPNOTSUPP;
    return this.xattrs?.get(name) ?? ENODATA;
  }

  override setxattr(_ctx: IoContext, name: ByteString, value: Uint8Array, flags: number): number {
    if (name.startsWith('system.')) return EOPNOTSUPP;
    const old = this.xattrs?.get(name);
    if (old !== undefined && (flags & XATTR_CREATE) !== 0) return EEXIST;
    if (old === undefined && (flags & XATTR_REPLACE) !== 0) return ENODATA;
    const bytes = this.xattrBytes + value.length + (old === undefined ? name.length : -old.length);
    if (!this.recharge(bytes)) return ENOSPC;
    if (this.xattrs === null) this.xattrs = new Map();
    this.xattrs.set(name, value.slice());
    touchChanged(this);
    return 0;
  }

  override removexattr(_ctx: IoContext, name: ByteString): number {
    if (name.startsWith('system.')) return EOPNOTSUPP;
    const old = this.xattrs?.get(name);
    if (old === undefined) return ENODATA;
    this.xattrs?.delete(name);
    this.recharge(this.xattrBytes - old.length - name.length);
    touchChanged(this);
    return 0;
  }

  override listxattr(): ByteString[] {
    return this.xattrs === null ? [] : [...this.xattrs.keys()];
  }

  private recharge(bytes: number): boolean {
    if (bytes > XATTR_MAX) return false;
    const more = Math.ceil(bytes / PAGE_SIZE) - Math.ceil(this.xattrBytes / PAGE_SIZE);
    if (more > 0 && !this.fs.charge(more)) return false;
    if (more < 0) this.fs.uncharge(-more);
    this.xattrBytes = bytes;
    return true;
  }
}

export class TmpfsSymlink extends TmpfsInode {
  private readonly target: ByteString;

  constructor(fs: Tmpfs, target: ByteString, uid: number, gid: number) {
    super(fs, S_IFLNK | 0o777, uid, gid);
    this.target = target;
    this.size = target.length;
  }
  override readlink(): ByteString {
    return this.target;
  }
  override open(): Errno {
    return ELOOP;
  }
}

/** A FIFO, socket or device node: opened by vfs. */
export class TmpfsSpecial extends TmpfsInode {
  constructor(fs: Tmpfs, mode: number, rdev: number, uid: number, gid: number) {
    super(fs, mode, uid, gid);
    this.rdev = rdev;
  }
  override open(_ctx: IoContext, _path: Path, _flags: number): FileDescription | Errno {
    return ENXIO;
  }
}
