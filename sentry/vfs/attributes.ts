// SPDX-License-Identifier: Apache-2.0

/**
 * Attribute bookkeeping shared by filesystems that keep attributes in the Inode itself, and access-time policy.
 *
 * Linux: fs/attr.c (setattr_copy), fs/inode.c (touch_atime, relatime_need_update)
 */
import { MS_NOATIME, MS_NODIRATIME, MS_RELATIME } from '../../platform/abi/linux/mount.ts';
import { O_NOATIME } from '../../platform/abi/linux/fcntl.ts';
import { S_IFDIR, S_IFMT } from '../../platform/abi/linux/stat.ts';
import { readNow } from './clock.ts';
import type { FileDescription } from './file_description.ts';
import { ATTR_ATIME, ATTR_GID, ATTR_MODE, ATTR_MTIME, ATTR_UID, type Inode, type SetAttr } from './inode.ts';
import type { Mount } from './mount.ts';

/** A SetAttr with nothing in it. */
export function emptyAttr(): SetAttr {
  return { valid: 0, mode: 0, uid: 0, gid: 0, size: 0, atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 };
}

/** Copies everything but the size into the inode and sets ctime. */
export function copyAttributes(inode: Inode, attr: SetAttr): void {
  if (attr.valid & ATTR_MODE) inode.mode = (inode.mode & S_IFMT) | (attr.mode & 0o7777);
  if (attr.valid & ATTR_UID) inode.uid = attr.uid;
  if (attr.valid & ATTR_GID) inode.gid = attr.gid;
  if (attr.valid & ATTR_ATIME) {
    inode.atimeSec = attr.atimeSec;
    inode.atimeNsec = attr.atimeNsec;
  }
  if (attr.valid & ATTR_MTIME) {
    inode.mtimeSec = attr.mtimeSec;
    inode.mtimeNsec = attr.mtimeNsec;
  }
  const t = readNow();
  inode.ctimeSec = t.sec;
  inode.ctimeNsec = t.nsec;
}

/** Sets mtime and ctime to now (a write, a directory change). */
export function touchModified(inode: Inode): void {
  const t = readNow();
  inode.mtimeSec = t.sec;
  inode.mtimeNsec = t.nsec;
  inode.ctimeSec = t.sec;
  inode.ctimeNsec = t.nsec;
}

/** Sets ctime to now. */
export function touchChanged(inode: Inode): void {
  const t = readNow();
  inode.ctimeSec = t.sec;
  inode.ctimeNsec = t.nsec;
}

/** Sets all times to now (a new inode). */
export function touchBorn(inode: Inode): void {
  touchModified(inode);
  inode.atimeSec = inode.mtimeSec;
  inode.atimeNsec = inode.mtimeNsec;
  inode.btimeSec = inode.mtimeSec;
  inode.btimeNsec = inode.mtimeNsec;
}

const DAY = 24 * 60 * 60;

/** Does a read through `mount` update the access time? */
export function wantsAtime(inode: Inode, mount: Mount): boolean {
  const flags = mount.flags;
  if ((flags & MS_NOATIME) !== 0) return false;
  if ((flags & MS_NODIRATIME) !== 0 && (inode.mode & S_IFMT) === S_IFDIR) return false;
  if ((flags & MS_RELATIME) === 0) return true;
  const { atimeSec: a, atimeNsec: an } = inode;
  if (inode.mtimeSec > a || (inode.mtimeSec === a && inode.mtimeNsec >= an)) return true;
  if (inode.ctimeSec > a || (inode.ctimeSec === a && inode.ctimeNsec >= an)) return true;
  return readNow().sec - a >= DAY;
}

/** Updates atime after a read of `file`, for filesystems that keep times in the Inode. */
export function touchAccessed(file: FileDescription): void {
  if ((file.flags & O_NOATIME) !== 0) return;
  const inode = file.inode;
  if (!wantsAtime(inode, file.path.mount)) return;
  const t = readNow();
  inode.atimeSec = t.sec;
  inode.atimeNsec = t.nsec;
}
