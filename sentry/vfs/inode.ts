// SPDX-License-Identifier: Apache-2.0

/**
 * Inode: one file of one filesystem, with the operations each filesystem supplies.
 *
 * Linux:      include/linux/fs.h (struct inode, inode_operations); gVisor: kernfs.Inode
 * Invariants: vfs checks permissions, mount flags, name length and file type before it calls an operation; an Inode
 *             enforces only its own filesystem's rules. Names are byte strings (one char per byte, latin1), one component,
 *             never '', '.' or '..'. The attribute fields are always readable; refreshAttributes() makes them current.
 */
import {
  ECONNREFUSED,
  EINVAL,
  ENODATA,
  ENOTDIR,
  ENOTTY,
  EOPNOTSUPP,
  EPERM,
  type Errno,
} from '../../platform/abi/linux/errno.ts';
import type { IoContext } from './context.ts';
import type { FileDescription } from './file_description.ts';
import type { Filesystem } from './filesystem.ts';
import type { Path } from './mount.ts';

/** A string of bytes, one char (0..255) per byte. All names and paths in the kernel are byte strings. */
export type ByteString = string;

export const ATTR_MODE = 1;
export const ATTR_UID = 2;
export const ATTR_GID = 4;
export const ATTR_SIZE = 8;
export const ATTR_ATIME = 16;
export const ATTR_MTIME = 32;
export const ATTR_CTIME = 64;

/** A set of attribute changes; `valid` says which fields count (ATTR_*). Times are seconds and nanoseconds. */
export interface SetAttr {
  valid: number;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
}

export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

export abstract class Inode {
  readonly fs: Filesystem;
  /** Inode number, unique in fs. */
  ino = 0;
  /** File type and permission bits (S_IF* | 0o7777). */
  mode = 0;
  uid = 0;
  gid = 0;
  nlink = 1;
  rdev = 0;
  size = 0;
  blksize = 4096;
  /** 512-byte blocks. */
  blocks = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  /** Birth time; btimeSec -1 when the filesystem has none. */
  btimeSec = -1;
  btimeNsec = 0;
  /** POSIX, OFD and flock state, inotify marks, and pipe/socket attachments: made on demand by vfs. */
  locks: unknown = null;
  marks: unknown = null;
  attachment: unknown = null;
  /** Whose locks and attachment are this file's: its own, but for a file that another filesystem shows as well. */
  get body(): Inode {
    return this;
  }
  /** Shared mappings that may be written to, over all address spaces (F_SEAL_WRITE must find none). Kept by sentry/mm. */
  sharedWritableMappings = 0;
  /** Opens for writing by path, and processes that run this file: never both (ETXTBSY). */
  writers = 0;
  /** Opens by path for reading only, of regular files (leases). */
  readers = 0;
  executing = 0;
  /** Dentries made of it (kept by Dentry). */
  dentryCount = 0;
  /** True: open() also handles FIFOs, sockets and device nodes; false: vfs asks its registries (fifo opener, character devices). */
  readonly opensSpecial: boolean = false;
  /** chmod and chown are refused (the inode that anonymous files share). */
  readonly hasFixedAttributes: boolean = false;
  /** FS_IMMUTABLE_FL, FS_APPEND_FL (FS_IOC_GETFLAGS) of filesystems that have them. */
  fsFlags = 0;

  constructor(fs: Filesystem) {
    this.fs = fs;
  }

  /** Makes the attribute fields current. Returns 0 or errno. Exclusive and in-memory filesystems: nothing to do. */
  refreshAttributes(): number {
    return 0;
  }

  /** The first inotify watch came, or the last one went. */
  watchedChanged(_isWatched: boolean): void {}
  /** The sandbox itself did what makes this inotify event (only while watched). */
  notified(_mask: number, _name: ByteString): void {}

  /** Changes attributes (already permitted). Updates ctime. Returns 0 or errno. Size changes on regular files only. */
  abstract setAttributes(ctx: IoContext, attr: SetAttr): number;

  /** chattr(1)'s flags (FS_*_FL). Errors: ENOTTY: the filesystem has none. */
  fileFlags(): number {
    return ENOTTY;
  }
  /** Replaces the flags (already permitted). */
  setFileFlags(_ctx: IoContext, _flags: number): number {
    return ENOTTY;
  }

  /** Overrides the standard owner/group/other check; null: use it. mask: MAY_READ 4 | MAY_WRITE 2 | MAY_EXEC 1. Returns 0 or errno. */
  checkPermission(_ctx: IoContext, _mask: number): number | null {
    return null;
  }

