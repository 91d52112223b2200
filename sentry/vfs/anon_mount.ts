// SPDX-License-Identifier: Apache-2.0

/**
 * Places for files that have no name: pipes, sockets and anonymous inodes live on internal mounts nobody can walk to.
 *
 * Linux:      fs/libfs.c (init_pseudo), fs/anon_inodes.c, fs/pipe.c (pipefs), net/socket.c (sockfs)
 * Invariants: such a mount has no namespace and no mount point; each file gets a dentry of its own, in no directory.
 */
import { ENXIO, EPERM, type Errno } from '../../platform/abi/linux/errno.ts';
import { copyAttributes, touchBorn } from './attributes.ts';
import type { IoContext } from './context.ts';
import { Dentry } from './dentry.ts';
import type { FileDescription } from './file_description.ts';
import { Filesystem, type StatFs } from './filesystem.ts';
import { ATTR_SIZE, Inode, type SetAttr } from './inode.ts';
import { Mount, type Path } from './mount.ts';

/** An inode of an internal mount: cannot be opened again by /proc/pid/fd unless a subclass says how. */
export class AnonInode extends Inode {
  override readonly opensSpecial: boolean = true;

  constructor(fs: Filesystem, mode: number, uid: number, gid: number) {
    super(fs);
    this.ino = fs.allocIno();
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    touchBorn(this);
    this.btimeSec = -1;
  }
  override setAttributes(_ctx: IoContext, attr: SetAttr): number {
    if ((attr.valid & ATTR_SIZE) !== 0) return EPERM;
    copyAttributes(this, attr);
    return 0;
  }
  override open(_ctx: IoContext, _path: Path, _flags: number): FileDescription | Errno {
    return ENXIO;
  }
}

class AnonFilesystem extends Filesystem {
  override readonly typeName: string;
  readonly magic: number;
  override readonly root: Inode;

  constructor(typeName: string, magic: number, minor: number) {
    super();
    this.typeName = typeName;
    this.magic = magic;
    this.dev = minor;
    this.root = new AnonInode(this, 0o040000, 0, 0);
  }
  override statfs(out: StatFs): number {
    out.type = this.magic;
    out.bsize = 4096;
    out.namelen = 255;
    return 0;
  }
}

/** One internal mount. */
export class AnonMount {
  readonly fs: Filesystem;
  private readonly mount: Mount;

  constructor(id: number, typeName: string, magic: number, minor: number) {
    this.fs = new AnonFilesystem(typeName, magic, minor);
    this.mount = new Mount(id, this.fs, new Dentry(this.fs, null, '/', this.fs.root), 0);
  }
  /** A place for `inode`, in no directory; `name` is what its dentry shows. */
  place(inode: Inode, name = ''): Path {
    return { mount: this.mount, dentry: new Dentry(this.fs, null, name, inode) };
  }
}

/** Their device numbers lie below those VirtualFilesystem gives out. */
export const pipefs = new AnonMount(1, 'pipefs', 0x50495045, 13);
export const sockfs = new AnonMount(2, 'sockfs', 0x534f434b, 8);
export const anonInodeFs = new AnonMount(3, 'anon_inodefs', 0x09041934, 14);
export const nsfs = new AnonMount(4, 'nsfs', 0x6e736673, 4);
