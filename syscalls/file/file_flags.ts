// SPDX-License-Identifier: Apache-2.0

/**
 * chattr(1)'s flags: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR.
 *
 * Linux: fs/ioctl.c (ioctl_getflags, vfs_fileattr_set), mm/shmem.c (shmem_fileattr_set)
 */
import { CAP_LINUX_IMMUTABLE } from '../../platform/abi/linux/capability.ts';
import { EFAULT, EINVAL, EOPNOTSUPP, EPERM } from '../../platform/abi/linux/errno.ts';
import { S_IFDIR, S_IFMT, S_IFREG } from '../../platform/abi/linux/stat.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import { FS_APPEND_FL, FS_IMMUTABLE_FL, ownerOrCapable, wantWrite } from '../../sentry/vfs/permission.ts';

const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const FS_NODUMP_FL = 0x40;
const FS_NOATIME_FL = 0x80;
const MODIFIABLE = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL;
/** [FS_*_FL, FS_XFLAG_*] */
const XFLAGS: readonly (readonly [number, number])[] = [
  [FS_IMMUTABLE_FL, 0x8],
  [FS_APPEND_FL, 0x10],
  [FS_NOATIME_FL, 0x40],
  [FS_NODUMP_FL, 0x80],
];
const FSXATTR_SIZE = 28;

/** Of FS_XFLAG_*: what Linux has names for, and those that only mean something for a kind of file. */
const FS_XFLAG_EXTSIZE = 0x800;
const FS_XFLAG_EXTSZINHERIT = 0x1000;
const FS_XFLAG_COWEXTSIZE = 0x10000;

/** Changes the flags of an inode. Returns 0, EPERM, EOPNOTSUPP or ENOTTY. */
function setFlags(t: Task, inode: Inode, flags: number): number {
  const old = inode.fileFlags();
  if (old < 0) return old;
  if (!ownerOrCapable(t.creds, inode)) return EPERM;
  const changed = old ^ flags;
  if ((changed & (FS_IMMUTABLE_FL | FS_APPEND_FL)) !== 0 && !t.creds.hasCap(CAP_LINUX_IMMUTABLE)) return EPERM;
  if ((flags & ~MODIFIABLE) !== 0) return EOPNOTSUPP;
  return inode.setFileFlags(t, flags);
}

/** What FS_IOC_FSSETXATTR and file_setattr(2) give. */
export interface ExtendedFlags {
  xflags: number;
  extentSize: number;
  projectId: number;
  copyExtentSize: number;
}

/** The FS_XFLAG_* of an inode, or ENOTTY. */
export function extendedFlagsOf(inode: Inode): number {
  const flags = inode.fileFlags();
  return flags < 0 ? flags : XFLAGS.reduce((sum, [fl, x]) => ((flags & fl) !== 0 ? sum | x : sum), 0);
}

/** Sets the flags an inode can have; projects and hints about extents it cannot. Returns 0, EPERM, EINVAL, EOPNOTSUPP or ENOTTY. */
export function setExtendedFlags(t: Task, inode: Inode, wanted: ExtendedFlags): number {
  if (inode.fileFlags() < 0) return inode.fileFlags();
  if (!ownerOrCapable(t.creds, inode)) return EPERM;
  let { xflags } = wanted;
  const type = inode.mode & S_IFMT;
  if ((xflags & FS_XFLAG_EXTSIZE) !== 0 && type !== S_IFREG) return EINVAL;
  if ((xflags & FS_XFLAG_EXTSZINHERIT) !== 0 && type !== S_IFDIR) return EINVAL;
  if ((xflags & FS_XFLAG_COWEXTSIZE) !== 0 && type !== S_IFREG && type !== S_IFDIR) return EINVAL;
  if (wanted.extentSize === 0) xflags &= ~(FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT);
  if (wanted.copyExtentSize === 0) xflags &= ~FS_XFLAG_COWEXTSIZE;
  const hasMore = wanted.extentSize !== 0 || wanted.projectId !== 0 || wanted.copyExtentSize !== 0;
  if (hasMore || XFLAGS.reduce((rest, [, x]) => rest & ~x, xflags) !== 0) return EOPNOTSUPP;
  return setFlags(t, inode, XFLAGS.reduce((sum, [fl, x]) => ((xflags & x) !== 0 ? sum | fl : sum), 0));
}

/** The command's result, or null when it is another command. */
export function fileFlagsIoctl(t: Task, file: FileDescription, cmd: number, arg: number): number | null {
  const { inode } = file;
  const type = inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFDIR) return null;
  if (cmd === FS_IOC_GETFLAGS) {
    const flags = inode.fileFlags();
    return flags < 0 ? flags : t.memory.writeU32(arg, flags);
  }
  if (cmd !== FS_IOC_SETFLAGS && cmd !== FS_IOC_FSGETXATTR && cmd !== FS_IOC_FSSETXATTR) return null;
  const readOnly = cmd === FS_IOC_FSGETXATTR ? 0 : wantWrite(file.path.mount);
  if (readOnly !== 0) return readOnly;
  if (cmd === FS_IOC_SETFLAGS) {
    const flags = t.memory.readU32(arg);
    return flags < 0 ? EFAULT : setFlags(t, inode, flags);
  }
  const bytes = new Uint8Array(FSXATTR_SIZE);
  const view = new DataView(bytes.buffer);
  if (cmd === FS_IOC_FSGETXATTR) {
    const flags = extendedFlagsOf(inode);
    if (flags < 0) return flags;
    view.setUint32(0, flags, true);
    return t.memory.copyOut(arg, bytes, 0, FSXATTR_SIZE) === FSXATTR_SIZE ? 0 : EFAULT;
  }
  if (t.memory.copyIn(arg, bytes, 0, FSXATTR_SIZE) !== FSXATTR_SIZE) return EFAULT;
  return setExtendedFlags(t, inode, {
    xflags: view.getUint32(0, true),
    extentSize: view.getUint32(4, true),
    projectId: view.getUint32(12, true),
    copyExtentSize: view.getUint32(16, true),
  });
}