  /** In a directory: makes a socket of the host's and gives its bound descriptor to `take`. null: sockets here are the sandbox's own. */
  bindHost(
    _name: ByteString,
    _type: number,
    _mode: number,
    _uid: number,
    _gid: number,
    _take: (fd: number) => void,
  ): Inode | Errno | null {
    return null;
  }
  /** Connects to the host's socket this file is. Returns the host descriptor. Errors: ECONNREFUSED (it is none, or not allowed). */
  connectHost(_type: number): number {
    return ECONNREFUSED;
  }

  // Directories. Each returns the new or found inode (or 0), or errno. vfs updates its dentries itself.

  /** Finds a child. Errors: ENOENT (vfs caches it as negative when fs.cacheNegative), EIO. */
  lookup(_ctx: IoContext, _name: ByteString): Inode | Errno {
    return ENOTDIR;
  }
  /**
   * A walk is about to look `names` up one below the other, starting here: a filesystem with a costly lookup may fetch them
   * together. Only a hint; no result, no errors.
   */
  prefetchWalk(_names: readonly ByteString[]): void {}
  /** Creates a regular file (mode already has umask applied; owner is ctx.creds.fsuid/fsgid or the set-gid directory's group, given). */
  create(_ctx: IoContext, _name: ByteString, _mode: number, _uid: number, _gid: number): Inode | Errno {
    return EPERM;
  }
  mkdir(_ctx: IoContext, _name: ByteString, _mode: number, _uid: number, _gid: number): Inode | Errno {
    return EPERM;
  }
  /** Creates a FIFO, socket or device node; `mode` has the type. */
  mknod(_ctx: IoContext, _name: ByteString, _mode: number, _rdev: number, _uid: number, _gid: number): Inode | Errno {
    return EPERM;
  }
  symlink(_ctx: IoContext, _name: ByteString, _target: ByteString, _uid: number, _gid: number): Inode | Errno {
    return EPERM;
  }
  /** Hard link to `target` (same fs, not a directory). Returns 0 or errno. */
  link(_ctx: IoContext, _name: ByteString, _target: Inode): number {
    return EPERM;
  }
  /** An unnamed file for O_TMPFILE. */
  tmpfile(_ctx: IoContext, _mode: number, _uid: number, _gid: number): Inode | Errno {
    return EOPNOTSUPP;
  }
  unlink(_ctx: IoContext, _name: ByteString, _child: Inode): number {
    return EPERM;
  }
  /** Errors: ENOTEMPTY. */
  rmdir(_ctx: IoContext, _name: ByteString, _child: Inode): number {
    return EPERM;
  }
  /** Moves `child` to newDir/newName, replacing `target` when not null. flags: RENAME_NOREPLACE (checked by vfs), RENAME_EXCHANGE, RENAME_WHITEOUT. */
  rename(
    _ctx: IoContext,
    _name: ByteString,
    _child: Inode,
    _newDir: Inode,
    _newName: ByteString,
    _target: Inode | null,
    _flags: number,
  ): number {
    return EPERM;
  }

  // Symbolic links.

  /** The link's text, for readlink(2). */
  readlink(_ctx: IoContext): ByteString | Errno {
    return EINVAL;
  }
  /** Where a walk goes on: text to walk, or (magic links of /proc) a place. Default: the text. */
  followLink(ctx: IoContext): ByteString | Path | Errno {
    return this.readlink(ctx);
  }

  // Open files.

  /** Opens (permissions, O_CREAT, O_EXCL, O_TRUNC and O_DIRECTORY done by vfs). `flags`: O_ACCMODE and status flags. */
  abstract open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno;

  // Extended attributes. Names are byte strings with their prefix ("user.x"); namespace rules are checked by vfs.

  getxattr(_ctx: IoContext, _name: ByteString): Uint8Array | Errno {
    return this.fs.supportsXattrs ? ENODATA : EOPNOTSUPP;
  }
  setxattr(_ctx: IoContext, _name: ByteString, _value: Uint8Array, _flags: number): number {
    return EOPNOTSUPP;
  }
  removexattr(_ctx: IoContext, _name: ByteString): number {
    return EOPNOTSUPP;
  }
  listxattr(_ctx: IoContext): ByteString[] | Errno {
    return [];
  }

  /** The last dentry and the last open file are gone (nlink may be 0): let go of resources. */
  evict(): void {}
}
