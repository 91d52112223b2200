// SPDX-License-Identifier: Apache-2.0

/**
 * Filesystem: one mounted instance (Linux's super_block), shared by all Mounts of it; and FilesystemType, its factory.
 *
 * Linux: include/linux/fs.h (super_block, file_system_type)
 */
import type { UserNamespace } from '../auth/user_namespace.ts';
import type { Errno } from '../../platform/abi/linux/errno.ts';
import type { IoContext } from './context.ts';
import type { Dentry } from './dentry.ts';
import type { ByteString, Inode } from './inode.ts';

export interface StatFs {
  type: number;
  bsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  namelen: number;
  /** ST_* flags of the filesystem itself; the mount's are added by vfs. */
  flags: number;
}

export abstract class Filesystem {
  /** Name as in /proc/filesystems and the third field of /proc/mounts. */
  abstract readonly typeName: string;
  abstract readonly root: Inode;
  /** Device number st_dev (makedev(0, minor)); assigned by VirtualFilesystem. */
  dev = 0;
  /** Source as in the first field of /proc/mounts. */
  source = 'none';
  /** Where `root` is in what it is a part of, as a bind mount of a directory of the host shows it in mountinfo; '': it is the whole. */
  rootPath = '';
  /** True: vfs may keep negative dentries. */
  readonly cacheNegative: boolean = true;
  readonly supportsXattrs: boolean = false;
  /** True: names that exist may change behind vfs (proc, shared bind mounts): revalidate() is asked at each step. */
  readonly needsRevalidate: boolean = false;
  /** Longest file name in bytes. */
  readonly nameMax: number = 255;
  /** True: a walk calls Inode.prefetchWalk() before it looks up names that are not cached. */
  readonly wantsPrefetch: boolean = false;
  /** True: a name that is not there cannot be made, and trying answers ENOENT (proc). */
  readonly refusesNewNames: boolean = false;
  /** True: the whole filesystem is read-only (writes answer EROFS), whatever the mount says. */
  isReadOnly = false;
  /** Files opened for writing, through whichever mount. */
  writers = 0;
  /** The dentry of `root`; made by vfs at the first mount, shared by all mounts. */
  rootDentry: Dentry | null = null;
  /** Mounted from inside a user namespace: that one; null: the initial one. Ids it does not map own nothing here. */
  userNs: UserNamespace | null = null;
  /** Mounts of this instance (kept by vfs). */
  mountRefs = 0;
  private lastIno = 0;

  /** A fresh inode number, for filesystems that number their inodes in order. */
  allocIno(): number {
    return ++this.lastIno;
  }

  /** Remount with new options. Returns 0 or EINVAL. */
  remount(_ctx: IoContext, _data: string): number {
    return 0;
  }

  /** Is this cached dentry (positive or negative) still true? False: vfs drops it and looks up again. */
  revalidate(_ctx: IoContext, _dentry: Dentry): boolean {
    return true;
  }
  abstract statfs(out: StatFs): number;
  /** Filesystem-specific options for /proc/mounts, without the mount's own (",size=65536k,mode=1777"). */
  showOptions(): string {
    return '';
  }
  sync(): number {
    return 0;
  }
  /** Names from the root to a file with this number; null: there is none. Only where files have handles (name_to_handle_at). */
  findByNumber?(ino: number): ByteString[] | null;
  /** The last mount is gone. */
  release(): void {}
}

/** Makes filesystem instances for mount(2) and for the configuration. */
export interface FilesystemType {
  readonly name: string;
  /** True: mount(2) with CAP_SYS_ADMIN in a user namespace may use it; false: configuration only. */
  readonly isUserMountable: boolean;
  /** Whose capabilities mounting it takes, when that is not the mounter's own user namespace; null: the initial one's. */
  readonly owner?: (ctx: IoContext) => UserNamespace | null;
  /** True: /proc/filesystems says nodev. */
  readonly isNodev: boolean;
  /** statfs f_type for files that are on no mount; optional. */
  readonly magic?: number;
  /** fsconfig(2): is this one option of its kind, with a value it can have? Absent: that is found out by mount(). */
  takesOption?(option: string): boolean;
  /** `data`: comma-separated options, already without the generic ones. Errors: EINVAL for an unknown option. */
  mount(ctx: IoContext, source: string, data: string): Filesystem | Errno;
}
